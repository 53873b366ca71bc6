import ArgumentParser
import Foundation
import Loading

/// A point in time on the command line: `2026-01-31T00:00:00Z`, `2026-01-31` for its midnight in UTC, or `36h` for so long
/// ago.
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

    /// What `absolute` reads, for a message to who wrote something else.
    static let spellings = "2026-01-31T00:00:00Z, or 2026-01-31 for its midnight in UTC"

    /// Reads RFC 3339 with its offset, or a date, which is its midnight in UTC.
    static func absolute(_ text: String) -> Date? {
        if text.utf8.count == 10 {
            // A day that there is not would be taken for one of the next month.
            guard let date = absolute(text + "T00:00:00Z"), timeText(milliseconds(date)).hasPrefix(text) else {
                return nil
            }
            return date
        }
        for hasFraction in [false, true] {
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: hasFraction)
            if let date = try? Date(text, strategy: style) { return date }
        }
        return nil
    }

    /// The instant as it was understood, in UTC.
    var description: String { timeText(Self.milliseconds(date)) }

    /// Since 1970.
    static func milliseconds(_ date: Date) -> Int64 { Int64((date.timeIntervalSince1970 * 1000).rounded()) }
}

extension TimeArgument: CustomStringConvertible {}
