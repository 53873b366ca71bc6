import Foundation
import Logging

/// Something that an operator may have to act on: said to the log, and kept for the status page. Holds no message's values.
public struct Incident: Sendable, Equatable {
    public var level: Logger.Level
    /// What happened, in the same words each time.
    public var summary: String
    /// The SQLSTATE, librdkafka's name of its error, a dead letter's reason or a `LoadingError.Code`.
    public var code: String?
    /// The error's own words.
    public var error: String?
    /// `topic[partition]@offset`.
    public var place: String?
    /// What to do or type next.
    public var mend: String
    /// When it was said last.
    public var time: Date
    /// How often it was said in a row.
    public internal(set) var count = 1

    public init(
        _ level: Logger.Level, _ summary: String, code: String? = nil, error: String? = nil, at place: String? = nil,
        mend: String, time: Date = Date()
    ) {
        self.level = level
        self.summary = summary
        self.code = code
        self.error = error
        self.place = place
        self.mend = mend
        self.time = time
    }

    /// What the log says beside the summary.
    var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["mend": "\(mend)"]
        if let code { metadata["code"] = "\(code)" }
        if let error { metadata["error"] = "\(error)" }
        if let place { metadata["at"] = "\(place)" }
        return metadata
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
}
