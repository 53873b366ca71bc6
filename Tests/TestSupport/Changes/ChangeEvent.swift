/// A change as a database's log tells it, or what a connector sends besides.
public struct ChangeEvent: Sendable {
    public enum Kind: Sendable {
        case create, update, delete, truncate
        /// A row as a snapshot finds it.
        case read
        /// Behind a delete, so that a compacted topic forgets the key.
        case tombstone
        case heartbeat, begin, end
        /// Somebody's own message in the log.
        case message
        case schemaChange

        var isOfRow: Bool {
            switch self {
            case .create, .update, .delete, .read: true
            default: false
            }
        }
    }

    public var kind: Kind
    /// Nil where the event is of no row.
    public var key: [SourceValue]?
    public var before: [SourceValue]?
    public var after: [SourceValue]?
    /// Of the change in the database's log.
    public var position: Int64
    public var transaction: Int64
    /// The key that the row has from now on, or has had: where a key has changed.
    public var otherKey: [SourceValue]?
    /// Whether it has no value for some column of a row that is not there by then: only what was sent before is sent again.
    public var mayLackItsRow = false

    public init(
        _ kind: Kind, key: [SourceValue]?, before: [SourceValue]? = nil, after: [SourceValue]? = nil, position: Int64,
        transaction: Int64
    ) {
        self.kind = kind
        self.key = key
        self.before = before
        self.after = after
        self.position = position
        self.transaction = transaction
    }
}
