import Postgres
import Records
import Schemas

/// Binds topics to a table: where messages come from, how their fields land in columns, what a repeated key does.
public struct Route: Sendable, Equatable {
    /// Which topics a route takes.
    public enum TopicPattern: Sendable, Hashable {
        case name(String)
        /// Begins with `^`, as librdkafka's subscription wants a regular expression.
        case expression(String)
    }

    /// What messages are written in.
    public enum Format: String, Sendable, CaseIterable {
        /// Each message says it: a schema before it or in a header, or else it is JSON.
        case auto
        case json
        /// By the schema that each message names, or the route.
        case avro, protobuf
        /// One record a message; see `csv`.
        case csv
        case msgpack, cbor
        /// A text, or bytes, as a whole.
        case text, bytes
        /// What the serializers of Kafka's Java client write.
        case short, int, long, float, double, uuid

        /// Its messages are no records, so that no column can take a field of one.
        package var isOneValue: Bool {
            switch self {
            case .auto, .json, .avro, .protobuf, .csv, .msgpack, .cbor: false
            case .text, .bytes, .short, .int, .long, .float, .double, .uuid: true
            }
        }
    }

    /// What keys are written in.
    public enum KeyFormat: String, Sendable, CaseIterable {
        case auto, json, avro, protobuf, msgpack, cbor, text, bytes
        /// What the serializers of Kafka's Java client write.
        case short, int, long, float, double, uuid

        /// Its keys have no fields.
        package var isOneValue: Bool {
            switch self {
            case .auto, .json, .avro, .protobuf, .msgpack, .cbor: false
            case .text, .bytes, .short, .int, .long, .float, .double, .uuid: true
            }
        }
    }

    /// A schema for messages that name none, from a file.
    public struct SchemaFile: Sendable, Equatable {
        public enum Content: Sendable, Equatable {
            case avro(AvroSchema)
            /// Which of its messages it is, the route says, or there is only one.
            case protobuf(ProtobufSchema)

            public static func == (one: Content, other: Content) -> Bool {
                switch (one, other) {
                case (.avro(let one), .avro(let other)): one.nodes == other.nodes
                case (.protobuf(let one), .protobuf(let other)): one == other
                case (.avro, _), (.protobuf, _): false
                }
            }
        }

        public var path: String
        public var content: Content

        /// What messages of it are written in.
        public var format: Format {
            switch content {
            case .avro: .avro
            case .protobuf: .protobuf
            }
        }

        public init(path: String, content: Content) {
            self.path = path
            self.content = content
        }
    }

    /// What a message does to its row.
    public enum Mode: String, Sendable, CaseIterable {
        /// Appends, by COPY straight into the table.
        case insert
        /// Appends unless the key is there: ON CONFLICT DO NOTHING.
        case ignore
        /// Inserts or replaces by key; the last message of a key wins.
        case upsert
        /// Appends a row for each message, unless that message's is there.
        case history
    }

    /// What an upsert does with a column whose field the message does not have.
    public enum Absent: String, Sendable, CaseIterable {
        /// The column's default counts for a new row, and a row that is there keeps what it has; without a default the column
        /// becomes NULL.
        case byDefault = "default"
        /// A row that is there keeps what it has, default or not.
        case keep
        /// The column becomes NULL, default or not.
        case null
    }

    public enum OnTombstone: String, Sendable, CaseIterable {
        case delete, skip
        case deadLetter = "dead_letter"
        /// The row stays, and a column says that it is deleted.
        case mark
    }

    /// What strings for bytes are, by the names of Debezium's `binary.handling.mode`.
    public enum BinaryText: String, Sendable, CaseIterable {
        case base64
        case base64url = "base64-url-safe"
        case hex
        /// A character each byte.
        case latin1
    }

    /// What becomes of the table when the source's is emptied.
    public enum OnTruncate: String, Sendable, CaseIterable {
        /// The loader stops, for somebody to decide.
        case stop
        case ignore
        /// It is emptied as well.
        case truncate
    }

    /// What takes effect as a message without a value does, beside such messages.
    public enum TombstoneForm: String, Sendable, CaseIterable {
        /// The four bytes `null`.
        case jsonNull = "json_null"
        /// A value of no bytes.
        case empty
    }

    /// What becomes of a message that has none of the fields that the route takes.
    public enum OnNoFields: String, Sendable, CaseIterable {
        case deadLetter = "dead_letter"
        case load
    }

    /// What becomes of a message of which an element cannot be a row.
    public enum OnBadElement: String, Sendable, CaseIterable {
        /// The whole message is one, and none of its elements a row.
        case deadLetter = "dead_letter"
        /// Its other elements are rows; those left out are counted.
        case skip
    }

    /// What becomes, in mode `upsert`, of rows of a parent that its last message has no element for.
    public enum OnMissing: String, Sendable, CaseIterable { case delete, keep }

    /// How many elements a message may have, where the route does not say it.
    public static let mostElements = 10_000

    /// How a column without an expression finds its field.
    public enum Names: String, Sendable, CaseIterable {
        case exact
        case snakeCase = "snake_case"
    }

    /// What fills the table's columns that `columns` does not name.
    public enum Rest: String, Sendable, CaseIterable {
        /// The field of the column's own name.
        case fields
        case none
    }

    /// What becomes of a value that its column cannot hold.
    public enum OnError: String, Sendable, CaseIterable {
        case deadLetter = "dead_letter"
        case null
    }

