import Kafka
import Synchronization

/// The producer that the dead letters of all writers go through. One that has met a fatal error, or been refused, is replaced.
final class LetterProducer: Sendable {
    private let options: LoadingOptions
    private let current: Mutex<Producer>

    /// - Throws: for properties that librdkafka refuses.
    init(_ options: LoadingOptions) throws(KafkaError) {
        self.options = options
        current = Mutex(try Producer(properties: options.letterProperties))
    }

    var producer: Producer { current.withLock { $0 } }

    /// One that nobody else uses.
    func another() throws(KafkaError) -> Producer { try Producer(properties: options.letterProperties) }

    /// Makes a new one, unless somebody else has.
    func replace(_ broken: Producer) throws(KafkaError) {
        let new = try another()
        // The old one ends here, outside of the lock: its last reports go to those who wait for them.
        let old = current.withLock { current in
            guard current === broken else { return new }
            defer { current = new }
            return current
        }
        withExtendedLifetime(old) {}
    }
}

extension LetterProducer {
    /// Has the next letters go through one that is made of what the secrets are now.
    func renew() throws(KafkaError) { try replace(producer) }
}

/// What of a letter is left out because its topic does not take it as it is.
struct LetterOmissions: OptionSet, Hashable {
    let rawValue: Int
    static let timestamp = LetterOmissions(rawValue: 1)
    static let value = LetterOmissions(rawValue: 2)
    /// The key and the message's own headers.
    static let keyAndHeaders = LetterOmissions(rawValue: 4)

    /// What to leave out next, after a refusal of the content; nil if nothing is left.
    func next(after code: KafkaErrorCode) -> LetterOmissions? {
        if code == .invalidTimestamp, !contains(.timestamp) { return union(.timestamp) }
        if !contains(.value) { return union(.value) }
        if !contains(.keyAndHeaders) { return union([.keyAndHeaders, .timestamp]) }
        return nil
    }
}

/// A letter as a message of its topic.
struct LetterMessage {
    var key: [UInt8]?
    var value: [UInt8]?
    var headers: [Header]
    var timestamp: Int64?

    var byteCount: Int {
        (key?.count ?? 0) + (value?.count ?? 0) + headers.reduce(0) { $0 + $1.name.utf8.count + ($1.value?.count ?? 0) }
    }
}

/// One batch's dead letters on their way to their topic, kept from try to try of the batch: what is acknowledged is not sent
/// again, and what is under way is waited for.
///
/// Belongs to a writer's thread. A letter is judged by its own report, and one that the topic does not take as it is goes
/// without its timestamp, its value, or all but its headers: no content of a message stops the others.
final class TopicLetters {
    /// What makes a letter the same at the next try.
    private struct Identity: Hashable {
        var message: Int
        var target: Int
        var text: String

        init(_ letter: DeadLetter) {
            (message, target) = (letter.message, letter.target)
            text =
                "\(letter.reason.rawValue) \(letter.sqlState?.rawValue ?? "") \(letter.column ?? "") \(letter.explanation)"
        }
    }

    private enum Progress {
        case underWay(Delivery, number: Int)
        case acknowledged
        /// Not even bare. It stands in the table.
        case refused
    }

    let topic: String
    private let producer: LetterProducer
    private var lone: Producer?
    /// How long one try of the batch waits; its transaction is open meanwhile.
    private let patience: Duration
    private let isGivenUp: () -> Bool
    private var progress: [Identity: Progress] = [:]
    private var omissions: [Identity: LetterOmissions] = [:]
    /// Letters of the batch that went without something.
    var shortened: Int { omissions.count }

    /// So much of copies is with librdkafka at once.
    private static let lotBytes = 4 << 20
    private static let lotLength = 10_000

    init(topic: String, _ producer: LetterProducer, patience: Duration, isGivenUp: @escaping () -> Bool) {
        self.topic = topic
        self.producer = producer
        self.patience = patience
        self.isGivenUp = isGivenUp
    }

    /// Sends what is not acknowledged yet, and waits until all of it is.
    ///
    /// - Parameters:
    ///   - mayMiss: whether a letter that the topic refuses in every form may be left to the table.
    ///   - message: makes a letter's message.
    /// - Throws: a retriable error if some are not acknowledged in time or failed for now: try the batch again.
    func write(
        _ letters: [DeadLetter], mayMiss: Bool, _ message: (DeadLetter, LetterOmissions) -> LetterMessage
    ) throws(KafkaError) {
        let deadline = ContinuousClock.now + patience
        var lot: [DeadLetter] = []
        var bytes = 0
        for letter in letters {
            if case .acknowledged = progress[Identity(letter)] { continue }
            let size = message(letter, omissions[Identity(letter)] ?? []).byteCount
            if !lot.isEmpty, bytes + size > Self.lotBytes || lot.count == Self.lotLength {
                try send(lot, mayMiss, deadline, message)
                (lot, bytes) = ([], 0)
            }
            lot.append(letter)
            bytes += size
        }
        try send(lot, mayMiss, deadline, message)
    }

