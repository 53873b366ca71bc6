extension RowByRow {
    /// By which statement a row goes in.
    enum Way: Hashable {
        case deletion
        /// With the columns that a row gives.
        case row([Int])
        /// The same, of one that has to find a row of its key.
        case change([Int])

        /// Whether several rows can go in by it together.
        var takesSeveral: Bool { self != .row([]) }

        /// Nil of a deletion.
        var columns: [Int]? {
            switch self {
            case .deletion: nil
            case .row(let columns), .change(let columns): columns
            }
        }
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
                let given = target.given(set, section.omissions)
                let needsRow = target.needsRowBit.map { section.omissions.contains(set, $0) } ?? false
                let way = knownSets[set] ?? position(needsRow ? .change(given) : .row(given))
                knownSets[set] = way
                wayOfRow.append(way)
            }
            let sets = ways.compactMap { $0.columns.map(Set.init) }
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
            keepKeysApart(selection, part)
        }

        /// An update takes any one of several rows of a key, and says nothing of the others.
        private mutating func keepKeysApart(_ selection: RowSelection, _ part: [Int]) {
            let target = selection.target
            guard ways.contains(where: { target.updatesFirst($0) }) else { return }
            var keys: [[UInt8]] = []
            if !target.asksForSameKeys {
                target.forEachKey(of: part.map { selection.rows[$0] }, in: selection.batch.sections) {
                    keys.append(Array($0))
                }
            }
            var next: [[UInt8]: Int] = [:]
            for place in wayOfRow.indices.reversed() where target.updatesFirst(ways[wayOfRow[place]]) {
                guard !keys.isEmpty else {
                    ends[place] = place + 1
                    continue
                }
                // `ends` counts from 1: the row before the next one of the key is the last that goes along.
                let following = place + 1 < ends.count && ends[place] > place + 1 ? ends[place + 1] : ends[place]
                ends[place] = min(ends[place], following, next[keys[place]] ?? .max)
                next[keys[place]] = place
            }
        }
    }
}

extension Target {
    /// Whether rows of it are looked for in the table before they are inserted, or are not inserted at all.
    fileprivate func updatesFirst(_ way: RowByRow.Way) -> Bool {
        switch way {
        case .deletion: false
        case .row: updatesFirst
        case .change: true
        }
    }

    /// The columns that a row gives, and those whose constant default is sent in its place.
    fileprivate func given(_ set: Int32, _ omissions: Omissions) -> [Int] {
        let given = columns.indices.filter { index in
            columns[index].omissionBit.map { !omissions.contains(set, $0) } ?? true
        }
        guard mode != .upsert, !given.isEmpty else { return given }
        return columns.indices.filter { given.contains($0) || columns[$0].defaultField != nil }
    }
}
