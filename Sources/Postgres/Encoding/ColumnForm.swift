/// A column's type and options boiled down to what the encoders branch on, and the rules of what a value must be.
///
/// The rules stand here once, so that binary and text COPY accept the same values.
struct ColumnForm: Sendable {
    enum Kind: UInt8, Sendable {
        case bool, int2, int4, int8, float4, float8, numeric
        /// text, varchar, char(n) and citext.
        case text
        case enumeration, bytea, uuid, date, time, timestamp, timestamptz, json, jsonb, array, composite
        /// Read by the server's own input function, but for numbers, which say nothing without a unit.
        case interval, timetz
        /// An extension's type that is made of names and values.
        case hstore
        /// Read by the server's own input function.
        case other
        /// Strings stand for something else, by the options' `decoding`; what that is goes into the only one of `parts`.
        case decoded
    }

    private(set) var kind: Kind
    private(set) var options: EncodingOptions
    /// Code points that `varchar(n)` or `char(n)` holds.
    private(set) var characterLimit = Int.max
    private(set) var numericLimits: NumericLimits?
    private(set) var zone: LocalZone?
    /// The element's form of an array, the attributes' of a composite type.
    private(set) var parts: [ColumnForm] = []
    private(set) var attributeNames: [String] = []
    private(set) var elementOID: UInt32 = 0
    private(set) var delimiter = UInt8(ascii: ",")
    /// Bytes that the server would keep of a longer text without a word: 63 of `name`, one of `"char"`.
    private(set) var byteLimit = Int.max
    /// The type is an extension's, whose text may be JSON: geometry, vector.
    private(set) var takesJSONText = false
    /// The type is a string of bits.
    private(set) var isBits = false
    /// Numbers count by the clock of a zone that is not told, and some stand for the infinities.
    private(set) var countsLocally = false
    /// Digits of `bit(n)`, or the most of `bit varying(n)`, where its producer may write them as bytes; 0: of no such column.
    private(set) var bitCount = 0
    /// It is `bit varying`.
    private(set) var hasAnyBits = false
    private(set) var isPoint = false
    /// Its producer may write shapes as records, or sets of words as one text.
    private(set) var takesShapes = false
    private(set) var takesSets = false
    /// An offset behind a time without a zone says nothing.
    private(set) var ignoresOffset = false

    init(_ type: PostgresType, options: EncodingOptions) {
        if let decoding = Self.decoding(type, options) {
            var plain = decoding
            plain.decoding = .none
            // Decoded bytes are those that nobody has looked at yet; a JSON document has been read.
            plain.isRaw = decoding.decoding != .json
            self.init(plain: type, options: plain)
            kind = .decoded
            self.options = decoding
            parts = [ColumnForm(type, options: plain)]
            // What is no string may have strings in it that are documents.
            if decoding.decoding == .json, let inner = Self.openingInside(type, decoding) { parts.append(inner) }
        } else {
            self.init(plain: type, options: options)
        }
    }

    /// The options by which strings for a value of this type as a whole are decoded; nil if they are what they are. Of an
    /// array of bytes or text each element is decoded.
    private static func decoding(_ type: PostgresType, _ options: EncodingOptions) -> EncodingOptions? {
        switch type.shape {
        case .domain(let base): return decoding(base, options)
        case .array: return options.decoding == .json ? options : nil
        default:
            if options.decoding != .none { return options }
            // The bytes of a key, value or header are a JSON text.
            guard options.isRaw, type.isJSON else { return nil }
            var options = options
            options.decoding = .json
            return options
        }
    }

    /// The form of an array or composite that has documents in its strings; nil if the type can have none.
    private static func openingInside(_ type: PostgresType, _ options: EncodingOptions) -> ColumnForm? {
        var options = options
        // What is inside has been read already, and is no key's, value's or header's own bytes.
        options.isRaw = false
        var plain = options
        plain.decoding = .none
        func inner(_ type: PostgresType) -> ColumnForm {
            let hasDocuments =
                switch type.baseShape {
                case .array, .composite: true
                default: type.isJSON
                }
            return ColumnForm(type, options: hasDocuments ? options : plain)
        }
        let parts: [ColumnForm]
        switch type.baseShape {
        case .array(let element): parts = [inner(element)]
        case .composite(let attributes): parts = attributes.map { inner($0.type) }
        default: return nil
        }
        var form = ColumnForm(type, options: plain)
        form.parts = parts
        return form
    }

