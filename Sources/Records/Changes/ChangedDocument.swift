/// The record of a change event that is a document of MongoDB's in a text: as it is after the change, or what the change says of it.
///
/// Its fields stand behind those of the message, in one piece of memory that does not move. Belongs to one thread.
public final class ChangedDocument {
    /// Why what a change says of parts of a document does not say what a field is.
    public enum PatchFault: Error, Equatable, Sendable {
        case unreadable(DecodingFailure)
        /// A part of this field has changed, and the rest is not told.
        case partial(FieldPath)
    }

    public let fields: UnsafeBufferPointer<Field>
    private let memory: UnsafeMutableBufferPointer<Field>
    private let after: Part
    private let before: Part
    private let extended = ExtendedJSON()
    /// For what is within values.
    private let container = JSONContainer()

    /// The fields of one document.
    private final class Part {
        let paths: [FieldPath]
        let json: JSONRecordDecoder
        let start: Int

        init(_ plan: ElementPlan, _ step: Int, behind count: Int) {
            paths = plan.paths[step]
            json = JSONRecordDecoder(paths: paths)
            start = count + plan.start(of: step) + ElementPlan.ownCount
        }
    }

    /// - Parameters:
    ///   - plan: of one step, and what is beside it.
    ///   - count: how many fields a message has.
    public init(_ plan: ElementPlan, behind count: Int) {
        memory = .allocate(capacity: count + plan.count)
        memory.initialize(repeating: Field(.absent))
        fields = UnsafeBufferPointer(memory)
        after = Part(plan, 0, behind: count)
        before = Part(plan, plan.beside ?? 0, behind: count)
    }

    deinit { memory.deallocate() }

    /// Begins another message: nothing is said of its document.
    ///
    /// - Parameter message: its fields; nil where it has none.
    public func begin(_ message: UnsafeBufferPointer<Field>?) {
        extended.reset()
        container.reset()
        for place in memory.indices { memory[place] = Field(.absent) }
        guard let message else { return }
        for place in message.indices { memory[place] = message[place] }
    }

    /// Reads all of the document.
    ///
    /// - Parameter document: as a text, or as an object.
    public func read(_ document: Field) throws(DecodingFailure) { try read(document, after) }

    /// The same of the document before the change.
    public func readBefore(_ document: Field) throws(DecodingFailure) { try read(document, before) }

    private func read(_ document: Field, _ part: Part) throws(DecodingFailure) {
        let text = document.kind == .object ? document.bytes : extended.held([document.bytes])
        guard text.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == UInt8(ascii: "{") else {
            throw .json(.notAnObject)
        }
        try take(try part.json.decode(part: text), part)
    }

    private func take(_ found: UnsafeBufferPointer<Field>, _ part: Part) throws(DecodingFailure) {
        for slot in part.paths.indices { memory[part.start + slot] = try extended.plain(found[slot]) }
    }

    /// Reads what a message's key says: the document's identifier, and nothing else of it.
    ///
    /// - Parameter identifier: a text of JSON; absent: the message has none.
    public func readKey(_ identifier: Field, named name: String) throws(DecodingFailure) {
        guard [.string, .number, .object].contains(identifier.kind) else { return }
        var head = "{\"\(name)\":"
        let text = head.withUTF8 { head in
            let end: StaticString = "}"
            return extended.held([
                UnsafeRawBufferPointer(head), identifier.bytes, UnsafeRawBufferPointer(start: end.utf8Start, count: 1),
            ])
        }
        try take(try after.json.decode(part: text), after)
    }

    // MARK: Parts of a document

