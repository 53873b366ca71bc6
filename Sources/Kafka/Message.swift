import CRdKafka

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One message, borrowed from librdkafka until this value ends.
public struct Message: ~Copyable {
    @usableFromInline let pointer: UnsafeMutablePointer<rd_kafka_message_t>

    @usableFromInline
    init(_ pointer: UnsafeMutablePointer<rd_kafka_message_t>) { self.pointer = pointer }

    @inlinable
    deinit { rd_kafka_message_destroy(pointer) }

    /// What librdkafka reports in place of a message: the end of a partition, or an error of one.
    @inlinable
    public var errorCode: KafkaErrorCode? {
        pointer.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR
            ? nil : KafkaErrorCode(rawValue: pointer.pointee.err.rawValue)
    }

    /// The text that comes with `errorCode`.
    public var errorReason: String { String(cString: rd_kafka_message_errstr(pointer)) }

    /// Whether an error is of one partition, rather than of its topic or of the group: librdkafka calls the partition of
    /// the others 0.
    public var isOfPartition: Bool { pointer.pointee.rkt != nil && pointer.pointee.offset != SpecialOffset.invalid }

    public var topic: String {
        pointer.pointee.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? ""
    }

    /// Equal for messages of the same topic while it is assigned; for looking up what is known of the topic.
    @inlinable
    public var topicIdentity: UInt { UInt(bitPattern: pointer.pointee.rkt) }

    @inlinable
    public var partition: Int32 { pointer.pointee.partition }

    @inlinable
    public var offset: Int64 { pointer.pointee.offset }

    /// Nil for a message without a key.
    @inlinable
    public var key: UnsafeRawBufferPointer? {
        pointer.pointee.key.map { UnsafeRawBufferPointer(start: $0, count: pointer.pointee.key_len) }
    }

    /// Nil for a tombstone.
    @inlinable
    public var value: UnsafeRawBufferPointer? {
        pointer.pointee.payload.map { UnsafeRawBufferPointer(start: $0, count: pointer.pointee.len) }
    }

    /// Milliseconds since 1970 by the message's producer or broker; nil where the message has none.
    @inlinable
    public var timestamp: Int64? {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let time = rd_kafka_message_timestamp(pointer, &type)
        return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? nil : time
    }

    /// Calls `body` with each header's name and value in their order; a value may be nil.
    public func forEachHeader(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        var headers: OpaquePointer?
        guard rd_kafka_message_headers(pointer, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR, let headers else { return }
        var index = 0
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while rd_kafka_header_get_all(headers, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
            if let name {
                body(
                    UnsafeRawBufferPointer(start: name, count: strlen(name)),
                    value.map { UnsafeRawBufferPointer(start: $0, count: size) })
            }
            index += 1
        }
    }
}
