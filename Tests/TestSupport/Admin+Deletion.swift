import CRdKafka
import Kafka

/// What tests take away from under the loader, which itself deletes nothing.
extension Admin {
    /// - Throws: for the first topic that could not be deleted; the others are.
    public func deleteTopics(_ names: [String], timeout: Duration) throws {
        var topics: [OpaquePointer?] = names.map { rd_kafka_DeleteTopic_new($0) }
        defer { for topic in topics { rd_kafka_DeleteTopic_destroy(topic) } }
        let answer = try client.request(RD_KAFKA_ADMIN_OP_DELETETOPICS, "delete topic", timeout) { options, queue in
            rd_kafka_DeleteTopics(client.handle, &topics, topics.count, options, queue)
        }
        var count = 0
        let results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(answer.event), &count)
        try AdminAnswer.checkTopics(results, count, "delete topic")
    }

    /// Deletes all messages below the offset given for each partition.
    ///
    /// - Returns: the new low watermarks.
    @discardableResult
    public func deleteRecords(
        before offsets: [TopicPartition: Int64], timeout: Duration
    ) throws -> [TopicPartition: Int64] {
        let list = PartitionList(offsets.map { ($0.key, $0.value) })
        var wanted = rd_kafka_DeleteRecords_new(list.pointer)
        defer { rd_kafka_DeleteRecords_destroy(wanted) }
        let answer = try client.request(RD_KAFKA_ADMIN_OP_DELETERECORDS, "delete records", timeout) { options, queue in
            rd_kafka_DeleteRecords(client.handle, &wanted, 1, options, queue)
        }
        let result = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(answer.event))
        guard let result else { return [:] }
        let found = try PartitionList.offsets(of: result, operation: "delete records")
        return Dictionary(found.map { ($0.partition, $0.offset) }, uniquingKeysWith: { $1 })
    }

    /// Deletes groups that have no members.
    ///
    /// - Precondition: the cluster is not the mock: librdkafka ends the process when asked for that.
    /// - Throws: for the first group that could not be deleted; the others are.
    public func deleteGroups(_ names: [String], timeout: Duration) throws {
        var groups: [OpaquePointer?] = names.map { rd_kafka_DeleteGroup_new($0) }
        defer { for group in groups { rd_kafka_DeleteGroup_destroy(group) } }
        let answer = try client.request(RD_KAFKA_ADMIN_OP_DELETEGROUPS, "delete group", timeout) { options, queue in
            rd_kafka_DeleteGroups(client.handle, &groups, groups.count, options, queue)
        }
        var count = 0
        let results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(answer.event), &count)
        _ = try AdminAnswer.offsets(ofGroups: results, count, "delete group")
    }
}
