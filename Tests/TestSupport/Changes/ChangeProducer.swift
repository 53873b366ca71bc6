import Kafka

/// Writes a stream's events to a replica's topic, which nobody else writes to, and knows where each of them stands.
public struct ChangeProducer {
    /// How events become messages, and where these go.
    public enum Way: Sendable {
        /// As a connector does: all of a key in one partition, in order.
        case inOrder
        /// To any partition, and in any order within some hundred.
        case scattered(SeededGenerator)
        /// Only what has changed, in plain JSON.
        case patches
    }

    private let replica: Replica
    private let producer: Producer
    private let patches: PatchWriter?
    private var scattering: SeededGenerator?
    private var waiting: [ChangeEvent] = []
    private var ends: [Int64]
    /// Messages that may be dead letters: they lack a value, and by then the row that has it.
    public private(set) var excused: Set<TopicPartition.Offset> = []
    public private(set) var count = 0
    /// How many of the messages are changes of rows, tombstones not among them.
    public private(set) var changeCount = 0
    public private(set) var stream: ChangeStream

    public init(_ replica: Replica, _ stream: ChangeStream, _ way: Way = .inOrder) throws {
        self.replica = replica
        self.stream = stream
        let partitions = replica.writer.partitions
        producer = try Producer(
            properties: replica.landing.broker.properties([("compression.type", "lz4"), ("linger.ms", "5")]))
        ends = Array(repeating: 0, count: partitions)
        if case .patches = way { patches = PatchWriter(replica.table, partitions: partitions) } else { patches = nil }
        if case .scattered(let generator) = way { scattering = generator }
    }

    /// Writes what comes next, until the table has changed so often in all.
    public mutating func write(changes: Int) throws {
        let delivery = Delivery()
        while stream.changes < changes {
            let events = stream.next()
            guard var generator = scattering else {
                for event in events { try write(event, in: delivery) }
                continue
            }
            waiting += events
            while waiting.count > 300 {
                let place = Int.random(in: 0..<waiting.count, using: &generator)
                try write(waiting.remove(at: place), in: delivery, using: &generator)
            }
            scattering = generator
        }
        if var generator = scattering {
            for event in waiting.shuffled(using: &generator) { try write(event, in: delivery, using: &generator) }
            waiting.removeAll()
            scattering = generator
        }
        try producer.confirm(delivery, within: .seconds(60))
    }

    private mutating func write(
        _ event: ChangeEvent, in delivery: Delivery, using generator: inout SeededGenerator
    ) throws {
        try write(event, to: Int32.random(in: 0..<Int32(ends.count), using: &generator), in: delivery)
    }

    private mutating func write(_ event: ChangeEvent, to chosen: Int32? = nil, in delivery: Delivery) throws {
        guard let message = patches?.message(event) ?? (patches == nil ? replica.writer.message(event) : nil),
            let partition = chosen ?? message.partition
        else { return }
        if event.mayLackItsRow { excused.insert(.init(partition, ends[Int(partition)])) }
        ends[Int(partition)] += 1
        count += 1
        if event.kind.isOfRow, message.value != nil { changeCount += 1 }
        try producer.produce(
            topic: replica.landing.topic, partition: partition, key: message.key, value: message.value,
            headers: message.headers, timestamp: message.timestamp, in: delivery)
    }
}
