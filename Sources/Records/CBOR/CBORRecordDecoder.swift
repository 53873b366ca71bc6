/// Picks the routed fields out of messages of CBOR (RFC 8949).
///
/// - The whole message is checked, also what no path names: lengths, counts, UTF-8, depth, and that nothing stands behind the
///   value.
/// - Maps are records and arrays are lists, whether they say their count or end with a stop. A path's step is a name in a map or
///   an index of an array; a name that is no text counts by its text, and of one that comes twice the last. A path may take other
///   names as well (`FieldPath.Names`).
/// - Tags that say what a value is are followed where `CBORCursor` knows them, all others are passed over.
/// - Arrays and maps may be nested 1024 deep.
///
/// Decoding allocates nothing once it has had room for what comes in pieces, but for names that are no texts, and for a message
/// that is refused.
public final class CBORRecordDecoder: RecordDecoder {
    /// What a check of UTF-8 may read behind a text.
    public let padding = 16

    private let reader: ItemReader<CBORCursor>

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
        guard let start = message.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return false }
        var cursor = CBORCursor(start, end: start + message.count)
        if case .map? = try? cursor.item(nil) { return true }
        return false
    }
}
