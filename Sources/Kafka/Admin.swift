import CRdKafka
import Synchronization

/// Looks after topics and consumer groups. Each call waits for the brokers' answer, so it wants a thread that may wait.
///
/// Any thread may call any method.
public final class Admin: Sendable {
    private let owner: KafkaClient
    private var client: OpaquePointer { owner.handle }
    private let trouble: ConnectionTrouble

    /// What librdkafka says of its connections, from within `rd_kafka_poll`.
    private final class ConnectionTrouble: Sendable {
        let reason = Mutex<String?>(nil)
        let code = Mutex<KafkaErrorCode?>(nil)
    }

    /// What librdkafka last had against a connection: a name, a certificate, a password.
    public var connectionTrouble: KafkaErrorCode? { trouble.code.withLock { $0 } }

    /// - Parameter properties: librdkafka's, in order.
    /// - Throws: for a property or a combination that librdkafka refuses.
    public init(properties: [(String, String)]) throws(KafkaError) {
        let trouble = ConnectionTrouble()
        // A consumer, in no group: a producer's requests for metadata allow the brokers to create the topics that they
        // name, and a topic that was deleted would be there again because somebody has looked whether it is.
        owner = try KafkaClient(RD_KAFKA_CONSUMER, properties.withoutGroup, callbacks: trouble) { configuration in
            rd_kafka_conf_set_error_cb(configuration) { _, code, reason, opaque in
                guard let opaque, let reason, code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN.rawValue else { return }
                // Without how long that took and how often it was.
                let text = String(cString: reason).split(separator: " (after ").first.map(String.init) ?? ""
                let trouble = Unmanaged<ConnectionTrouble>.fromOpaque(opaque).takeUnretainedValue()
                trouble.reason.withLock { $0 = text }
                trouble.code.withLock { $0 = KafkaErrorCode(rd_kafka_resp_err_t(code)) }
            }
        }
        self.trouble = trouble
    }

    /// The error with what librdkafka said of its connections: a call that had to wait for one knows only that it waited.
    private func explained(_ error: KafkaError) -> KafkaError {
        guard [.transport, .timedOut, .allBrokersDown].contains(error.code) else { return error }
        rd_kafka_poll(client, 0)
        guard let reason = trouble.reason.withLock({ $0 }) else { return error }
        return KafkaError(code: error.code, operation: error.operation, reason: reason, topic: error.topic)
    }

    // MARK: Topics

