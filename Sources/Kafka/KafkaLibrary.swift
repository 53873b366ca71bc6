import CRdKafka

/// The librdkafka this program runs with. (Not called `Kafka`: a type with its module's name would hide the module.)
public enum KafkaLibrary {
    /// librdkafka's version as `0xMMmmrrpp`: major, minor, revision, and `ff` for a release. 2.0.2 is `0x020002ff`.
    public static let version: Int32 = rd_kafka_version()

    /// librdkafka's version for people, e.g. `2.0.2`.
    public static let versionString: String = String(cString: rd_kafka_version_str())

    /// Whether SCRAM of a librdkafka is let in by brokers that hold a client to the nonce it was given, as Apache Kafka does
    /// since 4.0: before 2.6.1 it puts its own nonce before the brokers' once more, which older brokers let pass.
    ///
    /// https://github.com/confluentinc/librdkafka/pull/4895
    public static func repeatsScramNonce(version: Int32 = version) -> Bool { version < 0x0206_01ff }

    /// Whether this librdkafka knows a configuration property: `fetch.queue.backoff.ms`, for example, exists since 2.2.
    public static func supports(property: String) -> Bool {
        let configuration = rd_kafka_conf_new()
        defer { rd_kafka_conf_destroy(configuration) }
        // Without a value: some kinds of property then go back to their default, others ask for one. Either is known.
        return rd_kafka_conf_set(configuration, property, nil, nil, 0) != RD_KAFKA_CONF_UNKNOWN
    }
}
