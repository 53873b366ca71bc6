import CRdKafka

extension Admin {
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
        let code = rd_kafka_list_groups(client.handle, name, &list, timeout.milliseconds)
        if let list { rd_kafka_group_list_destroy(list) }
        if KafkaErrorCode(code) == .unsupportedFeature {
            throw KafkaError(code: .unsupportedFeature, operation: "describe group")
        }
        let answer = try client.request(RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, "describe group", timeout) {
            options, queue in
            name.withCString { name in
                var names: [UnsafePointer<CChar>?] = [name]
                rd_kafka_DescribeConsumerGroups(client.handle, &names, names.count, options, queue)
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
        let answer = try client.request(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, "list groups", timeout) {
            options, queue in
            rd_kafka_ListConsumerGroups(client.handle, options, queue)
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
            assignment = PartitionList.answers(of: list).map(\.offset.partition).sorted()
        }
    }
}
