import TestSupport

/// Random texts of the grammar, with the few names that `JSONComparison` asks for.
struct RandomJSON {
    var generator: SeededGenerator

    mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[Int.random(in: 0..<choices.count, using: &generator)]
    }

    mutating func space() -> String {
        pick([
            "", "", "", " ", "\n", "\t\r\n  ",
            String(repeating: " ", count: Int.random(in: 0..<70, using: &generator)),
        ])
    }

    mutating func string() -> String {
        let parts = (0..<Int.random(in: 0..<6, using: &generator)).map { _ in
            pick([
                "x", "é", "日", "😀", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\u0000", "\\ud83d\\ude00", "\\uFFFF",
                "{}[]:,",
                "a long run of plain characters that goes past a block of 64 bytes", "\u{7f}",
            ])
        }
        return "\"" + parts.joined() + "\""
    }

    mutating func name() -> String {
        pick([
            "\"a\"", "\"b\"", "\"c\"", "\"ab\"", "\"é\"", "\"\\u0061\"", "\"\"", "\"\\u00E9\"", "\"0\"", string(),
        ])
    }

    mutating func value(depth: Int) -> String {
        switch Int.random(in: 0..<(depth > 4 ? 5 : 9), using: &generator) {
        case 0: return pick(["null", "true", "false"])
        case 1: return pick(["0", "-1", "12.50", "1e3", "-0.0E-10", "123456789012345678901234567890", "9.99e+99"])
        case 2, 3, 4: return string()
        case 5, 6: return array(depth: depth)
        default: return object(depth: depth)
        }
    }

    mutating func array(depth: Int) -> String {
        let elements = (0..<Int.random(in: 0..<4, using: &generator)).map { _ in
            space() + value(depth: depth + 1) + space()
        }
        return "[" + elements.joined(separator: ",") + space() + "]"
    }

    mutating func object(depth: Int) -> String {
        let members = (0..<Int.random(in: 0..<5, using: &generator)).map { _ in
            space() + name() + space() + ":" + space() + value(depth: depth + 1) + space()
        }
        return "{" + members.joined(separator: ",") + space() + "}"
    }

    /// A change that usually breaks the text.
    mutating func mutate(_ bytes: inout [UInt8]) {
        let interesting: [UInt8] =
            Array("{}[]:,\"\\/tfn0159.-+eEu \n".utf8) + [0, 0x0C, 0x1A, 0x1F, 0x7F, 0x80, 0xC3, 0xED, 0xFF]
        let byte =
            Bool.random(using: &generator) ? pick(interesting) : UInt8.random(in: .min ... .max, using: &generator)
        let place = Int.random(in: 0...bytes.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes.insert(byte, at: place)
        case 1 where place < bytes.count: bytes.remove(at: place)
        case 2 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 3:
            let other = Int.random(in: 0...bytes.count, using: &generator)
            bytes += bytes[min(place, other)..<max(place, other)]
        default: if place < bytes.count { bytes[place] = byte }
        }
    }
}
