import TestSupport
import Testing

/// The tests' own source of changes: who does what its events say must end with its table.
@Suite("A table that changes at random")
struct ChangeStreamTests {
    private static func made(_ seed: UInt64, truncates: Bool = false) -> ChangeStream {
        var generator = SeededGenerator(seed: seed)
        var modes = ChangeModes(run: Int(seed), using: &generator)
        modes.hasTruncates = truncates
        let table = SourceTable(width: 3...8, using: &generator)
        return ChangeStream(table, modes, generator: generator)
    }

    /// What a reader does that knows all kinds of events and no more.
    private static func apply(_ event: ChangeEvent, to rows: inout [[SourceValue]: [SourceValue]]) {
        if event.kind == .truncate { rows.removeAll() }
        guard let key = event.key else { return }
        if event.kind == .delete || event.kind == .tombstone { rows[key] = nil }
        guard var row = event.after else { return }
        for column in row.indices where row[column] == .unavailable {
            guard let old = rows[key] else { return }
            row[column] = old[column]
        }
        rows[key] = row
    }

    @Test("who does what the events say has the table, whatever was sent again", arguments: 1...20)
    func convergence(seed: Int) {
        var stream = Self.made(UInt64(seed), truncates: seed % 3 == 0)
        var rows: [[SourceValue]: [SourceValue]] = [:]
        while stream.changes < 2000 {
            for event in stream.next() { Self.apply(event, to: &rows) }
        }
        #expect(rows.count == stream.rows.count)
        // Not compared as values: no NaN is equal to itself.
        for (key, row) in stream.rows { #expect(rows[key]?.map(\.literal) == row.map(\.literal)) }
        for what in ["updates", "deletes", "changes of keys", "restarts", "parts of snapshots"] {
            #expect(stream.counts[what, default: 0] > 0, "no \(what)")
        }
    }

    @Test("a value that is not told is missing only in events of rows that are there, unless they were sent before")
    func unavailable() {
        var lacking = 0
        var unavailable = 0
        for seed in 1...20 {
            var stream = Self.made(UInt64(seed))
            var rows: [[SourceValue]: [SourceValue]] = [:]
            while stream.changes < 1000 {
                let restarts = stream.counts["restarts"]
                let events = stream.next()
                for event in events {
                    let isMissing = event.after?.contains(.unavailable) ?? false
                    if isMissing { unavailable += 1 }
                    #expect(event.mayLackItsRow == (isMissing && event.key.map { rows[$0] == nil } ?? false))
                    if event.mayLackItsRow {
                        lacking += 1
                        #expect(stream.counts["restarts"] != restarts)
                    }
                    Self.apply(event, to: &rows)
                }
            }
        }
        #expect(lacking > 0)
        #expect(unavailable > 1000)
    }

    @Test("the same seed changes the same")
    func seeds() {
        func keys(_ seed: UInt64) -> [String] {
            var stream = Self.made(seed)
            return (0..<200).flatMap { _ in stream.next().map { "\($0.kind) \($0.key?.map(\.literal) ?? [])" } }
        }
        #expect(keys(5) == keys(5))
        #expect(keys(5) != keys(6))
    }
}
