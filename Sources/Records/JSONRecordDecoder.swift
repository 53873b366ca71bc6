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

    public static var padding: Int { Int(CSJ_PADDING) }

    /// - Throws: with the place where the message goes wrong, but for a control character in a string.
    public func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        var offset = 0
        let text = message.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let status = csj_decoder_decode(decoder, text, message.count, &offset)
        if status != CSJ_OK {
            throw DecodingFailure(status, offset: offset, otherwise: .notAnObject)
        }
        return fields
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
    public func takes(_ name: String) -> Bool {
        guard components.count == 1 else { return false }
        let own = Array(components[0].utf8)
        let other = Array(name.utf8)
        return csj_takes(names.asC, own, own.count, other, other.count) != 0
    }
}

extension FieldPath.Names {
    fileprivate var asC: CSJNames {
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
        self.init(reason, offset: offset < 0 ? nil : offset)
    }
}

extension Field {
    /// The decoder's fields where they are.
    fileprivate static func read(_ fields: UnsafePointer<CSJField>?, count: Int) -> UnsafeBufferPointer<Field> {
        precondition(
            MemoryLayout<Field>.stride == MemoryLayout<CSJField>.stride
                && MemoryLayout<Field>.offset(of: \.kind) == MemoryLayout<CSJField>.offset(of: \.kind)
                && MemoryLayout<Field>.offset(of: \.start) == MemoryLayout<CSJField>.offset(of: \.bytes)
                && MemoryLayout<Field>.offset(of: \.count) == MemoryLayout<CSJField>.offset(of: \.count),
            "Field and CSJField are laid out alike")
        let start = UnsafeRawPointer(fields)?.assumingMemoryBound(to: Field.self)
        return UnsafeBufferPointer(start: start, count: count)
    }
}
