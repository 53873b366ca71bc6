import Postgres

/// A default or a constant of a route: encoded once, as the column's own encoder would encode it in a message.
struct FixedValue {
    /// A field of COPY in the target's format.
    private(set) var field: [UInt8] = []
    /// What the type's input function reads.
    private(set) var input = ""

    /// - Parameters:
    ///   - text: as a string of a message would say it. For `json` and `jsonb` it is JSON, and so it is for an array, a
    ///     composite type or an hstore where it begins as JSON does.
    ///   - options: the column's.
    /// - Throws: why the column cannot hold it.
    init(
        _ text: String, _ type: PostgresType, _ options: EncodingOptions, _ format: Target.Format
    ) throws(EncodingFailure) {
        var options = options
        options.isRaw = false
        if options.decoding == .none, Self.isDocument(text, for: type) { options.decoding = .json }
        let plain = TextEncoder(type, options: options)
        let readable = try Self.encode(text, with: .text(plain))
        input = Self.unescaped(readable)
        field = readable
        if format == .binary, let binary = BinaryEncoder(type, options: options) {
            field = try Self.encode(text, with: .binary(binary))
        }
    }

    private static func encode(_ text: String, with encoder: ColumnEncoder) throws(EncodingFailure) -> [UInt8] {
        var source = CopyBuffer(capacity: 64)
        Array(text.utf8).withUnsafeBytes { source.append($0) }
        var field = CopyBuffer(capacity: 64)
        try encoder.encode(InputValue(.string, source.bytes), into: &field, containers: RowContainers())
        guard !field.endsWithNull(from: 0, encoder.format) else { throw EncodingFailure(.null, found: .string) }
        return Array(field.bytes)
    }

    private static func isDocument(_ text: String, for type: PostgresType) -> Bool {
        if type.isJSON { return true }
        let first = text.first { !$0.isWhitespace }
        let bare = type.withoutDomain
        return switch bare.shape {
        case .array: first == "["
        case .composite: first == "{"
        default: bare.name == "hstore" && first == "{"
        }
    }

    /// A field of text COPY without what its separators made necessary.
    private static func unescaped(_ field: [UInt8]) -> String {
        var bytes: [UInt8] = []
        var isEscaped = false
        for byte in field {
            if !isEscaped, byte == UInt8(ascii: "\\") {
                isEscaped = true
                continue
            }
            switch byte {
            case UInt8(ascii: "t") where isEscaped: bytes.append(0x09)
            case UInt8(ascii: "n") where isEscaped: bytes.append(0x0A)
            case UInt8(ascii: "r") where isEscaped: bytes.append(0x0D)
            default: bytes.append(byte)
            }
            isEscaped = false
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Target {
    /// What a route does to a column's values; nil where it takes them as they come.
    ///
    /// - Throws: why the default or the constant is none that the column can hold.
    static func mending(
        _ column: Route.Column, _ type: PostgresType, _ options: EncodingOptions, _ format: Format
    ) throws(EncodingFailure) -> (ColumnMending, input: String?)? {
        let text = column.constant ?? column.fallback
        guard text != nil || column.trims || !column.nullIf.isEmpty || column.onError == .null else { return nil }
        var fixed: FixedValue?
        if let text { fixed = try FixedValue(text, type, options, format) }
        return (
            ColumnMending(
                trims: column.trims, nulls: column.nullIf, fixed: fixed?.field, nullsUnfit: column.onError == .null),
            fixed?.input
        )
    }
}

extension SetupProblem {
    /// A default or a constant that its column cannot hold.
    static func unfit(
        _ column: Route.Column, _ type: PostgresType, _ failure: EncodingFailure, table: TableName, at place: String
    ) -> SetupProblem {
        let option = column.constant == nil ? "default" : "constant"
        let name = type.formatted
        let what =
            switch failure.reason {
            case .noDocument: "is no JSON"
            case .null: "is null"
            case .outOfRange: "is beyond \(name)"
            case .tooLong: "is longer than \(name)"
            case .nul: "has U+0000, which cannot be stored"
            case .missingScale: "is the bytes of a number, and nothing says where its point is"
            case .ambiguous: "is a number in two ways"
            case .missingUnit: "is a number, and nothing says what it counts"
            case .missingZone, .movingZone: "names no zone"
            case .undecodable: "cannot be decoded as the column's strings are"
            case .badSyntax, .wrongType, .invalidUTF8: "is no \(name)"
            }
        return SetupProblem(
            .badOption, at: place, "\(option) of \(table).\(column.name) \(what)",
            mend: .routing(.fixedValue(failure.reason)))
    }
}
