/// Picks the routed fields out of messages of MessagePack.
///
/// - The whole message is checked, also what no path names: lengths, counts, UTF-8, depth, and that nothing stands behind the
///   value.
/// - Maps are records and arrays are lists. A path's step is a name in a map or an index of an array; a name that is no text
///   counts by its text, and of one that comes twice the last. A path may take other names as well (`FieldPath.Names`).
/// - The timestamp extension is an instant, any other extension is its bytes.
/// - Arrays and maps may be nested 1024 deep.
///
/// Decoding allocates nothing, but for names that are no texts, and for a message that is refused.
public final class MessagePackRecordDecoder: RecordDecoder {
    /// What a check of UTF-8 may read behind a text.
    public let padding = 16

    private let reader: ItemReader<MessagePackCursor>

    /// - Parameter paths: the fields to pick, which may repeat. The empty path is the whole message.
    public init(paths: [FieldPath]) {
        reader = ItemReader(paths)
    }

    public func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        try reader.decode(message)
    }

    public func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        try reader.visit(container, body)
    }

    /// Whether a message begins as a map, and is no value by itself.
    public static func isMap(_ message: UnsafeRawBufferPointer) -> Bool {
        message.first.map { 0x80...0x8F ~= $0 || $0 == 0xDE || $0 == 0xDF } ?? false
    }
}
