import Postgres

extension Batch.Section {
    /// Puts NULL in the place of a row's value. The row is written anew behind the others.
    ///
    /// - Parameter column: its position in the target; none of the key's.
    /// - Returns: false if there was no value.
    func setNull(_ column: Int, of row: Int, _ target: Target) -> Bool {
        let entry = rows[row]
        var fields = RowFields(entry, of: self, target.format)
        var copy = CopyBuffer(capacity: entry.end - entry.start + 4)
        let left = target.columns.indices.filter { index in
            target.columns[index].omissionBit.map { !omissions.contains(entry.omission, $0) } ?? true
        }
        guard left.contains(column) else { return false }
        copy.beginRow(fields: left.count, target.format)
        for (place, index) in left.enumerated() {
            let field = fields.next()
            if index == column, RowFields.value(of: field, target.format) == nil { return false }
            copy.append(field: index == column ? nil : field, isFirst: place == 0, target.format)
        }
        copy.endRow(target.format)
        rows[row].start = buffer.count
        buffer.append(copy.bytes)
        rows[row].end = buffer.count
        if let bit = target.columns[column].omissionBit { nulls[bit >> 6] |= 1 << UInt64(bit & 63) }
        return true
    }
}

extension Batch.Section {
    /// Whether a row has a null in a column; nil where it leaves it out.
    package func isNull(_ column: Int, of row: Int, _ target: Target) -> Bool? {
        field(column, of: row, target).map { RowFields.value(of: $0, target.format) == nil }
    }

    /// A row's field as it lies there; nil for one that is left out.
    func field(_ column: Int, of row: Int, _ target: Target) -> UnsafeRawBufferPointer? {
        let omission = rows[row].omission
        var fields = RowFields(rows[row], of: self, target.format)
        for index in 0...column {
            if let bit = target.columns[index].omissionBit, omissions.contains(omission, bit) {
                if index == column { return nil }
                continue
            }
            let field = fields.next()
            if index == column { return field }
        }
        return nil
    }
}

extension RowSelection {
    /// Puts NULL in the place of a value that the server could not read, if its column's route says so. Only where the
    /// server was at the value: a check, a trigger or an index refuses rows.
    ///
    /// The same text in the same column of the other rows goes along with it, for an input function answers the same: of
    /// a sentinel that comes in every tenth message not each has to be refused. A domain's check may not.
    ///
    /// - Parameters:
    ///   - unfit: the column, where the error does not name it.
    ///   - part: the rows that were refused together.
    /// - Returns: whether the same rows are worth another try. The row may also be one of several that were folded: it is
    ///   found when it is tried alone.
    package func setNull(_ refusal: Refusal, in unfit: Int? = nil, _ part: Range<Int>) -> Bool {
        guard let row = refusal.row ?? (part.count == 1 ? rows[part.lowerBound] : nil),
            batch.sections.indices.contains(Int(row.section)),
            let column = unfit ?? target.unfitColumn(refusal.error), target.columns[column].mending?.nullsUnfit == true,
            let field = batch.sections[Int(row.section)].field(column, of: Int(row.row), target).map({ Array($0) }),
            setNull(column, of: row)
        else { return false }
        guard refusal.error.dataType == nil else { return true }
        for other in rows[part] where other.section == row.section && other.row != row.row {
            let section = batch.sections[Int(other.section)]
            guard let theirs = section.field(column, of: Int(other.row), target), theirs.elementsEqual(field) else {
                continue
            }
            _ = setNull(column, of: other)
        }
        return true
    }

    private func setNull(_ column: Int, of row: RowReference) -> Bool {
        guard batch.sections[Int(row.section)].setNull(column, of: Int(row.row), target) else { return false }
        batch.nulledValues.append(
            NulledValue(message: row.message, target: Int32(target.index), column: Int32(column)))
        return true
    }
}

extension Target {
    /// The column whose value the server could not read.
    func unfitColumn(_ error: PostgresError) -> Int? {
        if error.copyLine != nil {
            let name = error.copyColumn(among: columns.map(\.name))
            return columns.firstIndex { $0.name == name }
        }
        // A column that may be left out is copied into a stage without its domain, whose check then names no column.
        guard let domain = error.dataType, error.table == nil else { return nil }
        let candidates = columns.indices.filter { index in
            guard case .domain = columns[index].type.shape else { return false }
            return columns[index].omissionBit != nil && columns[index].type.name == domain
        }
        return candidates.count == 1 ? candidates.first : nil
    }
}

extension Batch {
    /// How many values of a part became NULL because their columns could not hold them. Those of messages that are dead
    /// letters of the same table do not count: nothing was loaded for them.
    package func nulledValues(
        of messages: Range<Int>, except letters: [DeadLetter], _ targets: [Target]
    ) -> [LoadingStatistics.NulledColumn: Int] {
        guard !nulledValues.isEmpty else { return [:] }
        let refused = Set(letters.map { [$0.message, $0.target] })
        var counts: [LoadingStatistics.NulledColumn: Int] = [:]
        for value in nulledValues {
            let (message, target) = (Int(value.message), Int(value.target))
            guard messages.contains(message), !refused.contains([message, target]) else { continue }
            counts[LoadingStatistics.NulledColumn(targets[target], Int(value.column)), default: 0] += 1
        }
        return counts
    }
}

extension LoadingStatistics.NulledColumn {
    init(_ target: Target, _ column: Int) {
        self.init(route: target.route.label, table: "\(target.name)", column: target.columns[column].name)
    }

    /// The columns of a target in which a value may become NULL.
    static func all(of target: Target) -> [Self] {
        target.columns.indices.filter { target.columns[$0].mending?.nullsUnfit == true }.map { Self(target, $0) }
    }
}
