import CRdKafka
import Foundation

/// librdkafka's question what a client may do to a topic, which it knows since 2.3: so it is looked for at run time.
struct TopicDescribing: Sendable {
    private typealias SetAuthorized = @convention(c) (OpaquePointer?, Int32) -> OpaquePointer?
    private typealias MakeNames =
        @convention(c) (UnsafeMutablePointer<UnsafePointer<CChar>?>?, Int) -> OpaquePointer?
    private typealias DestroyNames = @convention(c) (OpaquePointer?) -> Void
    private typealias Describe = @convention(c) (OpaquePointer?, OpaquePointer?, OpaquePointer?, OpaquePointer?) -> Void
    private typealias ResultOf = @convention(c) (OpaquePointer?) -> OpaquePointer?
    private typealias Topics =
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int>?) -> UnsafeMutablePointer<OpaquePointer?>?
    private typealias Operations =
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int>?) -> UnsafePointer<rd_kafka_AclOperation_t>?

    private let setAuthorized: SetAuthorized
    private let makeNames: MakeNames
    private let destroyNames: DestroyNames
    private let describe: Describe
    private let resultOf: ResultOf
    private let topics: Topics
    private let operations: Operations

    /// Nil with a librdkafka that does not know it.
    static let known = TopicDescribing()

    /// `RD_KAFKA_ADMIN_OP_DESCRIBETOPICS` of rdkafka.h since 2.3.
    private static let kind = rd_kafka_admin_op_t(19)

    private init?() {
        // What is loaded already, librdkafka among it.
        guard let program = dlopen(nil, RTLD_NOW) else { return nil }
        func function<Function>(_ name: String, _: Function.Type) -> Function? {
            dlsym(program, "rd_kafka_" + name).map { unsafeBitCast($0, to: Function.self) }
        }
        guard
            let setAuthorized = function("AdminOptions_set_include_authorized_operations", SetAuthorized.self),
            let makeNames = function("TopicCollection_of_topic_names", MakeNames.self),
            let destroyNames = function("TopicCollection_destroy", DestroyNames.self),
            let describe = function("DescribeTopics", Describe.self),
            let resultOf = function("event_DescribeTopics_result", ResultOf.self),
            let topics = function("DescribeTopics_result_topics", Topics.self),
            let operations = function("TopicDescription_authorized_operations", Operations.self)
        else { return nil }
        self.setAuthorized = setAuthorized
        self.makeNames = makeNames
        self.destroyNames = destroyNames
        self.describe = describe
        self.resultOf = resultOf
        self.topics = topics
        self.operations = operations
    }

    /// What a client may do to a topic.
    ///
    /// - Returns: nil where the brokers do not tell.
    func operations(on topic: String, of client: KafkaClient, timeout: Duration) throws(KafkaError) -> Set<UInt32>? {
        let names = topic.withCString { name in
            var list: [UnsafePointer<CChar>?] = [name]
            return makeNames(&list, list.count)
        }
        defer { destroyNames(names) }
        let answer = try client.request(Self.kind, "describe topic", timeout) { options, queue in
            if let refusal = setAuthorized(options, 1) { rd_kafka_error_destroy(refusal) }
            describe(client.handle, names, options, queue)
        }
        var count = 0
        guard let described = topics(resultOf(answer.event), &count), count == 1 else { return nil }
        guard let list = operations(described[0], &count) else { return nil }
        return Set(UnsafeBufferPointer(start: list, count: count).lazy.map { UInt32($0.rawValue) })
    }
}

extension Admin {
    /// Whether this client may write to a topic, found out without writing.
    ///
    /// - Returns: nil where brokers or librdkafka do not tell.
    /// - Throws: why no broker answered.
    public func mayWrite(to topic: String, timeout: Duration) throws(KafkaError) -> Bool? {
        let query = TopicQuery(client: client, operation: "looking for a topic's rights", timeout: timeout)
        switch try query.topic(topic)?.code {
        case .some(.none): break
        // Who may write to a topic may also see it.
        case .topicAuthorizationFailed: return false
        default: return nil
        }
        let operations = try TopicDescribing.known?.operations(on: topic, of: client, timeout: timeout)
        // A topic that is shown may be described: whoever does not say so does not say what is allowed.
        guard let operations, operations.contains(RD_KAFKA_ACL_OPERATION_DESCRIBE.rawValue) else { return nil }
        return !operations.isDisjoint(
            with: [RD_KAFKA_ACL_OPERATION_WRITE.rawValue, RD_KAFKA_ACL_OPERATION_ALL.rawValue])
    }
}
