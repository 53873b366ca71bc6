/// Asks brokers, on connections of its own, for what their words have left in doubt: one that is not spoken to in its own way closes
/// a connection without a word, and so does one that goes away, and a load balancer that has none behind it.
public struct RefusalProof: Sendable {
    private let properties: ClientProperties
    private let isGivenUp: @Sendable () -> Bool

    /// - Parameters:
    ///   - properties: of the client that was refused.
    ///   - isGivenUp: asked meanwhile; once true, nobody needs the answer any more.
    public init(_ properties: ClientProperties, _ isGivenUp: @escaping @Sendable () -> Bool = { false }) {
        self.properties = properties
        self.isGivenUp = isGivenUp
    }

    /// Blocks, for the timeout at most, and for as long as the name server takes.
    ///
    /// - Returns: whether a broker has answered as one that refuses so. Where none answers, nothing is proven.
    public func holds(_ refusal: BrokerRefusal, timeout: Duration) -> Bool {
        switch refusal {
        case .wantsTLS: speak(.tls, timeout)
        case .speaksNoTLS: speak(.plain, timeout)
        case .wantsSASL: wantSASL(timeout)
        default: !refusal.isInDoubt
        }
    }

    private func speak(_ speech: ListenerProbe.Speech, _ timeout: Duration) -> Bool {
        let deadline = ContinuousClock.now + timeout
        return BrokerAddress.all(in: properties["bootstrap.servers"] ?? "").contains { address in
            let left = max(.zero, min(Self.patience, deadline - .now))
            return ListenerProbe.speech(of: address.host, port: address.port, timeout: left) == speech
        }
    }

    /// Says that it is nobody. Brokers that want SASL refuse that by the mechanism or the user, and the others by saying that they want
    /// none, all of which is said before a connection is closed. Some that want none do not mind, and answer a client that says
    /// nothing as well.
    private func wantSASL(_ timeout: Duration) -> Bool {
        let isSecure = properties["security.protocol"]?.uppercased() == "SSL"
        let nobody = [
            ("security.protocol", isSecure ? "SASL_SSL" : "SASL_PLAINTEXT"), ("sasl.mechanisms", "PLAIN"),
            ("sasl.username", "nobody"), ("sasl.password", "none"),
        ]
        let beginning = ContinuousClock.now
        let answer = trouble(
            of: ClientProperties(properties.list + nobody), until: beginning + timeout / 2,
            [.credentials, .mechanism, .speaksNoSASL])
        guard let answer, answer != .speaksNoSASL else { return false }
        return trouble(of: properties, until: beginning + timeout, [.wantsSASL]) != nil
    }

    /// - Returns: the first of some answers that a new client gets; nil: it is let in, or gets none in time.
    private func trouble(
        of client: ClientProperties, until deadline: ContinuousClock.Instant, _ answers: Set<BrokerRefusal>
    ) -> BrokerRefusal? {
        guard let admin = try? Admin(properties: client) else { return nil }
        repeat {
            let left = max(.zero, min(Self.slice, deadline - .now))
            if (try? admin.partitionCounts(timeout: left)) != nil { return nil }
            if let answer = admin.connectionTrouble?.suspicion, answers.contains(answer) { return answer }
        } while .now < deadline && !isGivenUp()
        return nil
    }

    /// With one listener, which others may stand beside.
    private static let patience = Duration.seconds(2)
    /// After which it is seen whether the answer has come.
    private static let slice = Duration.milliseconds(250)
}
