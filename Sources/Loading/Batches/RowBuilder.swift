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
    let framedKey: FramedDecoder
    /// The decoder of keys in JSON, which may be in an envelope.
    private let connectKey: ConnectJSONDecoder?
    let isFramed: Bool
    let isKeyFramed: Bool
    private let naming: SchemaNaming
    let takesWholeValue: Bool
    /// All of the value, and of the key, of the message at hand, where the decoder reads it and somebody wants it.
    private(set) var wholeValue: Field?
    private(set) var wholeKey: Field?
    /// Where they begin behind what they say of their schema, if they are JSON or plain.
    private(set) var valueStart = 0
    private(set) var keyStart = 0
    /// All of it behind what it says of its schema, where that was compressed.
    private(set) var inflatedValue: UnsafeRawBufferPointer?
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
    let readsValue: Bool
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
    func value(of message: Int, in batch: Batch) -> UnsafeRawBufferPointer? {
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
        if framed.wasJSON || framed.wasTypedJSON {
            (valueStart, inflatedValue) = (framed.framing.payload, framed.inflated)
        }
        if !framed.wasJSON { wholeValue = fields[whole] }
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
        keyStart = framedKey.wasJSON || framedKey.wasTypedJSON ? framing.payload : 0
        if framedKey.wasJSON { return self.fields(fields, inEnvelope: framedKey.payload) }
        if let whole = plan.wholeKey { wholeKey = fields[whole] }
        return hasFields ? fields : nil
    }
}
