import Kafka
import Loading
import Records

/// What a sample shows of a topic. It does no I/O but for the schemas that its messages name.
package struct TopicProfile {
    /// How the topic's messages and their keys are read.
    package struct Reading {
        var format: MessageFormat
        var keyFormat: MessageFormat
        /// What finds schemas that nobody knows yet; nil where there are none.
        var lookup: SchemaLookup?

        package init(_ format: MessageFormat, keys: MessageFormat, _ lookup: SchemaLookup? = nil) {
            self.format = format
            keyFormat = keys
            self.lookup = lookup
        }

        package static var json: Reading { Reading(.json, keys: .json) }
    }

    package let messages: Batch
    /// The places of messages whose value has fields.
    package private(set) var records: [Int] = []
    package private(set) var tombstones = 0
    /// Messages that no route could take.
    package private(set) var broken = 0
    /// Why the first of them could not be read, and where it is.
    package private(set) var firstBroken: (failure: DecodingFailure, place: String)?
    /// The fields, as the members of a record that stands for the message.
    private(set) var root = FieldProfile(path: [])
    private let reading: Reading
    /// Whether messages have schemas, which say what their fields are.
    package private(set) var hasSchemas = false

    var fields: [FieldProfile] { root.children }

    package init(_ messages: Batch, _ reading: Reading = .json) {
        self.messages = messages
        self.reading = reading
        let fields = SampleFields(reading.format, [FieldPath([])], isOfKey: false, lookup: reading.lookup)
        var outlines: [SchemaOutline] = []
        for message in messages.messages.indices {
            guard messages.value(of: message) != nil else {
                tombstones += 1
                continue
            }
            guard let whole = fields.read(message, in: messages)?.first, whole.kind == .object || whole.kind == .record
            else {
                broken += 1
                firstBroken = firstBroken ?? fields.failure.map { ($0, messages.place(of: message)) }
                continue
            }
            records.append(message)
            root.addMembers(of: whole, fields.nested, depth: 0)
            if let outline = fields.outline, outlines.last != outline {
                outlines.removeAll { $0 == outline }
                outlines.append(outline)
            }
        }
        declare(outlines)
    }

    /// - Parameter outlines: of the messages' schemas, the newest last.
    private mutating func declare(_ outlines: [SchemaOutline]) {
        guard let newest = outlines.last else { return }
        hasSchemas = true
        root.declare(outlines.dropLast().reversed().reduce(newest) { $0.united(with: $1) }.fields)
    }

    /// The fields' values, message by message.
    ///
    /// - Parameter body: gets the message's place, the whole key where it can be read, one field for each path, and what is
    ///   nested in those; all good during the call.
    func forEachRecord(
        _ paths: [[String]],
        _ body: (
            _ message: Int, _ key: Field?, _ keys: SampleFields, _ values: SampleFields, UnsafeBufferPointer<Field>
        )
            -> Void
    ) {
        let values = SampleFields(reading.format, paths.map { FieldPath($0) }, isOfKey: false, lookup: reading.lookup)
        let keys = SampleFields(reading.keyFormat, [FieldPath([])], isOfKey: true, lookup: reading.lookup)
        for record in records {
            let key = keys.read(record, in: messages)?.first
            if let fields = values.read(record, in: messages) { body(record, key, keys, values, fields) }
        }
    }
}

extension Batch {
    /// `orders[0]@17`.
    func place(of message: Int) -> String {
        let (partition, offset) = coordinates(of: message)
        return "\(partition)@\(offset)"
    }
}