    private init(plain type: PostgresType, options: EncodingOptions) {
        self.options = options
        // A domain's values have its base type's form; its constraints are the server's to check.
        var type = type
        while case .domain(let base) = type.shape { type = base }
        switch type.shape {
        case .enumeration:
            kind = .enumeration
        case .composite(let attributes):
            kind = .composite
            attributeNames = attributes.map(\.name)
            parts = attributes.map { ColumnForm($0.type, options: options) }
        case .array(var element):
            kind = .array
            // `varchar(5)[]` has its modifier on the array.
            if element.modifier == -1, case .base = element.shape { element.modifier = type.modifier }
            elementOID = element.oid
            delimiter = Self.delimiter(of: element)
            parts = [ColumnForm(element, options: options)]
            takesSets = options.writing?.isDebezium == true && [.text, .enumeration].contains(parts[0].kind)
        case .base, .domain:
            kind = Self.kind(ofBase: type)
            switch kind {
            case .text where type.oid == 1042 || type.oid == 1043:
                if type.modifier >= 4 { characterLimit = Int(type.modifier) - 4 }
            case .numeric:
                numericLimits = NumericLimits(modifier: type.modifier)
            case .date, .time, .timestamp, .timestamptz:
                zone = options.timeZone.flatMap { LocalZone($0) }
                countBySource(type)
            case .interval: countBySource(type)
            case .other:
                switch type.oid {
                case 18: byteLimit = 1
                case 600: isPoint = true
                case 19: byteLimit = 63
                case 1560, 1562:
                    isBits = true
                    if options.writing?.isDebezium == true {
                        bitCount = type.modifier > 0 ? Int(type.modifier) : type.oid == 1560 ? 1 : .max
                        hasAnyBits = type.oid == 1562
                    }
                // PostgreSQL's FirstNormalObjectId: what is below came with the server, and has no JSON for text.
                default: takesJSONText = type.oid >= 16384
                }
            default: break
            }
            takesShapes =
                options.writing?.isDebezium == true
                && (kind == .text || kind == .bytea || kind == .other && ["geometry", "geography"].contains(type.name))
        }
    }

    /// What numbers count where the route does not say it of the column.
    private mutating func countBySource(_ type: PostgresType) {
        guard options.epochUnit == nil, let writing = options.writing else { return }
        options.epochUnit = writing.unit(of: kind, digits: type.modifier >= 0 ? Int(type.modifier) : nil)
        countsLocally = options.epochUnit != nil
        // Texts end in Z there, whether they are moments or not.
        ignoresOffset = writing.temporal == .isostring && (kind == .time || kind == .timestamp)
    }

    static func kind(ofBase type: PostgresType) -> Kind {
        // The OIDs of built-in types are fixed; see pg_type.dat.
        switch type.oid {
        case 16: .bool
        case 17: .bytea
        case 20: .int8
        case 21: .int2
        case 23: .int4
        case 25, 1042, 1043: .text
        case 114: .json
        case 700: .float4
        case 701: .float8
        case 1082: .date
        case 1083: .time
        case 1114: .timestamp
        case 1184: .timestamptz
        case 1186: .interval
        case 1266: .timetz
        case 1700: .numeric
        case 2950: .uuid
        case 3802: .jsonb
        // An extension's types have another OID in each database.
        default: type.name == "citext" ? .text : type.name == "hstore" ? .hstore : .other
        }
    }

    /// `typdelim`, which is a semicolon for box, whose own text has commas.
    private static func delimiter(of element: PostgresType) -> UInt8 {
        if case .domain(let base) = element.shape { return delimiter(of: base) }
        return element.oid == 603 ? UInt8(ascii: ";") : UInt8(ascii: ",")
    }

    /// Whether the type has a binary encoder.
    var isBinary: Bool {
        switch kind {
        case .array, .decoded: parts.allSatisfy(\.isBinary)
        case .composite, .interval, .timetz, .hstore, .other: false
        default: true
        }
    }

