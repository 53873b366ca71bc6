import Postgres
import Records

/// How a message that deletes a row is written: as a deletion, or as a change that marks the row.
final class DeletionPlan {
    let target: Target
    /// A row of the deletions: the key, and what says how new it is.
    let plain: RowPlan
    /// The change, by the time that the message has, and by the loader's clock for one that has none.
    let mark: (row: RowPlan, byClock: RowPlan)?
    /// How many columns the change leaves out.
    let omitted: Int

    /// - Parameter inputs: of the key's columns, and of those that say how new it is, if the message can say it.
    init(_ target: Target, inputs: [MessagePlan.Input]) {
        let deleting = (target.asParent ?? target).requiringKey
        self.target = target
        plain = RowPlan(deleting, inputs: inputs, isOfTombstones: true)
        guard target.onTombstone == .mark, let mark = target.mark else {
            (self.mark, omitted) = (nil, 0)
            return
        }
        omitted = target.columns.count { $0.omissionBit != nil }
        let rest = target.columns[inputs.count...].map { _ in MessagePlan.Input.source(.constant) }
        func plan(_ moment: ColumnSource) -> RowPlan {
            var (target, inputs) = (deleting, inputs + rest)
            if let field = mark.field {
                target.columns[mark.column].mending = ColumnMending(fixed: field)
            } else {
                target.columns[mark.column].source = moment
                inputs[mark.column] = .source(moment)
            }
            let plan = RowPlan(target, inputs: inputs, isOfTombstones: true)
            for case let bit? in target.columns.map(\.omissionBit) { plan.omitted[bit >> 6] |= 1 << UInt64(bit & 63) }
            return plan
        }
        self.mark = (plan(.timestamp), plan(.now))
    }
}

extension RowBuilder {
    /// Appends what deletes a message's row, or marks it, or a dead letter if that cannot be said of it.
    func appendDeletion(
        _ message: Int, _ plan: DeletionPlan, fields: UnsafeBufferPointer<Field>?,
        keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        let target = plan.target
        guard let mark = plan.mark else {
            return append(
                message, plan.plain, to: batch.section(target.index, .tombstones), omitting: 0, fields: fields,
                keyFields: keyFields, in: batch)
        }
        let section = batch.section(target.index, .rows, omissible: target.omissionCount)
        let count = section.rows.count
        append(
            message, batch.messages[message].timestamp == .min ? mark.byClock : mark.row, to: section,
            omitting: plan.omitted, fields: fields, keyFields: keyFields, in: batch)
        if section.rows.count > count { section.rows[count].isMark = true }
    }
}

extension Target {
    /// For deletions: null is equal to nothing, so it would delete nothing, even where the key may be null.
    var requiringKey: Target {
        var target = self
        for index in 0..<keyCount { target.columns[index].isRequired = true }
        return target
    }
}
