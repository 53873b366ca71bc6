import CSimdJSON

/// Picks the routed fields out of messages that are one record of CSV each, or many (RFC 4180).
///
/// - All of a message is checked: its quotes, its UTF-8, that there is one record and no more, and that it has as many fields as
///   are named.
/// - Where messages are many records, the empty path is the list of them, and they are checked as they are visited. A line
///   without a character is none.
/// - A value is a string, with its quotes taken away. Without quotes it is null where it is the dialect's text for that, which
///   the empty one is by default; in quotes it never is.
/// - A quote within a field that does not begin with one is a character like others.
/// - Of a name that comes twice the last field counts. A path may take other names as well (`FieldPath.Names`).
/// - A line end is LF, CR LF or CR; one behind the record is no record.
///
/// Decoding allocates nothing once it has had room for a record of a kind, as long as the header stays the same.
public final class CSVRecordDecoder: RecordDecoder {
    /// What a check of UTF-8 may read behind a text.
    public let padding = 16

    private let dialect: CSVDialect
    private let null: [UInt8]
    private let paths: [FieldPath]
    private let isMany: Bool
    /// The records of the message, where it is many.
    private var records = UnsafeRawBufferPointer(start: nil, count: 0)
    private let fields: UnsafeMutableBufferPointer<Field>
    /// All values of the message.
    private var values: [Field] = []
    private let memory = SideMemory()
    /// What the values are called, and the header that has said so.
    private var names: [[UInt8]] = []
    private var header: [UInt8] = []
    /// Where the value of each path stands; negative: nowhere.
    private var places: [Int]
    private var start = UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped

    /// - Parameter isMany: each message is many records.
    public init(_ dialect: CSVDialect, isMany: Bool = false, paths: [FieldPath]) {
        self.dialect = dialect
        self.isMany = isMany
        self.paths = paths
        null = Array(dialect.null.utf8)
        fields = .allocate(capacity: paths.count)
        fields.initialize(repeating: Field(.absent))
        places = Array(repeating: -1, count: paths.count)
        if !dialect.hasHeader { name(dialect.fields.map { Array($0.utf8) }) }
    }

    deinit {
        fields.deallocate()
    }

    private var isNamed: Bool { dialect.hasHeader || !dialect.fields.isEmpty }

    // MARK: Names

    private func name(_ names: [[UInt8]]) {
        self.names = names
        let texts = names.map { String(decoding: $0, as: UTF8.self) }
        let own = Set(paths.filter { $0.components.count == 1 }.map { $0.components[0] })
        for (slot, path) in paths.enumerated() {
            guard path.components.count == 1 else { continue }
            guard isNamed else {
                places[slot] = Int(path.components[0]).flatMap { String($0) == path.components[0] ? $0 : nil } ?? -1
                continue
            }
            places[slot] =
                texts.lastIndex(of: path.components[0])
                // Of several paths that take another name the first does.
                ?? texts.lastIndex { name in
                    !own.contains(name) && path.takes(name) && paths.first { $0.takes(name) } == path
                } ?? -1
        }
    }

    // MARK: Messages

