import Foundation
import Postgres

/// What one route has loaded, and what is to be said of it.
public struct RouteFigures: Sendable, Equatable {
    /// Where it stands in the configuration.
    public let label: String
    public let topics: [Route.TopicPattern]
    public let table: TableName
    public let mode: Route.Mode
    /// Committed messages of its topics.
    public internal(set) var messages = 0
    /// Rows, deletions and marks.
    public internal(set) var rows = 0
    /// What its messages did; what none did is not in it.
    public package(set) var operations: [RowOperation: Int] = [:]
    public internal(set) var deadLetters = 0
    /// When rows of it were committed last.
    public internal(set) var lastRow: Date?
    public internal(set) var rate = RecentRate()
    /// In the order in which they were first said.
    public internal(set) var notes: [RouteNote] = []

    public init(_ route: Route) {
        (label, topics, table, mode) = (route.label, route.topics, route.table, route.mode)
    }

    public func takes(_ topic: String) -> Bool { topics.contains { $0.matches(topic) } }

    mutating func add(_ share: BatchTally.Share, at time: Date) {
        messages += share.messages
        rows += share.rows
        operations.merge(share.operations, uniquingKeysWith: +)
        deadLetters += share.deadLetters
        if share.rows > 0 { lastRow = time }
    }
}

/// Something about one route that stops nothing, but should be known. Holds no message's values.
public struct RouteNote: Sendable, Equatable {
    public enum Level: String, Sendable { case info, warning }

    /// What it is about, in one word: a route has one note of a kind, and the next one takes its place.
    public var kind: String
    public var level: Level
    public var text: String
    /// Where something is to be done.
    public var mend: Mend?
    /// When it was said first.
    public internal(set) var since: Date
    /// Since when it is no more.
    public internal(set) var over: Date?

    public init(_ kind: String, _ text: String, level: Level = .warning, mend: Mend? = nil, time: Date = Date()) {
        self.kind = kind
        self.level = level
        self.text = text
        self.mend = mend
        since = time
    }
}

extension LoadingStatistics.Snapshot {
    /// - Parameter route: its position in the configuration.
    public mutating func note(_ note: RouteNote, ofRoute route: Int) {
        guard routes.indices.contains(route) else { return }
        if let known = routes[route].notes.firstIndex(where: { $0.kind == note.kind }) {
            let earlier = routes[route].notes[known]
            routes[route].notes[known] = note
            if earlier.over == nil { routes[route].notes[known].since = earlier.since }
        } else {
            routes[route].notes.append(note)
        }
    }

    public mutating func endNote(_ kind: String, ofRoute route: Int, at time: Date = Date()) {
        guard routes.indices.contains(route),
            let known = routes[route].notes.firstIndex(where: { $0.kind == kind && $0.over == nil })
        else { return }
        routes[route].notes[known].over = time
    }
}

extension LoadingStatistics {
    /// Keeps a note on a route for the status page; one of its kind that is there gives way.
    ///
    /// - Parameter route: its position in the configuration.
    public func note(_ note: RouteNote, ofRoute route: Int) { update { $0.note(note, ofRoute: route) } }

    /// A note of this kind is true no more.
    public func endNote(_ kind: String, ofRoute route: Int) { update { $0.endNote(kind, ofRoute: route) } }
}
