import Postgres
import Records

/// A row, value by value.
extension RowBuilder {
    func appendRow(
        _ message: Int, _ plan: RowPlan, fields: UnsafeBufferPointer<Field>?, keyFields: UnsafeBufferPointer<Field>?,
        to batch: Batch
    ) {
        var omittedCount = 0
        for word in plan.omitted.indices { plan.omitted[word] = 0 }
        for index in plan.omissible {
            let column = plan.columns[index]
            let isAbsent =
                switch column.input {
                case .field,
                    .mended where !column.isOfKey:
                    fields?[column.field].kind == .absent
                case .keyField, .mended: keyFields.map { $0[column.field].kind == .absent } ?? true
                case .other: false
                }
            guard isAbsent else { continue }
            plan.omitted[column.omissionWord] |= column.omission
            omittedCount += 1
        }
        if !plan.mayBeUnavailable.isEmpty, let fields {
            return appendRow(
                message, plan, omitting: omittedCount, withUnavailable: fields, keyFields: keyFields, to: batch)
        }
        append(
            message, plan, to: batch.section(plan.target.index, .rows, omissible: plan.omissionCount),
            omitting: omittedCount, fields: fields, keyFields: keyFields, in: batch)
    }

    /// Appends a row, or a dead letter if one of its values does not fit.
    func append(
        _ message: Int, _ plan: RowPlan, to section: Batch.Section, omitting omittedCount: Int,
        fields: UnsafeBufferPointer<Field>?, keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        // Long because every value of every message passes here, and pays for each call.
        let start = section.buffer.count
        let isBinary = plan.target.format == .binary
        let columns = plan.columns
        let keyCount = plan.target.keyCount
        let nulledBefore = batch.nulledValues.count
        containers.reset()
        if isBinary {
            section.buffer.append(Int16(truncatingIfNeeded: columns.count - omittedCount))
        }
        var keyEnd = section.buffer.count
        var index = 0
        // Not zero if the message has any of the fields: the kinds of those it has, `absent` being zero.
        var found: UInt8 = 0
        do throws(EncodingFailure) {
            var isFirst = true
            while index < columns.count {
                guard columns[index].omission & plan.omitted[columns[index].omissionWord] == 0 else {
                    index += 1
                    continue
                }
                if !isBinary, !isFirst { section.buffer.append(byte: UInt8(ascii: "\t")) }
                isFirst = false
                let fieldStart = section.buffer.count
                let value: InputValue
                switch columns[index].input {
                case .field:
                    // No field without a value: tombstones take theirs from the key.
                    let field = fields.map { $0[columns[index].field] } ?? Field(.absent)
                    found |= field.kind.rawValue
                    value = InputValue(field)
                case .keyField:
                    let field = keyFields.map { $0[columns[index].field] } ?? Field(.absent)
                    found |= field.kind.rawValue
                    value = InputValue(ofKey: field)
                case .mended, .other:
                    if columns[index].input == .mended {
                        found |= plan.field(index, fields, keyFields).kind.rawValue
                    }
                    try encodeRare(message, plan, index, fields, keyFields, in: batch, into: &section.buffer)
                    note(section, fieldStart, columns[index].omission, columns[index].omissionWord, isBinary)
                    index += 1
                    if index == keyCount { keyEnd = section.buffer.count }
                    continue
                }
                if value.kind == .null, columns[index].refusesNull { throw EncodingFailure(.null, found: .null) }
                if let binary = columns[index].binary {
                    try binary.encode(value, into: &section.buffer, containers: containers)
                } else {
                    try columns[index].encoder.encode(value, into: &section.buffer, containers: containers)
                }
                note(section, fieldStart, columns[index].omission, columns[index].omissionWord, isBinary)
                index += 1
                if index == keyCount { keyEnd = section.buffer.count }
            }
        } catch {
            section.buffer.truncate(to: start)
            batch.nulledValues.removeSubrange(nulledBefore...)
            if error.reason == .null, plan.wantsField, !plan.target.columns[index].isRequired,
                !plan.hasAny(fields, keyFields)
            {
                return refuseWithoutFields(message, plan, in: batch)
            }
            return refuse(message, plan, index, error, fields, keyFields, in: batch)
        }
        if found == 0, plan.wantsField {
            section.buffer.truncate(to: start)
            batch.nulledValues.removeSubrange(nulledBefore...)
            return refuseWithoutFields(message, plan, in: batch)
        }
        if !isBinary { section.buffer.append(byte: UInt8(ascii: "\n")) }
        let fieldsStart = start + (isBinary ? 2 : 0)
        section.rows.append(
            Batch.Row(
                message: Int32(message), keyCount: Int32(max(0, keyEnd - fieldsStart)),
                omission: omittedCount == 0 ? 0 : section.omissions.number(of: UnsafeBufferPointer(plan.omitted)),
                place: rowPlace, start: start, end: section.buffer.count))
    }

