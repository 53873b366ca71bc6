import Kafka
import Postgres
import Records
import Schemas

/// Turns messages into rows, straight into the batch's COPY buffers: no message becomes a dictionary, no row an array.
///
/// Belongs to one thread: a writer's builder, a replay, a command.
package final class RowBuilder {
    let plan: MessagePlan
    /// What becomes of a message for each of the plan's targets.
    private let routes: [RouteRows]
    // No optionals: a call through one retains the decoder for each message.
    let decoder: any RecordDecoder
    private let keyDecoder: any RecordDecoder
    /// The same decoders where messages say themselves how they are read; else of no use.
    let framed: FramedDecoder
    private let framedKey: FramedDecoder
    /// The decoder of keys in JSON, which may be in an envelope.
    private let connectKey: ConnectJSONDecoder?
    let isFramed: Bool
    private let isKeyFramed: Bool
    private let naming: SchemaNaming
    private let takesWholeValue: Bool
    /// All of the value, and of the key, of the message at hand, where the decoder reads it and somebody wants it.
    private var wholeValue: Field?
    private(set) var wholeKey: Field?
    /// Where they begin behind what they say of their schema, if they are JSON or plain.
    private var valueStart = 0
    private(set) var keyStart = 0
    /// All of it behind what it says of its schema, where that was compressed.
    private var inflatedValue: UnsafeRawBufferPointer?
    private let compression = ValueCompression()
    /// The place of the next row or deletion among those of its message.
    var rowPlace: Int32 = 0
    /// What the message at hand says was done to a row.
    var operation = ChangeOperation.update
    /// The value of the message at hand without its producer's compression; nil: as the batch has it.
    private var plainValue: UnsafeRawBufferPointer?
    /// Somebody looks at values.
    private let usesValue: Bool
    /// Some column takes a field of the value, of the key.
    private let readsValue: Bool
    private let readsKey: Bool
    /// The same of the key, all of it left out.
    private let readsKeyFields: Bool
    let containers: RowContainers
    /// Bytes behind a value or a key that a decoder may read. One figure, so that the arena of a value's fields does
    /// not move for its key.
    private let padding: Int
    /// Some route takes values of another kind for tombstones, too.
    private let hasTombstoneForms: Bool
    /// Whether messages with a value may be deletions, which take the row's key from theirs.
    private let hasChanges: Bool

    package init(plan: MessagePlan, targets: [Target]) {
        self.plan = plan
        // The tables that a route chooses among are its chooser's.
        routes = plan.targets.indices.filter { targets[plan.targets[$0]].routePlace == nil }.map {
            RouteRows(plan, $0, targets)
        }
        let none = FramedDecoder(paths: [], plain: .nothing, registry: nil)
        isFramed = plan.format.framed != nil
        isKeyFramed = plan.keyFormat.framed != nil
        let schemas = plan.format.framed?.schemas ?? plan.keyFormat.framed?.schemas
        naming = schemas?.registry.naming ?? SchemaNaming()
        takesWholeValue = plan.wholeValue != nil
        framed = plan.format.framed?.decoder(plan.valuePaths) ?? none
        framedKey = plan.keyFormat.framed?.decoder(plan.keyPaths) ?? none
        decoder = isFramed ? framed : plan.format.decoder(plan.valuePaths)
        keyDecoder = isKeyFramed ? framedKey : plan.keyFormat.decoder(plan.keyPaths)
        connectKey = keyDecoder as? ConnectJSONDecoder
        readsValue = plan.valuePaths.count > (plan.wholeValue == nil ? 0 : 1)
        readsKey = !plan.keyPaths.isEmpty
        readsKeyFields = plan.keyPaths.count > (plan.wholeKey == nil ? 0 : 1)
        containers = RowContainers(decoder: decoder, keyDecoder: keyDecoder)
        padding = max(decoder.padding, keyDecoder.padding)
        hasTombstoneForms = plan.targets.contains { !targets[$0].route.tombstones.isEmpty }
        hasChanges = plan.changes.contains { $0 != nil }
        let sources = plan.targets.flatMap { targets[$0].columns }.map(\.source)
        usesValue = readsValue || hasTombstoneForms || sources.contains(.value) || sources.contains(.schemaID)
    }

    /// Adds, for each route that settles what becomes of a message, so many messages.
    func addDue(_ messages: Int, to due: inout [Int]) {
        for route in routes { due[route.target.index] += messages }
    }

    /// Takes a message into the batch: its bytes, and a row, a deletion or a dead letter for each route.
    package func add(_ message: borrowing Message, range: Int32, to batch: Batch) {
        batch.advance(range, past: message.offset)
        build(batch.append(message, range: range), in: batch)
    }

    // MARK: Schemas

    /// Whether messages may name schemas that have to be found before their rows are built.
    package var namesSchemas: Bool { (isFramed && plan.format.framed?.schemas != nil) || isKeyFramed }

    /// Finds the schemas of a message that are not known yet, each once.
    ///
    /// - Parameter find: what finds one; nil: given up.
    /// - Returns: whether all are found.
    package func learn(_ message: Int, in batch: Batch, _ find: (SchemaID) -> SchemaResolver.Found?) -> Bool {
        let value = batch.value(of: message)
        // What cannot be decompressed is refused when its row is built.
        if isFramed, readsValue || takesWholeValue,
            let value = (try? compression.value(of: message, in: batch, padding: padding)) ?? value
        {
            let header = header(ofKey: false, message, in: batch)
            if let id = framed.missing(in: value, header: header) {
                guard let found = find(id) else { return false }
                framed.learn(id, found)
            }
        }
        if isKeyFramed, readsKey, plan.rowsNeedKey || value == nil || hasTombstoneForms || hasChanges,
            let key = batch.key(of: message)
        {
            let header = header(ofKey: true, message, in: batch)
            if let id = framedKey.missing(in: key, header: header) {
                guard let found = find(id) else { return false }
                framedKey.learn(id, found)
            }
        }
        return true
    }

    /// What no registry had may be there by now.
    func forgetUnknownSchemas() {
        framed.forgetUnknown()
        framedKey.forgetUnknown()
    }

    @inline(__always)
    func header(ofKey isOfKey: Bool, _ message: Int, in batch: Batch) -> SchemaHeader? {
        batch.schemaHeader(naming, ofKey: isOfKey, of: message)
    }

    // MARK: Messages

    /// Builds the rows of a message that the batch holds already.
    package func build(_ message: Int, in batch: Batch) {
        plainValue = nil
        guard batch.value(of: message) != nil else {
            for route in routes { buildTombstone(message, route, in: batch) }
            return
        }
        if usesValue {
            do throws(DecodingFailure) {
                plainValue = try compression.value(of: message, in: batch, padding: padding)
            } catch {
                for route in routes { refuse(message, route.target.index, decompressing: error, in: batch) }
                return
            }
        }
        guard let value = value(of: message, in: batch) else { return }
        if plan.opensEnvelopes, ConnectJSONDecoder.isTombstone(value) {
            for route in routes { buildTombstone(message, route, in: batch) }
            return
        }
        if hasTombstoneForms, let form = Route.TombstoneForm(value) {
            return build(message, asTombstone: form, value, in: batch)
        }
        buildRows(message, routes, value, in: batch)
    }

    /// A value, without its producer's compression.
    @inline(__always)
    private func value(of message: Int, in batch: Batch) -> UnsafeRawBufferPointer? {
        plainValue ?? batch.value(of: message)
    }

    /// What one route takes for a tombstone another may take for a row.
    private func build(
        _ message: Int, asTombstone form: Route.TombstoneForm, _ value: UnsafeRawBufferPointer, in batch: Batch
    ) {
        for route in routes {
            if route.target.route.tombstones.contains(form) {
                buildTombstone(message, route, in: batch)
            } else {
                buildRows(message, [route], value, in: batch)
            }
        }
    }

    private func buildRows(
        _ message: Int, _ routes: [RouteRows], _ value: UnsafeRawBufferPointer, in batch: Batch
    ) {
        // The decoder may read past the message, within memory that is ours.
        _ = batch.arena.reserve(padding)
        let held = self.value(of: message, in: batch) ?? value
        if plan.isMany { return buildMany(message, routes, held, in: batch) }
        let fields: UnsafeBufferPointer<Field>?
        do {
            if takesWholeValue {
                fields = try wholeFields(of: held, message, in: batch)
            } else if !readsValue {
                fields = nil
            } else if isFramed {
                fields = try framed.decode(held, header: header(ofKey: false, message, in: batch))
            } else {
                fields = try decoder.decode(held)
            }
        } catch {
            for route in routes { refuse(message, route.target.index, decoding: error, of: held, in: batch) }
            return
        }
        do {
            let keyFields = plan.rowsNeedKey ? try keyFields(of: message, in: batch) : nil
            for route in routes {
                build(message, route, fields: fields, keyFields: keyFields, in: batch)
                batch.settle()
            }
        } catch {
            for route in routes { refuse(message, route.target.index, decodingKey: error, in: batch) }
        }
    }

    /// The fields of a value, and all of it.
    private func wholeFields(
        of held: UnsafeRawBufferPointer, _ message: Int, in batch: Batch
    ) throws(DecodingFailure) -> UnsafeBufferPointer<Field>? {
        guard let whole = plan.wholeValue else { return nil }
        guard isFramed else {
            wholeValue = nil
            let fields = try decoder.decode(held)
            wholeValue = fields[whole]
            return fields
        }
        let header = header(ofKey: false, message, in: batch)
        (wholeValue, valueStart, inflatedValue) = (nil, 0, nil)
        // What is taken whole and names no schema is anybody's bytes.
        guard readsValue || framed.framing(of: held, header).form != .none else { return nil }
        let fields = try framed.decode(held, header: header)
        if framed.wasJSON {
            (valueStart, inflatedValue) = (framed.framing.payload, framed.inflated)
        } else {
            wholeValue = fields[whole]
        }
        return fields
    }

    /// What a message with a value does for one route.
    @inline(__always)
    private func build(
        _ message: Int, _ route: RouteRows, fields: UnsafeBufferPointer<Field>?,
        keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        if let changes = route.changes {
            return buildChange(message, route, changes, fields: fields, keyFields: keyFields, in: batch)
        }
        if let filter = route.filter, !takes(message, filter, route, fields: fields, keyFields: keyFields, in: batch) {
            return
        }
        var route = route
        if route.chooser != nil {
            guard let found = chosen(message, route, shape: 0, fields: fields, keyFields: keyFields, in: batch) else {
                return
            }
            route = found
        }
        if let elements = route.elements {
            return build(
                elements, of: fields?[route.holder] ?? Field(.absent), message, route.row, fields: fields,
                keyFields: keyFields, in: batch)
        }
        appendRow(message, route.row, fields: fields, keyFields: keyFields, to: batch)
    }

    private func buildTombstone(_ message: Int, _ route: RouteRows, in batch: Batch) {
        operation = .delete
        batch.settle()
        if route.passesTombstones { return batch.note(.skipped, target: route.target.index) }
        if let filter = route.filter, !takesDeletion(message, filter, fields: nil, in: batch) { return }
        if let documents = route.changes?.documents {
            return buildDocumentTombstone(message, route, documents, in: batch)
        }
        guard route.chooser != nil, route.target.takesDeletions else {
            return delete(message, route.target, by: route.tombstone, fields: nil, in: batch)
        }
        do throws(DecodingFailure) {
            let keyFields = try keyFields(of: message, in: batch)
            guard let found = chosen(message, route, shape: nil, fields: nil, keyFields: keyFields, in: batch) else {
                return
            }
            delete(message, found.target, by: found.tombstone, fields: nil, in: batch)
        } catch {
            letter(message, route.target.index, decodingKey: error, in: batch)
        }
    }

    /// What becomes of the row that a message says is no longer there.
    ///
    /// - Parameter fields: of its value, if it has one.
    func delete(
        _ message: Int, _ target: Target, by plan: DeletionPlan, fields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        guard target.takesDeletions else {
            return passOverDeletion(message, target, isOfEvent: fields != nil, in: batch)
        }
        do {
            let keyFields = try keyFields(of: message, in: batch)
            appendDeletion(message, plan, fields: fields, keyFields: keyFields, in: batch)
        } catch {
            letter(message, target.index, decodingKey: error, in: batch)
        }
    }

    /// What becomes of a deletion that the route does not carry out.
    func passOverDeletion(_ message: Int, _ target: Target, isOfEvent: Bool, in batch: Batch) {
        guard target.onTombstone == .deadLetter else { return batch.note(.skipped, target: target.index) }
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: target.index, reason: .tombstone,
                explanation: isOfEvent
                    ? "the deletion of a row, and the route takes none"
                    : "a message without a value, which is a row's deletion, and the route takes none"))
    }

    /// The fields of a key; nil where the key is a plain value, which only matters to columns that want one.
    func keyFields(
        of message: Int, in batch: Batch
    ) throws(DecodingFailure) -> UnsafeBufferPointer<Field>? {
        if isKeyFramed { return try framedKeyFields(of: message, in: batch) }
        wholeKey = nil
        guard readsKey, let key = batch.key(of: message) else { return nil }
        let hasFields = plan.keyFormat.hasFields(key)
        // JSON is what its bytes are, but for its fields and for what is in an envelope.
        let isWanted =
            plan.keyFormat.isJSON
            ? hasFields && (readsKeyFields || ConnectJSONDecoder.mayBeEnvelope(key)) : hasFields || plan.wholeKey != nil
        guard isWanted else { return nil }
        _ = batch.arena.reserve(padding)
        guard let held = batch.key(of: message) else { return nil }
        let fields = try keyDecoder.decode(held)
        if let connectKey { return self.fields(fields, inEnvelope: connectKey.payload) }
        if let whole = plan.wholeKey { wholeKey = fields[whole] }
        return hasFields ? fields : nil
    }

    /// The fields of a key in JSON; where it was in an envelope of Connect's, what was in that is the key.
    private func fields(
        _ fields: UnsafeBufferPointer<Field>, inEnvelope payload: Field?
    ) -> UnsafeBufferPointer<Field>? {
        guard let payload else { return fields }
        wholeKey = payload
        return payload.kind == .object || payload.kind == .record ? fields : nil
    }

    /// The same of a key that may name its schema.
    private func framedKeyFields(
        of message: Int, in batch: Batch
    ) throws(DecodingFailure) -> UnsafeBufferPointer<Field>? {
        (wholeKey, keyStart) = (nil, 0)
        // First, because it may move what is looked at.
        _ = batch.arena.reserve(padding)
        guard readsKey, let held = batch.key(of: message) else { return nil }
        let header = header(ofKey: true, message, in: batch)
        let hasFields = framedKey.hasFields(held, header: header)
        let framing = framedKey.framing(of: held, header)
        // Plain text, and JSON that is no object, are what they are; and so is all where nobody takes a field.
        guard framing.form != .none || (hasFields && (readsKeyFields || ConnectJSONDecoder.mayBeEnvelope(held))) else {
            return nil
        }
        if !hasFields, framedKey.isJSON(framing) {
            keyStart = framing.payload
            return nil
        }
        let fields = try framedKey.decode(held, header: header)
        keyStart = framedKey.wasJSON ? framing.payload : 0
        if framedKey.wasJSON { return self.fields(fields, inEnvelope: framedKey.payload) }
        if let whole = plan.wholeKey { wholeKey = fields[whole] }
        return hasFields ? fields : nil
    }

    // MARK: Rows

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
                if let wholeValue, column.isJSON || !plan.format.isText {
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
            if let wholeKey, !column.takesBytes {
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

    // MARK: Dead letters

    private func refuse(
        _ message: Int, _ plan: RowPlan, _ index: Int, _ failure: EncodingFailure,
        _ fields: UnsafeBufferPointer<Field>?, _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) {
        let column = plan.target.columns[index]
        let isMissing = failure.reason == .null && column.isRequired
        let explanation =
            failure.reason == .null
            ? lack(plan.target, column)
                + words(forNull: failure.found, message, plan, index, fields, keyFields, in: batch)
            : explanation(of: failure, plan.target, column)
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: plan.target.index,
                reason: isMissing ? .missingField : DeadLetter.Reason(failure.reason), column: column.name,
                explanation: explanation))
    }

    /// Why a column takes no null.
    private func lack(_ target: Target, _ column: Target.Column) -> String {
        let place = "\(target.name).\(column.name)"
        if target.keyColumns.contains(where: { $0.name == column.name }) { return "\(place) is part of the key, and " }
        return "\(place) is \(column.isRequired ? "required" : "NOT NULL"), and "
    }

    /// What the message has in place of a value: nothing is another mistake than null.
    ///
    /// - Parameter found: what was there before the route took it for null.
    private func words(
        forNull found: InputValue.Kind, _ message: Int, _ plan: RowPlan, _ index: Int,
        _ fields: UnsafeBufferPointer<Field>?, _ keyFields: UnsafeBufferPointer<Field>?, in batch: Batch
    ) -> String {
        let source = plan.target.columns[index].source
        if found != .null { return "what \(source) has counts as null" }
        switch plan.inputs[index] {
        case .field: return plan.field(index, fields, keyFields).words(source, isOfElement: plan.isOfElements)
        case .keyField(let field), .keyFieldOrKey(let field), .keyOr(_, let field, _):
            guard let key = batch.key(of: message) else { return "the message has no key" }
            guard let keyFields else {
                if key.isEmpty { return "the message's key is empty" }
                return self.plan.keyFormat.isJSON
                    ? "the message's key is no JSON object" : "the message's key has no fields"
            }
            guard case .key(let path?) = source else {
                let byRow = fields == nil ? "" : ", and neither has the row"
                return keyFields[field].words(source.expression, of: "message's key") + byRow
            }
            return keyFields[field].words(ColumnSource.field(path).expression, of: "message's key")
        case .source(.header(let name)):
            let isThere = batch.headers(of: message).contains { $0.name.elementsEqual(name.utf8) }
            return isThere ? "the header \(name) has no value" : "the message has no header \(name)"
        case .source(.timestamp): return "the message has no timestamp"
        case .source(.key): return "the message has no key"
        case .source(.schemaID): return "the message names no schema by a number or a GUID"
        case .source, .element, .former: return "the message has no value"
        }
    }

    private func explanation(of failure: EncodingFailure, _ target: Target, _ column: Target.Column) -> String {
        let place = "\(target.name).\(column.name)"
        let type = column.type.formatted
        switch failure.reason {
        case .null: return "\(place) takes no null"
        case .wrongType: return "\(place) expects \(type), found \(failure.found.name)"
        case .missingScale:
            return
                "\(place): the bytes of a number say nothing of its scale, and \(type) has none, as numeric(p, s) has"
        case .ambiguous:
            return
                "\(place): the string is a number as it is, and another as the bytes of one, and nothing says which is meant"
        case .missingUnit:
            return "\(place): a number is no \(type) where nothing says what it counts: s, ms, us, ns or d"
        case .outOfRange: return "\(place): the \(failure.found.name) is beyond \(type)"
        case .tooLong: return "\(place): the text is longer than \(type)"
        case .badSyntax: return "\(place): the \(failure.found.name) is no \(type)"
        case .undecodable: return "\(place): the string cannot be decoded as its column asks"
        case .noDocument: return "\(place): the bytes are no JSON"
        case .nul: return "\(place): U+0000 cannot be stored"
        case .invalidUTF8: return "\(place): the bytes are not UTF-8"
        case .missingZone: return "\(place): the timestamp has no offset and the route names no zone"
        case .movingZone:
            return
                "\(place): a time of day with an offset cannot be turned into a zone whose offset depends on the date, "
                + "only into one such as +02:00"
        }
    }

    private func refuseWithoutFields(_ message: Int, _ plan: RowPlan, in batch: Batch) {
        let count = plan.target.columns.count { $0.source.isField }
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: plan.target.index, reason: .noFields,
                explanation: "the message has none of the \(count) fields that \(plan.target.name) takes"))
    }

    private func refuse(_ message: Int, _ target: Int, decompressing failure: DecodingFailure, in batch: Batch) {
        batch.settle()
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: target, reason: .badSyntax,
                explanation: "the message \(failure.words)" + (failure.offset.map { ", at byte \($0)" } ?? "")))
    }

    func refuse(_ message: Int, _ target: Int, decodingKey failure: DecodingFailure, in batch: Batch) {
        batch.settle()
        letter(message, target, decodingKey: failure, in: batch)
    }

    func letter(_ message: Int, _ target: Int, decodingKey failure: DecodingFailure, in batch: Batch) {
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: target,
                reason: DeadLetter.Reason(
                    failure.reason, otherwise: isKeyFramed && !framedKey.wasJSON ? .badSyntax : plan.keyFormat.refusal),
                explanation: "the key \(failure.words)" + (failure.offset.map { ", at byte \($0)" } ?? "")))
    }

    func refuse(
        _ message: Int, _ target: Int, decoding failure: DecodingFailure, of value: UnsafeRawBufferPointer,
        in batch: Batch
    ) {
        batch.settle()
        batch.deadLetters.append(
            DeadLetter(
                message: message, target: target,
                reason: DeadLetter.Reason(
                    failure.reason, otherwise: isFramed && !framed.wasJSON ? .badSyntax : plan.format.refusal),
                explanation: (isFramed && framed.framing.form != .none ? nil : plan.format.describe(value, failure))
                    ?? "the message \(failure.words)" + (failure.offset.map { ", at byte \($0)" } ?? "")))
    }
}

extension Field {
    fileprivate var hasValue: Bool { kind != .absent && kind != .null }

    /// The same of what a column takes of a message, or of an element of one.
    fileprivate func words(_ source: ColumnSource, isOfElement: Bool) -> String {
        switch source {
        case .parent(let levels, let path):
            let holder = (["element's"] + (1..<levels).map { _ in "parent's" } + ["parent"]).joined(separator: " ")
            return words(ColumnSource.field(path).expression, of: holder)
        case .name, .parentName: return "the elements have no names"
        case .element: return "the element is null"
        default: return words(source.expression, of: isOfElement ? "element" : "message")
        }
    }

    /// Why it has no value: it is absent, or null.
    fileprivate func words(_ path: String, of whole: String) -> String {
        kind == .absent ? "the \(whole) has no field \(path)" : "the \(whole)'s field \(path) is null"
    }
}
