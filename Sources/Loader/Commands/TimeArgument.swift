import ArgumentParser
import Foundation
import Loading

/// A point in time on the command line: `2026-01-31T00:00:00Z`, or `36h` for so long ago.
struct TimeArgument: ExpressibleByArgument, Equatable {
    var date: Date

    init(date: Date) { self.date = date }

    init?(argument: String) {
        if let date = Self.absolute(argument) {
            self.date = date
        } else if let duration = parseDuration(argument) {
            date = Date(timeIntervalSinceNow: -duration.inSeconds)
        } else {
            return nil
        }
    }

    /// Reads RFC 3339, with its offset.
    static func absolute(_ text: String) -> Date? {
        for hasFraction in [false, true] {
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: hasFraction)
            if let date = try? Date(text, strategy: style) { return date }
        }
        return nil
    }
}
