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
    /// Whose elements the records are, one list within the other; none: each message is one.
    private var lists: [String] = []
    /// The fields that the messages themselves call the key of their rows, and in which words.
    private(set) var toldKey: (names: [String], reason: String)?
    /// What opens records that are documents in texts; nil where there are none.
    private let documents: DocumentMembers?

    /// Of the row.
    var fields: [FieldProfile] {
        root.children.filter { field in envelope?.isOfRow(field.path.first ?? "") ?? true }
    }

    package init(_ messages: Batch, _ reading: Reading = .json) {
        self.messages = messages
        self.reading = reading
        envelope = EnvelopeGuess.find(messages, reading)
        documents = envelope?.identifier.map { _ in DocumentMembers() }
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
            let members = documents.map { $0.members(of: found[1]) } ?? fields.nested.members(of: found[1])
            guard let members else {
                withoutRow += 1
                continue
            }
            records.append(message)
            root.add(members, fields.nested)
            if let outline = fields.outline, outlines.last != outline {
                outlines.removeAll { $0 == outline }
                outlines.append(outline)
            }
        }
        declare(outlines)
        if let identifier = envelope?.identifier { toldKey = ([identifier], "\(identifier) names each document") }
        guard envelope?.isOfMySQL == true else { return }
        let types = MySQLTypes(messages, records, reading)
        root.declare(types.fields)
        if !types.key.isEmpty { toldKey = (types.key, "the messages say that it is the source's") }
    }

    /// The elements of an array of another profile's records, each a record by itself.
    init(elementsOf list: String, _ elements: ElementsProfile, in parent: TopicProfile) {
        (messages, reading, envelope, documents) = (parent.messages, parent.reading, parent.envelope, nil)
        root = elements.members
        lists = parent.lists + [list]
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
        guard lists.isEmpty else {
            return forEachElement(paths) { _, message, key, keys, values, fields in
                body(message, key, keys, values, fields)
            }
        }
        let base = envelope?.base ?? []
        let wanted = documents == nil ? paths.map { FieldPath(base + $0) } : [FieldPath(base)]
        let values = SampleFields(reading.format, wanted, isOfKey: false, lookup: reading.lookup)
        let keys = SampleFields(reading.keyFormat, [FieldPath([])], isOfKey: true, lookup: reading.lookup)
        for record in records {
            let key = keys.read(record, in: messages)?.first
            guard let fields = values.read(record, in: messages) else { continue }
            guard let documents else {
                body(record, key, keys, values, fields)
                continue
            }
            let members = documents.members(of: fields[0]) ?? []
            let found = paths.map { path in
                let first = members.last { $0.name == path.first }?.value ?? Field(.absent)
                return values.nested.field(Array(path.dropFirst()), of: first)
            }
            found.withUnsafeBufferPointer { body(record, key, keys, values, $0) }
        }
    }

    /// The same of elements.
    ///
    /// - Parameter body: gets first which of the lists that hold them it is.
    func forEachElement(
        _ paths: [[String]],
        _ body: (
            _ holder: Int, _ message: Int, _ key: Field?, _ keys: SampleFields, _ values: SampleFields,
            UnsafeBufferPointer<Field>
        ) -> Void
    ) {
        guard let first = lists.first else { return }
        let values = SampleFields(
            reading.format, [FieldPath((envelope?.base ?? []) + [first])], isOfKey: false, lookup: reading.lookup)
        let keys = SampleFields(reading.keyFormat, [FieldPath([])], isOfKey: true, lookup: reading.lookup)
        var (last, holder): (Int?, Int) = (nil, 0)
        for record in records where record != last {
            last = record
            let key = keys.read(record, in: messages)?.first
            func visit(_ list: Field, _ rest: ArraySlice<String>) {
                for element in values.nested.elements(of: list) ?? [] where element.isRecord {
                    if let next = rest.first {
                        visit(values.nested.field([next], of: element), rest.dropFirst())
                        continue
                    }
                    let fields = paths.map { values.nested.field($0, of: element) }
                    fields.withUnsafeBufferPointer { body(holder, record, key, keys, values, $0) }
                }
                if rest.isEmpty { holder += 1 }
            }
            if let whole = values.read(record, in: messages)?.first { visit(whole, lists.dropFirst()) }
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