    /// Notes that a column which may be left out was given as null.
    @inline(__always)
    private func note(
        _ section: Batch.Section, _ fieldStart: Int, _ omission: UInt64, _ omissionWord: Int, _ isBinary: Bool
    ) {
        guard omission != 0, section.buffer.endsWithNull(from: fieldStart, isBinary ? .binary : .text)
        else { return }
        section.nulls[omissionWord] |= omission
    }

    /// A value that the route mends, or that is no field of the message. What does not fit becomes NULL where the route
    /// says so.
    func encodeRare(
        _ message: Int, _ plan: RowPlan, _ index: Int, _ fields: UnsafeBufferPointer<Field>?,
        _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch, into buffer: inout CopyBuffer
    ) throws(EncodingFailure) {
        guard let mending = plan.columns[index].mending else {
            return try encodeOther(message, plan, index, fields, keyFields, in: batch, into: &buffer)
        }
        do throws(EncodingFailure) {
            guard plan.columns[index].input == .mended else {
                return try encodeOther(message, plan, index, fields, keyFields, in: batch, into: &buffer)
            }
            let field = plan.field(index, fields, keyFields)
            try mending.encode(
                plan.columns[index].isOfKey ? InputValue(ofKey: field) : InputValue(field),
                with: plan.columns[index].encoder,
                refusesNull: plan.columns[index].refusesNull, into: &buffer, containers: containers)
        } catch {
            guard mending.nullsUnfit, error.reason != .null else { throw error }
            buffer.append(field: nil, isFirst: true, plan.target.format)
            batch.nulledValues.append(
                NulledValue(message: Int32(message), target: Int32(plan.target.index), column: Int32(index)))
        }
    }

    /// A value that is no field of the message: its coordinates, its raw bytes, a header.
    private func encodeOther(
        _ message: Int, _ plan: RowPlan, _ index: Int, _ fields: UnsafeBufferPointer<Field>?,
        _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch, into buffer: inout CopyBuffer
    ) throws(EncodingFailure) {
        let column = plan.target.columns[index]
        switch plan.inputs[index] {
        case .keyOr(let field, let keyField, let takesWholeKey):
            if let found = keyFields?[keyField], found.hasValue {
                try append(InputValue(ofKey: found), column, into: &buffer)
            } else if let found = fields?[field], found.hasValue {
                try append(InputValue(found), column, into: &buffer)
            } else if takesWholeKey, keyFields == nil {
                try append(wholeKey(of: message, in: batch, column), column, into: &buffer)
            } else {
                try append(InputValue(.null), column, into: &buffer)
            }
        case .former(let before, let after):
            let found = fields.map { $0[before].kind == .absent ? $0[after] : $0[before] } ?? Field(.absent)
            try append(InputValue(found), column, into: &buffer)
        case .keyFieldOrKey(let field):
            if let keyFields {
                try append(InputValue(ofKey: keyFields[field]), column, into: &buffer)
            } else {
                try append(wholeKey(of: message, in: batch, column), column, into: &buffer)
            }
        case .source(let source):
            try encode(message, source, column, in: batch, into: &buffer)
        case .field, .keyField, .element:
            try append(InputValue(.null), column, into: &buffer)
        }
    }

