import Postgres
import Records
import Schemas

/// Reads some fields of messages that a batch holds, for those who only look: by the format of their routes.
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
    private let compression = ValueCompression()

    /// By schemas that are known already.
    ///
    /// - Parameter isOfKey: of the messages' keys.
    package convenience init(_ target: Target, _ paths: [FieldPath], isOfKey: Bool) {
        self.init(isOfKey ? target.keyMessageFormat : target.messageFormat, paths, isOfKey: isOfKey)
    }

    /// - Parameter lookup: finds schemas that are not known yet, and may wait for them; nil: those are passed over.
    package init(_ format: MessageFormat, _ paths: [FieldPath], isOfKey: Bool, lookup: SchemaLookup? = nil) {
        self.isOfKey = isOfKey
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
            guard let framed else { return try decoder.decode(bytes) }
            let header = batch.schemaHeader(naming, ofKey: isOfKey, of: message)
            if let id = framed.missing(in: bytes, header: header), let found = find(id) { framed.learn(id, found) }
            return try framed.decode(bytes, header: header)
        } catch {
            failure = error
            return nil
        }
    }

    /// What the schema of the message that was read last says of its fields; nil where it has none.
    package var outline: SchemaOutline? { decoder.outline }

    /// What a message says of its schema.
    package func schema(of message: Int, in batch: Batch) -> SchemaID {
        guard let framed, let bytes = isOfKey ? batch.key(of: message) : batch.value(of: message) else { return .none }
        return framed.framing(of: bytes, batch.schemaHeader(naming, ofKey: isOfKey, of: message)).schema
    }
}
