import Records
import Testing

/// Random numbers that come again for the same seed (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite("JSON record decoder against a plain reading of the standard")
struct JSONFuzzTests {
    private static let paths: [[String]] = [
        ["a"], ["b", "a"], ["b"], ["c", "0"], ["c", "1", "a"], ["ab", "b"], ["é"], ["b", "c", "b"], [""], ["a"],
        ["c", "0", "0"], [],
    ]

    /// Random texts of the grammar, with the few names the paths ask for.
    private struct Writer {
        var generator: SplitMix64

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
            case 5, 6:
                let elements = (0..<Int.random(in: 0..<4, using: &generator)).map { _ in
                    space() + value(depth: depth + 1) + space()
                }
                return "[" + elements.joined(separator: ",") + space() + "]"
            default: return object(depth: depth)
            }
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

    /// Compares the decoders' answer with the reference's. They are used for everything, so that nothing may stay behind.
    private struct Comparison {
        let decoder = JSONRecordDecoder(paths: JSONFuzzTests.paths.map(FieldPath.init))
        let validator = JSONRecordDecoder(paths: [])
        private(set) var accepted = 0
        private(set) var refused = 0

        mutating func check(_ bytes: [UInt8], padding: UInt8) {
            let message = Message(bytes, padding: padding)
            let reference = ReferenceJSON.parse(bytes)
            var found: [Value]?
            var reason: DecodingFailure.Reason?
            do throws(DecodingFailure) {
                found = try message.decode(with: decoder)
            } catch {
                reason = error.reason
            }
            let text = String(decoding: bytes, as: UTF8.self)
            switch reference {
            case .object:
                accepted += 1
                let expected = JSONFuzzTests.paths.map { reference?.field($0) ?? .absent }
                #expect(found == expected, "\(text)")
            case .some:
                refused += 1
                #expect(reason == .notAnObject, "\(text)")
            case nil:
                refused += 1
                #expect(found == nil, "\(text)")
                #expect(reason != .notAnObject, "\(text)")
                #expect(
                    (reason == .empty) == bytes.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }, "\(text)")
                if reason == .invalidUTF8 { #expect(String(validating: bytes, as: UTF8.self) == nil, "\(text)") }
            }
            // Whether a message is one does not hang on what is routed.
            var other: DecodingFailure.Reason?
            do throws(DecodingFailure) { _ = try message.decode(with: validator) } catch { other = error.reason }
            #expect(other == reason, "\(text)")
        }
    }

    @Test(
        "valid messages say what the reference says, cut and changed ones are refused like there",
        arguments: 1...10 as ClosedRange<UInt64>)
    func grammar(seed: UInt64) {
        var writer = Writer(generator: SplitMix64(seed: seed))
        var comparison = Comparison()
        for _ in 0..<6 {
            let bytes = Array((writer.space() + writer.object(depth: 0) + writer.space()).utf8)
            comparison.check(bytes, padding: writer.pick(Array("\0 }]1\",".utf8)))
            for length in bytes.indices {
                comparison.check(
                    Array(bytes[..<length]), padding: length.isMultiple(of: 2) ? bytes[length] : UInt8(ascii: "}"))
            }
            for _ in 0..<150 {
                var changed = bytes
                for _ in 0..<Int.random(in: 1...3, using: &writer.generator) { writer.mutate(&changed) }
                comparison.check(changed, padding: writer.pick(Array("\0 }]1\",".utf8)))
            }
        }
        #expect(comparison.accepted > 0 && comparison.refused > 0)
    }

    @Test("any sequence of tokens is taken or refused like by the reference", arguments: 1...2 as ClosedRange<UInt64>)
    func tokens(seed: UInt64) {
        var writer = Writer(generator: SplitMix64(seed: seed))
        var comparison = Comparison()
        let tokens = [
            "{", "}", "[", "]", ":", ",", "\"a\"", "\"\\n\"", "1", "true", " ", "{\"a\":", "{}", "\"b\":{", "\"", "\\",
        ]
        for _ in 0..<4000 {
            var text = (0..<Int.random(in: 0..<9, using: &writer.generator)).map { _ in writer.pick(tokens) }.joined()
            if Bool.random(using: &writer.generator) { text = "{" + text + "}" }
            comparison.check(Array(text.utf8), padding: writer.pick(Array("\0 }]1\",".utf8)))
        }
        #expect(comparison.accepted > 0 && comparison.refused > 0)
    }
}
