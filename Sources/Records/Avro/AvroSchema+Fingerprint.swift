extension AvroSchema {
    /// The same for all schemas that read messages alike: CRC-64-AVRO of the parsing canonical form (specification 1.12,
    /// "Transforming into Parsing Canonical Form" and "Schema Fingerprints").
    public var fingerprint: UInt64 {
        var crc = Self.empty
        for byte in canonicalForm.utf8 { crc = crc >> 8 ^ Self.table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
        return crc
    }

    private static let empty: UInt64 = 0xC15D_213A_A4D7_A795

    private static let table: [UInt64] = (0..<256).map { byte in
        (0..<8).reduce(UInt64(byte)) { crc, _ in crc >> 1 ^ (crc & 1 == 1 ? empty : 0) }
    }

    /// Names in full, and nothing but what the bytes of a message depend on.
    public var canonicalForm: String {
        var defined: Set<String> = []
        var text = ""
        write(root, &defined, to: &text)
        return text
    }

    private func write(_ place: Place, _ defined: inout Set<String>, to text: inout String) {
        let node = nodes[place]
        let name = node.name ?? ""
        switch node.shape {
        case .null: text += "\"null\""
        case .boolean: text += "\"boolean\""
        case .int: text += "\"int\""
        case .long: text += "\"long\""
        case .float: text += "\"float\""
        case .double: text += "\"double\""
        case .bytes: text += "\"bytes\""
        case .string: text += "\"string\""
        case .array(let items):
            text += "{\"type\":\"array\",\"items\":"
            write(items, &defined, to: &text)
            text += "}"
        case .map(let values):
            text += "{\"type\":\"map\",\"values\":"
            write(values, &defined, to: &text)
            text += "}"
        case .union(let branches):
            text += "["
            for (index, branch) in branches.enumerated() {
                if index > 0 { text += "," }
                write(branch, &defined, to: &text)
            }
            text += "]"
        case .fixed, .enum, .record:
            guard defined.insert(name).inserted else {
                text += "\"\(name)\""
                return
            }
            writeNamed(node.shape, name, &defined, to: &text)
        }
    }

    private func writeNamed(_ shape: Shape, _ name: String, _ defined: inout Set<String>, to text: inout String) {
        text += "{\"name\":\"\(name)\",\"type\":"
        switch shape {
        case .fixed(let size): text += "\"fixed\",\"size\":\(size)}"
        case .enum(let symbols):
            text += "\"enum\",\"symbols\":[" + symbols.map { "\"\($0)\"" }.joined(separator: ",") + "]}"
        case .record(let members):
            text += "\"record\",\"fields\":["
            for (index, member) in members.enumerated() {
                text += (index > 0 ? "," : "") + "{\"name\":\"\(member.name)\",\"type\":"
                write(member.type, &defined, to: &text)
                text += "}"
            }
            text += "]}"
        default: break
        }
    }
}
