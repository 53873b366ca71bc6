import Kafka
import KafkaMock

/// A command to the mock cluster, as a line of text.
enum MockCommand {
    case topic(name: String, partitions: Int)
    case down(broker: Int32?)
    case up(broker: Int32?)
    case roundTripTime(broker: Int32?, milliseconds: Int)
    case error(request: KafkaRequest, codes: [KafkaErrorCode])
    case clear(request: KafkaRequest)
    case topicError(topic: String, code: KafkaErrorCode)
    case leader(place: TopicPartition, broker: Int32?)
    case coordinator(group: String, broker: Int32)
    case watermarks(place: TopicPartition, broker: Int32, range: Watermarks)

    static let allForms = [
        "topic NAME PARTITIONS", "down BROKER|all", "up BROKER|all", "rtt BROKER|all MILLISECONDS",
        "error REQUEST CODE[,CODE…]   (of the next requests, e.g. error OffsetCommit NOT_COORDINATOR,_TRANSPORT)",
        "clear REQUEST                (the errors still to come)", "topic-error TOPIC CODE       (until NO_ERROR)",
        "leader TOPIC PARTITION BROKER|none", "coordinator group GROUP BROKER",
        "watermarks TOPIC PARTITION BROKER LOW HIGH   (of a follower; -1: the leader's)",
    ]

    /// What is wrong with a line.
    enum Mistake: Error, CustomStringConvertible {
        case unknown(String)
        case form(of: String)
        case broker(String)
        case number(String)
        case request(String)
        case code(String)

        var description: String {
            switch self {
            case .unknown(let word): "no command \(word)"
            case .form(let word):
                "usage: " + MockCommand.allForms.filter { $0.hasPrefix(word + " ") }.joined(separator: ", ")
            case .broker(let word): "no broker \(word): a number from 1"
            case .number(let word): "not a number: \(word)"
            case .request(let word):
                "no request \(word): one of \(KafkaRequest.allCases.map(\.name).joined(separator: ", "))"
            case .code(let word): "no error code \(word): a number, or a name such as NOT_COORDINATOR"
            }
        }
    }

    /// - Returns: nil for an empty line.
    init?(_ line: String) throws(Mistake) {
        let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
        guard let command = words.first else { return nil }
        let arguments = Array(words.dropFirst())
        switch (command, arguments.count) {
        case ("topic", 2):
            self = .topic(name: arguments[0], partitions: Int(try Self.number(arguments[1])))
        case ("down", 1):
            self = .down(broker: try Self.broker(arguments[0], none: "all"))
        case ("up", 1):
            self = .up(broker: try Self.broker(arguments[0], none: "all"))
        case ("rtt", 2):
            self = .roundTripTime(
                broker: try Self.broker(arguments[0], none: "all"), milliseconds: Int(try Self.number(arguments[1])))
        case ("error", 2):
            var codes: [KafkaErrorCode] = []
            for word in arguments[1].split(separator: ",") { codes.append(try Self.code(String(word))) }
            self = .error(request: try Self.request(arguments[0]), codes: codes)
        case ("clear", 1):
            self = .clear(request: try Self.request(arguments[0]))
        case ("topic-error", 2):
            self = .topicError(topic: arguments[0], code: try Self.code(arguments[1]))
        case ("leader", 3):
            self = .leader(
                place: try Self.place(arguments), broker: try Self.broker(arguments[2], none: "none"))
        case ("coordinator", 3) where arguments[0] == "group":
            guard let broker = try Self.broker(arguments[2], none: nil) else { throw .broker(arguments[2]) }
            self = .coordinator(group: arguments[1], broker: broker)
        case ("watermarks", 5):
            guard let broker = try Self.broker(arguments[2], none: nil) else { throw .broker(arguments[2]) }
            self = .watermarks(
                place: try Self.place(arguments), broker: broker,
                range: Watermarks(low: try Self.number(arguments[3]), high: try Self.number(arguments[4])))
        default:
            throw Self.allForms.contains { $0.hasPrefix(command + " ") } ? .form(of: command) : .unknown(command)
        }
    }

    func apply(to cluster: MockCluster) throws(KafkaError) {
        switch self {
        case .topic(let name, let partitions): try cluster.createTopic(name, partitions: partitions)
        case .down(let broker): try cluster.setDown(broker)
        case .up(let broker): try cluster.setUp(broker)
        case .roundTripTime(let broker, let time): try cluster.setRoundTripTime(.milliseconds(time), of: broker)
        case .error(let request, let codes): cluster.fail(request, with: codes)
        case .clear(let request): cluster.stopFailing(request)
        case .topicError(let topic, let code): cluster.setError(code, of: topic)
        case .leader(let place, let broker): try cluster.setLeader(broker, of: place)
        case .coordinator(let group, let broker): try cluster.setCoordinator(broker, ofGroup: group)
        case .watermarks(let place, let broker, let range):
            try cluster.setFollower(broker, of: place, watermarks: range)
        }
    }

    private static func number(_ word: String) throws(Mistake) -> Int64 {
        guard let number = Int64(word) else { throw .number(word) }
        return number
    }

    private static func broker(_ word: String, none: String?) throws(Mistake) -> Int32? {
        if word == none { return nil }
        guard let broker = Int32(word), broker > 0 else { throw .broker(word) }
        return broker
    }

    private static func place(_ words: [String]) throws(Mistake) -> TopicPartition {
        guard let partition = Int32(words[1]), partition >= 0 else { throw .number(words[1]) }
        return TopicPartition(topic: words[0], partition: partition)
    }

    private static func request(_ word: String) throws(Mistake) -> KafkaRequest {
        guard let request = KafkaRequest(word) else { throw .request(word) }
        return request
    }

    private static func code(_ word: String) throws(Mistake) -> KafkaErrorCode {
        if let number = Int32(word) { return KafkaErrorCode(rawValue: number) }
        // librdkafka's own codes lie between -200 and -100, the protocol's from -1 up.
        let all = (-200...200).lazy.map { KafkaErrorCode(rawValue: $0) }
        guard let code = all.first(where: { $0.name == word.uppercased() }) else { throw .code(word) }
        return code
    }
}
