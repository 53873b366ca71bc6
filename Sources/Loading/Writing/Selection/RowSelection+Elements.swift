/// The rows of messages' elements, which belong together.
extension RowSelection {
    /// Whether a message has more than one of these rows, which are in the order of arrival.
    static func hasSeveralOfOne(_ rows: [RowReference]) -> Bool {
        zip(rows, rows.dropFirst()).contains { $0.message == $1.message }
    }

    /// Which of these rows, which are in the order of arrival, are of one message.
    static func units(of rows: [RowReference]) -> [Range<Int>] {
        var units: [Range<Int>] = []
        var start = 0
        while start < rows.count {
            var end = start + 1
            while end < rows.count, rows[end].message == rows[start].message { end += 1 }
            units.append(start..<end)
            start = end
        }
        return units
    }

    /// It says that a message has all of a parent's rows, and is none itself.
    func isSet(_ reference: RowReference) -> Bool { batch.sections[Int(reference.section)].kind == .sets }

    /// Rows and deletions.
    var rowCount: Int { target.parent == nil ? rows.count : rows.count { !isSet($0) } }

    /// One row of each message.
    var firstRows: [RowReference] { units.map { $0.map { rows[$0.lowerBound] } } ?? rows }

    // MARK: Sets

    /// What has to be written for a part of the rows where a parent's rows are a set.
    struct FinalSets {
        /// The keys of parents of which all rows go but some.
        var parents: [RowReference] = []
        /// Rows that are there under their keys by then, or may be, so that they are not to go; each with the place of its parent
        /// in `parents`. Others of the same parent go first, also where they come anew.
        var staying: [(row: RowReference, parent: Int)] = []
        var rows: [RowReference] = []
        var sections: [Batch.Section]
    }

    /// The last message of a parent has all of its rows, so that those of earlier ones count only for what they have given and it
    /// leaves out. Deletions by messages without a value are of all rows of a parent. All is in the order of the keys.
    func finalSets(_ part: some Collection<Int>, _ parent: ElementParent) -> FinalSets {
        var sets = FinalSets(sections: batch.sections)
        var folding = self.folding
        let keys = KeysOfSets(self, Array(part), parent)
        var start = 0
        while start < keys.entries.count {
            var end = start + 1
            while end < keys.entries.count, keys.entries[end].hasSameKey(as: keys.entries[start]) { end += 1 }
            finish(keys.entries[start..<end], keys, parent, &folding, &sets)
            start = end
        }
        if let folded = folding.section { sets.sections.append(folded) }
        return sets
    }

    /// What is left of one parent's rows, which are in the order of arrival.
    private func finish(
        _ run: ArraySlice<KeyEntry>, _ keys: KeysOfSets, _ parent: ElementParent, _ folding: inout RowFolding,
        _ sets: inout FinalSets
    ) {
        // What says something of all rows of the parent, and what of them a message has.
        var events: [RowReference] = []
        var rows: [KeyEntry] = []
        for entry in run {
            if isTombstone(entry.reference) || isSet(entry.reference) && parent.deletesMissing {
                // One message may have a parent twice, as an item that comes twice.
                if events.last?.message != entry.reference.message { events.append(entry.reference) }
            } else if !isSet(entry.reference) {
                rows.append(keys.whole(entry.reference))
            }
        }
        rows.sort { $0.precedes($1) }
        let last = events.last
        let lastIsSet = last.map(isSet) ?? false
        if let last { sets.parents.append(last) }
        let place = sets.parents.count - 1
        var first = rows.startIndex
        while first < rows.endIndex {
            var end = first + 1
            while end < rows.endIndex, rows[end].hasSameKey(as: rows[first]) { end += 1 }
            defer { first = end }
            var history = rows[first..<end]
            if let last, lastIsSet, rows[end - 1].reference.message < last.message { continue }
            // Back to where the row was not there.
            var wasGone = false
            for event in events.reversed() where history.startIndex < history.endIndex {
                let isIn = isSet(event) && history.contains { $0.reference.message == event.message }
                guard !isIn else { continue }
                history = history.drop { $0.reference.message <= event.message }
                wasGone = true
                break
            }
            guard !history.isEmpty else { continue }
            let row = folding.fold(history.lazy.map(\.reference))
            sets.rows.append(row)
            if last != nil, !wasGone { sets.staying.append((row, place)) }
        }
    }
}

/// The keys of rows, and of their parents, in a form in which equal ones have equal bytes.
private struct KeysOfSets {
    /// In the order of the parents' keys, and of arrival.
    private(set) var entries: [KeyEntry] = []
    private let selection: RowSelection
    private let wholes: CanonicalKeys?
    private var placeOfRow: [Int64: Int] = [:]
    private let parents: CanonicalKeys

    init(_ selection: RowSelection, _ part: [Int], _ parent: ElementParent) {
        self.selection = selection
        let (target, sections) = (selection.target, selection.batch.sections)
        parents = CanonicalKeys(target, count: parent.keyCount)
        for index in part { parents.append(selection.rows[index], of: sections) }
        entries.reserveCapacity(part.count)
        for (place, index) in part.enumerated() {
            entries.append(KeyEntry(selection.rows[index], key: parents[place], hasLength: true))
        }
        entries.sort { $0.precedes($1) }
        guard !target.isKeyBytewise else {
            wholes = nil
            return
        }
        let wholes = CanonicalKeys(target)
        for index in part where sections[Int(selection.rows[index].section)].kind == .rows {
            placeOfRow[Self.number(selection.rows[index])] = placeOfRow.count
            wholes.append(selection.rows[index], of: sections)
        }
        self.wholes = wholes
    }

    private static func number(_ row: RowReference) -> Int64 { Int64(row.section) << 32 | Int64(row.row) }

    /// A row with all of its key.
    func whole(_ row: RowReference) -> KeyEntry {
        if let wholes, let place = placeOfRow[Self.number(row)] {
            return KeyEntry(row, key: wholes[place], hasLength: true)
        }
        return KeyEntry(row, key: selection.key(of: row), hasLength: selection.target.format == .binary)
    }
}