    private func encode(
        _ message: Int, _ source: ColumnSource, _ column: Target.Column, in batch: Batch,
        into buffer: inout CopyBuffer
    ) throws(EncodingFailure) {
        switch source {
        case .value:
            guard var bytes = value(of: message, in: batch) else {
                return try append(InputValue(.null), column, into: &buffer)
            }
            if takesWholeValue, !column.takesBytes {
                if let wholeValue, column.isJSON || !(isFramed ? framed.wasTypedJSON : plan.format.isText) {
                    return try append(InputValue(wholeValue), column, into: &buffer)
                }
                bytes = inflatedValue ?? UnsafeRawBufferPointer(rebasing: bytes[valueStart...])
            }
            // What the decoder of JSON has read through is known to be an object.
            let isRead =
                isFramed
                ? framed.wasJSON && (readsValue || valueStart > 0 || inflatedValue != nil)
                : readsValue && plan.format.isJSON
            let kind: InputValue.Kind = column.isJSON && isRead ? .object : .string
            try append(InputValue(kind, kind == .object ? bytes.withoutByteOrderMark : bytes), column, into: &buffer)
        case .key:
            if let wholeKey, !column.takesBytes, column.isJSON || !isKeyFramed || !framedKey.wasTypedJSON {
                return try append(InputValue(ofKey: wholeKey), column, into: &buffer)
            }
            let bytes = batch.key(of: message).map { column.takesBytes ? $0 : .init(rebasing: $0[keyStart...]) }
            try append(bytes.map { InputValue(.string, $0) } ?? InputValue(.null), column, into: &buffer)
        case .header(let name):
            let named = batch.headers(of: message).last { $0.name.elementsEqual(name.utf8) }
            try append(named?.value.map { InputValue(.string, $0) } ?? InputValue(.null), column, into: &buffer)
        case .topic:
            var topic = batch.coordinates(of: message).partition.topic
            // `withUTF8` cannot throw a typed error through, so the failure is carried out by hand.
            let failure: EncodingFailure? = topic.withUTF8 { bytes in
                do throws(EncodingFailure) {
                    try append(InputValue(.string, UnsafeRawBufferPointer(bytes)), column, into: &buffer)
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
        case .partition:
            let partition = batch.coordinates(of: message).partition.partition
            try append(.integer(Int64(partition)), column, into: &buffer)
        case .offset:
            try append(.integer(batch.messages[message].offset), column, into: &buffer)
        case .timestamp:
            let time = batch.messages[message].timestamp
            guard time != .min else { return try append(InputValue(.null), column, into: &buffer) }
            let (microseconds, overflowed) = time.multipliedReportingOverflow(by: 1000)
            guard !overflowed else { throw EncodingFailure(.outOfRange, found: .instant) }
            try append(.instant(microseconds: microseconds), column, into: &buffer)
        case .now:
            try append(.instant(microseconds: batch.began), column, into: &buffer)
        case .schemaID:
            try append(schemaID(of: message, in: batch), column, into: &buffer)
        case .constant:
            guard let mending = column.mending else { return try append(InputValue(.null), column, into: &buffer) }
            mending.appendFixed(to: &buffer)
        case .operation:
            let letter = operation.letter
            try append(
                InputValue(.string, UnsafeRawBufferPointer(start: letter.utf8Start, count: 1)), column, into: &buffer)
        case .field, .before, .origin, .parent, .index, .name, .element, .parentIndex, .parentName:
            // Compiled to an input of its own.
            try append(InputValue(.null), column, into: &buffer)
        }
    }

    /// What a message says that it is written by.
    private func schemaID(of message: Int, in batch: Batch) -> InputValue {
        guard isFramed, let value = value(of: message, in: batch) else { return InputValue(.null) }
        let id = framed.framing(of: value, header(ofKey: false, message, in: batch)).schema
        return switch id.kind {
        case .number: .integer(Int64(id.number ?? 0))
        case .guid: InputValue(.uuid(high: id.high, low: id.low))
        case .content, .global: .integer(Int64(bitPattern: id.low))
        case .none, .fingerprint, .subject, .named: InputValue(.null)
        }
    }

    /// A plain key is its text; a key that is a JSON string, as Kafka Connect writes them, is what it says.
    private func wholeKey(
        of message: Int, in batch: Batch, _ column: Target.Column
    ) throws(EncodingFailure) -> InputValue {
        guard var key = batch.key(of: message) else { return InputValue(.null) }
        if !column.takesBytes {
            if let wholeKey { return InputValue(ofKey: wholeKey) }
            key = UnsafeRawBufferPointer(rebasing: key[keyStart...])
        }
        if column.isJSON { return try containers.document(key) }
        if plan.keyFormat.isJSON, key.count >= 2, key.first == UInt8(ascii: "\""), key.last == UInt8(ascii: "\""),
            let text = try? containers.document(key)
        {
            return text
        }
        return InputValue(.string, key)
    }

    private func append(
        _ value: InputValue, _ column: Target.Column, into buffer: inout CopyBuffer
    ) throws(EncodingFailure) {
        if let mending = column.mending {
            return try mending.encode(
                value, with: column.encoder, refusesNull: column.refusesNull, into: &buffer, containers: containers)
        }
        if value.kind == .null, column.refusesNull { throw EncodingFailure(.null, found: .null) }
        try column.encoder.encode(value, into: &buffer, containers: containers)
    }
}
