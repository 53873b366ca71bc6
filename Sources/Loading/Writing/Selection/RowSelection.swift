import Postgres

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One row of a batch, in the section that holds its bytes.
package struct RowReference {
    package var section: Int32
    package var row: Int32
    /// The message's place in the batch: the order of arrival.
    package var message: Int32
    /// Its place among the rows and deletions of its message.
    var place: Int32

    package init(section: Int32, row: Int32, message: Int32, place: Int32 = 0) {
        self.section = section
        self.row = row
        self.message = message
        self.place = place
    }

    /// In the order of arrival. The rows of a message that gives them no places stand in one section.
    func came(before other: RowReference) -> Bool {
        (message, place, row) < (other.message, other.place, other.row)
    }
}

/// The rows of one target in the order of arrival, and what is left of them once only each key's last state counts.
package struct RowSelection {
    let batch: Batch
    package let target: Target
    /// In the order of arrival.
    package let rows: [RowReference]
    /// Which of them are of one message and go in together or not at all; nil: each goes in by itself.
    package let units: [Range<Int>]?
    /// The message that empties the table before them; nil: none does.
    let truncation: Int?
    /// The place of the section that holds the rows; nil where there are only tombstones.
    let rowSection: Int?

    /// - Parameters:
    ///   - messages: whose rows; nil for all.
    ///   - deletions: whether they are among them.
    package init(batch: Batch, target: Target, messages: Range<Int>? = nil, deletions: Bool = true) {
        self.init(
            batch, target, messages: messages, deletions: deletions,
            emptiedBy: batch.lastTruncation(of: target.index, in: messages ?? batch.messages.indices))
    }

    /// - Parameter truncation: what came before it is void, whatever the batch says of its truncations.
    package init(
        _ batch: Batch, _ target: Target, messages: Range<Int>? = nil, deletions: Bool = true,
        emptiedBy truncation: Int?
    ) {
        self.batch = batch
        self.target = target
        self.truncation = truncation
        let sections = batch.sections.indices.filter { index in
            batch.sections[index].target == target.index && (deletions || batch.sections[index].kind == .rows)
        }
        rowSection = sections.first { batch.sections[$0].kind == .rows }
        var rows: [RowReference] = []
        rows.reserveCapacity(sections.reduce(0) { $0 + batch.sections[$1].rows.count })
        for section in sections {
            for (row, entry) in batch.sections[section].rows.enumerated() {
                if let messages, !messages.contains(Int(entry.message)) { continue }
                if let truncation, Int(entry.message) < truncation { continue }
                rows.append(
                    RowReference(section: Int32(section), row: Int32(row), message: entry.message, place: entry.place))
            }
        }
        // One section is in the order of arrival as it stands.
        if sections.count > 1 {
            rows.sort { ($0.message, $0.place, $0.section, $0.row) < ($1.message, $1.place, $1.section, $1.row) }
        }
        self.rows = rows
        units =
            target.isOfElements || target.changesKeys && Self.hasSeveralOfOne(rows) ? Self.units(of: rows) : nil
    }

    /// The table is to be emptied before them.
    package var truncates: Bool { truncation != nil }

    var hasTombstones: Bool {
        batch.sections.contains { $0.target == target.index && $0.kind == .tombstones && !$0.rows.isEmpty }
    }

    /// Those of `rows` that are deletions.
    var deletions: [RowReference] { hasTombstones ? rows.filter(isTombstone) : [] }

    /// The sets of columns that the rows leave out; nil where there are only tombstones.
    var omissions: Omissions? { rowSection.map { batch.sections[$0].omissions } }
    /// The columns, of those that may be left out, in which a row has a null; a bit for each.
    var nulls: [UInt64] { rowSection.map { batch.sections[$0].nulls } ?? [] }

    /// What has to be written for a part of the rows: first the deletions, then the rows, each key once in either.
    package struct FinalStates {
        package var deletions: [RowReference] = []
        package var rows: [RowReference] = []
        /// Rows of keys that are among `rows` already, to be written behind those: each of these rounds has a key once.
        package var later: [[RowReference]] = []
        /// Which events they stand for, where it is counted what changes nothing.
        var counted = ChangesCounted()
        /// What the references point into: the batch's sections, and one more that holds what was folded.
        var sections: [Batch.Section]
    }

    /// Finds what is left of a part of the rows. Both parts of it are in the order of the keys, so that two loaders that
    /// meet take their locks in the same order; a row that follows a deletion of its key is written behind it.
    ///
    /// - Parameters:
    ///   - sameKeys: asked, where only the server can tell, which of these rows have the same key; answers with the positions of
    ///     those that do.
    ///   - ranks: asked, likewise, in which order these rows are by their versions; see `VersionRanks`. Nil: nobody is.
    package func finalStates<Failure: Error>(
        _ part: some Collection<Int>, sameKeys: ([RowReference]) throws(Failure) -> [[Int]],
        ranks: (([RowReference]) throws(Failure) -> [Int])? = nil
    ) throws(Failure) -> FinalStates {
        var states = FinalStates(sections: batch.sections)
        guard target.keyCount > 0 else {
            states.rows = part.map { rows[$0] }
            return states
        }
        let keys = CanonicalKeys(target)
        var entries = self.entries(part, keys)
        entries.sort { $0.precedes($1) }
        var runs: [ArraySlice<KeyEntry>] = []
        if target.asksForSameKeys { runs = try joined(Self.runs(of: entries), sameKeys) }

        if target.versionCount > 0 {
            if !target.asksForSameKeys { runs = Self.runs(of: entries) }
            return try versionedStates(runs.map { $0.map(\.reference) }, ranks: ranks)
        }
        var folding = self.folding
        states.rows.reserveCapacity(entries.count)
        func finish(_ run: ArraySlice<KeyEntry>) {
            if run.count == 1, let entry = run.first {
                if isTombstone(entry.reference) {
                    states.deletions.append(entry.reference)
                } else {
                    states.rows.append(entry.reference)
                }
            } else {
                finalState(of: run, &folding, &states)
            }
        }
        if target.asksForSameKeys {
            for run in runs { finish(run) }
        } else {
            Self.forEachRun(of: entries, finish)
        }
        if let folded = folding.section { states.sections.append(folded) }
        // What the entries point into.
        withExtendedLifetime(keys) {}
        return states
    }

    var folding: RowFolding {
        RowFolding(target, rowSection.map { batch.sections[$0] }, place: batch.sections.count)
    }

    /// What is left of one key's rows, which are in the order of arrival.
    private func finalState(of run: ArraySlice<KeyEntry>, _ folding: inout RowFolding, _ states: inout FinalStates) {
        if target.mode == .ignore {
            if let first = run.first { states.rows.append(first.reference) }
            return
        }
        var rows = run
        if let deletion = run.lastIndex(where: { isTombstone($0.reference) }) {
            states.deletions.append(run[deletion].reference)
            rows = run[(deletion + 1)...]
        }
        guard !rows.isEmpty else { return }
        states.rows.append(folding.fold(rows.lazy.map(\.reference)))
    }

    /// It is a row that says of itself that it is deleted.
    func isMark(_ reference: RowReference) -> Bool {
        batch.sections[Int(reference.section)].rows[Int(reference.row)].isMark
    }

    package func isTombstone(_ reference: RowReference) -> Bool {
        batch.sections[Int(reference.section)].kind == .tombstones
    }

    // MARK: Keys

    private func entries(_ part: some Collection<Int>, _ keys: CanonicalKeys) -> [KeyEntry] {
        var entries = [KeyEntry]()
        entries.reserveCapacity(part.count)
        if target.isKeyBytewise {
            for index in part {
                entries.append(
                    KeyEntry(rows[index], key: key(of: rows[index]), hasLength: target.format == .binary))
            }
        } else {
            // All of them first: the buffer moves as it grows.
            for index in part { keys.append(rows[index], of: batch.sections) }
            for (place, index) in part.enumerated() {
                entries.append(KeyEntry(rows[index], key: keys[place], hasLength: true))
            }
        }
        return entries
    }

    private static func forEachRun(of entries: [KeyEntry], _ body: (ArraySlice<KeyEntry>) -> Void) {
        var start = 0
        while start < entries.count {
            var end = start + 1
            while end < entries.count, entries[end].hasSameKey(as: entries[start]) { end += 1 }
            body(entries[start..<end])
            start = end
        }
    }

    private static func runs(of entries: [KeyEntry]) -> [ArraySlice<KeyEntry>] {
        var runs: [ArraySlice<KeyEntry>] = []
        forEachRun(of: entries) { runs.append($0) }
        return runs
    }

    /// Joins those runs that the server takes for one key, at the place of the first.
    private func joined<Failure: Error>(
        _ runs: [ArraySlice<KeyEntry>], _ sameKeys: ([RowReference]) throws(Failure) -> [[Int]]
    ) throws(Failure) -> [ArraySlice<KeyEntry>] {
        guard runs.count > 1 else { return runs }
        let classes = try sameKeys(runs.compactMap { $0.first?.reference })
        var joined = runs
        for positions in classes {
            guard let first = positions.min() else { continue }
            let entries = positions.flatMap { joined[$0] }.sorted { $0.reference.came(before: $1.reference) }
            for position in positions { joined[position] = [] }
            joined[first] = entries[...]
        }
        return joined.filter { !$0.isEmpty }
    }

    /// For each of these rows, whichever comes first, the later ones that may be of the same key, where an upsert makes that count.
    func followers(of indices: [Int]) -> [[Int]] {
        guard target.mode == .upsert else { return indices.map { _ in [] } }
        guard !target.asksForSameKeys else { return indices.map { Array(rows.indices[($0 + 1)...]) } }
        func bytes(_ index: Int) -> [UInt8] {
            guard !target.isKeyBytewise else { return Array(key(of: rows[index])) }
            let keys = CanonicalKeys(target)
            keys.append(rows[index], of: batch.sections)
            return Array(keys[0])
        }
        var later = Dictionary(indices.map { (bytes($0), [Int]()) }) { first, _ in first }
        for index in (indices.min() ?? rows.count)..<rows.count { later[bytes(index)]?.append(index) }
        return indices.map { index in (later[bytes(index)] ?? []).filter { $0 > index } }
    }

    /// A number for the key of each of these rows, the same whenever it comes; of elements that belong together, for the key of what
    /// holds them. Nil where the server alone can tell which keys are the same.
    package func keyPrints(of rows: [RowReference]) -> [UInt64]? {
        let count = target.parent?.keyCount ?? target.keyCount
        guard count > 0, target.keyForms.prefix(count).allSatisfy({ $0 != .server }) else { return nil }
        let keys = CanonicalKeys(target, count: count)
        return rows.map { row in
            keys.removeAll()
            keys.append(row, of: batch.sections)
            return KeyPrints.hash(keys[0])
        }
    }

    func key(of reference: RowReference) -> UnsafeRawBufferPointer {
        batch.sections[Int(reference.section)].key(of: Int(reference.row), target.format)
    }
}