    /// Whether a JSON array is one value of this type, so that an SQL array of it does not take it for a dimension.
    var takesArrays: Bool {
        switch kind {
        case .array, .json, .jsonb: true
        case .decoded: parts[0].takesArrays
        default: takesJSONText
        }
    }

    // MARK: What a value must be

    func boolean(_ value: InputValue) throws(EncodingFailure) -> Bool {
        switch value.kind {
        case .true: return true
        case .false: return false
        case .string:
            // Any unambiguous beginning of a word will do, as for PostgreSQL.
            let text = value.bytes.trimmingWhitespace()
            guard text.count > 0 else { break }
            if text.isPrefixIgnoringCase(of: "true") || text.isPrefixIgnoringCase(of: "yes")
                || text.equalsIgnoringCase("on") || text.equalsIgnoringCase("1")
            {
                return true
            }
            if text.isPrefixIgnoringCase(of: "false") || text.isPrefixIgnoringCase(of: "no")
                || (text.count > 1 && text.isPrefixIgnoringCase(of: "off")) || text.equalsIgnoringCase("0")
            {
                return false
            }
        case .number: return try integer(value, in: 0...1) == 1
        default: return try boolean(ofNumber: value)
        }
        throw EncodingFailure(.badSyntax, found: value.kind)
    }

    func integer(_ value: InputValue, in range: ClosedRange<Int64>) throws(EncodingFailure) -> Int64 {
        guard value.kind == .number || value.kind == .string else { return try integer(ofBinary: value, in: range) }
        let number: Int64
        if let short = Self.shortInteger(value.bytes) {
            number = short
        } else {
            guard let decimal = DecimalText(value.bytes) else { throw EncodingFailure(.badSyntax, found: value.kind) }
            if value.kind == .string, !decimal.isPlainInteger { throw EncodingFailure(.badSyntax, found: .string) }
            switch decimal.floor() {
            case .value(let integral, isExact: true): number = integral
            case .value: throw EncodingFailure(.wrongType, found: value.kind)
            case .overflow: throw EncodingFailure(.outOfRange, found: value.kind)
            }
        }
        guard range ~= number else { throw EncodingFailure(.outOfRange, found: value.kind) }
        return number
    }

