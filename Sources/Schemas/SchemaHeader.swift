/// What a message's headers say of its schema. Nothing stands before such a message.
///
/// Valid as long as the headers that it was read from.
public struct SchemaHeader {
    public var schema: SchemaID
    var form: Framing.Form
    /// What says which of its schema's messages of Protobuf it is: Confluent's indexes, or the name that Apicurio's have; empty:
    /// nothing does.
    var message = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Avro's encoding in JSON.
    var isJSON = false
    /// What the schema's id was made from.
    var hash: UnsafeRawBufferPointer?
    var artifact: UnsafeRawBufferPointer?
    var group: UnsafeRawBufferPointer?
    var version: UnsafeRawBufferPointer?

    init(_ schema: SchemaID, _ form: Framing.Form) {
        self.schema = schema
        self.form = form
    }

    /// Confluent's: 00 and a number, or 01 and a GUID, each with what Protobuf has behind it.
    ///
    /// - Returns: nil if it is neither.
    public init?(confluent value: UnsafeRawBufferPointer) {
        let framing = Framing(of: value)
        guard framing.form == .number || framing.form == .guid else { return nil }
        self.init(framing.schema, .header)
        message = UnsafeRawBufferPointer(rebasing: value[framing.payload...])
    }

    /// A content type of Azure's: `avro/binary+` and the schema's id, 32 hexadecimal digits.
    ///
    /// - Returns: nil if it names no schema.
    public init?(azure type: UnsafeRawBufferPointer) {
        let prefix: StaticString = "avro/binary+"
        let start = prefix.utf8CodeUnitCount
        guard type.count >= start + 32, type.count <= start + 36 else { return nil }
        // Media types have no case.
        for place in 0..<start where type[place] | 0x20 != prefix.utf8Start[place] | 0x20 { return nil }
        var (words, count) = ((high: UInt64(0), low: UInt64(0)), 0)
        for byte in type[start...] where byte != UInt8(ascii: "-") {
            guard let digit = byte.hexadecimalDigit, count < 32 else { return nil }
            words = (words.high << 4 | words.low >> 60, words.low << 4 | UInt64(digit))
            count += 1
        }
        guard count == 32 else { return nil }
        self.init(.guid(high: words.high, low: words.low), .azure)
    }

    /// What its id was made from; nil where that is all there is.
    var name: SchemaName? {
        func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
        if let hash { return SchemaName(form: .hash(text(hash))) }
        guard let artifact else { return nil }
        return SchemaName(
            form: .artifact(text(artifact), group: group.map(text) ?? "default", version: version.map(text)))
    }
}

extension UInt8 {
    fileprivate var hexadecimalDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
