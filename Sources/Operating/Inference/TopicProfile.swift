import Kafka
import Loading
import Records

/// A message that was looked at, as it is in Kafka.
package struct SampledMessage: Sendable {
    var key: [UInt8]?
    /// Nil for a tombstone.
    var value: [UInt8]?
    /// Nil where nobody says.
    var place: Place?

    package init(key: [UInt8]? = nil, value: [UInt8]?, place: Place? = nil) {
        self.key = key
        self.value = value
        self.place = place
    }

    package struct Place: Sendable, CustomStringConvertible {
        var partition: TopicPartition
        var offset: Int64

        package init(partition: TopicPartition, offset: Int64) {
            self.partition = partition
            self.offset = offset
        }

        package var description: String { "\(partition)@\(offset)" }
    }
}

/// What a sample shows of a topic. It does no I/O.
package struct TopicProfile {
    /// Messages whose value is a JSON object.
    package private(set) var records: [SampledMessage] = []
    package private(set) var tombstones = 0
    /// Messages that no route could take.
    package private(set) var broken = 0
    /// The fields, as the members of an object that stands for the message.
    private(set) var root = FieldProfile(path: [])

    var fields: [FieldProfile] { root.children }

    package init(_ messages: some Sequence<SampledMessage>) {
        let container = JSONContainer()
        let decoder = JSONRecordDecoder(paths: [FieldPath([])])
        for message in messages {
            guard let value = message.value else {
                tombstones += 1
                continue
            }
            // Behind it what a decoder may read past its end.
            let padded = value + [UInt8](repeating: 0, count: JSONRecordDecoder.padding)
            let isRecord = padded.withUnsafeBytes { bytes -> Bool in
                let text = UnsafeRawBufferPointer(rebasing: bytes[..<value.count])
                // Of the whole message, because a container does not check what is nested in it.
                guard (try? decoder.decode(text)) != nil else { return false }
                container.reset()
                root.addMembers(text, container, depth: 0)
                return true
            }
            if isRecord { records.append(message) } else { broken += 1 }
        }
    }

    /// The fields' values, message by message.
    ///
    /// - Parameter body: gets the message and one field for each path, good during the call.
    func forEachRecord(
        _ paths: [[String]], _ body: (_ message: SampledMessage, _ fields: UnsafeBufferPointer<Field>) -> Void
    ) {
        let decoder = JSONRecordDecoder(paths: paths.map { FieldPath($0) })
        for record in records {
            guard let value = record.value else { continue }
            let padded = value + [UInt8](repeating: 0, count: JSONRecordDecoder.padding)
            padded.withUnsafeBytes { bytes in
                if let fields = try? decoder.decode(UnsafeRawBufferPointer(rebasing: bytes[..<value.count])) {
                    body(record, fields)
                }
            }
        }
    }
}