    /// An optional minus and 1 to 18 digits, which no `Int64` overflows: what nearly all integers are.
    @inline(__always)
    private static func shortInteger(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        guard bytes.count > 0, bytes.count <= 18 else { return nil }
        let isNegative = bytes[0] == UInt8(ascii: "-")
        var index = isNegative ? 1 : 0
        guard index < bytes.count else { return nil }
        var value: Int64 = 0
        while index < bytes.count {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return nil }
            value = value &* 10 &+ Int64(digit)
            index &+= 1
        }
        return isNegative ? 0 &- value : value
    }

    func double(_ value: InputValue) throws(EncodingFailure) -> Double {
        guard value.kind == .number || value.kind == .string else { return try double(ofBinary: value) }
        switch FloatText.double(value.bytes) {
        case .value(let number): return number
        case .badSyntax: throw EncodingFailure(.badSyntax, found: value.kind)
        case .outOfRange: throw EncodingFailure(.outOfRange, found: value.kind)
        }
    }

    func float(_ value: InputValue) throws(EncodingFailure) -> Float {
        guard value.kind == .number || value.kind == .string else { return try float(ofBinary: value) }
        switch FloatText.float(value.bytes) {
        case .value(let number): return number
        case .badSyntax: throw EncodingFailure(.badSyntax, found: value.kind)
        case .outOfRange: throw EncodingFailure(.outOfRange, found: value.kind)
        }
    }

    /// - Parameter value: a text, into which the result points; for other numbers see `InputValue.withText(_:)`.
    func numeric(_ value: InputValue) throws(EncodingFailure) -> NumericValue {
        guard value.kind == .number || value.kind == .string else {
            throw EncodingFailure(.wrongType, found: value.kind)
        }
        switch NumericValue.read(value.bytes, limits: numericLimits) {
        case .value(let number):
            if !options.numericHasInfinity, number.isInfinite {
                throw EncodingFailure(.badSyntax, found: value.kind)
            }
            return number
        case .failure(.badSyntax): throw EncodingFailure(.badSyntax, found: value.kind)
        case .failure(.outOfRange): throw EncodingFailure(.outOfRange, found: value.kind)
        }
    }

    /// Hexadecimal digits, perhaps in braces, perhaps with a hyphen behind any group of four.
    func uuid(_ value: InputValue) throws(EncodingFailure) -> (high: UInt64, low: UInt64) {
        guard value.kind == .string else { return try uuid(ofBinary: value) }
        let bytes = value.bytes
        var index = 0
        var end = bytes.count
        if end >= 2, bytes[0] == UInt8(ascii: "{"), bytes[end - 1] == UInt8(ascii: "}") {
            index = 1
            end -= 1
        }
        var halves: (high: UInt64, low: UInt64) = (0, 0)
        var digits = 0
        while index < end {
            let digit = bytes[index].hexValue
            if digit < 16 {
                guard digits < 32 else { break }
                if digits < 16 {
                    halves.high = halves.high << 4 | UInt64(digit)
                } else {
                    halves.low = halves.low << 4 | UInt64(digit)
                }
                digits &+= 1
            } else {
                guard bytes[index] == UInt8(ascii: "-"), digits > 0, digits < 32, digits & 3 == 0,
                    bytes[index - 1] != UInt8(ascii: "-")
                else { break }
            }
            index &+= 1
        }
        guard digits == 32, index == end else { throw EncodingFailure(.badSyntax, found: value.kind) }
        return halves
    }

    /// The label's own bytes. Whether there is such a label the server says: one may have been added a moment ago.
    func label(_ value: InputValue) throws(EncodingFailure) -> UnsafeRawBufferPointer {
        if value.kind == .symbol { return try label(InputValue(.string, value.symbolName)) }
        guard value.kind == .string else { throw EncodingFailure(.wrongType, found: value.kind) }
        if options.isRaw, !isValidUTF8(value.bytes) { throw EncodingFailure(.invalidUTF8, found: .string) }
        if value.bytes.contains(0) { throw EncodingFailure(.nul, found: .string) }
        return value.bytes
    }

    // MARK: Text, bytes and JSON, which both formats write alike

    /// Appends a text type's characters.
    func appendText(_ value: InputValue, to buffer: inout CopyBuffer) throws(EncodingFailure) {
        let start = buffer.count
        switch value.kind {
        case .string: try appendCharacters(value, to: &buffer)
        case .number: buffer.append(value.bytes)
        case .true: buffer.append("true")
        case .false: buffer.append("false")
        default: try appendText(ofBinary: value, to: &buffer)
        }
        if buffer.count - start > characterLimit { try trim(&buffer, from: start, found: value.kind) }
    }

    @inline(__always)
    private func appendCharacters(_ value: InputValue, to buffer: inout CopyBuffer) throws(EncodingFailure) {
        if options.isRaw, !isValidUTF8(value.bytes) { throw EncodingFailure(.invalidUTF8, found: value.kind) }
        guard buffer.append(text: value.bytes, onNul: options.onNul) else {
            throw EncodingFailure(.nul, found: value.kind)
        }
    }

    /// Cuts off spaces beyond the limit, as PostgreSQL does; more than spaces is too long.
    private func trim(
        _ buffer: inout CopyBuffer, from start: Int, found: InputValue.Kind
    ) throws(EncodingFailure) {
        var characters = 0
        var index = start
        let bytes = buffer.bytes
        while index < bytes.count {
            if bytes[index] & 0xC0 != 0x80 {
                if characters == characterLimit { break }
                characters &+= 1
            }
            index &+= 1
        }
        for byte in bytes[index...] where byte != UInt8(ascii: " ") { throw EncodingFailure(.tooLong, found: found) }
        buffer.truncate(to: index)
    }

    /// Appends what the server's input function reads, of a type that has no encoder of its own.
    func appendOther(
        _ value: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        if isPoint, try appendPoint(value, to: &buffer, containers) { return }
        if takesShapes, try appendShapeText(value, to: &buffer, containers) { return }
        if bitCount > 0, try appendBits(value, to: &buffer, containers) { return }
        switch value.kind {
        case .array, .object, .list, .record:
            guard takesJSONText else { throw EncodingFailure(.wrongType, found: value.kind) }
            if value.kind == .array || value.kind == .object {
                buffer.append(value.bytes)
            } else {
                try appendJSON(value, to: &buffer, containers)
            }
        // One bit is told as what it means: Debezium has `bit(1)` as a boolean.
        case .true where isBits, .false where isBits: buffer.append(value.kind == .true ? "1" : "0")
        default:
            let start = buffer.count
            try appendText(value, to: &buffer)
            // The one escape that `"char"` has is four characters for one.
            let isOctal = byteLimit == 1 && buffer.count - start == 4 && buffer.bytes[start] == UInt8(ascii: "\\")
            if buffer.count - start > byteLimit, !isOctal { throw EncodingFailure(.tooLong, found: value.kind) }
        }
    }

    /// Appends the JSON text of any value.
    func appendJSON(
        _ value: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        switch value.kind {
        case .true: buffer.append("true")
        case .false: buffer.append("false")
        case .null: buffer.append("null")
        case .number: buffer.append(value.bytes)
        case .string: try appendJSON(string: value, to: &buffer)
        case .array, .object:
            // `json` keeps the text, so it can hold the escape `\u0000`.
            if kind == .json {
                buffer.append(value.bytes)
            } else if !buffer.append(json: value.bytes, onNul: options.onNul) {
                throw EncodingFailure(.nul, found: value.kind)
            }
        default: try appendJSON(ofBinary: value, to: &buffer, containers)
        }
    }

    func appendJSON(string value: InputValue, to buffer: inout CopyBuffer) throws(EncodingFailure) {
        // `json` keeps the text, so it can hold the escape `\u0000`.
        if kind == .json {
            _ = buffer.append(jsonString: value.bytes, onNul: nil)
            return
        }
        if options.isRaw, !isValidUTF8(value.bytes) { throw EncodingFailure(.invalidUTF8, found: value.kind) }
        guard buffer.append(jsonString: value.bytes, onNul: options.onNul) else {
            throw EncodingFailure(.nul, found: value.kind)
        }
    }

    /// Whether a string for `bytea` is hexadecimal, `\x…`; otherwise its bytes are meant as they are.
    func isHexadecimal(_ bytes: UnsafeRawBufferPointer) -> Bool {
        !options.isRaw && bytes.count >= 2 && bytes[0] == UInt8(ascii: "\\") && bytes[1] == UInt8(ascii: "x")
    }

    /// Appends the bytes of a `bytea`.
    func appendBytes(_ value: InputValue, to buffer: inout CopyBuffer) throws(EncodingFailure) {
        guard value.kind == .string else { return try appendBytes(ofBinary: value, to: &buffer) }
        guard isHexadecimal(value.bytes) else { return buffer.append(value.bytes) }
        let target = buffer.reserve(value.bytes.count / 2)
        var length = 0
        var index = 2
        while index < value.bytes.count {
            let byte = value.bytes[index]
            // Between two bytes, but not within one, PostgreSQL allows for white space.
            if byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
                index &+= 1
                continue
            }
            let high = byte.hexValue
            let low = index &+ 1 < value.bytes.count ? value.bytes[index &+ 1].hexValue : 255
            guard high < 16, low < 16 else { throw EncodingFailure(.badSyntax, found: .string) }
            target.storeBytes(of: high << 4 | low, toByteOffset: length, as: UInt8.self)
            length &+= 1
            index &+= 2
        }
        buffer.advance(by: length)
    }
}

extension EncodingOptions {
    /// Whether `name` can be a `timeZone`: `Z`, `UTC`, `±HH[[:]MM[:SS]]` or a zone of the IANA database.
    public static func isKnownTimeZone(_ name: String) -> Bool { LocalZone(name) != nil }
}

extension PostgresType {
    /// What lies under the domains.
    var baseShape: Shape {
        if case .domain(let base) = shape { base.baseShape } else { shape }
    }

    /// Whether it has no binary encoder: what is sent is text, which the server's own input function reads.
    public var isReadByServer: Bool { !ColumnForm(self, options: EncodingOptions()).isBinary }

    /// `json`, `jsonb`, and domains over them.
    public var isJSON: Bool {
        switch shape {
        case .domain(let base): base.isJSON
        case .base: oid == 114 || oid == 3802
        default: false
        }
    }
}

/// A column's form where encoders share it.
final class SharedColumnForm: Sendable {
    let form: ColumnForm

    init(_ form: ColumnForm) { self.form = form }
}
