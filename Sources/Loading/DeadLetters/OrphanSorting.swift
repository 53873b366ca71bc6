import Foundation
import Kafka
import Postgres

extension DeadLetterReplay {
    /// Letters by what the server says of their references, without any of them being loaded.
    struct OrphanSorting {
        /// What they refer to is there.
        var ready: [ReplayEntry] = []
        /// Only a try can tell: deletions, and rows whose references cannot be looked at.
        var unknown: [ReplayEntry] = []
    }

    /// Leaves out those that refer to nothing yet, which nothing need be read from Kafka for, nor anything locked.
    func sortOrphans(_ entries: [ReplayEntry]) throws(PostgresError) -> OrphanSorting {
        let batch = Batch()
        batch.began = Int64(Date().timeIntervalSince1970 * 1_000_000)
        var ranges: [TopicPartition: Int32] = [:]
        for entry in entries {
            let partition = entry.message.partition
            let range = ranges[partition] ?? batch.addRange(of: partition, expected: entry.message.offset)
            ranges[partition] = range
            builders.add(entry.message, entry.routes, range: range, to: batch)
        }
        // Every entry is one message, in the same order.
        var isUnknown = [Bool](repeating: false, count: entries.count)
        var isOrphan = isUnknown
        let timeout = options.database.statementTimeout.inMilliseconds
        try connection.execute("\(Connection.begin); SET LOCAL statement_timeout = '\(timeout)ms'")
        defer { if connection.isOpen { _ = try? connection.execute("ROLLBACK") } }
        for target in builders.targets {
            let rows = RowSelection(batch: batch, target: target).rows
            guard !rows.isEmpty else { continue }
            let asked = rows.filter { batch.sections[Int($0.section)].kind == .rows }
            for row in rows where batch.sections[Int(row.section)].kind == .tombstones {
                isUnknown[Int(row.message)] = true
            }
            guard let lookup = ParentLookup(target, on: connection) else {
                for row in asked { isUnknown[Int(row.message)] = true }
                continue
            }
            for position in try lookup.orphans(among: asked, batch.sections).keys {
                isOrphan[Int(asked[position].message)] = true
            }
        }
        var sorting = OrphanSorting()
        for (index, entry) in entries.enumerated() where !isOrphan[index] {
            if isUnknown[index] { sorting.unknown.append(entry) } else { sorting.ready.append(entry) }
        }
        return sorting
    }
}
