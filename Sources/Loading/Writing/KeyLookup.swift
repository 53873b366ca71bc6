import Postgres

/// What is asked of the server about keys by themselves.
///
/// Which of them are in the table already: the others can be copied straight into it, which costs the server about half of
/// what a stage and ON CONFLICT do. The answer is a hint, no lock: another transaction may insert such a key a moment
/// later, and COPY then fails on it. And, of types that it alone can compare, which of them are the same.
enum KeyLookup {
    /// Below this many rows the round trips cost more than they save.
    private static let fewestRows = 2000
    /// What is asked for first: where most keys are known, asking for all of them does not pay.
    static let sampleSize = 64

    /// Whether rows may bypass ON CONFLICT, and enough of them.
    static func pays(for group: RowGroup, _ target: Target) -> Bool {
        target.keyCount > 0 && group.inserting(target).mixed.isEmpty && group.rows.count >= fewestRows
            && (target.table.kind == .table || target.table.kind == .partitioned)
    }

    /// Sends the rows' keys, each with its position.
    static func send(
        _ rows: [RowReference], _ sections: [Batch.Section], _ target: Target, to stream: borrowing CopyInStream
    ) throws(PostgresError) {
        var scratch = CopyBuffer(capacity: 160 << 10)
        if target.format == .binary { BinaryCopy.appendHeader(to: &scratch) }
        for (position, reference) in rows.enumerated() {
            scratch.beginRow(fields: target.keyCount + 1, target.format)
            scratch.append(sections[Int(reference.section)].key(of: Int(reference.row), target.format))
            scratch.append(integer: Int32(truncatingIfNeeded: position), target.format)
            scratch.endRow(target.format)
            if scratch.count > 128 << 10 {
                try stream.send(scratch.bytes)
                scratch.removeAll()
            }
        }
        if target.format == .binary { BinaryCopy.appendTrailer(to: &scratch) }
        if scratch.count > 0 { try stream.send(scratch.bytes) }
    }

    /// Puts together what the server found to be the same.
    ///
    /// - Parameter answers: positions as `3 17`, which may have some in common.
    static func classes(_ answers: [String], count: Int) -> [[Int]] {
        var first = Array(0..<count)
        func root(_ position: Int) -> Int {
            var position = position
            while first[position] != position { position = first[position] }
            return position
        }
        var members: Set<Int> = []
        for answer in answers {
            let positions = answer.split(separator: " ").compactMap { Int($0) }.filter { first.indices.contains($0) }
            guard let least = positions.map(root).min() else { continue }
            for position in positions {
                first[root(position)] = least
                members.insert(position)
            }
        }
        return Dictionary(grouping: members, by: root).values.filter { $0.count > 1 }
    }
}
