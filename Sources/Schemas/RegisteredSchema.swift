import Records

/// A schema as a registry has it, which never changes under its id.
public struct RegisteredSchema: Sendable {
    public enum Content: Sendable {
        case avro(AvroSchema)
        /// Which of its file's messages it is, each message says.
        case protobuf(ProtobufSchema)
        /// A JSON Schema: the messages are JSON, and say all by themselves, but for what Connect means by its types: these, as its
        /// JsonConverter writes them. What the schema says of fields beyond that is for people.
        case json(SchemaOutline?, types: String? = nil)
        /// Nobody here reads messages of it; why, to follow what it is called.
        case unreadable(String)
    }

    public var content: Content
    /// Where the registry says so.
    public var subject: String?
    public var version: Int?
    /// The number that the registry has for it.
    public var number: Int32?

    public init(_ content: Content, subject: String? = nil, version: Int? = nil, number: Int32? = nil) {
        self.content = content
        self.subject = subject
        self.version = version
        self.number = number
    }

    /// What its messages are written in.
    public var format: String {
        switch content {
        case .avro: "avro"
        case .protobuf: "protobuf"
        case .json: "json"
        case .unreadable: "unreadable"
        }
    }
}
