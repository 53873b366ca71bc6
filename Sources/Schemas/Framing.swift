/// What stands before a message, or in its headers, about its schema. JSON begins with none of these bytes, so a message
/// itself says whether it has any.
///
/// Sources: Confluent's "Wire format" (00 and 01) and its clients' headers; Avro 1.12, "Single-object encoding"; the
/// libraries of AWS Glue's, Apicurio's and Azure's registries.
public struct Framing: Equatable, Sendable {
    public enum Form: UInt8, Sendable {
        /// Nothing that is known: the message is all of it.
        case none
        /// 00 and a number, the highest byte first.
        case number
        /// 01 and a GUID.
        case guid
        /// A header of Confluent's names the schema, and nothing stands before the message.
        case header
        /// 00 and Apicurio's number, in four bytes or in eight.
        case apicurio
        /// Headers of Apicurio's name the schema.
        case apicurioHeader
        /// The content type names a schema of Azure's.
        case azure
        /// C3 01 and a fingerprint, the lowest byte first.
        case singleObject
        /// 03, how it is compressed, and the UUID of a schema's version.
        case glue
        /// A file of many records, with its schema.
        case avroFile

        /// Whose registry has such schemas; nil: none has.
        var registry: RegistryKind? {
            switch self {
            case .none, .singleObject, .avroFile: nil
            case .number, .guid, .header: .confluent
            case .apicurio, .apicurioHeader: .apicurio
            case .glue: .glue
            case .azure: .azure
            }
        }
    }

    public var form: Form
    public var schema: SchemaID
    /// Where the message itself begins.
    public var payload: Int
    /// What begins there is compressed by zlib.
    public var isCompressed = false

    init(_ form: Form, _ schema: SchemaID, payload: Int) {
        self.form = form
        self.schema = schema
        self.payload = payload
    }

    public static let none = Framing(.none, .none, payload: 0)

    /// By the first bytes of a key or a value.
    public init(of bytes: UnsafeRawBufferPointer, _ naming: SchemaNaming = SchemaNaming()) {
        self = .none
        guard bytes.count >= 5 else { return }
        switch bytes[0] {
        case 0x00:
            if naming.kind == .apicurio {
                self = Self(ofApicurio: bytes, naming)
                return
            }
            // Registries give positive ones. Java's own integers as keys begin with zeros.
            let number = Self.word(bytes, 1, Int32.self)
            if number > 0 { self = Framing(.number, .number(number), payload: 5) }
        case 0x01 where bytes.count >= 17:
            self = Framing(.guid, Self.guid(bytes, 1), payload: 17)
        case 0x03 where bytes.count >= 18 && (bytes[1] == 0 || bytes[1] == 5):
            self = Framing(.glue, Self.guid(bytes, 2), payload: 18)
            isCompressed = bytes[1] == 5
        case 0xC3 where bytes.count >= 10 && bytes[1] == 0x01:
            let fingerprint = bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self)
            self = Framing(.singleObject, .fingerprint(UInt64(littleEndian: fingerprint)), payload: 10)
        case 0x4F where bytes[1] == 0x62 && bytes[2] == 0x6A && bytes[3] == 0x01:
            self = Framing(.avroFile, .none, payload: 0)
        default: break
        }
    }

    /// Apicurio's number, in four bytes or in eight. Both begin with 00, and none of them is beyond four bytes: what has zeros in
    /// the first four is of eight, as its own reader for both takes it.
    private init(ofApicurio bytes: UnsafeRawBufferPointer, _ naming: SchemaNaming) {
        self = .none
        let short = Self.word(bytes, 1, Int32.self)
        if short > 0 {
            self = Framing(.apicurio, naming.id(ofNumber: UInt64(short), isLong: false), payload: 5)
        } else if short == 0, bytes.count >= 9 {
            let long = Self.word(bytes, 1, Int64.self)
            guard long > 0 else { return }
            self = Framing(.apicurio, naming.id(ofNumber: UInt64(long), isLong: true), payload: 9)
        }
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
