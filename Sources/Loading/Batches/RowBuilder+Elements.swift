import Kafka
import Postgres
import Records

/// A message of which each element is a row, or none where one of them cannot be.
extension RowBuilder {
    /// - Parameter holder: of the elements, in the message.
    func build(
        _ elements: RouteElements, of holder: Field, _ message: Int, _ row: RowPlan,
        fields: UnsafeBufferPointer<Field>?, keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        // What is absent says nothing.
        guard holder.kind != .absent else { return }
        buildElements(elements, message, row, fields, keyFields, in: batch) { body throws(ElementFault) in
            try elements.reader.read(holder, of: fields, by: decoder, body)
        }
    }

    /// - Parameter read: goes through the elements.
    private func buildElements(
        _ elements: RouteElements, _ message: Int, _ row: RowPlan, _ fields: UnsafeBufferPointer<Field>?,
        _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch,
        _ read: ((ElementReader.Event) -> Bool) throws(ElementFault) -> Void
    ) {
        let target = row.target
        let mark = BatchMark(target, batch)
        elements.skipped = 0
        if target.parent?.step == ElementParent.message,
            !buildSet(message, row, fields, keyFields, mark, in: batch)
        {
            return
        }
        do throws(ElementFault) {
            try read { event in
                if case .holder(let step) = event {
                    guard target.parent?.step == step else { return true }
                    return buildSet(message, row, elements.reader.fields, keyFields, mark, in: batch)
                }
                return buildElement(elements, message, row, keyFields, mark, in: batch)
            }
            for _ in 0..<elements.skipped { batch.note(.skippedElement, target: target.index) }
        } catch {
            mark.takeBack(in: batch)
            batch.deadLetters.append(letter(error, elements, message, target))
        }
    }

    /// - Returns: whether to go on with the next one.
    @inline(__always)
    private func buildElement(
        _ elements: RouteElements, _ message: Int, _ row: RowPlan, _ keyFields: UnsafeBufferPointer<Field>?,
        _ mark: BatchMark, in batch: Batch
    ) -> Bool {
        let letters = batch.deadLetters.count
        if elements.hasNoField {
            batch.deadLetters.append(
                DeadLetter(
                    message: message, target: row.target.index, reason: .noFields,
                    explanation: "the element has none of the \(elements.wanted.count) fields that "
                        + "\(row.target.name) takes"))
        } else {
            appendRow(message, row, fields: elements.reader.fields, keyFields: keyFields, to: batch)
        }
        guard batch.deadLetters.count > letters else { return true }
        var letter = batch.deadLetters.removeLast()
        guard !elements.skips else {
            elements.skipped += 1
            return true
        }
        mark.takeBack(in: batch)
        letter.explanation = "\(elements.place): \(letter.explanation)"
        batch.deadLetters.append(letter)
        return false
    }

    /// Has it known that a message says all of one that holds elements, be it that there are none.
    ///
    /// - Returns: whether to go on.
    private func buildSet(
        _ message: Int, _ row: RowPlan, _ fields: UnsafeBufferPointer<Field>?,
        _ keyFields: UnsafeBufferPointer<Field>?, _ mark: BatchMark, in batch: Batch
    ) -> Bool {
        guard let set = row.set, let section = mark.sets?.section else { return true }
        let letters = batch.deadLetters.count
        append(message, set, to: section, omitting: 0, fields: fields, keyFields: keyFields, in: batch)
        guard batch.deadLetters.count > letters else { return true }
        let letter = batch.deadLetters.removeLast()
        mark.takeBack(in: batch)
        batch.deadLetters.append(letter)
        return false
    }

    func letter(
        _ fault: ElementFault, _ elements: RouteElements, _ message: Int, _ target: Target
    ) -> DeadLetter {
        switch fault {
        case .notElements(let step, let kind):
            let holder = elements.path.steps[step].holder == .list ? "a list" : "an object"
            return DeadLetter(
                message: message, target: target.index, reason: .wrongType,
                explanation: "\(elements.place(of: step)) is to be \(holder) of elements, found "
                    + InputValue.Kind(kind).name)
        case .tooMany:
            return DeadLetter(
                message: message, target: target.index, reason: .tooManyElements,
                explanation: "the message has more than \(elements.most) elements in \(elements.path)")
        case .unreadable(let failure):
            return DeadLetter(
                message: message, target: target.index,
                reason: DeadLetter.Reason(failure.reason, otherwise: plan.format.refusal),
                explanation: "the message \(failure.words)" + (failure.offset.map { ", at byte \($0)" } ?? ""))
        }
    }

    // MARK: Messages that are many records

    /// Where the records of a message are.
    private enum Records {
        /// In a text of JSON.
        case text(UnsafeRawBufferPointer)
        /// Among the message's fields.
        case fields(UnsafeBufferPointer<Field>)
        case field(Field)
    }

    /// The rows of a message that is many records: an array of them, several behind one another, or one alone.
    func buildMany(_ message: Int, _ routes: [RouteRows], _ held: UnsafeRawBufferPointer, in batch: Batch) {
        let records: Records
        do throws(DecodingFailure) { records = try self.records(of: held, message, in: batch) } catch {
            for route in routes { refuse(message, route.target.index, decoding: error, of: held, in: batch) }
            return
        }
        do throws(DecodingFailure) {
            let keyFields = plan.rowsNeedKey ? try keyFields(of: message, in: batch) : nil
            for route in routes {
                batch.settle()
                if let filter = route.filter,
                    !takes(message, filter, route, fields: nil, keyFields: keyFields, in: batch)
                {
                    continue
                }
                guard
                    let route = forTable(message, route, shape: 0, fields: nil, keyFields: keyFields, in: batch),
                    let elements = route.elements
                else { continue }
                buildElements(elements, message, route.row, nil, keyFields, in: batch) { body throws(ElementFault) in
                    switch records {
                    case .text(let text): try elements.reader.read(documents: text, by: decoder, body)
                    case .fields(let fields):
                        try elements.reader.read(fields[route.holder], of: nil, by: decoder, body)
                    case .field(let field): try elements.reader.read(field, of: nil, by: decoder, body)
                    }
                }
            }
        } catch {
            for route in routes { refuse(message, route.target.index, decodingKey: error, in: batch) }
        }
    }

    private func records(
        of held: UnsafeRawBufferPointer, _ message: Int, in batch: Batch
    ) throws(DecodingFailure) -> Records {
        let header = isFramed ? header(ofKey: false, message, in: batch) : nil
        let framing = isFramed ? framed.framing(of: held, header) : .none
        guard framing.form == .none ? plan.format.isJSON : framed.isJSON(framing), !framing.isCompressed else {
            return .fields(isFramed ? try framed.decode(held, header: header) : try decoder.decode(held))
        }
        let text = UnsafeRawBufferPointer(rebasing: held[framing.payload...])
        if ConnectJSONDecoder.mayBeEnvelope(text) {
            // It may be no envelope but a first record, which is found out by its end.
            _ = try? isFramed ? framed.decode(held, header: header) : decoder.decode(held)
            let payload = isFramed ? framed.payload : (decoder as? ConnectJSONDecoder)?.payload
            if let payload { return .field(payload) }
        }
        return .text(text)
    }
}
