import Foundation
import Logging

/// Logs to stderr, a line an event.
struct StandardErrorLogHandler: LogHandler {
    enum Format: Sendable, Equatable {
        case json
        case text(isColored: Bool, isDated: Bool)
    }

    let output: StandardError
    let format: Format
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    var metadataProvider: Logger.MetadataProvider?

    init(output: StandardError, format: Format, logLevel: Logger.Level) {
        self.output = output
        self.format = format
        self.logLevel = logLevel
    }

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadataProvider?.get() ?? [:]
        all.merge(metadata) { $1 }
        if let metadata = event.metadata { all.merge(metadata) { $1 } }
        if let error = event.error, all["error"] == nil { all["error"] = "\(error)" }
        let now = Date()
        let message = event.message.description
        let line =
            switch format {
            case .json: LogLine.json(time: now, level: event.level, message: message, metadata: all)
            case .text(let isColored, let isDated):
                LogLine.text(
                    time: now, level: event.level, message: message, metadata: all, isColored: isColored,
                    isDated: isDated)
            }
        output.write(line: line)
    }
}

extension Configuration.Log {
    /// What the format comes to on this output. `NO_COLOR` with any value turns colours off (no-color.org).
    func resolvedFormat(isTerminal: Bool, environment: [String: String]) -> StandardErrorLogHandler.Format {
        let isColored = isTerminal && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
        switch format {
        case .json: return .json
        case .text: return .text(isColored: isColored, isDated: !isTerminal)
        case .auto: return isTerminal ? .text(isColored: isColored, isDated: false) : .json
        }
    }

    /// A logger with these settings.
    func makeLogger(
        output: StandardError = .shared, environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> Logger {
        let format = resolvedFormat(isTerminal: output.isTerminal, environment: environment)
        let level = level
        return Logger(label: "loader") { _ in
            StandardErrorLogHandler(output: output, format: format, logLevel: level)
        }
    }
}
