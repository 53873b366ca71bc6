/// A column's type as the server's catalog describes it.
public struct PostgresType: Sendable, Hashable {
    public indirect enum Shape: Sendable, Hashable {
        /// A base, range, multirange or pseudo type.
        case base
        case enumeration(labels: [String])
        case domain(over: PostgresType)
        case composite(attributes: [Attribute])
        case array(of: PostgresType)
    }

    public struct Attribute: Sendable, Hashable {
        public var name: String
        public var type: PostgresType

        public init(name: String, type: PostgresType) {
            self.name = name
            self.type = type
        }
    }

    public var oid: UInt32
    /// `pg_type.typname` without its schema: `int4`, `timestamptz`, `_text`.
    public var name: String
    /// As `format_type` writes it, modifier included: `numeric(12,2)`, `timestamp with time zone`.
    public var formatted: String
    /// `atttypmod`, -1 where there is none.
    public var modifier: Int32
    public var shape: Shape

    public init(oid: UInt32, name: String, formatted: String, modifier: Int32 = -1, shape: Shape = .base) {
        self.oid = oid
        self.name = name
        self.formatted = formatted
        self.modifier = modifier
        self.shape = shape
    }
}
