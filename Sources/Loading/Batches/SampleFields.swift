import Records
import Schemas

/// Reads some fields of messages that a batch holds, for those who only look: by the route's own format, and by schemas that
/// are known already.
///
/// Belongs to one thread.
package final class SampleFields {
    private let decoder: any RecordDecoder
    private let framed: FramedDecoder?
    private let schemas: SchemaSource?
    private let isOfKey: Bool

    /// - Parameter isOfKey: of the messages' keys.
    package init(_ target: Target, _ paths: [FieldPath], isOfKey: Bool) {
        let format = isOfKey ? target.keyMessageFormat : target.messageFormat
        self.isOfKey = isOfKey
        framed = format.framed?.decoder(paths)
        decoder = framed ?? format.decoder(paths)
        schemas = format.framed?.schemas
    }

    /// The fields, in the order of the paths, valid until the next call; nil where there are none to be read.
    package func read(_ message: Int, in batch: Batch) -> UnsafeBufferPointer<Field>? {
        // A decoder may read a little past the last message.
        _ = batch.arena.reserve(decoder.padding)
        guard let bytes = isOfKey ? batch.key(of: message) : batch.value(of: message) else { return nil }
        guard let framed else { return try? decoder.decode(bytes) }
        let header = batch.lastHeader(Framing.headerName(ofKey: isOfKey), of: message)
        if let id = framed.missing(in: bytes, header: header), let schema = schemas?.known(id) {
            framed.learn(id, .schema(schema))
        }
        return try? framed.decode(bytes, header: header)
    }

    /// What a message says of its schema.
    package func schema(of message: Int, in batch: Batch) -> SchemaID {
        guard let framed, let bytes = batch.value(of: message) else { return .none }
        return framed.framing(of: bytes, batch.lastHeader(Framing.headerName(ofKey: isOfKey), of: message)).schema
    }
}
