/// What stands before a message, or in its headers, about its schema. JSON begins with none of these bytes, so a message
/// itself says whether it has any.
///
/// Sources: Confluent's "Wire format" (00 and 01) and its clients' headers; Avro 1.12, "Single-object encoding"; the
/// libraries of AWS Glue's and Azure's registries.
public struct Framing: Equatable, Sendable {
    public enum Form: UInt8, Sendable {
        /// Nothing that is known: the message is all of it.
        case none
        /// 00 and a number, the highest byte first.
        case number
        /// 01 and a GUID.
        case guid
        /// A header names the schema, and nothing stands before the message.
        case header
        /// C3 01 and a fingerprint, the lowest byte first.
        case singleObject
        /// 03, how it is compressed, and the UUID of a schema's version.
        case glue
        /// A file of many records, with its schema.
        case avroFile
    }

    public var form: Form
    public var schema: SchemaID
    /// Where the message itself begins.
    public var payload: Int

    init(_ form: Form, _ schema: SchemaID, payload: Int) {
        self.form = form
        self.schema = schema
        self.payload = payload
    }

    public static let none = Framing(.none, .none, payload: 0)

    /// By the first bytes of a key or a value.
    public init(of bytes: UnsafeRawBufferPointer) {
        self = .none
        guard bytes.count >= 5 else { return }
        switch bytes[0] {
        case 0x00:
            // Registries give positive ones. Java's own integers as keys begin with zeros.
            let number = Self.word(bytes, 1, Int32.self)
            if number > 0 { self = Framing(.number, .number(number), payload: 5) }
        case 0x01 where bytes.count >= 17:
            self = Framing(.guid, Self.guid(bytes, 1), payload: 17)
        case 0x03 where bytes.count >= 18 && (bytes[1] == 0 || bytes[1] == 5):
            self = Framing(.glue, Self.guid(bytes, 2), payload: 18)
        case 0xC3 where bytes.count >= 10 && bytes[1] == 0x01:
            let fingerprint = bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self)
            self = Framing(.singleObject, .fingerprint(UInt64(littleEndian: fingerprint)), payload: 10)
        case 0x4F where bytes[1] == 0x62 && bytes[2] == 0x6A && bytes[3] == 0x01:
            self = Framing(.avroFile, .none, payload: 0)
        default: break
        }
    }

    /// The schema that a header names: 00 and a number, or 01 and a GUID, each with what Protobuf has behind it.
    ///
    /// - Parameter value: of the last header of the name; see `headerName`.
    /// - Returns: nil if it is neither.
    public init?(header value: UnsafeRawBufferPointer) {
        let framing = Framing(of: value)
        guard framing.form == .number || framing.form == .guid else { return nil }
        self = Framing(.header, framing.schema, payload: 0)
    }

    /// The headers in which serializers of Confluent name a schema.
    public static func headerName(ofKey isOfKey: Bool) -> StaticString {
        isOfKey ? "__key_schema_id" : "__value_schema_id"
    }

    /// The schema that a content type of Azure's registry names: `avro/binary+` and its id. Nobody here asks that
    /// registry; it is for words that are true.
    public static func azureSchema(inContentType type: String) -> String? {
        let prefix = "avro/binary+"
        guard type.count > prefix.count, type.lowercased().hasPrefix(prefix) else { return nil }
        return String(type.dropFirst(prefix.count))
    }

    private static func word<Word: FixedWidthInteger>(
        _ bytes: UnsafeRawBufferPointer, _ place: Int, _ type: Word.Type
    ) -> Word {
        Word(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: Word.self))
    }

    private static func guid(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> SchemaID {
        .guid(high: word(bytes, place, UInt64.self), low: word(bytes, place + 8, UInt64.self))
    }
}
