/// Writes as Confluent's `AvroConverter` does, with what Connect knows of a type beside it.
enum ConnectAvro {
    /// In Confluent's framing.
    static func message(_ value: ConnectValue, _ schema: ConnectSchema, id: Int) -> [UInt8] {
        var bytes: [UInt8] = [0] + withUnsafeBytes(of: Int32(id).bigEndian) { Array($0) }
        write(value, schema, to: &bytes)
        return bytes
    }

    static func schema(_ schema: ConnectSchema) -> String {
        var known: Set<String> = []
        return self.schema(schema, &known)
    }

    // MARK: The schema

    private static func schema(_ schema: ConnectSchema, _ known: inout Set<String>) -> String {
        let type = bare(schema, &known)
        return schema.isOptional ? #"["null",\#(type)]"# : type
    }

    private static func bare(_ schema: ConnectSchema, _ known: inout Set<String>) -> String {
        var members: [String] = []
        var simple = ""
        switch schema.kind {
        case .int8, .int16: members += [#""type":"int""#, #""connect.type":"\#(schema.kind)""#]
        case .int32: simple = "int"
        case .int64: simple = "long"
        case .float, .double, .boolean, .string, .bytes: simple = "\(schema.kind)"
        case .array(let items): members += [#""type":"array""#, #""items":\#(self.schema(items, &known))"#]
        case .map(let values): members += [#""type":"map""#, #""values":\#(self.schema(values, &known))"#]
        case .record(let fields):
            let name = schema.name ?? "ConnectDefault"
            // Named once, and meant by its name from then on.
            guard known.insert(name).inserted else { return ConnectJSON.text(name) }
            let texts = fields.map { field in
                let type = self.schema(field.schema, &known)
                let absent = field.schema.isOptional ? #","default":null"# : ""
                return #"{"name":\#(ConnectJSON.text(field.name)),"type":\#(type)\#(absent)}"#
            }
            let space = name.split(separator: ".").dropLast().joined(separator: ".")
            let last = name.split(separator: ".").last.map(String.init) ?? name
            members += [#""type":"record""#, #""name":\#(ConnectJSON.text(last))"#]
            if !space.isEmpty { members.append(#""namespace":\#(ConnectJSON.text(space))"#) }
            members.append(#""fields":[\#(texts.joined(separator: ","))]"#)
        }
        guard let name = schema.name else {
            return simple.isEmpty ? "{\(members.joined(separator: ","))}" : "\"\(simple)\""
        }
        if !simple.isEmpty { members.append(#""type":"\#(simple)""#) }
        if schema.hasVersion { members.append(#""connect.version":1"#) }
        if !schema.parameters.isEmpty {
            let pairs = schema.parameters.map { "\(ConnectJSON.text($0)):\(ConnectJSON.text($1))" }
            members.append(#""connect.parameters":{\#(pairs.joined(separator: ","))}"#)
        }
        members.append(#""connect.name":\#(ConnectJSON.text(name))"#)
        members += logical(schema, name)
        return "{\(members.joined(separator: ","))}"
    }

    /// Avro's own types, which the converter gives to Connect's.
    private static func logical(_ schema: ConnectSchema, _ name: String) -> [String] {
        switch name {
        case "org.apache.kafka.connect.data.Decimal":
            let scale = schema.parameters.first { $0.0 == "scale" }?.1 ?? "0"
            let precision = schema.parameters.first { $0.0 == "connect.decimal.precision" }?.1 ?? "64"
            return [#""scale":\#(scale)"#, #""precision":\#(precision)"#, #""logicalType":"decimal""#]
        case "org.apache.kafka.connect.data.Date": return [#""logicalType":"date""#]
        case "org.apache.kafka.connect.data.Time": return [#""logicalType":"time-millis""#]
        case "org.apache.kafka.connect.data.Timestamp": return [#""logicalType":"timestamp-millis""#]
        default: return []
        }
    }

    // MARK: The value

    private static func write(_ value: ConnectValue, _ schema: ConnectSchema, to bytes: inout [UInt8]) {
        if schema.isOptional {
            if case .null = value {
                bytes.append(0)
                return
            }
            bytes.append(2)
        }
        switch (value, schema.kind) {
        case (.bool(let flag), _): bytes.append(flag ? 1 : 0)
        case (.int(let number), _): write(number, to: &bytes)
        case (.float(let number), _): withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes += $0 }
        case (.double(let number), _): withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes += $0 }
        case (.text(let text), _): write(Array(text.utf8), to: &bytes)
        case (.bytes(let raw), _): write(raw, to: &bytes)
        case (.list(let values), .array(let items)):
            if !values.isEmpty { write(Int64(values.count), to: &bytes) }
            for value in values { write(value, items, to: &bytes) }
            bytes.append(0)
        case (.map(let pairs), .map(let items)):
            if !pairs.isEmpty { write(Int64(pairs.count), to: &bytes) }
            for (name, value) in pairs {
                write(Array(name.utf8), to: &bytes)
                write(value, items, to: &bytes)
            }
            bytes.append(0)
        case (.record(let values), .record(let fields)):
            for (field, value) in zip(fields, values) { write(value, field.schema, to: &bytes) }
        default: preconditionFailure("\(value) is no \(schema.kind)")
        }
    }

    private static func write(_ raw: [UInt8], to bytes: inout [UInt8]) {
        write(Int64(raw.count), to: &bytes)
        bytes += raw
    }

    private static func write(_ number: Int64, to bytes: inout [UInt8]) {
        var rest = UInt64(bitPattern: (number << 1) ^ (number >> 63))
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
