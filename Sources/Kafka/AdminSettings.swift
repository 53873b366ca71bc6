import CRdKafka

extension Admin {
    /// What topics are set to, as the brokers tell it.
    ///
    /// - Parameters:
    ///   - setting: its name, such as `cleanup.policy`.
    ///   - topics: those that are not there, or of which the user may not know it (DESCRIBE_CONFIGS), are left out of the answer.
    public func setting(
        _ setting: String, of topics: Set<String>, timeout: Duration
    ) throws(KafkaError) -> [String: String] {
        guard !topics.isEmpty else { return [:] }
        var wanted = topics.map { rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, $0) }
        defer { for resource in wanted { rd_kafka_ConfigResource_destroy(resource) } }
        let answer = try client.request(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, "describe topics' settings", timeout) {
            rd_kafka_DescribeConfigs(client.handle, &wanted, wanted.count, $0, $1)
        }
        var count = 0
        let results = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(answer.event), &count)
        var found: [String: String] = [:]
        for resource in UnsafeBufferPointer(start: results, count: count)
        where rd_kafka_ConfigResource_error(resource) == RD_KAFKA_RESP_ERR_NO_ERROR {
            var entryCount = 0
            let entries = rd_kafka_ConfigResource_configs(resource, &entryCount)
            for entry in UnsafeBufferPointer(start: entries, count: entryCount)
            where String(cString: rd_kafka_ConfigEntry_name(entry)) == setting {
                guard let value = rd_kafka_ConfigEntry_value(entry) else { continue }
                found[String(cString: rd_kafka_ConfigResource_name(resource))] = String(cString: value)
            }
        }
        return found
    }
}
