import CSimdJSON

/// Picks the routed fields out of JSON objects (RFC 8259).
///
/// - The whole message is checked, also what no path names, so a field loads or fails the same whatever else is routed.
///   Half a surrogate pair is refused, as by PostgreSQL.
/// - Of a name that comes twice in an object the last one counts, as in `jsonb`.
/// - Names are compared byte by byte after their escapes are resolved; there is no Unicode normalisation. A path may
///   take other names as well (`FieldPath.Names`).
/// - A number stays as written. A string without escapes, an array and an object are not copied: their bytes lie in the
///   message.
/// - A path may lead through another one: `customer` and `customer.name` can both be routed.
/// - Objects and arrays may be nested 1024 deep; beyond that the message is `tooDeep`.
/// - A byte order mark, which RFC 8259 (8.1) lets a reader pass over, is passed over.
///
/// Decoding allocates nothing, but for a message greater than all before it. What a message beyond 256 KiB needs is
/// released behind it.
public final class JSONRecordDecoder: RecordDecoder {
    private let decoder: OpaquePointer
    private let fields: UnsafeBufferPointer<Field>

    /// - Parameter paths: the fields to pick, which may repeat. The empty path is the whole object.
    public init(paths: [FieldPath]) {
        decoder = csj_decoder_create()
        for path in paths {
            let lengths = path.components.map(\.utf8.count)
            csj_decoder_add_path(
                decoder, path.components.flatMap(\.utf8), lengths, lengths.count, path.names.asC)
        }
        fields = Field.read(csj_decoder_fields(decoder), count: paths.count)
    }

    deinit {
        csj_decoder_destroy(decoder)
    }

    /// As `padding`, for those who hold a text before they have a decoder.
    public static var padding: Int { Int(CSJ_PADDING) }

    public var padding: Int { Self.padding }

    /// - Throws: with the place where the message goes wrong, but for a control character in a string.
    public func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        var offset = 0
        let status = read(message, &offset)
        if status == CSJ_OK { return fields }
        return try decode(marked: message, status, offset)
    }

    /// The same for a text within a message, which may also be an array: the names of its elements are their indexes.
    func decode(part text: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        var offset = 0
        let status = csj_decoder_decode_part(
            decoder, text.baseAddress?.assumingMemoryBound(to: UInt8.self), text.count, &offset)
        if status == CSJ_OK { return fields }
        throw DecodingFailure(status, offset: offset, otherwise: .notAnObject)
    }

    /// A byte order mark is looked for only where the text did not begin as JSON does.
    @inline(never)
    private func decode(
        marked message: UnsafeRawBufferPointer, _ status: CSJStatus, _ offset: Int
    ) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        let unmarked = message.withoutByteOrderMark
        var status = status
        var offset = offset
        if unmarked.count < message.count { status = read(unmarked, &offset) }
        if status == CSJ_OK { return fields }
        throw DecodingFailure(status, offset: offset, otherwise: .notAnObject)
    }

    @inline(__always)
    private func read(_ message: UnsafeRawBufferPointer, _ offset: inout Int) -> CSJStatus {
        csj_decoder_decode(
            decoder, message.baseAddress?.assumingMemoryBound(to: UInt8.self), message.count, &offset)
    }

    /// JSON's arrays and objects are text, which `JSONContainer` opens.
    public func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        throw .json(.invalidSyntax)
    }
}

extension UnsafeRawBufferPointer {
    /// Without the three bytes that some programs put before UTF-8.
    package var withoutByteOrderMark: UnsafeRawBufferPointer {
        guard count >= 3, self[0] == 0xEF, self[1] == 0xBB, self[2] == 0xBF else { return self }
        return UnsafeRawBufferPointer(rebasing: self[3...])
    }
}

/// Opens raw JSON text one level at a time, for those who look inside an array or object that was loaded whole.
///
/// The text must be followed by `JSONRecordDecoder.padding` readable bytes, as a `Field` of a decoded message is. Names,
/// numbers and depth are treated as by `JSONRecordDecoder`, the depth counted from the text's own outermost bracket.
public final class JSONContainer {
    private let container: OpaquePointer

    public init() {
        container = csj_container_create()
    }

    deinit {
        csj_container_destroy(container)
    }

    /// Ends the life of everything handed out so far: the start of a row.
    public func reset() {
        csj_container_reset(container)
    }

    /// - Returns: the array's elements, valid until `reset()` and as long as the text.
    /// - Throws: also for a text that is no array (`invalidSyntax`).
    public func elements(of array: UnsafeRawBufferPointer) throws(DecodingFailure) -> [Field] {
        Array(try open(CSJ_ARRAY, array))
    }

