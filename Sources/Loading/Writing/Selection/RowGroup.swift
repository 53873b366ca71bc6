import Postgres

/// Rows of one target that go into the table by the same statements.
package struct RowGroup {
    package var rows: [RowReference]
    /// The positions of the columns that a row gives, in the target's order.
    var columns: [Int]
    /// Those of them that some rows leave out, and that are sent with their constant default then, or NULL without one.
    var filled: Set<Int> = []
    /// Those of them that some rows leave out, and that are sent as nulls then: the statement has to say what becomes of
    /// them. Where there are none the rows can be copied straight into the table.
    var mixed: Set<Int> = []
    /// Those of `mixed` in which a row may have a null: there a null in the stage does not say that a column is left out.
    var nullable: Set<Int> = []
    /// They can only change rows that are there: each has to find one.
    var needsRows = false

    package init(rows: [RowReference], columns: [Int], mixed: Set<Int> = [], nullable: Set<Int> = []) {
        self.rows = rows
        self.columns = columns
        self.mixed = mixed
        self.nullable = nullable
    }

    /// As many sets of columns get statements of their own. More of them go in together.
    private static let mostSets = 3

    /// Puts rows together. Within a group they stay in their order.
    ///
    /// Messages that leave out the same columns, as `created_at` and `id`, form a group that costs what full ones cost. So do
    /// those that leave out now this and now that, as long as it is what has a constant default: they are sent with it. What
    /// is left forms one group together: its stage has all columns, and the defaults come into the statement that empties
    /// it. An identity's next value can come into no statement, so that rows with and without one are two groups.
    static func groups(
        of rows: [RowReference], _ target: Target, _ sections: [Batch.Section], _ omissions: Omissions?,
        nulls: [UInt64]
    ) -> [RowGroup] {
        let all = Array(target.columns.indices)
        guard let omissions, omissions.wordCount > 0, !rows.isEmpty else { return [RowGroup(rows: rows, columns: all)] }
        func set(_ row: RowReference) -> Int { Int(sections[Int(row.section)].rows[Int(row.row)].omission) }
        if let bit = target.needsRowBit {
            let needing = rows.filter { omissions.contains(Int32(set($0)), bit) }
            if !needing.isEmpty {
                let others = rows.filter { !omissions.contains(Int32(set($0)), bit) }
                return (others.isEmpty ? [] : groups(of: others, target, sections, omissions, nulls: nulls))
                    + groups(needing: needing, target, sections, omissions, nulls)
            }
        }
        var counts = [Int](repeating: 0, count: omissions.count)
        for row in rows { counts[set(row)] += 1 }
        let grouping = Grouping(counts, target, omissions, nulls, rowCount: rows.count)
        var parts = [[RowReference]](repeating: [], count: grouping.count)
        for row in rows { parts[grouping.group[set(row)]].append(row) }
        return parts.filter { !$0.isEmpty }.map { part in
            group(part, Set(part.map { Int32(set($0)) }), target, omissions, nulls)
        }
    }

    /// Rows that can only change others: their statement tells by itself what a row leaves out, so they go together.
    private static func groups(
        needing rows: [RowReference], _ target: Target, _ sections: [Batch.Section], _ omissions: Omissions,
        _ nulls: [UInt64]
    ) -> [RowGroup] {
        func set(_ row: RowReference) -> Int32 { sections[Int(row.section)].rows[Int(row.row)].omission }
        let isTooWide = target.nullWords == 0 && nulls.contains { $0 != 0 }
        let parts = isTooWide ? Dictionary(grouping: rows, by: set).sorted { $0.key < $1.key }.map(\.value) : [rows]
        return parts.map { part in
            var group = group(part, Set(part.map(set)), target, omissions, nulls)
            group.needsRows = true
            return group
        }
    }

    private static func group(
        _ rows: [RowReference], _ sets: Set<Int32>, _ target: Target, _ omissions: Omissions, _ nulls: [UInt64]
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
        // An upsert of a row that is there leaves alone what the message leaves out.
        return target.mode == .upsert ? group : group.inserting(target)
    }

    /// The same rows where none of them is in the table: what they leave out is what its default says.
    func inserting(_ target: Target) -> RowGroup {
        var group = self
        group.filled.formUnion(mixed.filter { target.columns[$0].isFilledAlike })
        group.mixed.subtract(group.filled)
        group.nullable.subtract(group.filled)
        return group
    }

    /// Which sets of columns left out go in by the same statements.
    private struct Grouping {
        /// For each set the number of its group.
        var group: [Int]
        var count = 0

        /// - Parameter counts: of each set's rows.
        init(_ counts: [Int], _ target: Target, _ omissions: Omissions, _ nulls: [UInt64], rowCount: Int) {
            group = Array(repeating: 0, count: counts.count)
            let isTooWide = target.nullWords == 0 && nulls.contains { $0 != 0 }
            // Without a key any unique index counts, and then the first row: the order must stay.
            let keepsOrder = target.mode == .ignore && target.keyCount == 0
            let few = keepsOrder ? 1 : mostSets
            let sets = counts.indices.filter { counts[$0] > 0 }
            // A table that is too wide for its stage to say which nulls are given pays for its width.
            guard sets.count > few, !(isTooWide && target.mode == .upsert) else {
                for (number, set) in sets.enumerated() { group[set] = number }
                count = sets.count
                return
            }
            let (classes, sizes) = Self.classes(of: sets, counts, target, omissions)
            // And a role that may insert and make no temporary table gets by without.
            let most =
                isTooWide || target.mode == .insert && !target.table.mayMakeTemporary
                ? Int.max : target.mode == .insert ? max(few, min(64, rowCount / 500)) : few
            /// The number of each class's group; those without one go in together.
            var own = [Int](repeating: -1, count: sizes.count)
            for (number, size) in sizes.enumerated()
            where sizes.count <= most || !keepsOrder && size >= max(1000, rowCount / mostSets) {
                own[number] = count
                count += 1
            }
            let identity = target.columns.first { $0.omissionBit != nil && $0.isIdentity }?.omissionBit
            for set in sets {
                let lacksIdentity = identity.map { omissions.contains(Int32(set), $0) } ?? false
                group[set] = own[classes[set]] >= 0 ? own[classes[set]] : count + (lacksIdentity ? 1 : 0)
            }
            count += 2
        }

        /// Puts the sets together that differ only in what has a constant default.
        ///
        /// - Returns: each set's class, and the rows of each class.
        private static func classes(
            of sets: [Int], _ counts: [Int], _ target: Target, _ omissions: Omissions
        ) -> (classes: [Int], sizes: [Int]) {
            guard target.leavesToServer else { return (counts.map { _ in 0 }, [counts.reduce(0, +)]) }
            var mask = [UInt64](repeating: .max, count: omissions.wordCount)
            for column in target.columns where column.isFilledAlike {
                if let bit = column.omissionBit { mask[bit >> 6] &= ~(1 << UInt64(bit & 63)) }
            }
            var classes = [Int](repeating: 0, count: counts.count)
            var sizes: [Int] = []
            var known: [[UInt64]: Int] = [:]
            for set in sets {
                let left = zip(omissions[Int32(set)], mask).map { $0 & $1 }
                let number = known[left] ?? sizes.count
                if number == sizes.count {
                    known[left] = number
                    sizes.append(0)
                }
                classes[set] = number
                sizes[number] += counts[set]
            }
            return (classes, sizes)
        }
    }
}
