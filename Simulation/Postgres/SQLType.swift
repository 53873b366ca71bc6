/// The types that the simulated server knows.
package enum SQLType: String, CaseIterable {
    case bool = "boolean"
    case int2 = "smallint"
    case int4 = "integer"
    case int8 = "bigint"
    case oid, tid, text
    case varchar = "character varying"
    case bytea
    case timestamptz = "timestamp with time zone"
    case uuid, json, jsonb
    case double = "double precision"
    case interval
    case regclass, numeric
    case texts = "text[]"
    case int4s = "integer[]"
    case int8s = "bigint[]"
    case byteas = "bytea[]"
    case oids = "oid[]"
    case tids = "tid[]"

    /// By what the loader's statements call it.
    package init?(name: String) {
        switch name {
        case "bool": self = .bool
        case "int2": self = .int2
        case "int", "int4": self = .int4
        case "int8": self = .int8
        case "varchar": self = .varchar
        case "timestamptz": self = .timestamptz
        case "float8": self = .double
        case "int[]", "int4[]": self = .int4s
        case "int8[]": self = .int8s
        default: self.init(rawValue: name)
        }
    }

    package init?(oid: UInt32) {
        guard let type = Self.allCases.first(where: { $0.oid == oid }) else { return nil }
        self = type
    }

    /// `pg_type.oid`.
    package var oid: UInt32 {
        switch self {
        case .bool: 16
        case .bytea: 17
        case .int8: 20
        case .int2: 21
        case .int4: 23
        case .text: 25
        case .oid: 26
        case .tid: 27
        case .json: 114
        case .double: 701
        case .varchar: 1043
        case .timestamptz: 1184
        case .interval: 1186
        case .numeric: 1700
        case .regclass: 2205
        case .uuid: 2950
        case .jsonb: 3802
        case .byteas: 1001
        case .int4s: 1007
        case .texts: 1009
        case .tids: 1010
        case .int8s: 1016
        case .oids: 1028
        }
    }

    /// `pg_type.typname`.
    package var catalogName: String {
        switch self {
        case .double: "float8"
        case .bool: "bool"
        case .int2: "int2"
        case .int4: "int4"
        case .int8: "int8"
        case .varchar: "varchar"
        case .timestamptz: "timestamptz"
        case .texts: "_text"
        case .int4s: "_int4"
        case .int8s: "_int8"
        case .byteas: "_bytea"
        case .oids: "_oid"
        case .tids: "_tid"
        default: rawValue
        }
    }

    /// `pg_type.typsend`.
    package var send: String {
        switch self {
        case .timestamptz, .uuid, .json, .jsonb, .numeric, .interval: "\(catalogName)_send"
        case .texts, .int4s, .int8s, .byteas, .oids, .tids: "array_send"
        default: "\(catalogName)send"
        }
    }

    /// Of an array.
    package var element: SQLType? {
        switch self {
        case .texts: .text
        case .int4s: .int4
        case .int8s: .int8
        case .byteas: .bytea
        case .oids: .oid
        case .tids: .tid
        default: nil
        }
    }

    package var range: ClosedRange<Int64>? {
        switch self {
        case .int2: Int64(Int16.min)...Int64(Int16.max)
        case .int4: Int64(Int32.min)...Int64(Int32.max)
        case .int8: Int64.min...Int64.max
        case .oid, .regclass: 0...Int64(UInt32.max)
        default: nil
        }
    }
}

// MARK: - From text and from one another

extension SQLType {
    /// The value that a text stands for where a known one is beside it.
    package static func read(_ text: String, like known: SQLValue) throws(SQLFailure) -> SQLValue {
        switch known {
        case .bool: try SQLType.bool.read(text)
        case .int: try SQLType.int8.read(text)
        case .double: try SQLType.double.read(text)
        case .bytes: try SQLType.bytea.read(text)
        case .time: try SQLType.timestamptz.read(text)
        case .array(let values):
            if case .int? = values.first(where: { !$0.isNull }) {
                try SQLType.int8s.read(text)
            } else {
                try SQLType.texts.read(text)
            }
        default: throw .unknown("the text \(text) beside \(known)")
        }
    }

