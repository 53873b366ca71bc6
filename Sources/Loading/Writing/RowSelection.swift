import Postgres

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One row of a batch, in the section that holds its bytes.
package struct RowReference {
    var section: Int32
    var row: Int32
    /// The message's place in the batch: the order of arrival.
    var message: Int32
}

/// The rows of one target in the order of arrival, and what is left of them once only each key's last state counts.
package struct RowSelection {
    let batch: Batch
    let target: Target
    /// In the order of arrival.
    package let rows: [RowReference]

    package init(batch: Batch, target: Target) {
        self.batch = batch
        self.target = target
        let sections = batch.sections.indices.filter { batch.sections[$0].target == target.index }
        var rows: [RowReference] = []
        rows.reserveCapacity(sections.reduce(0) { $0 + batch.sections[$1].rows.count })
        for section in sections {
            for (row, entry) in batch.sections[section].rows.enumerated() {
                rows.append(RowReference(section: Int32(section), row: Int32(row), message: entry.message))
            }
        }
        // One section is in the order of arrival as it stands.
        if sections.count > 1 { rows.sort { $0.message < $1.message } }
        self.rows = rows
    }

    /// What has to be written for these rows, in steps to be taken one after the other.
    ///
    /// Within a step a key appears once, and the rows are in the order of their keys, so that two loaders that meet
    /// take their locks in the same order. More than one step comes only of a deletion that is followed by a row, or of
    /// rows of the same key that name different columns.
    package func steps(_ part: some Collection<Int>) -> [[RowReference]] {
        guard target.keyCount > 0 else { return [part.map { rows[$0] }] }
        guard target.isKeyBytewise else { return runs(part) }
        var entries = [KeyEntry]()
        entries.reserveCapacity(part.count)
        for index in part { entries.append(KeyEntry(rows[index], key: key(of: rows[index]), format: target.format)) }
        entries.sort { $0.precedes($1) }

        var steps: [[RowReference]] = [[]]
        steps[0].reserveCapacity(entries.count)
        var start = 0
        while start < entries.count {
            var end = start + 1
            while end < entries.count, entries[end].hasSameKey(as: entries[start]) { end += 1 }
            if end == start + 1 {
                steps[0].append(entries[start].reference)
            } else {
                for (level, reference) in finalStates(entries[start..<end]).enumerated() {
                    if level == steps.count { steps.append([]) }
                    steps[level].append(reference)
                }
            }
            start = end
        }
        return steps
    }

    /// What is left of one key's rows: as many as it takes to end in the state that all of them would have led to.
    private func finalStates(_ entries: ArraySlice<KeyEntry>) -> [RowReference] {
        if target.mode == .ignore { return entries.first.map { [$0.reference] } ?? [] }
        var states: [RowReference] = []
        for entry in entries {
            switch batch.sections[Int(entry.reference.section)].kind {
            case .tombstones:
                states.removeAll()
            case .rows(omitting: 0):
                // All columns are given, so earlier rows leave no trace; a deletion does, in columns without a route.
                if let last = states.last, !isTombstone(last) { states.removeAll { !isTombstone($0) } }
            case .rows:
                if let last = states.last, last.section == entry.reference.section { states.removeLast() }
            }
            states.append(entry.reference)
        }
        return states
    }

    private func isTombstone(_ reference: RowReference) -> Bool {
        batch.sections[Int(reference.section)].kind == .tombstones
    }

    /// Where equal keys cannot be told by their bytes: stretches of one section, in the order of arrival. The server
    /// finds each key's last row within a stretch.
    private func runs(_ part: some Collection<Int>) -> [[RowReference]] {
        var runs: [[RowReference]] = []
        for reference in part.lazy.map({ rows[$0] }) {
            if let last = runs.last?.last, last.section == reference.section {
                runs[runs.count - 1].append(reference)
            } else {
                runs.append([reference])
            }
        }
        return runs
    }

    /// For each of these rows, in order, the later ones that may be of the same key, where an upsert makes that count.
    func followers(of indices: [Int]) -> [[Int]] {
        guard target.mode == .upsert else { return indices.map { _ in [] } }
        guard target.isKeyBytewise else { return indices.map { Array(rows.indices[($0 + 1)...]) } }
        func bytes(_ index: Int) -> [UInt8] { Array(key(of: rows[index])) }
        var later = Dictionary(indices.map { (bytes($0), [Int]()) }) { first, _ in first }
        for index in (indices.first ?? rows.count)..<rows.count { later[bytes(index)]?.append(index) }
        return indices.map { index in (later[bytes(index)] ?? []).filter { $0 > index } }
    }

    private func key(of reference: RowReference) -> UnsafeRawBufferPointer {
        let section = batch.sections[Int(reference.section)]
        let row = section.rows[Int(reference.row)]
        let start = row.start + (target.format == .binary ? 2 : 0)
        return UnsafeRawBufferPointer(rebasing: section.buffer.bytes[start..<start + Int(row.keyCount)])
    }
}

/// A row with its key, for sorting.
private struct KeyEntry {
    var reference: RowReference
    /// The key's first bytes, so that most comparisons touch no other memory.
    private var prefix: UInt64
    private var key: UnsafeRawBufferPointer

    init(_ reference: RowReference, key: UnsafeRawBufferPointer, format: Target.Format) {
        self.reference = reference
        self.key = key
        // A binary field begins with its length, which tells keys apart badly.
        let from = format == .binary ? 4 : 0
        var prefix: UInt64 = 0
        if key.count >= from + 8 {
            prefix = UInt64(bigEndian: key.loadUnaligned(fromByteOffset: from, as: UInt64.self))
        } else {
            for index in 0..<8 { prefix = prefix << 8 | (from + index < key.count ? UInt64(key[from + index]) : 0) }
        }
        self.prefix = prefix
    }

    private func compare(_ other: KeyEntry) -> Int {
        if prefix != other.prefix { return prefix < other.prefix ? -1 : 1 }
        guard let mine = key.baseAddress, let theirs = other.key.baseAddress else { return key.count - other.key.count }
        let order = Int(memcmp(mine, theirs, min(key.count, other.key.count)))
        return order != 0 ? order : key.count - other.key.count
    }

    func hasSameKey(as other: KeyEntry) -> Bool { compare(other) == 0 }

    func precedes(_ other: KeyEntry) -> Bool {
        let order = compare(other)
        return order != 0 ? order < 0 : reference.message < other.reference.message
    }
}
