import TestSupport
import Testing

@testable import Loading

@Suite("What a key's messages come to where only newer ones count")
struct VersionedChangesTests {
    /// A row of the table: its version, 0 for none, and the messages that it has been changed by since it was new.
    private struct Row: Equatable {
        var rank: Int
        var messages: [Int32]
    }

    private static func isNewer(_ event: VersionedChanges.Event, than row: Row) -> Bool {
        event.rank > row.rank || event.rank == 0 && row.rank == 0
    }

    private static func apply(_ event: VersionedChanges.Event, to row: inout Row?) {
        if let old = row, !isNewer(event, than: old) { return }
        if event.isDeletion {
            row = nil
        } else {
            row = Row(rank: event.rank, messages: (row?.messages ?? []) + [event.row.message])
        }
    }

    @Test("whatever the table has, the deletion and the steps come to what the messages come to one by one")
    func asIfOneByOne() {
        var random = SeededGenerator.random(for: "versioned changes")
        for _ in 0..<20_000 {
            let events = (0..<Int.random(in: 1...7, using: &random)).map { number in
                let isDeletion = Int.random(in: 0..<3, using: &random) == 0
                let isUnconditional = isDeletion && Int.random(in: 0..<5, using: &random) == 0
                return VersionedChanges.Event(
                    row: RowReference(section: 0, row: Int32(number), message: Int32(number)),
                    rank: isUnconditional ? .max : Int.random(in: 0...4, using: &random), isDeletion: isDeletion)
            }
            let changes = VersionedChanges(events)
            for there in -1...5 {
                var expected = there < 0 ? nil : Row(rank: there, messages: [-1])
                for event in events { Self.apply(event, to: &expected) }
                var found = there < 0 ? nil : Row(rank: there, messages: [-1])
                if let deletion = changes.deletion { Self.apply(events[Int(deletion.message)], to: &found) }
                for step in changes.steps {
                    // All of it or nothing: by the version of its last row.
                    guard let last = step.last else { continue }
                    if let row = found, !Self.isNewer(events[Int(last.message)], than: row) { continue }
                    found = Row(
                        rank: events[Int(last.message)].rank, messages: (found?.messages ?? []) + step.map(\.message))
                }
                if found != expected {
                    let words = events.map { "\($0.isDeletion ? "-" : "+")\($0.rank)" }
                    Issue.record("seed \(random.seed): \(words) on \(there): \(String(describing: found))")
                    return
                }
            }
        }
    }
}
