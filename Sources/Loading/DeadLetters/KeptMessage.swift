import Kafka

/// A message that no consumer holds: all that Kafka knew of it.
public struct KeptMessage: Sendable, Equatable {
    public var partition: TopicPartition
    public var offset: Int64
    /// Milliseconds since 1970.
    public var timestamp: Int64?
    public var key: [UInt8]?
    /// Nil: a tombstone.
    public var value: [UInt8]?
    public var headers: [Header]
}

extension KeptMessage {
    /// Everything of a message, copied.
    package init(_ message: borrowing Message) {
        var headers: [Header] = []
        message.forEachHeader { name, value in
            headers.append(Header(name: String(decoding: name, as: UTF8.self), value: value.map { Array($0) }))
        }
        self.init(
            partition: TopicPartition(topic: message.topic, partition: message.partition), offset: message.offset,
            timestamp: message.timestamp, key: message.key.map { Array($0) }, value: message.value.map { Array($0) },
            headers: headers)
    }

    /// How many bytes its value had, where it became a letter without it: it is no tombstone, and cannot be loaded.
    package var omittedBytes: String? {
        headers.last { $0.name == ConnectHeader.prefix + ConnectHeader.omittedBytes }
            .map { String(decoding: $0.value ?? [], as: UTF8.self) }
    }

    /// Takes its own timestamp from the header that keeps it, where it became a letter that could not have it.
    package mutating func restoreTimestamp() {
        let name = ConnectHeader.prefix + ConnectHeader.timestamp
        guard let kept = headers.last(where: { $0.name == name }),
            let timestamp = Int64(String(decoding: kept.value ?? [], as: UTF8.self))
        else { return }
        self.timestamp = timestamp
        headers.removeAll { $0.name == name }
    }

    /// As a bound of a batch.
    package var byteCount: Int {
        (key?.count ?? 0) + (value?.count ?? 0) + headers.reduce(0) { $0 + $1.name.utf8.count + ($1.value?.count ?? 0) }
    }
}

extension Batch {
    /// Takes a message's bytes in.
    ///
    /// - Returns: its place in the batch.
    func keep(_ message: KeptMessage, range: Int32) -> Int {
        let start = arena.count
        func append(_ bytes: [UInt8]?) { bytes?.withUnsafeBytes { arena.append($0) } }
        append(message.value)
        append(message.key)
        let beforeHeaders = arena.count
        for header in message.headers {
            var name = header.name
            name.withUTF8 {
                arena.append(Int32($0.count))
                arena.append(UnsafeRawBufferPointer($0))
            }
            arena.append(Int32(header.value?.count ?? -1))
            append(header.value)
        }
        return self.append(
            MessageRecord(
                partition: range, offset: message.offset, timestamp: message.timestamp ?? .min, start: start,
                valueCount: Int32(message.value?.count ?? -1), keyCount: Int32(message.key?.count ?? -1),
                headersCount: Int32(arena.count - beforeHeaders)))
    }
}
