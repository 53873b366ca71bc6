extension RowByRow {
    /// By which statement a row goes in.
    enum Way: Hashable {
        case deletion
        /// With the columns that a row gives.
        case row([Int])

        /// Whether several rows can go in by it together.
        var takesSeveral: Bool { self != .row([]) }
    }

    /// What is done with each row, from 1 in the order of arrival.
    struct Plan {
        var ways: [Way] = []
        /// For each row the position of its way.
        var wayOfRow: [Int] = []
        /// For each row the last one that can go in together with it.
        var ends: [Int] = []
        var deletions: [(row: RowReference, number: Int32)] = []
        var rows: [(row: RowReference, number: Int32)] = []
        /// All rows that are no deletions, with the columns that any of them gives.
        var group: RowGroup

        init(_ selection: RowSelection, _ part: [Int]) {
            let (target, sections) = (selection.target, selection.batch.sections)
            var known: [Way: Int] = [:]
            var knownSets: [Int32: Int] = [:]
            func position(_ way: Way) -> Int {
                if let position = known[way] { return position }
                known[way] = ways.count
                ways.append(way)
                return ways.count - 1
            }
            group = RowGroup(rows: [], columns: [])
            for (place, index) in part.enumerated() {
                let (row, number) = (selection.rows[index], Int32(truncatingIfNeeded: place + 1))
                let section = sections[Int(row.section)]
                guard section.kind == .rows else {
                    deletions.append((row, number))
                    wayOfRow.append(position(.deletion))
                    continue
                }
                rows.append((row, number))
                let set = section.rows[Int(row.row)].omission
                let way = knownSets[set] ?? position(.row(target.given(set, section.omissions)))
                knownSets[set] = way
                wayOfRow.append(way)
            }
            let sets = ways.compactMap { if case .row(let columns) = $0 { Set(columns) } else { nil } }
            let all = sets.reduce(into: Set<Int>()) { $0.formUnion($1) }
            group.columns = all.sorted()
            group.mixed = all.filter { column in !sets.allSatisfy { $0.contains(column) } }
            // Constant defaults are sent along, but to rows that an upsert may find there.
            if target.mode != .upsert {
                group.filled = all.filter {
                    target.columns[$0].omissionBit != nil && target.columns[$0].defaultField != nil
                }
                group.mixed.subtract(group.filled)
            }
            ends = Array(1...max(1, part.count))
            for place in wayOfRow.indices.reversed().dropFirst()
            where wayOfRow[place] == wayOfRow[place + 1] && ways[wayOfRow[place]].takesSeveral {
                ends[place] = ends[place + 1]
            }
        }
    }
}

extension Target {
    /// The columns that a row gives, and those whose constant default is sent in its place.
    fileprivate func given(_ set: Int32, _ omissions: Omissions) -> [Int] {
        let given = columns.indices.filter { index in
            columns[index].omissionBit.map { !omissions.contains(set, $0) } ?? true
        }
        guard mode != .upsert, !given.isEmpty else { return given }
        return columns.indices.filter { given.contains($0) || columns[$0].defaultField != nil }
    }
}
