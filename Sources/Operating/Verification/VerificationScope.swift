/// What of the tables and topics is verified.
public struct VerificationScope: Sendable, Equatable {
    /// Where messages begin or end, in each partition.
    public enum Bound: Sendable, Equatable {
        case offset(Int64)
        /// The first message at or after a time, in milliseconds since 1970.
        case time(Int64)
    }

    /// The routes' positions in the configuration; nil: all.
    public var routes: [Int]?
    /// Nil: the first message that each partition holds.
    public var from: Bound?
    /// Nil: the ledger's position, which it never goes beyond.
    public var to: Bound?
    /// Which share of the keys, or of the messages where rows have none, 0…1.
    public var share = 1.0
    /// As many differences of a table are named.
    public var limit = 100
    /// Whether differences are named with what stands in the columns.
    public var showsValues = false
    /// As many messages are taken at once.
    package var batchMessages = 100_000

    public init() {}

    /// All that the topics hold up to the ledger's positions.
    var isWhole: Bool { from == nil && to == nil && share >= 1 }
}
