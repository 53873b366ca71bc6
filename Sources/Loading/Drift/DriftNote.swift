import Foundation

/// Something about the messages of a route that is not as it was, or not as the route has it. It names fields, and holds no
/// value of any message.
public struct DriftNote: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// A field that no route of its topic takes, and that was there when the loader began.
        case unrouted
        /// One that came later.
        case new
        /// A field that a column takes, and that messages no longer have.
        case vanished
        /// A field that a column takes, and whose values are of another kind than they were.
        case changed
    }

    public var kind: Kind
    /// As a route names it.
    public var field: String
    /// The column that takes it; for one that nobody takes, a column that could.
    public var column: String?
    /// What was seen.
    public var words: String
    public var mend: Mend
    /// `topic[partition]@offset`: of what came, the first message that was looked at with it; of what vanished, the last.
    public var place: String?
    public var since: Date

    public init(
        _ kind: Kind, field: String, column: String? = nil, words: String, mend: Mend, place: String? = nil,
        since: Date = Date()
    ) {
        self.kind = kind
        self.field = field
        self.column = column
        self.words = words
        self.mend = mend
        self.place = place
        self.since = since
    }
}

/// What stands of a route.
public struct RouteDrift: Sendable, Equatable {
    /// `routes[0]`.
    public var route: String
    public var table: String
    /// The oldest first.
    public var notes: [DriftNote]
    /// There are fields that nobody takes and that are not named: too many, or with names that look like values.
    public var hasMore: Bool

    public init(route: String, table: String, notes: [DriftNote] = [], hasMore: Bool = false) {
        self.route = route
        self.table = table
        self.notes = notes
        self.hasMore = hasMore
    }
}
