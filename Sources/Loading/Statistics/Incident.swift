import Foundation
import Logging

/// Something that an operator may have to act on: said to the log, and kept for the status page. Holds no message's values.
public struct Incident: Sendable, Equatable {
    /// As long as what an incident goes on.
    public enum Cause: Sendable, Hashable {
        /// Until `LoadingStatistics.outage(_:for:isOver:)` is told of its end.
        case outage(LoadingStatistics.Outage)
        /// Until nothing of this subject stands still; see `Standstill.subject`.
        case standstill(String)
        /// Until `LoadingStatistics.end(_:)` is told of it.
        case named(String)
    }

    public var level: Logger.Level
    /// What happened, in the same words each time.
    public var summary: String
    /// The SQLSTATE, librdkafka's name of its error, a dead letter's reason or a `LoadingError.Code`.
    public var code: String?
    /// The error's own words.
    public var error: String?
    /// `topic[partition]@offset`.
    public var place: String?
    public var mend: Mend
    /// When it was said last.
    public var time: Date
    /// When it began, or was said first since it was over.
    public internal(set) var since: Date
    /// Since when it is no more; nil while it goes on, and for what only happened.
    public internal(set) var over: Date?
    /// How often it was said.
    public internal(set) var count = 1
    /// What it still goes on for; empty for what only happened.
    public internal(set) var causes: Set<Cause>

    /// Whether it is still so.
    public var goesOn: Bool { !causes.isEmpty }

    /// - Parameter cause: what it lasts as long as; nil for what happens, and is over by then.
    public init(
        _ level: Logger.Level, _ summary: String, code: String? = nil, error: String? = nil, at place: String? = nil,
        mend: Mend, until cause: Cause? = nil, time: Date = Date()
    ) {
        self.level = level
        self.summary = summary
        self.code = code
        self.error = error
        self.place = place
        self.mend = mend
        self.time = time
        since = time
        causes = cause.map { [$0] } ?? []
    }

    /// What the log says beside the summary.
    var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["mend": mend.forLog]
        if let code { metadata["code"] = "\(code)" }
        if let error { metadata["error"] = "\(error)" }
        if let place { metadata["at"] = "\(place)" }
        return metadata
    }

    /// The same was said before.
    mutating func follow(_ earlier: Incident) {
        count += earlier.count
        if earlier.over == nil { since = earlier.since }
        causes.formUnion(earlier.causes)
    }

    /// - Parameter isGone: whether a cause of it is no more.
    mutating func end(at time: Date, where isGone: (Cause) -> Bool) {
        guard goesOn else { return }
        causes = causes.filter { !isGone($0) }
        if causes.isEmpty { over = time }
    }
}

extension LoadingStatistics {
    /// Logs what happened and keeps it for the status page.
    ///
    /// - Parameter metadata: what only the log says.
    public func report(_ incident: Incident, to logger: Logger, _ metadata: Logger.Metadata = [:]) {
        logger.log(
            level: incident.level, "\(incident.summary)", metadata: incident.metadata.merging(metadata) { $1 })
        note(incident)
    }

    /// What went on for this cause is over.
    public func end(_ cause: Incident.Cause) { update { $0.endIncidents { $0 == cause } } }
}
