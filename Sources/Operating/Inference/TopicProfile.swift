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
    /// The envelope that the messages are in; nil: each of them is a row.
    package let envelope: EnvelopeGuess?
    /// The places of messages that have a row.
    package private(set) var records: [Int] = []
    package private(set) var tombstones = 0
    /// Messages in an envelope that have no row as it is after a change: deletions above all.
    package private(set) var withoutRow = 0
    /// Messages that no route could take.
    package private(set) var broken = 0
    /// Why the first of them could not be read, and where it is.
    package private(set) var firstBroken: (failure: DecodingFailure, place: String)?
    /// The fields, as the members of a record that stands for the message.
    private(set) var root = FieldProfile(path: [])
    private let reading: Reading
    /// Whose elements the records are; nil: each message is one.
    private var list: String?
    /// Whether messages have schemas, which say what their fields are.
    package private(set) var hasSchemas = false

    /// Of the row.
    var fields: [FieldProfile] {
        root.children.filter { field in envelope?.isOfRow(field.path.first ?? "") ?? true }
    }

    package init(_ messages: Batch, _ reading: Reading = .json) {
        self.messages = messages
        self.reading = reading
        envelope = EnvelopeGuess.find(messages, reading)
        let paths = [FieldPath([]), FieldPath(envelope?.base ?? [])]
        let fields = SampleFields(reading.format, paths, isOfKey: false, lookup: reading.lookup)
        var outlines: [SchemaOutline] = []
        for message in messages.messages.indices {
            guard messages.value(of: message) != nil else {
                tombstones += 1
                continue
            }
            guard let found = fields.read(message, in: messages), found[0].isRecord else {
                broken += 1
                firstBroken = firstBroken ?? fields.failure.map { ($0, messages.place(of: message)) }
                continue
            }
            guard found[1].isRecord else {
                withoutRow += 1
                continue
            }
            records.append(message)
            root.addMembers(of: found[1], fields.nested, depth: 0)
            if let outline = fields.outline, outlines.last != outline {
                outlines.removeAll { $0 == outline }
                outlines.append(outline)
            }
        }
        declare(outlines)
    }

    /// The elements of an array of another profile's records, each a record by itself.
    init(elementsOf list: String, _ elements: ElementsProfile, in parent: TopicProfile) {
        (messages, reading, envelope) = (parent.messages, parent.reading, parent.envelope)
        root = elements.members
        self.list = list
        var records: [Int] = []
        parent.forEachRecord([[list]]) { message, _, _, values, fields in
            for element in values.nested.elements(of: fields[0]) ?? [] where element.isRecord {
                records.append(message)
            }
        }
        self.records = records
    }

    /// - Parameter outlines: of the messages' schemas, the newest last.
    private mutating func declare(_ outlines: [SchemaOutline]) {
        guard let newest = outlines.last else { return }
        hasSchemas = true
        let all = outlines.dropLast().reversed().reduce(newest) { $0.united(with: $1) }
        let base = envelope?.base ?? []
        root.declare(base.isEmpty ? all.fields : all.field(FieldPath(base))?.members ?? [])
    }

    /// The fields' values, record by record.
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
        if let list { return forEachElement(of: list, paths, body) }
        let paths = paths.map { FieldPath((envelope?.base ?? []) + $0) }
        let values = SampleFields(reading.format, paths, isOfKey: false, lookup: reading.lookup)
        let keys = SampleFields(reading.keyFormat, [FieldPath([])], isOfKey: true, lookup: reading.lookup)
        for record in records {
            let key = keys.read(record, in: messages)?.first
            if let fields = values.read(record, in: messages) { body(record, key, keys, values, fields) }
        }
    }

    private func forEachElement(
        of list: String, _ paths: [[String]],
        _ body: (
            _ message: Int, _ key: Field?, _ keys: SampleFields, _ values: SampleFields, UnsafeBufferPointer<Field>
        )
            -> Void
    ) {
        let path = FieldPath((envelope?.base ?? []) + [list])
        let values = SampleFields(reading.format, [path], isOfKey: false, lookup: reading.lookup)
        let keys = SampleFields(reading.keyFormat, [FieldPath([])], isOfKey: true, lookup: reading.lookup)
        var last: Int?
        for record in records where record != last {
            last = record
            let key = keys.read(record, in: messages)?.first
            guard let whole = values.read(record, in: messages)?.first else { continue }
            for element in values.nested.elements(of: whole) ?? [] where element.isRecord {
                let fields = paths.map { values.nested.field($0, of: element) }
                fields.withUnsafeBufferPointer { body(record, key, keys, values, $0) }
            }
        }
    }
}

extension Field {
    fileprivate var isRecord: Bool { kind == .object || kind == .record }
}

extension Batch {
    /// `orders[0]@17`.
    func place(of message: Int) -> String {
        let (partition, offset) = coordinates(of: message)
        return "\(partition)@\(offset)"
    }
}
