import Kafka
import Loading

/// A sample of a topic that nobody loads yet: half of it the oldest messages, half the newest.
package enum TopicSample {
    private static let timeout: Duration = .seconds(10)

    /// - Parameter count: messages of each partition.
    package static func read(_ topic: String, count: Int, _ options: LoadingOptions) throws(KafkaError) -> Batch {
        let admin = try Admin(properties: options.clientProperties)
        let counts = try admin.partitionCounts(timeout: timeout)
        guard let partitions = counts[topic] else {
            let near = nearest(to: topic, in: counts.keys.sorted()).map { "; did you mean \($0)?" }
            throw KafkaError(
                code: .unknownTopic, operation: "sample", reason: "the brokers show no such topic\(near ?? "")",
                topic: topic)
        }
        let places = (0..<Int32(partitions)).map { TopicPartition(topic: topic, partition: $0) }
        let watermarks = try admin.watermarks(of: places, timeout: timeout)
        let plans = watermarks.sorted { $0.key < $1.key }.map { place, marks in
            SamplePlan(place, start: marks.low, watermarks: marks, count: count)
        }
        let batch = Batch()
        var ranges: [Int32: Int32] = [:]
        try Sampler(options).read(plans) { message in
            let place = TopicPartition(topic: topic, partition: message.partition)
            let range = ranges[message.partition] ?? batch.addRange(of: place, expected: message.offset)
            ranges[message.partition] = range
            batch.append(message, range: range)
        }
        return batch
    }
}
