import CRdKafka

/// Asks the brokers whether this client may write to any topic at all, without writing: they give the number that an idempotent
/// producer begins with to those alone who may (`InitProducerId`: IDEMPOTENT_WRITE on the cluster, or since Kafka 2.8 WRITE on some
/// topic).
public enum WriteProbe {
    /// In milliseconds.
    private static let lookEvery = 50

    /// - Parameter properties: the producer's.
    /// - Returns: the brokers' refusal; nil where they give the number, or say nothing in time.
    /// - Throws: for properties that librdkafka refuses.
    public static func refusal(properties: ClientProperties, timeout: Duration) throws(KafkaError) -> KafkaError? {
        let own = [("enable.idempotence", "true"), ("acks", "all"), ("statistics.interval.ms", String(lookEvery))]
        let client = try KafkaClient(.writeProbe, properties + own)
        let end = ContinuousClock.now + timeout
        var isGiven = false
        // "eos" in librdkafka's STATISTICS.md.
        client.callbacks.counted = { if $0.contains(#""idemp_state":"Assigned""#) { isGiven = true } }
        while !isGiven, ContinuousClock.now < end {
            rd_kafka_poll(client.handle, Int32(lookEvery))
            if let error = client.fatalError(operation: "asking whether this user may write") { return error }
        }
        return nil
    }
}
