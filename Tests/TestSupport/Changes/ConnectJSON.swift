import Foundation

/// Writes as Connect's `JsonConverter` does.
enum ConnectJSON {
    /// With `schemas.enable`: the schema stands in front of each value.
    static func envelope(_ value: ConnectValue, _ schema: ConnectSchema, schemaText: [UInt8]) -> [UInt8] {
        var bytes = Array(#"{"schema":"#.utf8) + schemaText + Array(#","payload":"#.utf8)
        write(value, schema, to: &bytes)
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    static func value(_ value: ConnectValue, _ schema: ConnectSchema) -> [UInt8] {
        var bytes: [UInt8] = []
        write(value, schema, to: &bytes)
        return bytes
    }

    /// - Parameter field: what the schema is of, within a record.
    static func schema(_ schema: ConnectSchema, field: String? = nil) -> String {
        var members: [String] = []
        switch schema.kind {
        case .array(let items): members += [#""type":"array""#, #""items":\#(self.schema(items))"#]
        case .map(let values):
            members += [
                #""type":"map""#, #""keys":{"type":"string","optional":false}"#, #""values":\#(self.schema(values))"#,
            ]
        case .record(let fields):
            let texts = fields.map { self.schema($0.schema, field: $0.name) }
            members += [#""type":"struct""#, #""fields":[\#(texts.joined(separator: ","))]"#]
        default: members.append(#""type":"\#(schema.kind)""#)
        }
        members.append(#""optional":\#(schema.isOptional)"#)
        if let name = schema.name { members.append(#""name":\#(text(name))"#) }
        if schema.hasVersion { members.append(#""version":1"#) }
        if !schema.parameters.isEmpty {
            let pairs = schema.parameters.map { "\(text($0)):\(text($1))" }
            members.append(#""parameters":{\#(pairs.joined(separator: ","))}"#)
        }
        if let field { members.append(#""field":\#(text(field))"#) }
        return "{" + members.joined(separator: ",") + "}"
    }

    static func text(_ string: String) -> String {
        var bytes: [UInt8] = []
        write(string, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func write(_ value: ConnectValue, _ schema: ConnectSchema, to bytes: inout [UInt8]) {
        switch (value, schema.kind) {
        case (.null, _): bytes += "null".utf8
        case (.bool(let flag), _): bytes += (flag ? "true" : "false").utf8
        case (.int(let number), _): bytes += String(number).utf8
        case (.float(let number), _): bytes += JavaNumber.text(number).utf8
        case (.double(let number), _): bytes += JavaNumber.text(number).utf8
        case (.text(let string), _): write(string, to: &bytes)
        case (.bytes(let raw), _): write(Data(raw).base64EncodedString(), to: &bytes)
        case (.list(let values), .array(let items)):
            join(values, "[", "]", to: &bytes) { write($0, items, to: &$1) }
        case (.map(let pairs), .map(let items)):
            join(pairs, "{", "}", to: &bytes) { pair, bytes in
                write(pair.0, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                write(pair.1, items, to: &bytes)
            }
        case (.record(let values), .record(let fields)):
            join(Array(zip(fields, values)), "{", "}", to: &bytes) { member, bytes in
                write(member.0.name, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                write(member.1, member.0.schema, to: &bytes)
            }
        default: preconditionFailure("\(value) is no \(schema.kind)")
        }
    }

    private static func join<Item>(
        _ items: [Item], _ open: StaticString, _ close: StaticString, to bytes: inout [UInt8],
        _ write: (Item, inout [UInt8]) -> Void
    ) {
        bytes += "\(open)".utf8
        for (index, item) in items.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            write(item, &bytes)
        }
        bytes += "\(close)".utf8
    }

    private static func write(_ string: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): bytes += "\\n".utf8
            case UInt8(ascii: "\t"): bytes += "\\t".utf8
            case 0..<0x20: bytes += "\\u00\(Hex.text([byte]))".utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

/// Numbers as Java writes them, which decides what stands in JSON: `1.0E10`, `"NaN"`.
enum JavaNumber {
    static func text(_ number: Double) -> String {
        number.isFinite ? layout("\(number.magnitude)", isNegative: number.sign == .minus) : name(number)
    }

    static func text(_ number: Float) -> String {
        number.isFinite ? layout("\(number.magnitude)", isNegative: number.sign == .minus) : name(Double(number))
    }

    private static func name(_ number: Double) -> String {
        number.isNaN ? "\"NaN\"" : number < 0 ? "\"-Infinity\"" : "\"Infinity\""
    }

    /// - Parameter text: the fewest digits that tell the number, as Swift writes them.
    private static func layout(_ text: String, isNegative: Bool) -> String {
        let parts = text.split(separator: "e")
        let number = parts[0].split(separator: ".")
        let fraction = number.count > 1 ? String(number[1]) : ""
        var digits = String(number[0]) + fraction
        // How many digits stand in front of the point.
        var point = number[0].count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        while digits.count > 1, digits.hasPrefix("0") {
            digits.removeFirst()
            point -= 1
        }
        while digits.count > 1, digits.hasSuffix("0") { digits.removeLast() }
        let sign = isNegative ? "-" : ""
        if digits == "0" { return sign + "0.0" }
        // Double.toString: plain from 10^-3 to below 10^7.
        if point > 7 || point < -2 {
            let rest = digits.dropFirst()
            return sign + digits.prefix(1) + "." + (rest.isEmpty ? "0" : rest) + "E\(point - 1)"
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
        if digits.count <= point { return sign + digits + String(repeating: "0", count: point - digits.count) + ".0" }
        return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }
}
