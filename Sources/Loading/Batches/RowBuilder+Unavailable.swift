import Postgres
import Records

/// Values that a source did not send because they have not changed.
extension RowBuilder {
    /// Appends a row that leaves such values out, so that the row that is there keeps them. Where a row leaves nothing out such a value
    /// is NULL.
    ///
    /// - Parameter omittedCount: how many columns are left out already, in the plan.
    func appendRow(
        _ message: Int, _ plan: RowPlan, omitting omittedCount: Int,
        withUnavailable fields: UnsafeBufferPointer<Field>, keyFields: UnsafeBufferPointer<Field>?, to batch: Batch
    ) {
        let target = plan.target
        let section = batch.section(target.index, .rows, omissible: plan.omissionCount)
        guard let unavailable = plan.unavailable else { return }
        var omittedCount = omittedCount
        let nulled = batch.nulledValues.count
        var replaced: [(place: Int, field: Field)] = []
        defer { for (place, field) in replaced { UnsafeMutableBufferPointer(mutating: fields)[place] = field } }
        for index in plan.mayBeUnavailable {
            let column = plan.columns[index]
            let field = fields[column.field]
            guard field.mayBePlaceholder, unavailable.isIn(field, of: decoder) else { continue }
            // What the row was before is not what it has.
            let isOfRow = if case .before = target.columns[index].source { false } else { true }
            if let bit = target.needsRowBit, column.omission != 0, isOfRow {
                plan.omitted[column.omissionWord] |= column.omission
                plan.omitted[bit >> 6] |= 1 << UInt64(bit & 63)
                omittedCount += 1
            } else if index < target.keyCount || column.refusesNull || target.mode == .upsert && isOfRow {
                batch.nulledValues.removeSubrange(nulled...)
                return refuse(message, target, index, in: batch)
            } else {
                // The decoder's own memory, until its next message; other routes find it as it was.
                replaced.append((column.field, field))
                UnsafeMutableBufferPointer(mutating: fields)[column.field] = Field(.null)
                batch.nulledValues.append(
                    NulledValue(message: Int32(message), target: Int32(target.index), column: Int32(index)))
            }
        }
        let rows = section.rows.count
        append(
            message, plan, to: section, omitting: omittedCount, fields: fields, keyFields: keyFields, in: batch)
        if section.rows.count == rows { batch.nulledValues.removeSubrange(min(nulled, batch.nulledValues.count)...) }
    }

    private func refuse(_ message: Int, _ target: Target, _ index: Int, in batch: Batch) {
        let column = target.columns[index]
        let place = "\(target.name).\(column.name)"
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: target.index, reason: .unavailable, column: column.name,
                explanation: index < target.keyCount
                    ? "\(place) is part of the key, and its value was not sent"
                    : "the value of \(place) was not sent, and no row can keep it"))
    }
}

extension Field {
    /// What a placeholder can be.
    @inline(__always)
    fileprivate var mayBePlaceholder: Bool {
        switch kind {
        case .string, .bytes, .array, .object, .list, .record: true
        default: false
        }
    }
}

extension PostgresType {
    /// Its values may be long enough to be kept apart from their row.
    var hasAnyLength: Bool {
        switch shape {
        case .domain(let base): base.hasAnyLength
        case .array, .composite: true
        case .enumeration: false
        // bool, the integers, floats, times, interval and uuid are not.
        case .base: ![16, 20, 21, 23, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 2950].contains(oid)
        }
    }
}
