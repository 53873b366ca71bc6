import Records

/// RFC 8259 written down as plainly as possible, with the decoder's choices (half surrogate pairs refused, 1024 deep):
/// what the decoder is compared with.
indirect enum ReferenceJSON {
    case null, `false`, `true`
    case number(String)
    case string([UInt8])
    case array([ReferenceJSON], raw: String)
    case object([(name: [UInt8], value: ReferenceJSON)], raw: String)

    static func parse(_ bytes: [UInt8]) -> ReferenceJSON? {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var parser = Parser(bytes: bytes)
        parser.skipSpace()
        guard let value = parser.value(depth: 1) else { return nil }
        parser.skipSpace()
        return parser.place == bytes.count ? value : nil
    }

    /// What a path into this value says.
    func field(_ path: some Collection<String>) -> Value {
        guard let name = path.first else {
            switch self {
            case .null: return .null
            case .false: return .false
            case .true: return .true
            case .number(let text): return .number(text)
            case .string(let bytes): return .string(String(decoding: bytes, as: UTF8.self))
            case .array(_, let raw): return .array(raw)
            case .object(_, let raw): return .object(raw)
            }
        }
        switch self {
        case .array(let elements, _):
            guard let index = Int(name), String(index) == name, elements.indices.contains(index) else { return .absent }
            return elements[index].field(path.dropFirst())
        case .object(let members, _):
            return members.last { $0.name == Array(name.utf8) }?.value.field(path.dropFirst()) ?? .absent
        default:
            return .absent
        }
    }

    private struct Parser {
        let bytes: [UInt8]
        var place = 0

        var next: UInt8? { place < bytes.count ? bytes[place] : nil }

        mutating func skipSpace() {
            while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { place += 1 }
        }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard next == UInt8(ascii: character) else { return false }
            place += 1
            return true
        }

        mutating func word(_ word: String, _ value: ReferenceJSON) -> ReferenceJSON? {
            guard bytes[place...].starts(with: word.utf8) else { return nil }
            place += word.utf8.count
            return value
        }

        func raw(from start: Int) -> String { String(decoding: bytes[start..<place], as: UTF8.self) }

        mutating func value(depth: Int) -> ReferenceJSON? {
            let start = place
            switch next {
            case UInt8(ascii: "n"): return word("null", .null)
            case UInt8(ascii: "f"): return word("false", .false)
            case UInt8(ascii: "t"): return word("true", .true)
            case UInt8(ascii: "\""): return string().map(ReferenceJSON.string)
            case UInt8(ascii: "["):
                guard depth <= 1024, let elements = elements(depth: depth) else { return nil }
                return .array(elements, raw: raw(from: start))
            case UInt8(ascii: "{"):
                guard depth <= 1024, let members = members(depth: depth) else { return nil }
                return .object(members, raw: raw(from: start))
            default:
                guard number() else { return nil }
                return .number(raw(from: start))
            }
        }

        mutating func elements(depth: Int) -> [ReferenceJSON]? {
            var elements: [ReferenceJSON] = []
            place += 1
            skipSpace()
            if take("]") { return elements }
            repeat {
                skipSpace()
                guard let element = value(depth: depth + 1) else { return nil }
                elements.append(element)
                skipSpace()
            } while take(",")
            return take("]") ? elements : nil
        }

        mutating func members(depth: Int) -> [(name: [UInt8], value: ReferenceJSON)]? {
            var members: [(name: [UInt8], value: ReferenceJSON)] = []
            place += 1
            skipSpace()
            if take("}") { return members }
            repeat {
                skipSpace()
                guard let name = string() else { return nil }
                skipSpace()
                guard take(":") else { return nil }
                skipSpace()
                guard let member = value(depth: depth + 1) else { return nil }
                members.append((name, member))
                skipSpace()
            } while take(",")
            return take("}") ? members : nil
        }

        mutating func digits() -> Bool {
            let start = place
            while let byte = next, (0x30...0x39).contains(byte) { place += 1 }
            return place > start
        }

        mutating func number() -> Bool {
            _ = take("-")
            if !take("0") && !digits() { return false }
            if take(".") && !digits() { return false }
            if take("e") || take("E") {
                if !take("+") { _ = take("-") }
                if !digits() { return false }
            }
            return true
        }

        mutating func unit() -> UInt16? {
            guard place + 4 <= bytes.count else { return nil }
            let text = raw(from: place, count: 4)
            guard text.utf8.allSatisfy({ UInt8(ascii: "+") != $0 && UInt8(ascii: "-") != $0 }) else { return nil }
            place += 4
            return UInt16(text, radix: 16)
        }

        func raw(from start: Int, count: Int) -> String {
            String(decoding: bytes[start..<start + count], as: UTF8.self)
        }

        mutating func string() -> [UInt8]? {
            guard take("\"") else { return nil }
            var result: [UInt8] = []
            while let byte = next {
                place += 1
                switch byte {
                case UInt8(ascii: "\""): return result
                case ..<0x20: return nil
                case UInt8(ascii: "\\"):
                    guard let escaped = next else { return nil }
                    place += 1
                    switch Unicode.Scalar(escaped) {
                    case "\"", "\\", "/": result.append(escaped)
                    case "b": result.append(0x08)
                    case "f": result.append(0x0C)
                    case "n": result.append(0x0A)
                    case "r": result.append(0x0D)
                    case "t": result.append(0x09)
                    case "u":
                        guard let first = unit() else { return nil }
                        var units = [first]
                        if UTF16.isLeadSurrogate(first) {
                            guard take("\\"), take("u"), let second = unit() else { return nil }
                            units.append(second)
                        }
                        guard let text = String(validating: units, as: UTF16.self) else { return nil }
                        result += Array(text.utf8)
                    default: return nil
                    }
                default: result.append(byte)
                }
            }
            return nil
        }
    }
}