    /// - Parameter isSearching: a broker has refused some of these, or what came with them.
    private func send(
        _ lot: [DeadLetter], _ mayMiss: Bool, _ deadline: ContinuousClock.Instant, isSearching: Bool = false,
        _ message: (DeadLetter, LetterOmissions) -> LetterMessage
    ) throws(KafkaError) {
        guard !lot.isEmpty else { return }
        let isAlone = isSearching && lot.count == 1
        let producer = isAlone ? try loneProducer() : producer.producer
        do throws(KafkaError) {
            let delivery = Delivery()
            for letter in lot where progress[Identity(letter)] == nil {
                try begin(letter, producer, delivery, mayMiss, message)
            }
            try Failpoint.deadLetter.passToBrokers()
            let refused = try settle(lot, producer, deadline)
            guard let (_, error) = refused.first else { return }
            if isAlone {
                try shorten(lot[0], error, mayMiss)
                try send(lot, mayMiss, deadline, isSearching: true, message)
            } else if lot.count == 1 {
                try send(lot, mayMiss, deadline, isSearching: true, message)
            } else {
                // A broker refuses what came together; whose fault it was shows by itself.
                let letters = refused.map(\.letter)
                let half = (letters.count + 1) / 2
                try send(Array(letters[..<half]), mayMiss, deadline, isSearching: true, message)
                try send(Array(letters[half...]), mayMiss, deadline, isSearching: true, message)
            }
        } catch {
            // One that was refused goes by that for minutes, whatever it might do by then.
            guard error.isFatal || error.refusal != nil else { throw error }
            lone = nil
            // What went through it may or may not have arrived; it is sent again through another.
            try self.producer.replace(producer)
            throw KafkaError(
                code: error.code, operation: error.operation, reason: error.reason,
                isRetriable: error.refusal == nil, topic: error.topic, partition: error.partition)
        }
    }

    /// For a letter that is tried by itself: the others' producer would put it together with those of other writers.
    private func loneProducer() throws(KafkaError) -> Producer {
        if let lone { return lone }
        let new = try producer.another()
        lone = new
        return new
    }

    /// Gives a letter to librdkafka, which refuses at once what is larger than it may be.
    private func begin(
        _ letter: DeadLetter, _ producer: Producer, _ delivery: Delivery, _ mayMiss: Bool,
        _ message: (DeadLetter, LetterOmissions) -> LetterMessage
    ) throws(KafkaError) {
        let identity = Identity(letter)
        while progress[identity] == nil {
            let form = message(letter, omissions[identity] ?? [])
            do throws(KafkaError) {
                let number = try producer.produce(
                    topic: topic, key: form.key, value: form.value, headers: form.headers, timestamp: form.timestamp,
                    in: delivery, isGivenUp: isGivenUp)
                progress[identity] = .underWay(delivery, number: number)
            } catch {
                guard Self.isOfContent(error.code) else { throw error }
                try shorten(letter, error, mayMiss)
            }
        }
    }

    private func shorten(_ letter: DeadLetter, _ error: KafkaError, _ mayMiss: Bool) throws(KafkaError) {
        let identity = Identity(letter)
        if let next = (omissions[identity] ?? []).next(after: error.code) {
            omissions[identity] = next
        } else if mayMiss {
            progress[identity] = .refused
        } else {
            throw error
        }
    }

    /// Waits for the reports of these letters.
    ///
    /// - Returns: those whose content the topic did not take.
    /// - Throws: what failed for another reason, after all that is known is noted.
    private func settle(
        _ lot: [DeadLetter], _ producer: Producer, _ deadline: ContinuousClock.Instant
    ) throws(KafkaError) -> [(letter: DeadLetter, error: KafkaError)] {
        var refused: [(letter: DeadLetter, error: KafkaError)] = []
        var failure: KafkaError?
        var missing = 0
        for letter in lot {
            let identity = Identity(letter)
            guard case .underWay(let delivery, let number) = progress[identity] else { continue }
            _ = producer.wait(for: delivery, until: deadline, isGivenUp: isGivenUp)
            switch delivery.fate(of: number) {
            case .acknowledged: progress[identity] = .acknowledged
            case .underWay: missing += 1
            case .failed(let error):
                progress[identity] = nil
                if Self.isOfContent(error.code) {
                    refused.append((letter, error))
                } else if failure == nil || !error.isRetriable {
                    failure = error
                }
            }
        }
        if missing > 0, failure == nil {
            failure = KafkaError(
                code: .timedOut, operation: "produce",
                reason: "\(missing) dead letters are not acknowledged yet", isRetriable: true, topic: topic)
        }
        // The reports say no more than that they were given up.
        if let failure { throw producer.fatalError ?? failure }
        return refused
    }

    /// Whether a refusal is of what is in the message, or in one that came with it.
    private static func isOfContent(_ code: KafkaErrorCode) -> Bool {
        [.messageTooLarge, .invalidTimestamp, .invalidRecord, .recordListTooLarge].contains(code)
    }
}
