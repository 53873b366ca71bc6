import Postgres
import Records

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Which messages a route takes, and what becomes of the others.
extension RowBuilder {
    /// Whether a route takes a message with a value. If it does not, what becomes of it is settled here.
    @inline(never)
    func takes(
        _ message: Int, _ filter: RouteFilter, _ route: RouteRows, shape: Int = 0,
        fields: UnsafeBufferPointer<Field>?, keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) -> Bool {
        containers.reset()
        fill(filter, message, fields, keyFields, in: batch)
        do throws(ConditionFault) {
            if try filter.program.holds() { return true }
        } catch {
            refuse(message, filter, error, in: batch)
            return false
        }
        batch.note(.filtered, target: filter.target.index)
        guard filter.mayTakeRow else { return false }
        var filter = filter
        if route.chooser != nil {
            // What is for no table has no row.
            let found = table(of: message, route, shape: shape, fields: fields, keyFields: keyFields, in: batch)
            guard let own = found?.filter(ofShape: shape) else { return false }
            filter = own
        }
        if let deletion = filter.deletion { delete(message, deletion, fields, keyFields, in: batch) }
        return false
    }

    /// Whether a route takes a deletion, or what else has no row that could be asked for all, by what is known of it; of one that is
    /// nothing to it nothing is done.
    @inline(never)
    func takesDeletion(
        _ message: Int, _ filter: RouteFilter, fields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) -> Bool {
        guard !filter.knowsNothing(isEvent: fields != nil) else { return true }
        containers.reset()
        do throws(DecodingFailure) {
            let keyFields = filter.readsKey ? try keyFields(of: message, in: batch) : nil
            fill(filter, message, fields, keyFields, in: batch)
        } catch {
            letter(message, filter.target.index, decodingKey: error, in: batch)
            return false
        }
        do throws(ConditionFault) {
            if try filter.mayTake(isEvent: fields != nil) { return true }
            batch.note(.filtered, target: filter.target.index)
        } catch {
            refuse(message, filter, error, in: batch)
        }
        return false
    }

    // MARK: What a condition asks for

    private func fill(
        _ filter: RouteFilter, _ message: Int, _ fields: UnsafeBufferPointer<Field>?,
        _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        for place in filter.inputs.indices {
            filter.program.values[place] = value(
                of: filter.inputs[place], header: filter.headers[place], filter.topicName, message, fields, keyFields,
                in: batch)
        }
    }

    /// What a message has for an input.
    func value(
        of input: MessagePlan.Input, header: [UInt8], _ topicName: TopicName, _ message: Int,
        _ fields: UnsafeBufferPointer<Field>?, _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) -> Field {
        switch input {
        // Of an event without rows there are no fields of those.
        case .field(let field): fields.map { field < $0.count ? $0[field] : Field(.absent) } ?? Field(.absent)
        case .keyField(let field), .keyFieldOrKey(let field): keyFields.map { $0[field] } ?? Field(.absent)
        case .source(.key): wholeKey(of: message, in: batch)
        case .source(.header): self.header(header, of: message, in: batch)
        case .source(.topic): Field(.string, topicName.bytes(of: batch.coordinates(of: message).partition.topic))
        case .source(.partition): .integer(Int64(batch.coordinates(of: message).partition.partition))
        case .source(.offset): .integer(batch.messages[message].offset)
        case .source(.timestamp): timestamp(of: message, in: batch)
        case .source(.operation): Field(.string, UnsafeRawBufferPointer(start: operation.letter.utf8Start, count: 1))
        // Compiled to inputs of their own, or refused at the start.
        case .source, .element, .keyOr, .former: Field(.absent)
        }
    }

    /// A plain key is its text; a key that is a JSON string is what it says.
    private func wholeKey(of message: Int, in batch: Batch) -> Field {
        if let wholeKey { return wholeKey }
        guard let key = batch.key(of: message) else { return Field(.absent) }
        let text = UnsafeRawBufferPointer(rebasing: key[keyStart...])
        if plan.keyFormat.isJSON, text.count >= 2, text.first == UInt8(ascii: "\""), text.last == UInt8(ascii: "\""),
            let said = try? containers.document(text), said.kind == .string
        {
            return Field(.string, said.bytes)
        }
        return Field(.string, text)
    }

    /// The last header of a name.
    private func header(_ name: [UInt8], of message: Int, in batch: Batch) -> Field {
        var found = Field(.absent)
        batch.forEachHeader(of: message) { other, value in
            if other.elementsEqual(name) { found = value.map { Field(.string, $0) } ?? Field(.null) }
            return true
        }
        return found
    }

    private func timestamp(of message: Int, in batch: Batch) -> Field {
        let time = batch.messages[message].timestamp
        let (microseconds, isTooLarge) = time.multipliedReportingOverflow(by: 1000)
        return time == .min || isTooLarge ? Field(.null) : .instant(microseconds: microseconds)
    }

    // MARK: What becomes of what it does not let through

    /// Deletes the row that a message would have, or its elements' rows. One whose key no row can have has none.
    private func delete(
        _ message: Int, _ plan: RowPlan, _ fields: UnsafeBufferPointer<Field>?,
        _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        let section = batch.section(plan.target.index, .tombstones)
        let (start, format) = (section.buffer.count, plan.target.format)
        section.buffer.beginRow(fields: plan.columns.count, format)
        let keyStart = section.buffer.count
        var keyEnd = keyStart
        do throws(EncodingFailure) {
            for index in plan.columns.indices {
                if index == plan.target.keyCount { keyEnd = section.buffer.count }
                if format == .text, index > 0 { section.buffer.append(byte: UInt8(ascii: "\t")) }
                let column = plan.columns[index]
                guard column.input == .field || column.input == .keyField else {
                    try encodeRare(message, plan, index, fields, keyFields, in: batch, into: &section.buffer)
                    continue
                }
                let field = plan.field(index, fields, keyFields)
                let value = column.isOfKey ? InputValue(ofKey: field) : InputValue(field)
                // Behind the key stands what says which message is newer, which may be unknown.
                if value.kind == .null, index < plan.target.keyCount { throw EncodingFailure(.null, found: .null) }
                try column.encoder.encode(value, into: &section.buffer, containers: containers)
            }
        } catch {
            section.buffer.truncate(to: start)
            return
        }
        if plan.columns.count == plan.target.keyCount { keyEnd = section.buffer.count }
        section.buffer.endRow(format)
        section.rows.append(
            Batch.Row(
                message: Int32(message), keyCount: Int32(keyEnd - keyStart), omission: 0, place: rowPlace,
                start: start, end: section.buffer.count))
    }

    private func refuse(
        _ message: Int, _ filter: RouteFilter, _ fault: ConditionFault, in batch: Batch
    ) {
        let source = filter.condition.sources[fault.source].expression
        let found = InputValue(filter.program.values[fault.source]).kind.name
        let explanation =
            fault.isTooLong
            ? "the condition compares \(source) with a number, and it has too many digits for that"
            : "the condition compares \(source) with \(fault.expected.words), and it is \(found)"
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: filter.target.index, reason: fault.isTooLong ? .outOfRange : .wrongType,
                explanation: explanation))
    }
}

extension Condition.Kind {
    fileprivate var words: String {
        switch self {
        case .text: "a text"
        case .number: "a number"
        case .truth: "true or false"
        }
    }
}
