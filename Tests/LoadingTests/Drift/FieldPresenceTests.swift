import TestSupport
import Testing

@testable import Loading

@Suite("Whether a field is still there")
struct FieldPresenceTests {
    /// The changes that messages bring, by the number of the message.
    private func changes(_ messages: some Sequence<Bool>) -> [Int: FieldPresence.Change] {
        var presence = FieldPresence()
        return messages.enumerated().reduce(into: [:]) { changes, message in
            if let change = presence.look(isThere: message.element) { changes[message.offset] = change }
        }
    }

    private func runs(_ runs: (isThere: Bool, count: Int)...) -> [Bool] {
        runs.flatMap { Array(repeating: $0.isThere, count: $0.count) }
    }

    @Test(
        "a field that all messages had is gone after 200 without it, told once, and back after three with it, told once"
    )
    func vanishes() {
        #expect(changes(runs((true, 1000), (false, 5000), (true, 1000))) == [1199: .vanished, 6002: .back])
    }

    @Test("a field that was never there, or too seldom to be a pattern, does not vanish")
    func neverThere() {
        #expect(changes(runs((false, 10_000))) == [:])
        #expect(changes(runs((true, 19), (false, 100_000))) == [:])
    }

    @Test(
        "a field that one message in a thousand has is not gone while it goes on so, and is once it does not",
        arguments: 1...5)
    func rare(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let usual = (0..<200_000).map { _ in Int.random(in: 0..<1000, using: &generator) == 0 }
        #expect(changes(usual).isEmpty, "seed \(seed)")
        let found = changes(usual + runs((false, 60_000)))
        #expect(
            found.count == 1 && found.values.first == .vanished && found.keys.allSatisfy { $0 > 210_000 },
            "seed \(seed)")
    }

    @Test("an optional field that comes and goes in long stretches is told of less and less")
    func flapping() {
        let stretches = (0..<400).flatMap { _ in runs((true, 100), (false, 300)) }
        #expect(changes(stretches).count == 2)
        let growing = (0..<200).flatMap { runs((true, 100), (false, 300 + 10 * $0)) }
        #expect(changes(growing).count <= 6)
    }

    @Test("one late message does not bring a field back")
    func late() {
        #expect(changes(runs((true, 100), (false, 300), (true, 1), (false, 300))) == [299: .vanished])
    }
}
