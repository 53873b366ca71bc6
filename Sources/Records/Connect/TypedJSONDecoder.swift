/// Reads JSON whose types Kafka Connect has put into a schema of its own, beside the messages and not in each of them: bytes are
/// base64 and semantic names mean what they do in `ConnectJSONDecoder`.
public final class TypedJSONDecoder: RecordDecoder {
    private let json: ConnectJSONDecoder
    private let plan: ConnectJSONDecoder.Plan

    public var padding: Int { json.padding }

    /// - Parameter types: a schema as Connect's JsonConverter writes it.
    /// - Returns: nil where it is of no record, or says no more of the values than JSON does.
    public init?(paths: [FieldPath], types: String) {
        let bytes = Array(types.utf8)
        let padded = bytes + [UInt8](repeating: 0, count: JSONRecordDecoder.padding)
        let read = padded.withUnsafeBytes { padded in
            ConnectSchema(Field(.object, UnsafeRawBufferPointer(rebasing: padded[..<bytes.count])))
        }
        guard let schema = read, schema.nodes[schema.root].isMore, case .structure = schema.nodes[schema.root].shape
        else { return nil }
        json = ConnectJSONDecoder(paths: paths)
        plan = ConnectJSONDecoder.Plan([], schema, paths)
    }

    public func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        try json.decode(message, of: plan)
    }

    public func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        try json.visit(container, body)
    }
}
