#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Tells what a change event says was done, and where the row stands, by the fields that a decoder has picked.
public struct ChangeReader: Sendable {
    /// Where the row stands that an event is about.
    public enum Place: Sendable, Equatable {
        case after, before
        /// The message itself is the row.
        case flat
    }

    public enum Event: Sendable, Equatable {
        /// A row is there; of a truncation there is none.
        case change(ChangeOperation, Place)
        /// The message is no row's.
        case skip
        /// The event has no row where one is needed.
        case rowless(ChangeOperation)
        /// It is not said what was done, or in a word that has no meaning.
        case wordless(isThere: Bool)
    }

    private struct Word: Sendable {
        var text: Range<Int>
        var meaning: Envelope.Meaning
    }

    /// The positions of its parts among the decoder's fields; the row's is nil where it is the message itself.
    private let after: Int?
    private let before: Int?
    private let operation: Int
    private let origin: Int?
    private let flat: (deleted: Int, operation: Int)?
    private let notices: Notices?
    /// Where it is said that a message is of the table's definition.
    private let notice: Int?
    private let isOfRows: Bool
    private let isOfDocuments: Bool
    /// Words of one byte, which most are: a place in `words`, or -1.
    private let letters: [Int8]
    private let words: [Word]
    private let texts: [UInt8]

    /// - Parameter position: of a path among those that the decoder is made with.
    public init(_ envelope: Envelope, position: (FieldPath) -> Int) {
        after = envelope.after.components.isEmpty ? nil : position(envelope.after)
        before = envelope.before.map(position)
        operation = position(envelope.operation)
        origin = envelope.flat == nil ? nil : envelope.origin.map(position)
        flat = envelope.flat.map { (position($0.deleted), position($0.operation)) }
        notices = envelope.hasNotices ? Notices(position) : nil
        notice = envelope.notice.map(position)
        isOfRows = envelope.isOfRows
        isOfDocuments = envelope.documents != nil
        var letters = [Int8](repeating: -1, count: 256)
        var words: [Word] = []
        var texts: [UInt8] = []
        for (text, meaning) in envelope.words.sorted(by: { $0.key < $1.key }) {
            let bytes = Array(text.utf8)
            if bytes.count == 1, words.count < Int8.max { letters[Int(bytes[0])] = Int8(words.count) }
            words.append(Word(text: texts.count..<texts.count + bytes.count, meaning: meaning))
            texts += bytes
        }
        (self.letters, self.words, self.texts) = (letters, words, texts)
    }

    /// - Parameter fields: of one message, in the order of the decoder's paths.
    @inline(__always)
    public func read(_ fields: UnsafeBufferPointer<Field>) -> Event {
        if flat != nil, !isWhole(fields) { return readFlat(fields) }
        let said = fields[operation]
        let isNotice = notice.map { fields[$0].kind == .true } ?? false
        guard let meaning = meaning(of: said) else {
            if isNotice { return .skip }
            if isOfDocuments, let notices, notices.areIn(fields) || notices.isHeartbeat(fields) { return .skip }
            return .wordless(isThere: said.kind != .absent && said.kind != .null)
        }
        guard case .change(let operation) = meaning, !isNotice || operation == .truncate else { return .skip }
        if isOfRows, operation != .truncate {
            // A statement may be told without the rows that it changed.
            return after.map { fields[$0].isMissing } ?? true ? .skip : .change(operation, .after)
        }
        // What a text has for a row shows when it is read.
        if isOfDocuments { return .change(operation, .after) }
        switch operation {
        case .truncate: return .change(.truncate, .after)
        case .delete:
            // A deletion may have no row at all: the message's key says which it was.
            if let before, fields[before].isRow { return .change(.delete, .before) }
            return .change(.delete, .after)
        case .create, .read, .update:
            guard after.map({ fields[$0].isRow }) ?? true else { return .rowless(operation) }
            return .change(operation, .after)
        }
    }