    /// The elements of an array, or the values of an object's members with the names before them, as they lie there.
    ///
    /// - Returns: valid until the container opens something else.
    func items(of field: Field) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        try open(field.kind == .object ? CSJ_OBJECT : CSJ_ARRAY, field.bytes)
    }

    /// The elements of an array, or objects that stand behind one another, which is NDJSON.
    ///
    /// - Parameter text: a byte order mark before it is passed over.
    /// - Returns: valid until the container opens something else, and as long as the text.
    package func documents(of text: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        let unmarked = text.withoutByteOrderMark
        var items: UnsafePointer<CSJField>?
        var count = 0
        var offset = 0
        let bytes = unmarked.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let status = csj_container_open_documents(container, bytes, unmarked.count, &items, &count, &offset)
        if status != CSJ_OK { throw DecodingFailure(status, offset: offset, otherwise: .notAnObject) }
        return Field.read(items, count: count)
    }

    /// - Returns: the object's members in the order they came, valid until `reset()` and as long as the text. A name
    ///   that comes again appears again; the last one counts.
    /// - Throws: also for a text that is no object (`invalidSyntax`).
    public func members(of object: UnsafeRawBufferPointer) throws(DecodingFailure) -> [(name: String, value: Field)] {
        let items = try open(CSJ_OBJECT, object)
        return stride(from: 0, to: items.count, by: 2).map {
            (String(decoding: items[$0].bytes, as: UTF8.self), items[$0 + 1])
        }
    }

    private func open(_ kind: CSJKind, _ text: UnsafeRawBufferPointer) throws(DecodingFailure)
        -> UnsafeBufferPointer<Field>
    {
        var items: UnsafePointer<CSJField>?
        var count = 0
        var offset = 0
        let bytes = text.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let status = csj_container_open(container, kind, bytes, text.count, &items, &count, &offset)
        if status != CSJ_OK {
            throw DecodingFailure(status, offset: offset, otherwise: .invalidSyntax)
        }
        return Field.read(items, count: count)
    }
}

extension FieldPath {
    /// Whether a field of a message's outermost object would be taken by this path: by its own name or another.
    public func takes(_ name: String) -> Bool { components.count == 1 && ends(with: name) }

    /// The same of a field that is further inside.
    public func takes(_ path: [String]) -> Bool {
        guard let name = path.last, path.count == components.count else { return false }
        return path.dropLast() == components.dropLast() && ends(with: name)
    }

    /// Whether the last component takes a field of this name.
    func ends(with name: String) -> Bool {
        guard let last = components.last else { return false }
        let own = Array(last.utf8)
        let other = Array(name.utf8)
        return csj_takes(names.asC, own, own.count, other, other.count) != 0
    }
}

extension FieldPath.Names {
    var asC: CSJNames {
        switch self {
        case .exact: CSJ_EXACT
        case .cut: CSJ_CUT
        case .snakeCase: CSJ_SNAKE_CASE
        }
    }
}

extension DecodingFailure {
    fileprivate init(_ status: CSJStatus, offset: Int, otherwise: Reason) {
        let reason: Reason =
            switch status {
            case CSJ_EMPTY: .empty
            case CSJ_INVALID_SYNTAX: .invalidSyntax
            case CSJ_INVALID_UTF8: .invalidUTF8
            case CSJ_TOO_DEEP: .tooDeep
            default: otherwise
            }
        self = .json(reason, offset: offset < 0 ? nil : offset)
    }

    /// What the decoder of JSON says.
    package static func json(_ reason: Reason, offset: Int? = nil) -> DecodingFailure {
        let words =
            switch reason {
            case .empty: "is empty"
            case .invalidSyntax: "is not valid JSON"
            case .invalidUTF8: "is not valid UTF-8"
            case .tooDeep: "is nested too deep"
            case .notAnObject: "is JSON, but not an object"
            case .unknownSchema: "names a schema"
            }
        return DecodingFailure(reason, words, offset: offset)
    }
}

extension Field {
    /// The decoder's fields where they are.
    fileprivate static func read(_ fields: UnsafePointer<CSJField>?, count: Int) -> UnsafeBufferPointer<Field> {
        precondition(
            MemoryLayout<Field>.stride == MemoryLayout<CSJField>.stride
                && MemoryLayout<Field>.offset(of: \.kind) == MemoryLayout<CSJField>.offset(of: \.kind)
                && MemoryLayout<Field>.offset(of: \.first) == MemoryLayout<CSJField>.offset(of: \.bytes)
                && MemoryLayout<Field>.offset(of: \.second) == MemoryLayout<CSJField>.offset(of: \.count)
                && MemoryLayout<UInt64>.size == MemoryLayout<UnsafeRawPointer>.size,
            "Field and CSJField are laid out alike")
        let start = UnsafeRawPointer(fields)?.assumingMemoryBound(to: Field.self)
        return UnsafeBufferPointer(start: start, count: count)
    }
}