    /// Reads what a change says of parts of the document, behind its key. Fields that it says nothing of stay absent.
    ///
    /// - Parameters:
    ///   - updated: names, and ways into what they hold (`address.city`), with their values: a text or an object.
    ///   - removed: a list of such names.
    ///   - truncated: a list of records, each of which names in `field` an array that has lost its end.
    public func patch(
        updated: Field, removed: Field, truncated: Field, by decoder: any RecordDecoder
    ) throws(PatchFault) {
        if updated.kind == .string || updated.kind == .object {
            let text = updated.kind == .object ? updated.bytes : extended.held([updated.bytes])
            let items = try opened(Field(.object, text))
            for place in stride(from: 0, to: items.count, by: 2) {
                try set(items[place].bytes, to: items[place + 1])
            }
        }
        for name in try elements(of: removed, decoder) where name.kind == .string {
            try set(name.bytes, to: Field(.null))
        }
        for record in try elements(of: truncated, decoder) {
            if let name = try Self.field(of: record, opened(record, decoder)) { try set(name.bytes, to: nil) }
        }
    }

    /// - Parameter value: nil: what it is by now is not told.
    private func set(_ name: UnsafeRawBufferPointer, to value: Field?) throws(PatchFault) {
        let way = String(decoding: name, as: UTF8.self).split(separator: ".", omittingEmptySubsequences: false)
            .map(String.init)
        for (slot, path) in after.paths.enumerated() {
            let known = path.components
            if way.count == known.count, path.takes(way) || way == known {
                guard let value else { throw .partial(path) }
                memory[after.start + slot] = try plain(value)
            } else if way.count < known.count, known.starts(with: way) {
                guard let value else { throw .partial(path) }
                memory[after.start + slot] = try plain(field(Array(known[way.count...]), path, in: value))
            } else if way.count > known.count, way.starts(with: known) || path.takes(Array(way[..<known.count])) {
                throw .partial(path)
            }
        }
    }

    private func plain(_ field: Field) throws(PatchFault) -> Field {
        do throws(DecodingFailure) { return try extended.plain(field) } catch { throw .unreadable(error) }
    }

    /// What stands within a value; null for nothing, because all of the value is new.
    private func field(_ way: [String], _ path: FieldPath, in value: Field) throws(PatchFault) -> Field {
        var value = value
        for (depth, name) in way.enumerated() {
            let items = try opened(value)
            if value.kind == .array {
                guard let index = Int(name), items.indices.contains(index) else { return Field(.null) }
                value = items[index]
                continue
            }
            func last(_ isNamed: (String) -> Bool) -> Field? {
                for place in stride(from: items.count - 2, through: 0, by: -2)
                where isNamed(String(decoding: items[place].bytes, as: UTF8.self)) {
                    return items[place + 1]
                }
                return nil
            }
            guard
                let found = last({ $0 == name }) ?? (depth == way.count - 1 ? last(path.ends(with:)) : nil)
            else { return Field(.null) }
            value = found
        }
        return value
    }

    // MARK: What is nested

    /// Names and values in turn, or the elements; none of what has neither.
    private func opened(_ field: Field) throws(PatchFault) -> [Field] {
        guard field.kind == .object || field.kind == .array else { return [] }
        do throws(DecodingFailure) { return Array(try container.items(of: field)) } catch { throw .unreadable(error) }
    }

    private func opened(_ field: Field, _ decoder: any RecordDecoder) throws(PatchFault) -> [Field] {
        guard field.kind == .list || field.kind == .record else { return try opened(field) }
        var values: [Field] = []
        do throws(DecodingFailure) {
            try decoder.visit(field) { name, value in
                if field.kind == .record { values.append(Field(.string, extended.held([name]))) }
                values.append(value)
                return true
            }
        } catch { throw .unreadable(error) }
        return values
    }

    private func elements(of list: Field, _ decoder: any RecordDecoder) throws(PatchFault) -> [Field] {
        list.kind == .array || list.kind == .list ? try opened(list, decoder) : []
    }

    /// The name of the array that a record is about.
    private static func field(of record: Field, _ members: [Field]) -> Field? {
        guard record.kind == .object || record.kind == .record else { return nil }
        for place in stride(from: 0, to: members.count - 1, by: 2)
        where String(decoding: members[place].bytes, as: UTF8.self) == "field" && members[place + 1].kind == .string {
            return members[place + 1]
        }
        return nil
    }
}