    /// The number of partitions of each topic that exists.
    ///
    /// - Parameter topic: only this one, and an error if it is not there; nil for all.
    /// - Throws: `unknownTopicOrPartition`, or why no broker answered.
    public func partitionCounts(of topic: String? = nil, timeout: Duration) throws(KafkaError) -> [String: Int] {
        var handle: OpaquePointer?
        if let topic {
            handle = rd_kafka_topic_new(client, topic, nil)
            if handle == nil { throw KafkaError(code: .invalidArgument, operation: "metadata", topic: topic) }
        }
        defer { if let handle { rd_kafka_topic_destroy(handle) } }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(client, handle == nil ? 1 : 0, handle, &metadata, timeout.milliseconds)
        if let error = KafkaError(code, operation: "metadata") { throw explained(error) }
        guard let metadata else { return [:] }
        defer { rd_kafka_metadata_destroy(metadata) }
        var counts: [String: Int] = [:]
        for found in UnsafeBufferPointer(start: metadata.pointee.topics, count: Int(metadata.pointee.topic_cnt)) {
            let name = String(cString: found.topic)
            if found.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                counts[name] = Int(found.partition_cnt)
            } else if topic != nil {
                throw KafkaError(code: KafkaErrorCode(found.err), operation: "metadata", topic: name)
            }
        }
        return counts
    }

    /// The offsets between which a partition's messages lie.
    public func watermarks(of place: TopicPartition, timeout: Duration) throws(KafkaError) -> Watermarks {
        var low: Int64 = 0
        var high: Int64 = 0
        let code = rd_kafka_query_watermark_offsets(
            client, place.topic, place.partition, &low, &high, timeout.milliseconds)
        if let error = KafkaError(code, operation: "watermarks", at: place) { throw error }
        return Watermarks(low: low, high: high)
    }

    /// The same of many partitions, with two requests to each leader. Partitions whose leader does not answer are left out.
    public func watermarks(
        of places: [TopicPartition], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: Watermarks] {
        guard !places.isEmpty else { return [:] }
        // ListOffsets takes "earliest" and "latest" as times.
        func ask(_ which: Int64) throws(KafkaError) -> [TopicPartition: Int64] {
            let list = PartitionList(places.map { ($0, which) })
            let code = rd_kafka_offsets_for_times(client, list.pointer, timeout.milliseconds)
            if let error = KafkaError(code, operation: "watermarks") { throw error }
            var found: [TopicPartition: Int64] = [:]
            for element in UnsafeBufferPointer(start: list.pointer.pointee.elems, count: Int(list.pointer.pointee.cnt))
            where element.err == RD_KAFKA_RESP_ERR_NO_ERROR && element.offset >= 0 {
                found[CommittedOffset(element).partition] = element.offset
            }
            return found
        }
        let low = try ask(SpecialOffset.beginning)
        let high = try ask(SpecialOffset.end)
        return high.reduce(into: [:]) { marks, entry in
            if let low = low[entry.key] { marks[entry.key] = Watermarks(low: low, high: entry.value) }
        }
    }

    /// Of each partition the first message at or after a time, in milliseconds since 1970; partitions without one are
    /// left out.
    public func offsets(
        at times: [TopicPartition: Int64], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: Int64] {
        let operation = "reading offsets by time"
        let list = PartitionList(times.map { ($0.key, $0.value) })
        let code = rd_kafka_offsets_for_times(client, list.pointer, timeout.milliseconds)
        if let error = KafkaError(code, operation: operation) { throw error }
        let found = try list.offsets(operation: operation).filter { $0.offset >= 0 }
        return Dictionary(found.map { ($0.partition, $0.offset) }, uniquingKeysWith: { $1 })
    }

    /// - Parameters:
    ///   - replicas: -1 for the brokers' default.
    ///   - configuration: the topic's, e.g. `retention.ms`.
    public func createTopic(
        _ name: String, partitions: Int, replicas: Int = -1, configuration: [String: String] = [:], timeout: Duration
    ) throws(KafkaError) {
        var reason = ReasonBuffer()
        let wanted = reason.fill {
            rd_kafka_NewTopic_new(name, Int32(clamping: partitions), Int32(clamping: replicas), $0, $1)
        }
        guard let wanted else {
            throw KafkaError(code: .invalidArgument, operation: "create topic", reason: reason.text, topic: name)
        }
        defer { rd_kafka_NewTopic_destroy(wanted) }
        for (key, value) in configuration { rd_kafka_NewTopic_set_config(wanted, key, value) }
        let answer = try request(RD_KAFKA_ADMIN_OP_CREATETOPICS, "create topic", timeout) { options, queue in
            var topics: [OpaquePointer?] = [wanted]
            rd_kafka_CreateTopics(client, &topics, topics.count, options, queue)
        }
        var count = 0
        let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer.event), &count)
        try checkTopics(results, count, "create topic")
    }

    /// - Throws: for the first topic that could not be deleted; the others are.
    public func deleteTopics(_ names: [String], timeout: Duration) throws(KafkaError) {
        var topics: [OpaquePointer?] = names.map { rd_kafka_DeleteTopic_new($0) }
        defer { for topic in topics { rd_kafka_DeleteTopic_destroy(topic) } }
        let answer = try request(RD_KAFKA_ADMIN_OP_DELETETOPICS, "delete topic", timeout) { options, queue in
            rd_kafka_DeleteTopics(client, &topics, topics.count, options, queue)
        }
        var count = 0
        let results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(answer.event), &count)
        try checkTopics(results, count, "delete topic")
    }

    /// Deletes all messages below the offset given for each partition.
    ///
    /// - Returns: the new low watermarks.
    @discardableResult
    public func deleteRecords(
        before offsets: [TopicPartition: Int64], timeout: Duration
    ) throws(KafkaError) -> [TopicPartition: Int64] {
        let list = PartitionList(offsets.map { ($0.key, $0.value) })
        var wanted = rd_kafka_DeleteRecords_new(list.pointer)
        defer { rd_kafka_DeleteRecords_destroy(wanted) }
        let answer = try request(RD_KAFKA_ADMIN_OP_DELETERECORDS, "delete records", timeout) { options, queue in
            rd_kafka_DeleteRecords(client, &wanted, 1, options, queue)
        }
        let result = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(answer.event))
        let found = try Self.offsets(of: result, "delete records")
        return Dictionary(found.map { ($0.partition, $0.offset) }, uniquingKeysWith: { $1 })
    }

    // MARK: Consumer groups

    /// What a group has committed, its metadata included. Partitions without a committed offset are left out.
    ///
    /// - Parameter partitions: only these; nil for all that the group knows of.
    public func committedOffsets(
        ofGroup group: String, partitions: [TopicPartition]? = nil, timeout: Duration
    ) throws(KafkaError) -> [CommittedOffset] {
        let list = partitions.map { partitions in PartitionList(partitions.map { ($0, Int64(0)) }) }
        var wanted = rd_kafka_ListConsumerGroupOffsets_new(group, list?.pointer)
        guard wanted != nil else { throw KafkaError(code: .invalidArgument, operation: "committed offsets") }
        defer { rd_kafka_ListConsumerGroupOffsets_destroy(wanted) }
        let answer = try request(
            RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, "committed offsets", timeout
        ) { options, queue in
            rd_kafka_ListConsumerGroupOffsets(client, &wanted, 1, options, queue)
        }
        var count = 0
        let results = rd_kafka_ListConsumerGroupOffsets_result_groups(
            rd_kafka_event_ListConsumerGroupOffsets_result(answer.event), &count)
        return try offsets(ofGroups: results, count, "committed offsets").filter { $0.offset >= 0 }
    }

    /// Sets a group's offsets. Brokers refuse it while the group consumes these topics.
    ///
    /// Like Kafka's own tool: metadata that is not given is emptied.
    public func alterOffsets(
        ofGroup group: String, to offsets: [CommittedOffset], timeout: Duration
    ) throws(KafkaError) {
        let list = PartitionList(offsets)
        var wanted = rd_kafka_AlterConsumerGroupOffsets_new(group, list.pointer)
        guard wanted != nil else { throw KafkaError(code: .invalidArgument, operation: "alter offsets") }
        defer { rd_kafka_AlterConsumerGroupOffsets_destroy(wanted) }
        let answer = try request(
            RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, "alter offsets", timeout
        ) { options, queue in
            rd_kafka_AlterConsumerGroupOffsets(client, &wanted, 1, options, queue)
        }
        var count = 0
        let results = rd_kafka_AlterConsumerGroupOffsets_result_groups(
            rd_kafka_event_AlterConsumerGroupOffsets_result(answer.event), &count)
        _ = try self.offsets(ofGroups: results, count, "alter offsets")
    }

    /// A consumer group as its coordinator sees it.
    public struct Group: Sendable, Hashable {
        public struct Member: Sendable, Hashable {
            /// The id that the coordinator gave it.
            public var id: String
            public var clientID: String
            public var host: String
            /// `group.instance.id` of a static member.
            public var instanceID: String?
            public var assignment: [TopicPartition]
        }

        /// Kafka's name: `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Dead` (which also means
        /// "there is no such group") or `Unknown`.
        public var state: String
        /// Those that this librdkafka can ask about: of a group of KIP-848's protocol older versions show none.
        public var members: [Member]
        /// How the members share their partitions, e.g. `range`; empty without any.
        public var assignor = ""

        /// Whether members run, or may: also where none can be named.
        public var isRunning: Bool { !members.isEmpty || !["Empty", "Dead"].contains(state) }

        /// A group as it was described, by what the brokers list it as; nil where they do not list it.
        ///
        /// The older description, which librdkafka before 2.10 asks for, calls a group of KIP-848's protocol "Dead", just
        /// as one that there is not.
        func listed(as state: String?) -> Group {
            guard let state, self.state == "Dead", members.isEmpty else { return self }
            return Group(state: state, members: [])
        }
    }

    /// Who is in a group and reads what.
    ///
    /// - Throws: also where the brokers lack the call, as the mock does (`.unsupportedFeature`).
    public func group(_ name: String, timeout: Duration) throws(KafkaError) -> Group {
        // Where it is lacking, the call below deadlocks librdkafka 2.0.2; this older one only says so.
        var list: UnsafePointer<rd_kafka_group_list>?
        let code = rd_kafka_list_groups(client, name, &list, timeout.milliseconds)
        if let list { rd_kafka_group_list_destroy(list) }
        if KafkaErrorCode(code) == .unsupportedFeature {
            throw KafkaError(code: .unsupportedFeature, operation: "describe group")
        }
        let answer = try request(RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, "describe group", timeout) {
            options, queue in
            name.withCString { name in
                var names: [UnsafePointer<CChar>?] = [name]
                rd_kafka_DescribeConsumerGroups(client, &names, names.count, options, queue)
            }
        }
        var count = 0
        let results = rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(answer.event), &count)
        guard let found = UnsafeBufferPointer(start: results, count: count).first ?? nil else {
            throw KafkaError(code: .groupNotFound, operation: "describe group")
        }
        if let error = rd_kafka_ConsumerGroupDescription_error(found) {
            let code = KafkaErrorCode(rd_kafka_error_code(error))
            // As newer brokers say that the description is too old for the group's protocol.
            if code == .groupNotFound {
                return Group(state: "Dead", members: []).listed(as: try listedState(ofGroup: name, timeout: timeout))
            }
            throw KafkaError(
                code: code, operation: "describe group", reason: String(cString: rd_kafka_error_string(error)))
        }
        let state = rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(found))
        let members = (0..<rd_kafka_ConsumerGroupDescription_member_count(found)).compactMap { index in
            rd_kafka_ConsumerGroupDescription_member(found, index).map { Group.Member($0) }
        }
        let assignor = rd_kafka_ConsumerGroupDescription_partition_assignor(found)
        let described = Group(
            state: state.map { String(cString: $0) } ?? "Unknown", members: members,
            assignor: assignor.map { String(cString: $0) } ?? "")
        guard described.state == "Dead", members.isEmpty else { return described }
        return described.listed(as: try listedState(ofGroup: name, timeout: timeout))
    }

    /// The state in which the brokers list a group, whatever protocol its members speak; nil where none lists it.
    ///
    /// - Throws: also if a broker that might list it does not answer.
    private func listedState(ofGroup name: String, timeout: Duration) throws(KafkaError) -> String? {
        let answer = try request(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, "list groups", timeout) { options, queue in
            rd_kafka_ListConsumerGroups(client, options, queue)
        }
        let result = rd_kafka_event_ListConsumerGroups_result(answer.event)
        var count = 0
        let groups = rd_kafka_ListConsumerGroups_result_valid(result, &count)
        for case let group? in UnsafeBufferPointer(start: groups, count: count)
        where rd_kafka_ConsumerGroupListing_group_id(group).map({ String(cString: $0) }) == name {
            let state = rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupListing_state(group))
            return state.map { String(cString: $0) } ?? "Unknown"
        }
        let errors = rd_kafka_ListConsumerGroups_result_errors(result, &count)
        if let error = UnsafeBufferPointer(start: errors, count: count).first ?? nil {
            throw KafkaError(
                code: KafkaErrorCode(rd_kafka_error_code(error)), operation: "list groups",
                reason: String(cString: rd_kafka_error_string(error)))
        }
        return nil
    }

    /// Deletes groups that have no members.
    ///
    /// - Precondition: the cluster is not the mock: librdkafka ends the process when asked for that.
    /// - Throws: for the first group that could not be deleted; the others are.
    public func deleteGroups(_ names: [String], timeout: Duration) throws(KafkaError) {
        var groups: [OpaquePointer?] = names.map { rd_kafka_DeleteGroup_new($0) }
        defer { for group in groups { rd_kafka_DeleteGroup_destroy(group) } }
        let answer = try request(RD_KAFKA_ADMIN_OP_DELETEGROUPS, "delete group", timeout) { options, queue in
            rd_kafka_DeleteGroups(client, &groups, groups.count, options, queue)
        }
        var count = 0
        let results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(answer.event), &count)
        _ = try offsets(ofGroups: results, count, "delete group")
    }

    // MARK: Asking and reading answers

    /// The owner of an answer; what it holds lives as long as it does.
    private struct Answer: ~Copyable {
        let event: OpaquePointer
        deinit { rd_kafka_event_destroy(event) }
    }

    private func request(
        _ kind: rd_kafka_admin_op_t, _ operation: String, _ timeout: Duration,
        send: (_ options: OpaquePointer?, _ queue: OpaquePointer?) -> Void
    ) throws(KafkaError) -> Answer {
        let queue = rd_kafka_queue_new(client)
        defer { rd_kafka_queue_destroy(queue) }
        let options = rd_kafka_AdminOptions_new(client, kind)
        defer { rd_kafka_AdminOptions_destroy(options) }
        var reason = ReasonBuffer()
        let code = reason.fill {
            rd_kafka_AdminOptions_set_request_timeout(options, timeout.milliseconds, $0, $1)
        }
        if let error = KafkaError(code, operation: operation, reason: reason.text) { throw error }
        send(options, queue)
        // librdkafka itself answers when the time is up, and says more than that it is; this is for when it does not.
        guard let event = rd_kafka_queue_poll(queue, (timeout + .seconds(5)).milliseconds) else {
            throw KafkaError(code: .timedOut, operation: operation)
        }
        let answer = Answer(event: event)
        if let error = KafkaError(
            rd_kafka_event_error(event), operation: operation,
            reason: rd_kafka_event_error_string(event).map { String(cString: $0) })
        {
            throw error
        }
        return answer
    }

    private func checkTopics(
        _ results: UnsafeMutablePointer<OpaquePointer?>?, _ count: Int, _ operation: String
    ) throws(KafkaError) {
        for result in UnsafeBufferPointer(start: results, count: count) {
            let code = rd_kafka_topic_result_error(result)
            guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            throw KafkaError(
                code: KafkaErrorCode(code), operation: operation,
                reason: rd_kafka_topic_result_error_string(result).map { String(cString: $0) },
                topic: String(cString: rd_kafka_topic_result_name(result)))
        }
    }

    private func offsets(
        ofGroups results: UnsafeMutablePointer<OpaquePointer?>?, _ count: Int, _ operation: String
    ) throws(KafkaError) -> [CommittedOffset] {
        var all: [CommittedOffset] = []
        for result in UnsafeBufferPointer(start: results, count: count) {
            if let error = rd_kafka_group_result_error(result) {
                throw KafkaError(
                    code: KafkaErrorCode(rd_kafka_error_code(error)), operation: operation,
                    reason: String(cString: rd_kafka_error_string(error)))
            }
            all += try Self.offsets(of: rd_kafka_group_result_partitions(result), operation)
        }
        return all
    }

    private static func offsets(
        of list: UnsafePointer<rd_kafka_topic_partition_list_t>?, _ operation: String
    ) throws(KafkaError) -> [CommittedOffset] {
        var offsets: [CommittedOffset] = []
        guard let list else { return offsets }
        for element in UnsafeBufferPointer(start: list.pointee.elems, count: Int(list.pointee.cnt)) {
            let offset = CommittedOffset(element)
            if let error = KafkaError(element.err, operation: operation, at: offset.partition) { throw error }
            offsets.append(offset)
        }
        return offsets
    }
}

extension Admin.Group.Member {
    fileprivate init(_ member: OpaquePointer) {
        func text(_ string: UnsafePointer<CChar>?) -> String? { string.map { String(cString: $0) } }
        id = text(rd_kafka_MemberDescription_consumer_id(member)) ?? ""
        clientID = text(rd_kafka_MemberDescription_client_id(member)) ?? ""
        host = text(rd_kafka_MemberDescription_host(member)) ?? ""
        instanceID = text(rd_kafka_MemberDescription_group_instance_id(member))
        assignment = []
        if let given = rd_kafka_MemberDescription_assignment(member),
            let list = rd_kafka_MemberAssignment_partitions(given)
        {
            assignment = UnsafeBufferPointer(start: list.pointee.elems, count: Int(list.pointee.cnt))
                .map { TopicPartition(topic: String(cString: $0.topic), partition: $0.partition) }.sorted()
        }
    }
}
