import Records

/// The decoders of a schema's messages: which one a message is of, it says behind the schema's id.
///
/// Belongs to one thread.
final class ProtobufMessages {
    private let schema: ProtobufSchema
    private let paths: [FieldPath]
    /// Of the file's first message, which most are.
    private var first: ProtobufRecordDecoder?
    private var others: [[Int32]: ProtobufRecordDecoder] = [:]

    init(_ schema: ProtobufSchema, _ paths: [FieldPath]) {
        self.schema = schema
        self.paths = paths
    }

    /// - Parameter header: where the schema is named there, so are the indexes.
    /// - Returns: and where the message itself begins.
    func decoder(
        of message: UnsafeRawBufferPointer, _ header: UnsafeRawBufferPointer?, _ framing: Framing
    ) throws(DecodingFailure) -> (decoder: ProtobufRecordDecoder, payload: Int) {
        switch framing.form {
        case .header:
            let start = framing.schema.kind == .guid ? 17 : 5
            // Some leave out what says that it is the first.
            guard let header, header.count > start else { return (try decoder(of: [0]), 0) }
            return (try decoder(in: header, at: start).decoder, 0)
        case .none: return (try decoder(of: [0]), 0)
        default: return try decoder(in: message, at: framing.payload)
        }
    }

    private func decoder(
        in bytes: UnsafeRawBufferPointer, at start: Int
    ) throws(DecodingFailure) -> (decoder: ProtobufRecordDecoder, payload: Int) {
        // So that most messages cost no array.
        if start < bytes.count, bytes[start] == 0, let first { return (first, start + 1) }
        guard let indexes = MessageIndexes(in: bytes, at: start) else {
            throw DecodingFailure(
                .invalidSyntax, "does not say which message of its schema it is", offset: start)
        }
        return (try decoder(of: indexes.path), indexes.end)
    }

    private func decoder(of path: [Int32]) throws(DecodingFailure) -> ProtobufRecordDecoder {
        if path == [0], let first { return first }
        if let known = others[path] { return known }
        guard let message = schema.message(path, inFile: 0) else {
            throw DecodingFailure(.unknownSchema, "names a message that its schema does not have")
        }
        let decoder = ProtobufRecordDecoder(schema, message: message, paths: paths)
        if path == [0] { first = decoder } else { others[path] = decoder }
        return decoder
    }
}
