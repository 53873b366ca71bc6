import Postgres

/// Makes one row of several of a key, field by field: each column has what the last row that gives it says.
///
/// So a key with changing fields is written once, however often it comes.
struct RowFolding {
    private let target: Target
    /// What holds the rows to be folded, and names the sets of columns of those that come of it.
    private let source: Batch.Section?
    private let place: Int
    /// Holds what came of it; nil where nothing had to be folded.
    private(set) var section: Batch.Section?
    /// The columns that are still to be found.
    private var missing: [UInt64] = []
    private var fields: [UnsafeRawBufferPointer?] = []

    /// - Parameter place: the section's, for the references to its rows.
    init(_ target: Target, _ source: Batch.Section?, place: Int) {
        self.target = target
        self.source = source
        self.place = place
    }

    /// - Parameters:
    ///   - rows: of one key, in the order of arrival, at least one.
    ///   - leaving: bits of what stays left out if the last row leaves it out, whatever earlier ones say.
    mutating func fold(
        _ rows: some BidirectionalCollection<RowReference>, leaving: [UInt64]? = nil
    ) -> RowReference {
        guard let first = rows.first, let last = rows.last, let source else {
            preconditionFailure("there is nothing to fold")
        }
        // Of several spellings of a key the first one stays, as it would in the table.
        let isRespelled = !target.isKeyBytewise && !hasSameSpelling(first, last, source)
        let omission = source.rows[Int(last.row)].omission
        guard omission != 0 || isRespelled else { return last }
        missing = Array(source.omissions[omission])
        let left = leaving.map { zip(missing, $0).map { $0 & $1 } }
        if let left { missing = zip(missing, left).map { $0 & ~$1 } }
        var isFolded = false
        func begin() {
            guard !isFolded else { return }
            isFolded = true
            fields = Array(repeating: nil, count: target.columns.count)
            take(last, from: source) { _, _ in true }
        }
        for row in rows.reversed().dropFirst() {
            if missing.allSatisfy({ $0 == 0 }) { break }
            let omitted = source.omissions[source.rows[Int(row.row)].omission]
            guard zip(missing, omitted).contains(where: { $0 & ~$1 != 0 }) else { continue }
            begin()
            let wanted = missing
            take(row, from: source) { _, bit in bit.map { wanted[$0 >> 6] & (1 << UInt64($0 & 63)) != 0 } ?? false }
            for (word, omittedWord) in omitted.enumerated() { missing[word] &= omittedWord }
        }
        if isRespelled {
            begin()
            take(first, from: source) { [target] index, _ in index < target.keyCount }
        }
        if let left { missing = zip(missing, left).map { $0 | $1 } }
        return isFolded ? append(last, source) : last
    }

    private func hasSameSpelling(_ first: RowReference, _ last: RowReference, _ source: Batch.Section) -> Bool {
        let (one, other) = (source.key(of: Int(first.row), target.format), source.key(of: Int(last.row), target.format))
        return one.elementsEqual(other)
    }

    /// - Parameter isWanted: asked with a column's position, and its bit among those that may be left out.
    private mutating func take(_ row: RowReference, from source: Batch.Section, _ isWanted: (Int, Int?) -> Bool) {
        let entry = source.rows[Int(row.row)]
        var given = RowFields(entry, of: source, target.format)
        for (index, column) in target.columns.enumerated() {
            if let bit = column.omissionBit, source.omissions.contains(entry.omission, bit) { continue }
            let field = given.next()
            if isWanted(index, column.omissionBit) { fields[index] = field }
        }
    }

    private mutating func append(_ last: RowReference, _ source: Batch.Section) -> RowReference {
        let section = self.section ?? Batch.Section(target: target.index, kind: .rows, omissible: 0)
        self.section = section
        let start = section.buffer.count
        section.buffer.beginRow(fields: fields.count { $0 != nil }, target.format)
        let fieldsStart = section.buffer.count
        var keyEnd = fieldsStart
        var isFirst = true
        for (index, field) in fields.enumerated() {
            guard let field else { continue }
            section.buffer.append(field: field, isFirst: isFirst, target.format)
            isFirst = false
            if index < target.keyCount { keyEnd = section.buffer.count }
        }
        section.buffer.endRow(target.format)
        let set =
            missing.allSatisfy { $0 == 0 } ? 0 : missing.withUnsafeBufferPointer { source.omissions.number(of: $0) }
        section.rows.append(
            Batch.Row(
                message: last.message, keyCount: Int32(keyEnd - fieldsStart), omission: set, place: last.place,
                start: start, end: section.buffer.count))
        return RowReference(
            section: Int32(place), row: Int32(section.rows.count - 1), message: last.message, place: last.place)
    }
}
