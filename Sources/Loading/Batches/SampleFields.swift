import Postgres
import Records
import Schemas

/// Reads some fields of messages that a batch holds, for those who only look: by the format of their routes. Of change events
/// they are those of the row after the change, and one without such a row is passed over.
///
/// Belongs to one thread.
package final class SampleFields {
    /// What is nested in the fields of the last message.
    package let nested = NestedFields()
    /// For encoders of columns that look into lists and records.
    package var containers: any ContainerReader { rows }
    private let rows: RowContainers
    /// Why the last message that could not be read could not.
    package private(set) var failure: DecodingFailure?
    private let decoder: any RecordDecoder
    private let framed: FramedDecoder?
    private let find: (SchemaID) -> SchemaResolver.Found?
    private let naming: SchemaNaming
    private let isOfKey: Bool
    private let rowsAt: RowsAt?
    private let compression = ValueCompression()

    /// By schemas that are known already.
    ///
    /// - Parameter isOfKey: of the messages' keys.
    package convenience init(_ target: Target, _ paths: [FieldPath], isOfKey: Bool) {
        self.init(
            isOfKey ? target.keyMessageFormat : target.messageFormat, paths, isOfKey: isOfKey,
            in: isOfKey ? nil : target.route.envelope)
    }

    /// - Parameters:
    ///   - lookup: finds schemas that are not known yet, and may wait for them; nil: those are passed over.
    ///   - envelope: that the rows are in; nil: each message is one.
    package init(
        _ format: MessageFormat, _ paths: [FieldPath], isOfKey: Bool, lookup: SchemaLookup? = nil,
        in envelope: Envelope? = nil
    ) {
        self.isOfKey = isOfKey
        rowsAt = envelope.map { RowsAt($0, count: paths.count) }
        let paths = rowsAt?.paths(paths) ?? paths
        framed = format.framed?.decoder(paths)
        decoder = framed ?? format.decoder(paths)
        rows = RowContainers(decoder: decoder)
        let schemas = format.framed?.schemas
        naming = schemas?.registry.naming ?? SchemaNaming()
        find = { id in lookup.map { $0.find(id) { false } } ?? schemas?.known(id).map { .schema($0) } }
    }

    /// The fields, in the order of the paths, valid until the next call.
    ///
    /// - Returns: nil where there are none to be read.
    package func read(_ message: Int, in batch: Batch) -> UnsafeBufferPointer<Field>? {
        // A decoder may read a little past the last message.
        _ = batch.arena.reserve(decoder.padding)
        nested.reset()
        rows.reset()
        nested.decoder = decoder
        guard var bytes = isOfKey ? batch.key(of: message) : batch.value(of: message) else { return nil }
        do throws(DecodingFailure) {
            if !isOfKey {
                bytes = try compression.value(of: message, in: batch, padding: decoder.padding) ?? bytes
            }
            guard let framed else { return rows(in: try decoder.decode(bytes)) }
            let header = batch.schemaHeader(naming, ofKey: isOfKey, of: message)
            if let id = framed.missing(in: bytes, header: header), let found = find(id) { framed.learn(id, found) }
            return rows(in: try framed.decode(bytes, header: header))
        } catch {
            failure = error
            return nil
        }
    }

    private func rows(in fields: UnsafeBufferPointer<Field>) -> UnsafeBufferPointer<Field>? {
        rowsAt.map { $0.fields(in: fields) } ?? fields
    }

    /// What the schema of the message that was read last says of its fields; nil where it has none.
    package var outline: SchemaOutline? { decoder.outline }

    /// What a message says of its schema.
    package func schema(of message: Int, in batch: Batch) -> SchemaID {
        guard let framed, let bytes = isOfKey ? batch.key(of: message) : batch.value(of: message) else { return .none }
        return framed.framing(of: bytes, batch.schemaHeader(naming, ofKey: isOfKey, of: message)).schema
    }
}

/// Where the row after a change stands in messages of an envelope.
private struct RowsAt {
    private let envelope: Envelope
    private let count: Int

    init(_ envelope: Envelope, count: Int) { (self.envelope, self.count) = (envelope, count) }

    /// What tells where it stands, then the paths from each of the places that it may stand in.
    func paths(_ paths: [FieldPath]) -> [FieldPath] {
        [envelope.operation, envelope.row] + paths.map { envelope.row + $0 }
            + (envelope.flat == nil ? [] : paths)
    }

    /// - Returns: nil for an event that has no row.
    func fields(in fields: UnsafeBufferPointer<Field>) -> UnsafeBufferPointer<Field>? {
        let isThere = fields[1].kind == .object || fields[1].kind == .record
        if isThere { return UnsafeBufferPointer(rebasing: fields[2..<2 + count]) }
        guard envelope.flat != nil, fields[0].kind == .absent else { return nil }
        return UnsafeBufferPointer(rebasing: fields[(2 + count)...])
    }
}
