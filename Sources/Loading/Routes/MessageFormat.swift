import Records

/// How the keys or the values of a route's messages are read, and what is said of those that cannot be.
package struct MessageFormat: Sendable {
    /// Makes a decoder, for one thread, that picks the fields of these paths.
    package var decoder: @Sendable (_ paths: [FieldPath]) -> any RecordDecoder
    /// Whether a key is one with fields, and no plain value.
    var hasFields: @Sendable (_ key: UnsafeRawBufferPointer) -> Bool
    /// What a value is that the decoder refuses, for whoever has to find the producer; nil where the bytes tell no more
    /// than the decoder does.
    var describe: @Sendable (_ value: UnsafeRawBufferPointer, _ failure: DecodingFailure) -> String?
    /// The dead letters of messages that are not of this format.
    var refusal: DeadLetter.Reason
    /// What the decoder takes is JSON, which json and jsonb take as it is.
    var isJSON: Bool

    package static let json = MessageFormat(
        decoder: { JSONRecordDecoder(paths: $0) }, hasFields: { $0.first == UInt8(ascii: "{") },
        describe: { ForeignPayload.description(of: $0, $1) }, refusal: .invalidJSON, isJSON: true)

    /// Avro's binary encoding, by the schema that all messages are of, without anything before it.
    package static func avro(_ schema: AvroSchema) -> MessageFormat {
        var hasFields = false
        if case .record = schema[schema.root].shape { hasFields = true }
        return MessageFormat(
            decoder: { AvroRecordDecoder(schema, paths: $0) }, hasFields: { [hasFields] _ in hasFields },
            describe: { _, _ in nil }, refusal: .badSyntax, isJSON: false)
    }
}

extension MessageFormat {
    package init(_ format: Route.Format) {
        self =
            switch format {
            case .json: .json
            }
    }
}
