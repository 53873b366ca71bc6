import Postgres
import Records

/// What becomes of change events: a row, a deletion, or nothing.
extension RowBuilder {
    func buildChange(
        _ message: Int, _ route: RouteRows, _ changes: ChangeRows, fields: UnsafeBufferPointer<Field>?,
        keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        guard let fields else { return refuse(message, route.target.index, .wordless(isThere: false), in: batch) }
        let event = changes.reader.read(fields)
        guard case .change(let operation, let place) = event else {
            if event == .skip { return batch.note(.skipped, target: route.target.index) }
            return refuse(message, route.target.index, event, in: batch)
        }
        self.operation = operation
        let isHistory = route.target.route.mode == .history
        if operation != .truncate {
            if changes.isOfRows {
                return buildChangedRows(message, route, changes, fields: fields, keyFields: keyFields, in: batch)
            }
            if changes.documents != nil {
                return buildDocument(message, route, fields: fields, keyFields: keyFields, in: batch)
            }
        }
        switch operation {
        case .delete where !isHistory:
            if let filter = changes.plans(place).filter, !takesDeletion(message, filter, fields: fields, in: batch) {
                return
            }
            guard
                let found = forTable(
                    message, route, shape: changes.plans(place).shape, isDeletion: true, fields: fields,
                    keyFields: keyFields, in: batch)
            else { return }
            let deletion = (found.changes ?? changes).plans(place).deletion
            delete(message, found.target, by: deletion, fields: fields, in: batch)
        case .create, .read, .update, .delete:
            let plan = changes.plans(place).row
            if operation == .update, let former = changes.former, place == .after, former.mayBeOther(fields) {
                return buildMove(
                    message, route, changes.after, former, fields: fields, keyFields: keyFields, in: batch)
            }
            if place == .flat, changes.reader.isHeartbeat(fields), !plan.hasAny(fields, keyFields) {
                return batch.note(.skipped, target: route.target.index)
            }
            if let filter = changes.plans(place).filter,
                !takes(
                    message, filter, route, shape: changes.plans(place).shape, fields: fields, keyFields: keyFields,
                    in: batch)
            {
                return
            }
            guard
                let route = forTable(
                    message, route, shape: changes.plans(place).shape, fields: fields, keyFields: keyFields, in: batch)
            else { return }
            let row = (route.changes ?? changes).plans(place).row
            if let elements = route.elements {
                return build(
                    elements, of: fields[changes.plans(place).holder], message, row, fields: fields,
                    keyFields: keyFields, in: batch)
            }
            appendRow(message, row, fields: fields, keyFields: keyFields, to: batch)
        case .truncate: buildTruncation(message, route, changes, place, fields, keyFields, in: batch)
        }
    }

    private func buildTruncation(
        _ message: Int, _ route: RouteRows, _ changes: ChangeRows, _ place: ChangeReader.Place,
        _ fields: UnsafeBufferPointer<Field>, _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        let plans = changes.plans(place)
        if let filter = plans.filter, !takesDeletion(message, filter, fields: fields, in: batch) { return }
        guard
            let route = forTable(
                message, route, shape: plans.shape, fields: fields, keyFields: keyFields, in: batch)
        else { return }
        if let row = (route.changes ?? changes).plans(place).truncation {
            return appendRow(message, row, fields: rowFields(of: fields, route), keyFields: keyFields, to: batch)
        }
        truncate(message, route.target, in: batch)
    }

    /// The fields that a row takes, of an event that has none of a row.
    private func rowFields(of fields: UnsafeBufferPointer<Field>, _ route: RouteRows) -> UnsafeBufferPointer<Field> {
        if let documents = route.changes?.documents {
            documents.document.begin(fields)
            return documents.document.fields
        }
        return route.elements?.reader.readNone(of: fields) ?? fields
    }

    private func truncate(_ message: Int, _ target: Target, in batch: Batch) {
        switch target.route.onTruncate {
        case .ignore: batch.note(.skipped, target: target.index)
        case .stop: batch.truncate(target.index, by: message)
        case .truncate:
            batch.truncate(target.index, by: message)
            batch.note(.truncation, target: target.index)
        }
    }

    /// - Parameter event: one that is no change.
    private func refuse(_ message: Int, _ target: Int, _ event: ChangeReader.Event, in batch: Batch) {
        let reason: DeadLetter.Reason
        let explanation: String
        switch event {
        case .wordless(isThere: true):
            reason = .unknownOperation
            explanation = "the change event says what was done in a word that has no meaning here"
        case .wordless(isThere: false):
            reason = .unknownOperation
            explanation = "the message does not say what was done, so it is no change event"
        case .rowless(let operation):
            reason = .noRow
            explanation = "the change event (\(operation.rawValue)) has no row"
        case .skip, .change: return
        }
        batch.deadLetters.append(
            DeadLetter(message: message, target: target, reason: reason, explanation: explanation))
    }
}
