import Records
import TestSupport
import Testing

@Suite("JSON record decoder against a plain reading of the standard")
struct JSONFuzzTests {
    @Test("valid messages say what the reference says, cut and changed ones are refused like there")
    func grammar() throws {
        var comparison = JSONComparison()
        try Fuzzing.rounds(10, of: "json") { generator in
            var random = RandomJSON(generator: generator)
            let before = comparison.accepted + comparison.refused
            func check(_ bytes: [UInt8], padding: UInt8) throws {
                guard let difference = comparison.difference(bytes, padding: padding) else { return }
                throw Fuzzing.Found(description: difference)
            }
            for _ in 0..<6 {
                let bytes = Array((random.space() + random.object(depth: 0) + random.space()).utf8)
                try check(bytes, padding: random.pick(Array("\0 }]1\",".utf8)))
                for length in bytes.indices {
                    let padding = length.isMultiple(of: 2) ? bytes[length] : UInt8(ascii: "}")
                    try check(Array(bytes[..<length]), padding: padding)
                }
                for _ in 0..<150 {
                    var changed = bytes
                    for _ in 0..<Int.random(in: 1...3, using: &random.generator) { random.mutate(&changed) }
                    try check(changed, padding: random.pick(Array("\0 }]1\",".utf8)))
                }
            }
            return comparison.accepted + comparison.refused - before
        }
        #expect(comparison.accepted > 0 && comparison.refused > 0)
    }

    @Test("any sequence of tokens is taken or refused like by the reference", arguments: 1...2 as ClosedRange<UInt64>)
    func tokens(seed: UInt64) {
        var random = RandomJSON(generator: SeededGenerator(seed: seed))
        var comparison = JSONComparison()
        for _ in 0..<4000 {
            var text = (0..<Int.random(in: 0..<9, using: &random.generator)).map { _ in random.pick(Self.tokens) }
                .joined()
            if Bool.random(using: &random.generator) { text = "{" + text + "}" }
            let difference = comparison.difference(Array(text.utf8), padding: random.pick(Array("\0 }]1\",".utf8)))
            if let difference { Issue.record("\(difference)") }
        }
        #expect(comparison.accepted > 0 && comparison.refused > 0)
    }

    private static let tokens = [
        "{", "}", "[", "]", ":", ",", "\"a\"", "\"\\n\"", "1", "true", " ", "{\"a\":", "{}", "\"b\":{", "\"", "\\",
    ]
}
