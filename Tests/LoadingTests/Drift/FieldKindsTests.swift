import TestSupport
import Testing

@testable import Loading

@Suite("Whether a field's values are of the kind they were")
struct FieldKindsTests {
    private func events(_ runs: (kind: FieldKinds.Kind, count: Int)...) -> [FieldKinds.Event] {
        var kinds = FieldKinds()
        return runs.flatMap { Array(repeating: $0.kind, count: $0.count) }.compactMap { kinds.look($0) }
    }

    @Test("numbers that become strings are told once, and once when they are numbers again; the next time is no news")
    func changes() {
        #expect(events((.number, 1000), (.string, 1000)) == [.changed(from: .number, to: .string)])
        #expect(
            events((.number, 1000), (.string, 1000), (.number, 1000), (.string, 1000), (.number, 100))
                == [.changed(from: .number, to: .string), .back])
    }

    @Test("ten numbers before are enough to tell, and three odd values among thousands are not")
    func evidence() {
        #expect(events((.object, 10), (.string, 40)) == [.changed(from: .object, to: .string)])
        #expect(events((.string, 1000), (.number, 3), (.string, 1000), (.array, 20), (.string, 1000)) == [])
    }

    @Test("a field that always had several kinds has not changed", arguments: 1...5)
    func mixed(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var kinds = FieldKinds()
        for _ in 0..<10_000 {
            let kind: FieldKinds.Kind = Int.random(in: 0..<4, using: &generator) == 0 ? .string : .number
            let event = kinds.look(kind)
            #expect(event == nil, "seed \(seed)")
        }
    }

    @Test("a third kind is a change of its own")
    func third() {
        #expect(
            events((.number, 100), (.string, 100), (.object, 100))
                == [.changed(from: .number, to: .string), .changed(from: .string, to: .object)])
    }
}