    /// The type's input function.
    package func read(_ text: String) throws(SQLFailure) -> SQLValue {
        if let element {
            return .array(
                try Self.elements(of: text).map { item throws(SQLFailure) in
                    guard let item else { return SQLValue.null }
                    return try element.read(item)
                })
        }
        switch self {
        case .text, .varchar: return .text(text)
        case .json, .jsonb:
            guard self == .json || !text.contains("\\u0000") else {
                throw SQLFailure("22P05", "unsupported Unicode escape sequence")
            }
            return .text(text)
        case .uuid:
            let digits = text.lowercased().filter { $0.isHexDigit }
            guard digits.utf8.count == 32 else { throw invalid(text) }
            return .text(Self.uuid(Array(digits)))
        case .bool:
            switch text {
            case "t", "true", "on", "1": return .bool(true)
            case "f", "false", "off", "0": return .bool(false)
            default: throw invalid(text)
            }
        case .int2, .int4, .int8, .oid:
            guard let number = Int64(text) else {
                guard Double(text) != nil, !text.contains("."), !text.contains("e") else { throw invalid(text) }
                throw outOfRange(text)
            }
            guard let range, range.contains(number) else { throw outOfRange(text) }
            return .int(number)
        case .double, .numeric:
            guard let number = Double(text) else { throw invalid(text) }
            return .double(number)
        case .bytea: return .bytes(try Self.bytes(text))
        case .timestamptz: return .time(try TimeText.read(text))
        case .interval: return .interval(try Self.interval(text))
        default: throw .unknown("the text \(text) as \(rawValue)")
        }
    }

    package func cast(_ value: SQLValue) throws(SQLFailure) -> SQLValue {
        switch (value, self) {
        case (.null, _): return .null
        case (.array(let values), _):
            guard let element else {
                if self == .text { return .text(value.text ?? "") }
                throw .unknown("an array cast to \(rawValue)")
            }
            var cast: [SQLValue] = []
            for value in values { cast.append(try element.cast(value)) }
            return .array(cast)
        case (_, .text), (_, .varchar): return .text(Self.asText(value))
        case (.text(let text), _): return try read(text)
        case (.int(let number), .int2), (.int(let number), .int4), (.int(let number), .int8), (.int(let number), .oid),
            (.int(let number), .regclass):
            guard let range, range.contains(number) else { throw SQLFailure("22003", "\(rawValue) out of range") }
            return value
        case (.double(let number), .int8), (.double(let number), .int4):
            return .int(Int64(number.rounded(.toNearestOrAwayFromZero)))
        case (.int(let number), .double), (.int(let number), .numeric): return .double(Double(number))
        case (.double, .double), (.double, .numeric), (.bool, .bool), (.bytes, .bytea), (.time, .timestamptz),
            (.place, .tid), (.interval, .interval):
            return value
        default: throw .unknown("\(value) cast to \(rawValue)")
        }
    }

    private static func asText(_ value: SQLValue) -> String {
        if case .bool(let value) = value { return value ? "true" : "false" }
        return value.text ?? ""
    }

    private func invalid(_ text: String) -> SQLFailure {
        SQLFailure("22P02", "invalid input syntax for type \(rawValue): \"\(text)\"")
    }

    private func outOfRange(_ text: String) -> SQLFailure {
        SQLFailure("22003", "value \"\(text)\" is out of range for type \(rawValue)")
    }

    package static func uuid(_ digits: [Character]) -> String {
        var text = ""
        for (index, digit) in digits.enumerated() {
            if [8, 12, 16, 20].contains(index) { text += "-" }
            text.append(digit)
        }
        return text
    }