    public struct Column: Sendable, Equatable {
        public var name: String
        /// The name is a variable's: the column is the one of the table that a variable would call so.
        public var isNameLoose = false
        /// Nil: the field of the column's own name.
        public var source: ColumnSource?
        /// A message without this field, or with null in it, is a dead letter.
        public var isRequired: Bool
        /// The unit of a number in a date, time or interval column; nil where only text is accepted.
        public var epochUnit: EpochUnit?
        /// The zone of a timestamp without offset, an IANA name or an offset; nil makes it a dead letter. What a moment is
        /// turned into for types without a zone; nil: UTC.
        public var timeZone: String?
        public var onNul: OnNul?
        /// What a string stands for.
        public var decoding: Decoding
        /// A string is what it is, whatever the envelope's producer writes.
        public var isNeverDecoded = false
        /// White space at both ends of a string goes.
        public var trims: Bool
        /// Texts that stand for null.
        public var nullIf: [String]
        /// What the column gets where there is no value, written as a message's string.
        public var fallback: String?
        /// What the column gets in each row, written likewise; there is no source then.
        public var constant: String?
        public var onError: OnError
        /// What becomes of the column where its field is absent; nil: as the route says.
        public var absent: Absent?

        public init(
            name: String, source: ColumnSource? = nil, isRequired: Bool = false, epochUnit: EpochUnit? = nil,
            timeZone: String? = nil, onNul: OnNul? = nil, decoding: Decoding = .none, trims: Bool = false,
            nullIf: [String] = [], fallback: String? = nil, constant: String? = nil, onError: OnError = .deadLetter
        ) {
            self.name = name
            self.source = source
            self.isRequired = isRequired
            self.epochUnit = epochUnit
            self.timeZone = timeZone
            self.onNul = onNul
            self.decoding = decoding
            self.trims = trims
            self.nullIf = nullIf
            self.fallback = fallback
            self.constant = constant
            self.onError = onError
        }
    }

    public var topics: [TopicPattern]
    public var table: TableName
    public var format: Format
    public var keyFormat = KeyFormat.auto
    /// How messages of format `csv` are divided.
    public var csv = CSVDialect()
    /// What messages are of that do not say it themselves: at most one of these.
    public var schemaFile: SchemaFile?
    public var schemaID: Int32?
    public var schemaSubject: String?
    /// The full name of one of Protobuf's messages, for those that have nothing before them.
    public var schemaMessage: String?
    /// How producers with a registry have written which of a schema's messages each is.
    public var messageIndexes = MessageIndexes.Numbers.zigzag
    /// What it says of the envelope that its messages are in.
    public var envelopeOptions = EnvelopeOptions()
    /// What its messages say of changes to rows elsewhere; nil: each message is a row.
    public var envelope: Envelope? { envelopeOptions.envelope }
    /// How fast it may load; nil: as fast as it can.
    public var throttle: Throttle?
    /// How each message says for which of `tables` it is; nil: all are for `table`, which else only tells them together.
    public var template: TableTemplate?
    public var tables: TableList?
    /// Which messages of the topics it takes; nil: all.
    public var condition: RouteCondition?
    /// Nil: delete in mode `upsert`; elsewhere nothing can be.
    public var onFiltered: OnFiltered?
    /// How the envelope's producer writes values that JSON has no kind for; nil: as its form does by default.
    public var temporal: SourceWriting.Temporal?
    public var decimals: SourceWriting.Decimals?
    public var binary: BinaryText?
    /// What a change event does that says that the source's table was emptied.
    public var onTruncate = OnTruncate.stop
    /// Which elements of a message each make a row; nil: the message makes one.
    public var each: ElementPath?
    /// What becomes of a message with an element that cannot be a row.
    public var onBadElement = OnBadElement.deadLetter
    /// What becomes of a parent's rows that its last message has no more; nil: they are deleted where the key tells them.
    public var onMissing: OnMissing?
    /// A message with more elements is a dead letter.
    public var maxElements = Route.mostElements
    public var mode: Mode
    /// What becomes of columns whose fields a message does not have.
    public var absent = Absent.byDefault
    /// A row that is there is changed or deleted only by a message that is newer by these columns, compared in their order.
    public var newer: [String] = []
    /// Nil: the table's primary key.
    public var key: [String]?
    /// Nil: delete in mode `upsert`, skip in mode `history`, dead letter otherwise.
    public var onTombstone: OnTombstone?
    /// From when until when each row of a history holds; nothing is said of it where no column is named.
    public var validity = Validity()
    /// The column that says of a row that it is deleted, with `mark`.
    public var mark: String?
    public var tombstones: [TombstoneForm]
    public var onNoFields: OnNoFields
    public var names: Names
    public var rest: Rest
    /// Where these columns come from; nil: none is named.
    public var columns: [Column]?
    public var timeZone: String?
    public var onNul: OnNul
    /// How long a row waits for the one that a foreign key of the table refers to, whoever brings it; zero: not at all; nil:
    /// what the dead letters say, for tables that routes load.
    public var waitForParent: Duration?
    /// Where it stands in the configuration, `routes[0]`, for messages.
    public var label: String

    public init(
        topics: [TopicPattern], table: TableName, format: Format = .auto, mode: Mode = .insert, key: [String]? = nil,
        onTombstone: OnTombstone? = nil, tombstones: [TombstoneForm] = [], onNoFields: OnNoFields = .deadLetter,
        names: Names = .exact, rest: Rest = .fields, columns: [Column]? = nil, timeZone: String? = nil,
        onNul: OnNul = .deadLetter, waitForParent: Duration? = nil, label: String = "routes[0]"
    ) {
        self.topics = topics
        self.table = table
        self.format = format
        self.mode = mode
        self.key = key
        self.onTombstone = onTombstone
        self.tombstones = tombstones
        self.onNoFields = onNoFields
        self.names = names
        self.rest = rest
        self.columns = columns
        self.timeZone = timeZone
        self.onNul = onNul
        self.waitForParent = waitForParent
        self.label = label
    }
}
