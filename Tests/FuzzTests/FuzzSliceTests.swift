import FuzzTargets
import TestSupport
import Testing

@Suite("Targets of libFuzzer")
struct FuzzSliceTests {
    @Test(
        "what is changed at random in any of the inputs to begin with is read or refused, and nothing else",
        arguments: FuzzTarget.allCases)
    func slice(target: FuzzTarget) throws {
        #expect(target.corpus.count > 1)
        for input in target.corpus { input.withUnsafeBytes { target.run($0) } }
        try Fuzzing.rounds(40, of: target.rawValue) { generator in
            for _ in 0..<10 {
                let input = changed(target.corpus.randomElement(using: &generator) ?? [], &generator)
                input.withUnsafeBytes { target.run($0) }
            }
            return 10
        }
    }

    private func changed(_ input: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var made = input
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let place = Int.random(in: 0...made.count, using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0 where place < made.count: made[place] = .random(in: 0...255, using: &generator)
            case 1 where place < made.count: made[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2: made.insert(.random(in: 0...255, using: &generator), at: place)
            case 3: made.removeSubrange(place..<min(made.count, place + .random(in: 0...8, using: &generator)))
            default:
                let start = Int.random(in: 0...made.count, using: &generator)
                made.insert(contentsOf: made[start..<min(made.count, start + 16)], at: place)
            }
        }
        return made
    }
}
