/// A value as Kafka Connect hands it to a converter.
public indirect enum ConnectValue: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case float(Float)
    case double(Double)
    case text(String)
    case bytes([UInt8])
    case list([ConnectValue])
    /// With keys of text.
    case map([(String, ConnectValue)])
    /// In the order of the schema's fields.
    case record([ConnectValue])
}

/// What Connect says of a value.
public indirect enum ConnectKind: Sendable {
    case int8, int16, int32, int64, float, double, boolean, string, bytes
    case array(ConnectSchema)
    /// Of text to this.
    case map(ConnectSchema)
    case record([ConnectField])
}

public struct ConnectField: Sendable {
    public var name: String
    public var schema: ConnectSchema

    public init(_ name: String, _ schema: ConnectSchema) { (self.name, self.schema) = (name, schema) }
}

public struct ConnectSchema: Sendable {
    public var kind: ConnectKind
    /// Of its semantic type, or of the record.
    public var name: String?
    public var parameters: [(String, String)]
    public var isOptional: Bool

    public init(
        _ kind: ConnectKind, _ name: String? = nil, parameters: [(String, String)] = [], isOptional: Bool = false
    ) {
        self.kind = kind
        self.name = name
        self.parameters = parameters
        self.isOptional = isOptional
    }

    public var optional: ConnectSchema {
        var schema = self
        schema.isOptional = true
        return schema
    }

    /// Whether it has a version: semantic types do, records of a table do not.
    var hasVersion: Bool { name.map { $0.hasPrefix("io.debezium.") || $0.hasPrefix("org.apache.kafka.") } ?? false }
}
