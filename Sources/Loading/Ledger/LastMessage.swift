import Kafka

/// The last message that was loaded of a partition, as far as it takes to know it again.
///
/// A message never changes while its topic lives, so one at the same offset that is another shows that the topic was
/// deleted and created anew, or its log truncated, however far it has grown since. No clock is involved, and a message
/// that compaction or retention has taken away proves nothing.
package struct LastMessage: Hashable, Sendable {
    var offset: Int64
    /// Milliseconds since 1970, or `Int64.min` where the message has none.
    var timestamp: Int64
    /// Of key and value.
    var fingerprint: Int64

    init(offset: Int64, timestamp: Int64, fingerprint: Int64) {
        self.offset = offset
        self.timestamp = timestamp
        self.fingerprint = fingerprint
    }

    init(offset: Int64, timestamp: Int64, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?) {
        self.init(offset: offset, timestamp: timestamp, fingerprint: Self.fingerprint(key, value))
    }

    init(_ message: borrowing Message) {
        self.init(
            offset: message.offset, timestamp: message.timestamp ?? .min, key: message.key, value: message.value)
    }

    /// How many bytes of each end are looked at: a giant message must not cost what it weighs.
    private static let end = 1024

    /// FNV-1a, which the ledger keeps for good, so the same in every version of the loader.
    private static func fingerprint(_ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?) -> Int64 {
        var hash: UInt64 = 14_695_981_039_346_656_037
        func mix(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
        for part in [value, key] {
            withUnsafeBytes(of: Int64(part?.count ?? -1).bigEndian) { $0.forEach(mix) }
            guard let part else { continue }
            part.prefix(end).forEach(mix)
            if part.count > end { part.suffix(min(end, part.count - end)).forEach(mix) }
        }
        return Int64(bitPattern: hash)
    }
}

extension Batch {
    /// Notes what the last message of each partition is, once the batch is full.
    func noteLastMessages() {
        var missing = Set(partitions.indices)
        for index in messages.indices.reversed() {
            let record = messages[index]
            guard missing.remove(Int(record.partition)) != nil else { continue }
            setLast(
                LastMessage(
                    offset: record.offset, timestamp: record.timestamp, key: key(of: index), value: value(of: index)),
                of: Int(record.partition))
            if missing.isEmpty { return }
        }
    }
}
