/// An Avro schema (specification 1.12), as the writer of a message had it.
///
/// Types are nodes in a row that name each other by place, because types may contain themselves.
public struct AvroSchema: Sendable {
    /// The place of a node.
    public typealias Place = Int

    public enum Shape: Sendable, Equatable {
        case null, boolean, int, long, float, double, bytes, string
        case fixed(size: Int)
        case `enum`(symbols: [String])
        case array(of: Place)
        case map(of: Place)
        case union([Place])
        case record([Member])
    }

    public struct Member: Sendable, Equatable {
        public var name: String
        public var type: Place
        /// What the schema says of the field for people.
        public var documentation: String?
    }

    public struct Node: Sendable, Equatable {
        public var shape: Shape
        /// With its namespace; nil for a type that has none.
        public var name: String?
        /// What the schema says that the values mean, if it is such a thing as can be said of the shape. Another is
        /// passed over, as the specification wants it, and the values are what their shape is.
        public var logical: Logical?
        /// The semantic name that Kafka Connect and Debezium give a type: `connect.name`.
        public var connectName: String?
        /// What goes with it: `connect.parameters`.
        public var connectParameters: [String: String] = [:]
        /// The type that Kafka Connect had, where Avro has none of it, as `int16`: `connect.type`.
        public var connectType: String?
        /// What the schema says of itself for people.
        public var documentation: String?
    }

    /// What the values of a shape mean beyond it.
    public enum Logical: Sendable, Equatable {
        /// Of bytes or fixed. `precision` is nil where the type says none.
        case decimal(precision: Int?, scale: Int)
        /// Of bytes: each value has a scale of its own.
        case bigDecimal
        /// Of strings, and of fixed of 16 bytes.
        case uuid
        case date
        case timeMillis, timeMicros
        case timestampMillis, timestampMicros, timestampNanos
        case localTimestampMillis, localTimestampMicros, localTimestampNanos
        /// Of fixed of 12 bytes.
        case duration
    }

    /// A logical type that was passed over, because it is unknown or cannot be said of its shape.
    public struct Ignored: Sendable, Equatable {
        /// In the schema, as a JSON pointer (RFC 6901).
        public var place: String
        public var logicalType: String
    }

    public internal(set) var nodes: [Node] = []
    public internal(set) var root: Place = 0
    public internal(set) var ignored: [Ignored] = []

    /// How many values that take no byte lie in a value of each node, if it takes none itself; else nil.
    var emptyValues: [Int?] = []

    public subscript(place: Place) -> Node { nodes[place] }
}

/// Why a text is no Avro schema. Names of the schema are in it, and nothing of a message.
public struct AvroSchemaFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable {
        case notJSON
        /// Neither the name of a type, nor an object, nor an array.
        case notAType
        /// Something that a type must have, as a record its fields, is missing or of another kind.
        case incomplete
        case unknownName
        case definedTwice
        /// A union that stands directly in a union.
        case nestedUnion
        case tooLarge
        case tooDeep
        /// A message of a few bytes would be a value of more parts than anybody can want.
        case tooManyEmptyValues
    }

    public var code: Code
    /// Where in the schema, as a JSON pointer (RFC 6901); empty for the whole.
    public var place: String
    /// What is wrong there, to follow `the schema`.
    public var words: String
    /// Which text, where schemas were given beside it.
    public var reference: String?

    public var description: String {
        let text = reference.map { "the schema \($0)" } ?? "the schema"
        return "\(text) \(words)\(place.isEmpty ? "" : ", at \(place)")"
    }
}