    /// An envelope has what its own fields have: a word, and a record at least in one of its places.
    @inline(__always)
    private func isWhole(_ fields: UnsafeBufferPointer<Field>) -> Bool {
        guard fields[operation].text != nil else { return false }
        return after.map { fields[$0].isRow } ?? false || before.map { fields[$0].isRow } ?? false
            || origin.map { fields[$0].isRow } ?? false
    }

    private func readFlat(_ fields: UnsafeBufferPointer<Field>) -> Event {
        if let notices, notices.areIn(fields) { return .skip }
        guard let flat else { return .wordless(isThere: false) }
        let deleted = fields[flat.deleted]
        if deleted.kind == .true || deleted.says("true") { return .change(.delete, .flat) }
        let said = fields[flat.operation]
        // A row that nothing more is said of.
        if said.kind == .absent || said.kind == .null { return .change(.update, .flat) }
        switch meaning(of: said) {
        case .change(let operation): return .change(operation, .flat)
        case .skip: return .skip
        case nil: return .wordless(isThere: true)
        }
    }

    /// Whether a message without any field of a row is one that a connector sends while nothing changes.
    public func isHeartbeat(_ fields: UnsafeBufferPointer<Field>) -> Bool { notices?.isHeartbeat(fields) ?? false }

    @inline(__always)
    private func meaning(of field: Field) -> Envelope.Meaning? {
        guard let text = field.text else { return nil }
        if text.count == 1 {
            let place = Int(letters[Int(text[0])])
            return place < 0 ? nil : words[place].meaning
        }
        for place in words.indices where words[place].text.count == text.count {
            let isSame = texts.withUnsafeBytes { texts in
                texts[words[place].text].elementsEqual(text)
            }
            if isSame { return words[place].meaning }
        }
        return nil
    }
}

/// How Debezium's own events are told that are none of rows.
private struct Notices: Sendable {
    private let source: Int
    private let database: Int
    private let statement: Int
    private let tables: Int
    private let status: Int
    private let transaction: Int
    private let eventCount: Int
    private let collections: Int
    private let time: Int

    init(_ position: (FieldPath) -> Int) {
        func place(_ name: String) -> Int { position(FieldPath([name])) }
        (source, database) = (place("source"), place("databaseName"))
        (statement, tables) = (place("ddl"), place("tableChanges"))
        (status, transaction) = (place("status"), place("id"))
        (eventCount, collections) = (place("event_count"), place("data_collections"))
        time = place("ts_ms")
    }

    /// A change of the schema, or the beginning or end of a transaction, by the fields that only these have together.
    func areIn(_ fields: UnsafeBufferPointer<Field>) -> Bool {
        func isThere(_ place: Int) -> Bool { fields[place].kind != .absent }
        if fields[source].isRow, isThere(database), isThere(statement) || isThere(tables) { return true }
        let isMark = fields[status].says("BEGIN") || fields[status].says("END")
        return isMark && fields[transaction].text != nil && isThere(eventCount) && isThere(collections)
    }

    func isHeartbeat(_ fields: UnsafeBufferPointer<Field>) -> Bool {
        fields[time].kind == .number || fields[time].kind == .integer
    }
}

extension Field {
    /// What is written as one: a string, an enum's name, a number in text.
    @inline(__always)
    fileprivate var text: UnsafeRawBufferPointer? {
        switch kind {
        case .string, .number: bytes
        case .symbol: symbolName
        default: nil
        }
    }

    @inline(__always)
    fileprivate func says(_ word: StaticString) -> Bool {
        guard let text, text.count == word.utf8CodeUnitCount, let start = text.baseAddress else { return false }
        return memcmp(start, word.utf8Start, text.count) == 0
    }

    @inline(__always)
    fileprivate var isMissing: Bool { kind == .absent || kind == .null }

    /// Values with names.
    @inline(__always)
    fileprivate var isRow: Bool { kind == .object || kind == .record }
}
