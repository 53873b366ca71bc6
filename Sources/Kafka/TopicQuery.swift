import CRdKafka

/// Asks which topics there are; whichever broker answers first knows.
///
/// Of all, or of one by its name, and never of those the client knows already: with that question librdkafka allows the
/// brokers to create a topic again that was deleted.
struct TopicQuery {
    let client: KafkaClient
    /// What is being done, for errors.
    let operation: String
    let timeout: Duration

    struct Topic {
        var name: String
        var partitionCount: Int
        /// What the brokers have against it, e.g. that it is not there; `none` where all is well.
        var code: KafkaErrorCode
    }

    /// All topics that this client may see.
    ///
    /// - Throws: why no broker answered.
    func all() throws(KafkaError) -> [Topic] { try ask(nil) }

    /// One topic.
    ///
    /// - Throws: why no broker answered.
    func topic(_ name: String) throws(KafkaError) -> Topic? {
        guard let topic = rd_kafka_topic_new(client.handle, name, nil) else {
            throw KafkaError(code: .invalidArgument, operation: operation, topic: name)
        }
        defer { rd_kafka_topic_destroy(topic) }
        return try ask(topic).first
    }

    private func ask(_ topic: OpaquePointer?) throws(KafkaError) -> [Topic] {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(client.handle, topic == nil ? 1 : 0, topic, &metadata, timeout.milliseconds)
        if let error = KafkaError(code, operation: operation) { throw error }
        guard let metadata else { return [] }
        defer { rd_kafka_metadata_destroy(metadata) }
        return UnsafeBufferPointer(start: metadata.pointee.topics, count: Int(metadata.pointee.topic_cnt)).map {
            topic in
            Topic(
                name: String(cString: topic.topic), partitionCount: Int(topic.partition_cnt),
                code: KafkaErrorCode(topic.err))
        }
    }
}
