import Kafka

extension Member {
    /// What is known of one writer and of the batch that fills for it.
    struct Lane {
        /// The partitions of the filling batch.
        var ranges: [Batch.PartitionRange] = []
        /// Messages of the filling batch, and their bytes.
        private(set) var messages = 0
        var bytes = 0
        /// When the filling batch has to be handed over, set by its first message.
        private(set) var deadline: ContinuousClock.Instant?
        /// Each batch that is with the writer.
        private var loading: [Load] = []
        /// What the rows of a batch weigh for each byte of its messages: they are built later, and have to fit as well.
        private var rowBytesPerByte = 1.0
        /// How many rows of one table come of a message, at least one: more where its elements are rows.
        private var rowsPerMessage = 1.0

        /// The writer is at a batch.
        var isLoading: Bool { !loading.isEmpty }
        /// There is a batch that takes messages: not while both are with the writer.
        var hasRoom: Bool { loading.count < Handoff<Batch, Writer.Outcome>.capacity }
        var isDrained: Bool { !isLoading && messages == 0 }
        /// Messages of the batches that fill or load.
        var messageCount: Int { loading.reduce(messages) { $0 + $1.messageCount } }
        /// Bytes of the batches that fill or load.
        var byteCount: Int { loading.reduce(fillingByteCount) { $0 + $1.byteCount } }
        private var fillingByteCount: Int { Int(Double(bytes) * (1 + rowBytesPerByte)) }

        /// The filling batch is as large as it may be.
        func isFull(_ policy: BatchPolicy) -> Bool {
            policy.isFull(rows: Int(Double(messages) * rowsPerMessage), bytes: fillingByteCount)
        }

        private struct Load {
            /// As it will have them with its rows.
            var byteCount: Int
            var messageCount: Int
            var partitions: [TopicPartition]
        }

        /// The writer has something of a partition.
        func loads(_ partition: TopicPartition) -> Bool { loading.contains { $0.partitions.contains(partition) } }
        /// The filling batch has something of a partition.
        func fills(_ partition: TopicPartition) -> Bool { ranges.contains { $0.partition == partition } }

        mutating func add() { messages += 1 }

        /// Starts the time that the filling batch has, with its first message.
        mutating func begin(until deadline: ContinuousClock.Instant) { self.deadline = deadline }

        /// The filling batch goes to the writer.
        mutating func handOver() -> [Batch.PartitionRange] {
            defer { clear() }
            loading.append(
                Load(byteCount: fillingByteCount, messageCount: messages, partitions: ranges.map(\.partition)))
            return ranges
        }

        /// The oldest batch has come back.
        mutating func takeBack(rowBytesPerByte: Double? = nil, rowsPerMessage: Double? = nil) {
            loading.removeFirst()
            if let rowsPerMessage { self.rowsPerMessage = max(1, rowsPerMessage) }
            if let rowBytesPerByte { self.rowBytesPerByte = rowBytesPerByte }
        }

        mutating func clear() {
            ranges.removeAll(keepingCapacity: true)
            (messages, bytes, deadline) = (0, 0, nil)
        }
    }
}
