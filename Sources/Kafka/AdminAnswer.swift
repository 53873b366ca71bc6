import CRdKafka

/// The owner of the brokers' answer to a request of librdkafka's admin API; what it holds lives as long as it does.
package struct AdminAnswer: ~Copyable {
    package let event: OpaquePointer

    fileprivate init(event: OpaquePointer) { self.event = event }

    deinit { rd_kafka_event_destroy(event) }

    /// - Throws: for the first topic that was refused.
    package static func checkTopics(
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

    /// - Throws: for the first group, or partition of one, that was refused.
    package static func offsets(
        ofGroups results: UnsafeMutablePointer<OpaquePointer?>?, _ count: Int, _ operation: String
    ) throws(KafkaError) -> [CommittedOffset] {
        var all: [CommittedOffset] = []
        for result in UnsafeBufferPointer(start: results, count: count) {
            if let error = rd_kafka_group_result_error(result) {
                throw KafkaError(
                    code: KafkaErrorCode(rd_kafka_error_code(error)), operation: operation,
                    reason: String(cString: rd_kafka_error_string(error)))
            }
            guard let list = rd_kafka_group_result_partitions(result) else { continue }
            all += try PartitionList.offsets(of: list, operation: operation)
        }
        return all
    }
}

extension KafkaClient {
    /// Sends a request of the admin API and waits for the answer.
    ///
    /// - Parameter send: hands the request to librdkafka, with these options and this queue.
    /// - Throws: the request's error; those of single topics and groups are in the answer.
    package func request(
        _ kind: rd_kafka_admin_op_t, _ operation: String, _ timeout: Duration,
        send: (_ options: OpaquePointer?, _ queue: OpaquePointer?) -> Void
    ) throws(KafkaError) -> AdminAnswer {
        let queue = KafkaQueue(self)
        defer { queue.destroy() }
        let options = rd_kafka_AdminOptions_new(handle, kind)
        defer { rd_kafka_AdminOptions_destroy(options) }
        var reason = ReasonBuffer()
        let code = reason.fill {
            rd_kafka_AdminOptions_set_request_timeout(options, timeout.milliseconds, $0, $1)
        }
        if let error = KafkaError(code, operation: operation, reason: reason.text) { throw error }
        send(options, queue.pointer)
        // librdkafka itself answers when the time is up, and says more than that it is; this is for when it does not.
        guard let event = rd_kafka_queue_poll(queue.pointer, (timeout + .seconds(5)).milliseconds) else {
            throw KafkaError(code: .timedOut, operation: operation)
        }
        let answer = AdminAnswer(event: event)
        if let error = KafkaError(
            rd_kafka_event_error(event), operation: operation,
            reason: rd_kafka_event_error_string(event).map { String(cString: $0) })
        {
            throw error
        }
        return answer
    }
}
