import Postgres
import Records

/// Change events that are about several rows.
extension RowBuilder {
    /// What becomes of each row of an event, or of none of them where one cannot be.
    func buildChangedRows(
        _ message: Int, _ route: RouteRows, _ changes: ChangeRows, fields: UnsafeBufferPointer<Field>,
        keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        // All of them are of one table.
        guard
            let route = forTable(message, route, shape: 0, fields: fields, keyFields: keyFields, in: batch),
            let elements = route.elements
        else { return }
        let target = route.target
        let own = route.changes ?? changes
        let deletes = operation == .delete && target.route.mode != .history
        let mark = BatchMark(target, batch, isOfChanges: true)
        elements.skipped = 0
        var count = 0
        rowPlace = 0
        defer { rowPlace = 0 }
        do throws(ElementFault) {
            try elements.reader.read(
                fields[own.after.holder], beside: own.besideHolder.map { fields[$0] } ?? Field(.absent), of: fields,
                by: decoder
            ) { _ in
                count += 1
                return buildChangedRow(message, route, own, elements, keyFields, deletes, mark, in: batch)
            }
            for _ in 0..<elements.skipped { batch.note(.skippedElement, target: target.index) }
            if count == 0 { batch.note(.skipped, target: target.index) }
        } catch {
            mark.takeBack(in: batch)
            batch.deadLetters.append(letter(error, elements, message, target))
        }
    }

    /// - Returns: whether to go on with the next one.
    private func buildChangedRow(
        _ message: Int, _ route: RouteRows, _ changes: ChangeRows, _ elements: RouteElements,
        _ keyFields: UnsafeBufferPointer<Field>?, _ deletes: Bool, _ mark: BatchMark, in batch: Batch
    ) -> Bool {
        let before = BatchMark(route.target, batch, isOfChanges: true)
        let fields = elements.reader.fields
        let plans = changes.after
        // Behind what the rows before it have done.
        defer { rowPlace += 1 }
        if elements.hasNoField {
            batch.deadLetters.append(
                DeadLetter(
                    message: message, target: route.target.index, reason: .noFields,
                    explanation:
                        "the row has none of the \(elements.wanted.count) fields that \(route.target.name) takes"
                ))
        } else if deletes {
            delete(message, plans, route.target, fields, keyFields, in: batch)
        } else {
            appendChangedRow(message, route, changes, fields, keyFields, before, in: batch)
        }
        guard var letter = before.takeBackForLetter(in: batch) else { return true }
        guard !elements.skips else {
            elements.skipped += 1
            return true
        }
        mark.takeBack(in: batch)
        letter.explanation = "\(elements.place): \(letter.explanation)"
        batch.deadLetters.append(letter)
        return false
    }

    private func delete(
        _ message: Int, _ plans: ChangeRows.Plans, _ target: Target, _ fields: UnsafeBufferPointer<Field>,
        _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        if let filter = plans.filter, !takesDeletion(message, filter, fields: fields, in: batch) { return }
        if target.takesDeletions {
            appendDeletion(message, plans.deletion, fields: fields, keyFields: keyFields, in: batch)
        } else {
            passOverDeletion(message, target, isOfEvent: true, in: batch)
        }
    }

    private func appendChangedRow(
        _ message: Int, _ route: RouteRows, _ changes: ChangeRows, _ fields: UnsafeBufferPointer<Field>,
        _ keyFields: UnsafeBufferPointer<Field>?, _ before: BatchMark, in batch: Batch
    ) {
        let plans = changes.after
        var isTaken = true
        if let filter = plans.filter {
            isTaken = takes(message, filter, route, fields: fields, keyFields: keyFields, in: batch)
            guard !before.hasLetter(batch), isTaken || takesFormer(filter) else { return }
        }
        if operation == .update, let former = changes.former, former.mayBeOther(fields) {
            deleteFormer(message, former, fields: fields, keyFields: keyFields, in: batch)
            rowPlace += 1
        }
        if isTaken, !before.hasLetter(batch) {
            appendRow(message, plans.row, fields: fields, keyFields: keyFields, to: batch)
        }
    }
}
