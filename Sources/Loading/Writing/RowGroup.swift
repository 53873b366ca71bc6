/// Rows of one target that go into the table by the same statements.
struct RowGroup {
    var rows: [RowReference]
    /// The positions of the columns that a row gives, in the target's order.
    var columns: [Int]
    /// Those of them that another row leaves out. Where there are none the rows can be copied straight into the table.
    var mixed: Set<Int> = []
    /// Those of `mixed` in which a row may have a null: there a null in the stage does not say that a column is left out.
    var nullable: Set<Int> = []

    /// As many sets of columns get statements of their own. More of them go in together.
    private static let mostSets = 3

    /// Puts rows together. Within a group they stay in their order.
    ///
    /// Messages that leave out the same columns, as `created_at` and `id`, form a group that costs what full ones cost. The
    /// others, which leave out now this and now that, form one together: its stage has all columns, and the defaults come
    /// into the statement that empties it. An identity's next value can come into no statement, so that rows with and
    /// without one are two groups.
    static func groups(
        of rows: [RowReference], _ target: Target, _ sections: [Batch.Section], _ omissions: Omissions?,
        nulls: [UInt64]
    ) -> [RowGroup] {
        let all = Array(target.columns.indices)
        guard let omissions, omissions.wordCount > 0, !rows.isEmpty else { return [RowGroup(rows: rows, columns: all)] }
        func set(_ row: RowReference) -> Int { Int(sections[Int(row.section)].rows[Int(row.row)].omission) }
        var counts = [Int](repeating: 0, count: omissions.count)
        for row in rows { counts[set(row)] += 1 }
        let sets = counts.indices.filter { counts[$0] > 0 }
        // Without a key any unique index counts, and then the first row: the order must stay.
        let keepsOrder = target.mode == .ignore && target.keyCount == 0
        // A table that is too wide for its stage to say which nulls are given pays for its width; and a role that may insert
        // and make no temporary table gets by without.
        let most =
            target.nullWords == 0 && nulls.contains { $0 != 0 }
                || target.mode == .insert && !target.table.mayMakeTemporary
            ? Int.max
            : keepsOrder ? 1 : target.mode == .insert ? max(mostSets, min(64, rows.count / 500)) : mostSets
        let identity = target.columns.first { $0.omissionBit != nil && $0.defaultExpression == nil }?.omissionBit

        /// The number of each set's group; -1 for those that go in together.
        var exact = [Int](repeating: -1, count: omissions.count)
        let own =
            sets.count <= most
            ? sets : keepsOrder ? [] : sets.filter { counts[$0] >= max(1000, rows.count / mostSets) }
        for (number, set) in own.enumerated() { exact[set] = number }
        var parts = [[RowReference]](repeating: [], count: own.count + 2)
        for row in rows {
            let set = set(row)
            if exact[set] >= 0 {
                parts[exact[set]].append(row)
            } else {
                let lacksIdentity = identity.map { omissions.contains(Int32(set), $0) } ?? false
                parts[own.count + (lacksIdentity ? 1 : 0)].append(row)
            }
        }
        return parts.filter { !$0.isEmpty }.map { part in
            group(part, Set(part.map(set)).map { Int32($0) }, target, omissions, nulls)
        }
    }

    private static func group(
        _ rows: [RowReference], _ sets: [Int32], _ target: Target, _ omissions: Omissions, _ nulls: [UInt64]
    ) -> RowGroup {
        var inAll = [UInt64](repeating: .max, count: omissions.wordCount)
        var inAny = [UInt64](repeating: 0, count: omissions.wordCount)
        for set in sets {
            for (word, bits) in omissions[set].enumerated() {
                inAll[word] &= bits
                inAny[word] |= bits
            }
        }
        func contains(_ set: [UInt64], _ bit: Int?) -> Bool {
            bit.map { set[$0 >> 6] & (1 << UInt64($0 & 63)) != 0 } ?? false
        }
        var group = RowGroup(rows: rows, columns: [])
        for (index, column) in target.columns.enumerated() where !contains(inAll, column.omissionBit) {
            group.columns.append(index)
            guard contains(inAny, column.omissionBit) else { continue }
            group.mixed.insert(index)
            if contains(nulls, column.omissionBit) { group.nullable.insert(index) }
        }
        return group
    }
}