extension Target {
    /// Hands over each row's key, in a form in which equal ones have equal bytes, unless the server alone can compare them.
    func forEachKey(
        of rows: [RowReference], in sections: [Batch.Section], _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        let keys = isKeyBytewise ? nil : CanonicalKeys(self)
        for row in rows {
            guard let keys else {
                body(sections[Int(row.section)].key(of: Int(row.row), format))
                continue
            }
            keys.removeAll()
            keys.append(row, of: sections)
            body(keys[0])
        }
    }
}

extension Batch.Section {
    /// The fields of a row's key, as COPY wants them.
    func key(of row: Int, _ format: Target.Format) -> UnsafeRawBufferPointer {
        let start = rows[row].start + (format == .binary ? 2 : 0)
        return UnsafeRawBufferPointer(rebasing: buffer.bytes[start..<start + Int(rows[row].keyCount)])
    }
}

/// Keys in a form in which equal ones have equal bytes.
final class CanonicalKeys {
    private let forms: [KeyForm]
    private let format: Target.Format
    private var buffer: CopyBuffer
    private var ends: [Int] = []

    /// - Parameter count: how many of the key's columns, from the first on; nil: all.
    init(_ target: Target, count: Int? = nil) {
        forms = Array(target.keyForms.prefix(count ?? target.keyCount))
        format = target.format
        buffer = CopyBuffer(capacity: 64)
    }

