/// A dead letter as it stands in the table.
public struct StoredDeadLetter: Sendable, Equatable {
    public var id: Int64
    public var group: String
    /// Where the message stood in its topic.
    public var message: KeptMessage
    /// The table it was meant for; empty where no route took it.
    public var table: String
    public var reason: String
    public var sqlState: String?
    public var column: String?
    /// What was wrong, in words. May hold values of the message.
    public var explanation: String
    public var attempts: Int32
    /// When it was last tried, in milliseconds since 1970.
    public var failedAt: Int64
}