    public func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        guard message.count > 0 else { throw DecodingFailure(.empty, "is empty") }
        guard UTF8Text.isValid(message) else {
            throw DecodingFailure(.invalidUTF8, "is not valid UTF-8", offset: UTF8Text.firstFault(in: message))
        }
        memory.reset()
        start = message.baseAddress.unsafelyUnwrapped
        var rest = message.withoutByteOrderMark
        if dialect.hasHeader { rest = try readHeader(rest) }
        if isMany {
            records = rest
            for (slot, path) in paths.enumerated() {
                fields[slot] = path.components.isEmpty ? .list(1, node: 0) : Field(.absent)
            }
            return UnsafeBufferPointer(fields)
        }
        rest = try readRecord(rest)
        guard rest.isEmpty else {
            throw fault("has more than one record of CSV, and is to be one", rest)
        }
        try checkCount(before: rest)
        for (slot, place) in places.enumerated() {
            if place >= 0 {
                fields[slot] = place < values.count ? values[place] : Field(.absent)
            } else {
                fields[slot] = paths[slot].components.isEmpty ? .record(1, node: 0) : Field(.absent)
            }
        }
        return UnsafeBufferPointer(fields)
    }

    private func checkCount(before rest: UnsafeRawBufferPointer) throws(DecodingFailure) {
        guard isNamed, values.count != names.count else { return }
        throw fault(
            "is a record of CSV with \(values.count) field\(values.count == 1 ? "" : "s"), and \(names.count) are named",
            rest)
    }

    private func fault(_ words: String, _ place: UnsafeRawBufferPointer) -> DecodingFailure {
        fault(words, at: place.baseAddress)
    }

    private func fault(_ words: String, at place: UnsafeRawPointer?) -> DecodingFailure {
        DecodingFailure(.invalidSyntax, words, offset: place.map { $0 - start })
    }

    /// - Returns: what follows the header.
    private func readHeader(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeRawBufferPointer {
        // Most messages of a topic have the same one.
        if !header.isEmpty, message.count > header.count,
            header.withUnsafeBytes({ $0.elementsEqual(message[..<header.count]) })
        {
            return UnsafeRawBufferPointer(rebasing: message[header.count...])
        }
        let rest = try readRecord(message)
        guard !rest.isEmpty || isMany else { throw fault("is a header of CSV without a record", rest) }
        name(values.map { $0.kind == .null ? [] : Array($0.bytes) })
        header = Array(message.dropLast(rest.count))
        return rest
    }

    /// Reads the values of one record.
    ///
    /// - Returns: what follows its line end.
    private func readRecord(_ text: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeRawBufferPointer {
        values.removeAll(keepingCapacity: true)
        var place = 0
        while true {
            if let quote = dialect.quote, place < text.count, text[place] == quote {
                values.append(Field(.string, try quoted(text, &place, quote)))
            } else {
                let first = place
                while place < text.count, text[place] != dialect.delimiter, text[place] != 0x0A, text[place] != 0x0D {
                    place += 1
                }
                let value = UnsafeRawBufferPointer(rebasing: text[first..<place])
                values.append(Field(isNull(value) ? .null : .string, value))
            }
            guard place < text.count else { return UnsafeRawBufferPointer(rebasing: text[place...]) }
            let byte = text[place]
            place += 1
            if byte == dialect.delimiter { continue }
            if byte == 0x0D, place < text.count, text[place] == 0x0A { place += 1 }
            return UnsafeRawBufferPointer(rebasing: text[place...])
        }
    }

    private func isNull(_ value: UnsafeRawBufferPointer) -> Bool {
        value.count == null.count && value.elementsEqual(null)
    }

    /// The value of a field in quotes.
    ///
    /// - Parameter place: of its first quote; afterwards behind its last.
    private func quoted(
        _ text: UnsafeRawBufferPointer, _ place: inout Int, _ quote: UInt8
    ) throws(DecodingFailure) -> UnsafeRawBufferPointer {
        let first = place + 1
        var doubled = 0
        place = first
        while true {
            while place < text.count, text[place] != quote { place += 1 }
            guard place < text.count else {
                throw fault("is no CSV (a quote is not closed)", at: text.baseAddress.map { $0 + first - 1 })
            }
            guard place + 1 < text.count, text[place + 1] == quote else { break }
            doubled += 1
            place += 2
        }
        let inside = UnsafeRawBufferPointer(rebasing: text[first..<place])
        place += 1
        guard
            place == text.count || text[place] == dialect.delimiter || text[place] == 0x0A || text[place] == 0x0D
        else {
            throw fault(
                "is no CSV (something stands between a quote and the end of its field)",
                at: text.baseAddress.map { $0 + place })
        }
        return doubled == 0 ? inside : single(inside, count: inside.count - doubled, quote)
    }

    /// The same with each doubled quote once.
    private func single(
        _ text: UnsafeRawBufferPointer, count: Int, _ quote: UInt8
    ) -> UnsafeRawBufferPointer {
        let room = memory.room(for: count)
        var from = 0
        for to in 0..<count {
            room[to] = text[from]
            from += text[from] == quote ? 2 : 1
        }
        return UnsafeRawBufferPointer(room)
    }

    // MARK: All of it

    /// A record's values with their names, or with their positions where none are named.
    public func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        if container.kind == .list { return try visitRecords(body) }
        for (place, value) in values.enumerated() {
            let name = isNamed ? names[place] : Array("\(place)".utf8)
            guard name.withUnsafeBytes({ body($0, value) }) else { return }
        }
    }

    /// A record is valid until the next one.
    private func visitRecords(
        _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        var rest = records
        let noName = UnsafeRawBufferPointer(start: nil, count: 0)
        while let first = rest.first {
            if first == 0x0A || first == 0x0D {
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst())
                continue
            }
            rest = try readRecord(rest)
            try checkCount(before: rest)
            guard body(noName, .record(1, node: 0)) else { return }
        }
    }
}