    private static func bytes(_ text: String) throws(SQLFailure) -> [UInt8] {
        guard text.hasPrefix("\\x") else {
            guard !text.contains("\\") else { throw .unknown("bytea in its old form") }
            return Array(text.utf8)
        }
        let digits = text.utf8.dropFirst(2).map { UInt8(Character(UnicodeScalar($0)).hexDigitValue ?? 255) }
        guard digits.count.isMultiple(of: 2), !digits.contains(255) else {
            throw SQLFailure("22023", "invalid hexadecimal data")
        }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static func interval(_ text: String) throws(SQLFailure) -> Int64 {
        switch text {
        case "1 ms": return 1000
        case "1 second", "1 s": return 1_000_000
        default: throw .unknown("the interval \(text)")
        }
    }

    /// Of an array's text; nil for NULL.
    private static func elements(of text: String) throws(SQLFailure) -> [String?] {
        guard text.hasPrefix("{"), text.hasSuffix("}") else {
            throw SQLFailure("22P02", "malformed array literal: \"\(text)\"")
        }
        var elements: [String?] = []
        var bytes: [UInt8] = []
        var (isQuoted, wasQuoted, isEscaped) = (false, false, false)
        func end() {
            let item = String(decoding: bytes, as: UTF8.self)
            elements.append(!wasQuoted && item == "NULL" ? nil : item)
            (bytes, wasQuoted) = ([], false)
        }
        for byte in text.utf8.dropFirst().dropLast() {
            if isEscaped {
                bytes.append(byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
                wasQuoted = true
            } else if byte == UInt8(ascii: ","), !isQuoted {
                end()
            } else {
                bytes.append(byte)
            }
        }
        if text.utf8.count > 2 { end() }
        return elements
    }
}

// MARK: - From binary

extension SQLType {
    /// The type's receive function.
    package func receive(_ bytes: ArraySlice<UInt8>) throws(SQLFailure) -> SQLValue {
        func number<Number: FixedWidthInteger>(_ type: Number.Type) throws(SQLFailure) -> Number {
            guard bytes.count == MemoryLayout<Number>.size else {
                throw SQLFailure("22P03", "incorrect binary data format")
            }
            return bytes.reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
        }
        if let element { return try Self.array(of: element, bytes) }
        switch self {
        case .bool: return .bool(try number(UInt8.self) != 0)
        case .int2: return .int(Int64(try number(Int16.self)))
        case .int4: return .int(Int64(try number(Int32.self)))
        case .int8: return .int(try number(Int64.self))
        case .oid: return .int(Int64(try number(UInt32.self)))
        case .double: return .double(Double(bitPattern: UInt64(bitPattern: try number(Int64.self))))
        case .timestamptz: return .time(try number(Int64.self))
        case .bytea: return .bytes(Array(bytes))
        case .text, .varchar: return .text(try Self.utf8(bytes))
        case .json: return try read(Self.utf8(bytes))
        case .jsonb: return try read(Self.utf8(bytes.dropFirst()))
        case .uuid: return .text(Self.uuid(Array(SQLValue.hex(Array(bytes)))))
        default: throw .unknown("\(rawValue) in binary")
        }
    }

    package static func utf8(_ bytes: ArraySlice<UInt8>) throws(SQLFailure) -> String {
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
            throw SQLFailure("22021", "invalid byte sequence for encoding \"UTF8\": 0x00")
        }
        return text
    }

    private static func array(of element: SQLType, _ bytes: ArraySlice<UInt8>) throws(SQLFailure) -> SQLValue {
        var rest = bytes
        func take() throws(SQLFailure) -> Int {
            guard rest.count >= 4 else { throw SQLFailure("22P03", "insufficient data left in message") }
            let value = rest.prefix(4).reduce(Int32(0)) { $0 << 8 | Int32($1) }
            rest = rest.dropFirst(4)
            return Int(value)
        }
        let dimensions = try take()
        _ = try take()
        _ = try take()
        guard dimensions > 0 else { return .array([]) }
        let count = try take()
        _ = try take()
        var values: [SQLValue] = []
        values.reserveCapacity(count)
        for _ in 0..<count {
            let length = try take()
            guard length >= 0 else {
                values.append(.null)
                continue
            }
            values.append(try element.receive(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return .array(values)
    }
}
