/// What is told of brokers that are away, and when: an outage with the last that was heard before it, and what librdkafka says only later
/// of why nobody is let in, each reason once.
struct BrokerOutage {
    enum News: Equatable {
        case lost(KafkaError)
        case back
    }

    private var heard: KafkaError?
    private var isTold = false
    private var told: Set<BrokerRefusal> = []

    /// librdkafka has said something of a connection.
    mutating func hear(_ error: KafkaError) {
        // That all are down says less than why.
        if error.code != .allBrokersDown || heard == nil { heard = error }
    }

    /// Nobody has answered a question, which says less than whatever has been said of a connection.
    mutating func hear(unanswered error: KafkaError) { heard = heard ?? error }

    /// The last that was heard of a connection, if it says why; else what librdkafka has only logged of late.
    ///
    /// - Parameter proven: what was left in doubt, and is so.
    func reason(logged: @autoclosure () -> KafkaError?, proven: BrokerRefusal? = nil) -> KafkaError {
        let isSaid = heard?.suspicion != nil
        var error = isSaid ? heard : logged() ?? heard
        if let proven, error?.suspicion == proven { error?.isProven = true }
        return error ?? KafkaError(code: .allBrokersDown, operation: "connection to the brokers")
    }

    /// - Parameter isAway: whether no broker answers.
    /// - Returns: what nobody has been told yet.
    mutating func news(
        isAway: Bool, logged: @autoclosure () -> KafkaError? = nil, proven: BrokerRefusal? = nil
    ) -> News? {
        guard isAway else {
            guard isTold else { return nil }
            // What is heard next is of another outage.
            self = BrokerOutage()
            return .back
        }
        let error = reason(logged: logged(), proven: proven)
        let isNew = error.refusal.map { told.insert($0).inserted } ?? false
        guard isNew || !isTold else { return nil }
        isTold = true
        return .lost(error)
    }
}
