import Loading
import Schemas

/// What a sample of messages showed of a route.
public struct RouteSample: Sendable, Equatable {
    public struct Column: Sendable, Equatable {
        public var name: String
        /// Messages that have a value for it, one that has none, and one that has null.
        public var filled = 0
        public var absent = 0
        public var null = 0
        /// Of those that have a value, strings that hold a JSON array or object, and that are base64 by their look.
        var documents = 0
        var base64 = 0
        /// Whether one of the latter can hardly be anything else.
        var isSurelyBase64 = false
        /// What the messages' schema says that it is filled from: `long (timestamp-millis)`; nil where they have none.
        public var schemaType: String?
        /// A value of the sample: as the server shows it in the column where that is known, else as the message has it.
        public var example: String?
    }

    /// Messages that would be dead letters for the same reason.
    public struct Rejection: Sendable, Equatable {
        /// As in `loader.dead_letters`.
        public var reason: String
        public var column: String?
        /// Without any value of the messages.
        public var explanation: String
        public var sqlState: String?
        public var count: Int
        /// The first of them, `orders[0]@17`.
        public var places: [String]
    }

    /// A field of the messages that no route of their topic takes.
    public struct UnusedField: Sendable, Equatable {
        /// As a route would name it.
        public var path: String
        public var count: Int
        public var example: String?
    }

    public var messages = 0
    /// Of the messages, those that are objects: what the columns' counts are counted of.
    public var objects = 0
    public var rows = 0
    public var deletions = 0
    public var columns: [Column] = []
    /// How many of the messages that could be read name each schema.
    package var schemas: [SchemaID: Int] = [:]
    public var rejections: [Rejection] = []
    /// What the messages would do, before the server has its say.
    public var effects: [SampleEffect] = []
    /// The outermost ones, the most frequent first.
    public var unusedFields: [UnusedField] = []
    /// Those and the fields in them, in words of a route.
    public var unusedPaths: Set<String> = []
    /// Whether the server has read the rows, too: into the table itself, or at least into a copy of it.
    public var wasReadByServer = false
    /// Values that would become NULL by `on_error: null`, by column.
    public var nulledValues: [String: Int] = [:]
    /// Whether the rows went into the table itself, and out again: all that runs for a row there has had its say.
    public var wasTriedInTable = false
    /// The table's own triggers that ran for it.
    public var triggers: [String] = []
    /// Rows whose fate hangs on what the table holds when they are loaded; no dead letters yet.
    public var dependent: [Dependence: Int] = [:]

    public enum Dependence: Sendable, Hashable {
        /// 23503: what the row refers to is not there.
        case parentIsMissing
        /// 23505, 23P01: a row that excludes it is there, as it is for a message that is loaded already.
        case isThere
    }

    public var rejected: Int { rejections.reduce(0) { $0 + $1.count } }
}
