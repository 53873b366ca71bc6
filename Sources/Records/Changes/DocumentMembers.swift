/// Opens MongoDB's documents in texts of Extended JSON, for those who only look.
///
/// Belongs to one thread.
public final class DocumentMembers {
    private let extended = ExtendedJSON()
    private let container = JSONContainer()

    public init() {}

    /// The fields of a document in the order they came, with their plain values, valid until the next call.
    ///
    /// - Parameter document: a text, or the object itself.
    /// - Returns: nil for what is no document.
    public func members(of document: Field) -> [(name: String, value: Field)]? {
        guard document.kind == .string || document.kind == .object else { return nil }
        extended.reset()
        container.reset()
        let text = extended.held([document.bytes])
        guard text.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) == UInt8(ascii: "{") else { return nil }
        return try? container.members(of: text).map { ($0.name, try extended.plain($0.value)) }
    }
}
