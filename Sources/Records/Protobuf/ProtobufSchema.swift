/// Message types of Protobuf, as descriptors have them: proto2, proto3 and editions, with all features settled.
///
/// Types are in rows and name each other by place, because messages may contain themselves.
public struct ProtobufSchema: Sendable, Equatable {
    /// How values lie on the wire, and what they are.
    public enum Kind: UInt8, Sendable {
        case double, float, int32, int64, uint32, uint64, sint32, sint64, fixed32, fixed64, sfixed32, sfixed64
        case bool, string, bytes
        /// `type` is the place of an enum.
        case symbol
        /// `type` is the place of a message, which stands behind its length.
        case message
        /// The same between two tags: a group of proto2, `DELIMITED` of editions.
        case group
    }

    public struct Field: Sendable, Equatable {
        public var number: UInt32
        public var name: String
        /// What ProtoJSON calls it.
        public var jsonName: String
        public var kind: Kind
        public var type: Int = 0
        public var isRepeated = false
        /// A message may lack it; otherwise it has the default of its type where it was not written.
        public var hasPresence = true
        /// Of at most one of the fields with the same number a message has a value.
        public var oneof: Int?
    }

    public struct Message: Sendable, Equatable {
        /// With its package.
        public var name: String
        /// In the order of their numbers.
        public var fields: [Field] = []
        /// An entry of a map: field 1 is the key, field 2 the value.
        public var isMapEntry = false
        /// In the file, the types around it and then its own place, as registries count: `message indexes`.
        public var indexes: [Int32] = []
        /// In which of the files, counted as they were given.
        public var file = 0
    }

    public struct Enum: Sendable, Equatable {
        public var name: String
        /// In the order of the file; of a number that comes twice the first name counts.
        public var values: [(number: Int32, name: String)] = []
        /// A number that it has no name for is no value.
        public var isClosed = false

        public static func == (left: Enum, right: Enum) -> Bool {
            left.name == right.name && left.isClosed == right.isClosed
                && left.values.elementsEqual(right.values) { $0 == $1 }
        }
    }

    public internal(set) var messages: [Message] = []
    public internal(set) var enums: [Enum] = []
    /// Messages that lie in no other, of the files that were given for their own sake: no other of them imports these.
    public internal(set) var own: [Int] = []

    /// The message of a full name.
    public func message(named name: String) -> Int? { messages.firstIndex { $0.name == name } }

    /// The message that registries mean by indexes in a file: `[0]` is its first one, `[0, 2]` the third in that.
    public func message(_ indexes: [Int32], inFile file: Int) -> Int? {
        messages.firstIndex { $0.file == file && $0.indexes == indexes }
    }

    public subscript(message: Int) -> Message { messages[message] }
}

/// Why descriptors are no schema. Names of the schema are in it, and nothing of a message.
public struct ProtobufSchemaFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable {
        case notDescriptors
        /// The text of a `.proto` file that is none; its place is `orders.proto:3:14`, the line and the column.
        case text
        /// A type that a field names is nowhere.
        case unknownType
        /// A field without a number or a type, two of a number, a map that is none.
        case invalid
        case tooLarge
        case unsupportedEdition
    }

    public var code: Code
    /// The full name of what it is about.
    public var place: String
    public var words: String

    public var description: String { place.isEmpty ? words : "\(place) \(words)" }
}
