import Foundation

/// What dead letters are counted by.
public struct LetterKind: Sendable, Hashable {
    /// Nil where no route took the message.
    public var table: String?
    /// Nil where it is the whole message, or row.
    public var column: String?
    /// As it stands in the table of dead letters.
    public var reason: String
    /// Of rows that the server refused.
    public var sqlState: String?

    public init(table: String?, column: String? = nil, reason: String, sqlState: String? = nil) {
        self.table = table
        self.column = column
        self.reason = reason
        self.sqlState = sqlState
    }
}

/// The dead letters of one kind.
public struct LetterFigure: Sendable, Equatable {
    public var count: Int
    /// When the newest was committed.
    public var last: Date
    /// The newest: `topic[partition]@offset`.
    public var place: String
    /// What is said of the newest, without any value.
    public var explanation: String

    public init(count: Int, last: Date, place: String, explanation: String) {
        self.count = count
        self.last = last
        self.place = place
        self.explanation = explanation
    }

    /// The same with none counted.
    var without: LetterFigure {
        var figure = self
        figure.count = 0
        return figure
    }

    mutating func add(_ newer: LetterFigure) {
        let count = count + newer.count
        self = newer
        self.count = count
    }
}
