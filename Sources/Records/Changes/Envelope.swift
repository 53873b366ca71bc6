/// What the messages of a topic say of changes to rows elsewhere, and where they say it.
public struct Envelope: Sendable, Hashable {
    /// What a word of the operation stands for.
    public enum Meaning: Sendable, Hashable {
        case change(ChangeOperation)
        /// The message is none of the table's rows': a mark in the log, a change of the schema.
        case skip
    }

    /// A message that is the row itself, with what is said of it among its fields: what Debezium's ExtractNewRecordState
    /// makes of a change.
    public struct Flat: Sendable, Hashable {
        /// `true` where the row was deleted, as a truth value or a text.
        public var deleted: FieldPath
        /// Where it is said what was done, if the connector was asked for that.
        public var operation: FieldPath
        /// What stands before the names of fields that say where a change comes from.
        public var originPrefix: String

        /// What the names of fields begin with that are not the row's own, unless the transformation is told otherwise.
        public static let addition = "__"

        public init(deleted: FieldPath, operation: FieldPath, originPrefix: String) {
            self.deleted = deleted
            self.operation = operation
            self.originPrefix = originPrefix
        }
    }

    /// Where an event says what it does not say by the document.
    public struct Documents: Sendable, Hashable {
        /// The document's identifier, in a message's key.
        public var key: FieldPath
        /// What the document calls it.
        public var identifier: String
        /// What has changed of a document, and in which fields.
        public var updated: FieldPath
        public var removed: FieldPath
        public var truncated: FieldPath

        public init(
            key: FieldPath, identifier: String, updated: FieldPath, removed: FieldPath, truncated: FieldPath
        ) {
            (self.key, self.identifier) = (key, identifier)
            (self.updated, self.removed, self.truncated) = (updated, removed, truncated)
        }
    }

    /// Where a row stands as it is after the change; empty: it is the message itself.
    public var after: FieldPath
    /// Where it stands as it was before. What is deleted stands here, or else where others stand.
    public var before: FieldPath?
    /// Where it is said what was done, and in which words.
    public var operation: FieldPath
    public var words: [String: Meaning]
    /// Where it is said where the change comes from; empty: in the message itself.
    public var origin: FieldPath?
    /// Messages that are no envelope are rows of this form; nil: such a message is a mistake.
    public var flat: Flat?
    /// What stands for a value that was not sent because it has not changed; nil: each value was sent.
    public var unavailable: String?
    /// Debezium's own events, which say nothing of rows, are told by their fields and passed over.
    public var hasNotices: Bool
    /// A message is about several rows: `after` is a list of them, and `before`, if it is there, has of each in the same place.
    public var isOfRows = false
    /// Where it is said, as a truth value, that a message is none of rows' but one of the table's definition.
    public var notice: FieldPath?
    /// Rows are documents in texts, of which a change may say only a part; nil: they are records.
    public var documents: Documents?
    /// A row whose key changes is one event, and not a deletion and a creation: `before` has the key that it had.
    public var changesKeys = true

    public init(
        after: FieldPath, before: FieldPath? = nil, operation: FieldPath, words: [String: Meaning],
        origin: FieldPath? = nil, flat: Flat? = nil, unavailable: String? = nil, hasNotices: Bool = false
    ) {
        self.after = after
        self.before = before
        self.operation = operation
        self.words = words
        self.origin = origin
        self.flat = flat
        self.unavailable = unavailable
        self.hasNotices = hasNotices
    }

    /// Where a row stands, for who looks at one of each message.
    public var row: FieldPath { isOfRows ? FieldPath(after.components + ["0"]) : after }
}

extension Envelope {
    /// Debezium's, whole or as ExtractNewRecordState leaves it, which each message tells itself. Source: the connectors'
    /// documentation, "Data change events", and that of the transformation.
    public static let debezium: Envelope = {
        var envelope = Envelope(
            after: FieldPath(["after"]), before: FieldPath(["before"]), operation: FieldPath(["op"]),
            words: [
                "c": .change(.create), "r": .change(.read), "u": .change(.update), "d": .change(.delete),
                "t": .change(.truncate), "m": .skip,
            ],
            origin: FieldPath(["source"]),
            flat: Flat(
                deleted: FieldPath(["__deleted"]), operation: FieldPath(["__op"]), originPrefix: "__source_"),
            unavailable: UnavailableValue.debezium, hasNotices: true)
        envelope.changesKeys = false
        return envelope
    }()
}
