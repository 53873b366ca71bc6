import Postgres
import Records

/// Change events whose record is a document in a text, or says of a document only what has changed.
extension RowBuilder {
    func buildDocument(
        _ message: Int, _ route: RouteRows, fields: UnsafeBufferPointer<Field>,
        keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        guard
            let route = forTable(message, route, shape: 0, fields: fields, keyFields: keyFields, in: batch),
            let changes = route.changes, let documents = changes.documents
        else { return }
        let target = route.target
        documents.document.begin(fields)
        do throws(DocumentFault) {
            let isPatch = try read(message, documents, changes, fields, in: batch)
            let fields = documents.document.fields
            if operation == .delete, target.route.mode != .history {
                if let filter = changes.after.filter, !takesDeletion(message, filter, fields: fields, in: batch) {
                    return
                }
                return delete(message, target, by: changes.after.deletion, fields: fields, in: batch)
            }
            if let filter = changes.after.filter {
                if isPatch, let source = filter.lacking(fields) { throw .untold(source) }
                guard takes(message, filter, route, fields: fields, keyFields: keyFields, in: batch) else { return }
            }
            if isPatch, target.needsRowBit != nil {
                return appendPatch(message, changes.after.row, fields: fields, keyFields: keyFields, to: batch)
            }
            appendRow(message, changes.after.row, fields: fields, keyFields: keyFields, to: batch)
        } catch {
            batch.deadLetters.append(letter(error, message, target))
        }
    }

    /// Why a document's event makes no row.
    private enum DocumentFault: Error {
        case unreadable(DecodingFailure)
        case unreadableKey(DecodingFailure)
        case rowless
        /// A part of a field has changed.
        case partial(FieldPath)
        /// The condition asks for what has not changed, and is not told.
        case untold(ColumnSource)
    }

    /// - Returns: whether only some of the document is told.
    private func read(
        _ message: Int, _ documents: ChangeRows.Documents, _ changes: ChangeRows, _ fields: UnsafeBufferPointer<Field>,
        in batch: Batch
    ) throws(DocumentFault) -> Bool {
        let document = documents.document
        let (after, before) = (fields[changes.after.holder], changes.besideHolder.map { fields[$0] } ?? Field(.absent))
        do throws(DecodingFailure) {
            if before.isDocument { try document.readBefore(before) }
            if after.isDocument {
                try document.read(after)
                return false
            }
            if operation == .delete, before.isDocument {
                try document.read(before)
                return false
            }
        } catch { throw .unreadable(error) }
        if operation == .create || operation == .read { throw .rowless }
        try readKey(message, documents, in: batch)
        guard operation == .update else { return false }
        let places = documents.places
        guard fields[places.updated].isDocument || fields[places.removed].isList || fields[places.truncated].isList
        else { throw .rowless }
        do throws(ChangedDocument.PatchFault) {
            try document.patch(
                updated: fields[places.updated], removed: fields[places.removed], truncated: fields[places.truncated],
                by: decoder)
        } catch {
            switch error {
            case .unreadable(let failure): throw .unreadable(failure)
            case .partial(let path): throw .partial(path)
            }
        }
        return true
    }

    private func readKey(_ message: Int, _ documents: ChangeRows.Documents, in batch: Batch) throws(DocumentFault) {
        do throws(DecodingFailure) {
            let keyFields = try keyFields(of: message, in: batch)
            try documents.document.readKey(
                keyFields?[documents.places.key] ?? Field(.absent), named: documents.identifier)
        } catch { throw .unreadableKey(error) }
    }

    /// A message without a value: its key names the document.
    func buildDocumentTombstone(
        _ message: Int, _ route: RouteRows, _ documents: ChangeRows.Documents, in batch: Batch
    ) {
        documents.document.begin(nil)
        do throws(DocumentFault) {
            try readKey(message, documents, in: batch)
            delete(message, route.target, by: route.tombstone, fields: documents.document.fields, in: batch)
        } catch {
            batch.deadLetters.append(letter(error, message, route.target))
        }
    }

    /// Appends a change of the row that is there: columns of which nothing is said keep what they have.
    private func appendPatch(
        _ message: Int, _ plan: RowPlan, fields: UnsafeBufferPointer<Field>, keyFields: UnsafeBufferPointer<Field>?,
        to batch: Batch
    ) {
        guard let bit = plan.target.needsRowBit else { return }
        for word in plan.omitted.indices { plan.omitted[word] = 0 }
        var omittedCount = 0
        var says = false
        for index in plan.target.keyCount..<plan.columns.count {
            let column = plan.columns[index]
            guard column.omission != 0, case .field = plan.target.columns[index].source,
                fields[column.field].kind == .absent
            else {
                says = true
                continue
            }
            plan.omitted[column.omissionWord] |= column.omission
            omittedCount += 1
        }
        // What the route takes of the document is as it was.
        guard says else { return batch.note(.skipped, target: plan.target.index) }
        plan.omitted[bit >> 6] |= 1 << UInt64(bit & 63)
        append(
            message, plan, to: batch.section(plan.target.index, .rows, omissible: plan.omissionCount),
            omitting: omittedCount, fields: fields, keyFields: keyFields, in: batch)
    }

    private func letter(_ fault: DocumentFault, _ message: Int, _ target: Target) -> DeadLetter {
        func letter(_ reason: DeadLetter.Reason, _ explanation: String) -> DeadLetter {
            DeadLetter(message: message, target: target.index, reason: reason, explanation: explanation)
        }
        switch fault {
        case .unreadable(let failure):
            return letter(
                DeadLetter.Reason(failure.reason, otherwise: .invalidJSON),
                "the change event's document \(failure.words)")
        case .unreadableKey(let failure):
            return letter(
                DeadLetter.Reason(failure.reason, otherwise: .invalidJSON), "the key's document \(failure.words)")
        case .rowless:
            return letter(.noRow, "the change event (\(operation.rawValue)) has no row")
        case .partial(let path):
            return letter(
                .noRow,
                "the change event says what has changed within \(path), which a column takes, and not what all of it is"
            )
        case .untold(let source):
            return letter(
                .noRow, "the change event does not say what \(source) is, which the condition asks for")
        }
    }
}

extension Field {
    /// A document, or the text of one.
    fileprivate var isDocument: Bool { kind == .string || kind == .object }
    fileprivate var isList: Bool { kind == .array || kind == .list }
}

extension RouteFilter {
    /// A field of the row that the condition asks for and an event does not tell.
    fileprivate func lacking(_ fields: UnsafeBufferPointer<Field>) -> ColumnSource? {
        for (source, input) in zip(condition.sources, inputs) {
            if case .field(let place) = input, case .field = source, fields[place].kind == .absent { return source }
        }
        return nil
    }
}