    func append(_ reference: RowReference, of sections: [Batch.Section]) {
        let section = sections[Int(reference.section)]
        var fields = RowFields(section.rows[Int(reference.row)], of: section, format)
        for form in forms {
            // Behind a length, so that two columns are not their bytes run together.
            let start = buffer.count
            buffer.append(0 as Int32)
            if let value = RowFields.value(of: fields.next(), format) { form.append(value, to: &buffer) }
            buffer.patch(Int32(truncatingIfNeeded: buffer.count - start - 4), at: start)
        }
        ends.append(buffer.count)
    }

    func removeAll() {
        buffer.removeAll()
        ends.removeAll(keepingCapacity: true)
    }

    subscript(index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: buffer.bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]])
    }
}

/// A row with its key, for sorting.
struct KeyEntry {
    var reference: RowReference
    /// The key's first bytes, so that most comparisons touch no other memory.
    private var prefix: UInt64
    private var key: UnsafeRawBufferPointer

    init(_ reference: RowReference, key: UnsafeRawBufferPointer, hasLength: Bool) {
        self.reference = reference
        self.key = key
        // A field that begins with its length is told apart badly by that.
        let from = hasLength ? 4 : 0
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
        // A message may have a key twice, among its elements.
        return order != 0 ? order < 0 : reference.came(before: other.reference)
    }
}
