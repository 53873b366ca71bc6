extension Field.Kind {
    /// A value may be a name in a map.
    var isName: Bool {
        switch self {
        case .null, .false, .true, .string, .integer, .unsigned, .double, .float, .bytes, .uuid: true
        default: false
        }
    }
}

/// The names in maps that are no texts. They are rare, so that they may allocate.
extension SideMemory {
    /// Numbers, truth values and null as they are written, bytes as the text that they are or else in hexadecimal; nil for what
    /// is no name.
    func name(_ value: Field) -> UnsafeRawBufferPointer? {
        switch value.kind {
        case .string: return value.bytes
        case .null: return held("null")
        case .true: return held("true")
        case .false: return held("false")
        case .integer: return held("\(Int64(bitPattern: value.first))")
        case .unsigned: return held("\(value.first)")
        case .double: return held("\(Double(bitPattern: value.first))")
        case .float: return held("\(Float(bitPattern: UInt32(truncatingIfNeeded: value.first)))")
        case .bytes:
            return UTF8Text.firstFault(in: value.bytes) == nil ? value.bytes : held(Self.hexadecimal(value.bytes))
        case .uuid:
            let digits = withUnsafeBytes(of: (value.first.bigEndian, value.second.bigEndian)) { Self.hexadecimal($0) }
            var text = ""
            for (place, digit) in digits.enumerated() {
                if [8, 12, 16, 20].contains(place) { text += "-" }
                text.append(digit)
            }
            return held(text)
        default: return nil
        }
    }

    private func held(_ text: String) -> UnsafeRawBufferPointer {
        let room = room(for: text.utf8.count)
        room.copyBytes(from: text.utf8)
        return UnsafeRawBufferPointer(room)
    }

    private static func hexadecimal(_ bytes: UnsafeRawBufferPointer) -> String {
        bytes.reduce(into: "") { $0 += ($1 < 16 ? "0" : "") + String($1, radix: 16) }
    }
}
