import Foundation
import Kafka
import Loading
import Postgres

/// Dead letters for people and for machines. Whatever comes from a message is made harmless for a terminal.
enum DeadLettersText {
    static func faults(_ faults: [DeadLetterTable.Fault]) -> [String] {
        TextTable.lines(
            [["reason", "sqlstate", "table.column", "letters", "first", "last"]]
                + faults.map { fault in
                    [
                        fault.reason, fault.sqlState ?? "-", place(fault.table, fault.column), "\(fault.count)",
                        timeText(fault.first), timeText(fault.last),
                    ]
                }, numbers: [3])
    }

    static func list(
        _ faults: [DeadLetterTable.Fault], _ letters: [StoredDeadLetter], in table: TableName, group: String?, skip: Int
    ) -> [String] {
        let count = faults.reduce(0) { $0 + $1.count }
        let whose = group.map { "of group \($0) " } ?? ""
        guard count > 0 else { return ["No dead letters \(whose)in \(table)."] }
        var lines = self.faults(faults) + [""]
        lines += TextTable.lines(
            [["id", "failed at", "message", "table.column", "reason", "tries", "what is wrong"]]
                + letters.map { letter in
                    [
                        "\(letter.id)", timeText(letter.failedAt),
                        "\(letter.message.partition)@\(letter.message.offset)", place(letter.table, letter.column),
                        letter.sqlState.map { "\(letter.reason) \($0)" } ?? letter.reason, "\(letter.attempts)",
                        shortened(LogLine.visible(letter.explanation), to: 100),
                    ]
                }, numbers: [0, 5])
        if letters.isEmpty {
            lines.append("No more: there are \(count).")
        } else {
            let last = skip + letters.count
            lines.append("")
            lines.append("next: \(letters[0].mend)")
            lines.append(
                "\(skip + 1)–\(last) of \(count) \(whose)in \(table)"
                    + (last < count ? "; the next: --skip \(last)" : "") + ". One with its message: "
                    + "`loader dead-letters show \(letters[0].id)`")
        }
        return lines
    }

    static func show(_ letter: StoredDeadLetter) -> [String] {
        let message = letter.message
        var lines = [
            "letter \(letter.id): \(message.partition)@\(message.offset)"
                + (message.timestamp.map { " of \(timeText($0))" } ?? ""),
            "  group    \(letter.group)",
            "  table    \(letter.table.isEmpty ? "none: no route took it" : place(letter.table, letter.column))",
            "  reason   \(letter.reason)" + (letter.sqlState.map { " (SQLSTATE \($0))" } ?? ""),
            "           \(LogLine.visible(letter.explanation))",
            "  next     \(letter.mend)",
            "  tried    \(letter.attempts) time\(letter.attempts == 1 ? "" : "s"), last \(timeText(letter.failedAt))",
            "  key      \(text(message.key))",
        ]
        for header in message.headers {
            lines.append("  header   \(LogLine.visible(header.name)): \(text(header.value))")
        }
        lines.append("  value    \(message.value == nil ? "none: a tombstone" : text(message.value))")
        return lines
    }

    /// - Parameter kept: where the letters are that did not load.
    static func outcome(_ outcome: DeadLetterReplay.Outcome, isDryRun: Bool, kept: String) -> [String] {
        let counts: [(count: Int, name: String, meaning: String)] = [
            (outcome.loaded, "loaded", ""),
            (outcome.overtaken, "overtaken", "a later message of their key is loaded; removed (see --overwrite)"),
            (outcome.failed, "failed again", "kept in \(kept)"),
            (
                outcome.unrouted, "no route",
                "no route takes their topic to their table, or more than one does; kept in \(kept)"
            ),
            (
                outcome.unknown, "order unknown",
                "Kafka has deleted messages behind them, so a later one of their key may be loaded; kept in \(kept) "
                    + "(see --overwrite)"
            ),
            (outcome.repeated, "dealt with before", ""),
        ]
        var lines = TextTable.lines(
            counts.filter { $0.count > 0 }.map { [$0.name, "\($0.count)", $0.meaning] }, numbers: [1])
        if lines.isEmpty { lines.append("No dead letters match.") }
        if !outcome.failures.isEmpty {
            lines.append("")
            lines += TextTable.lines(
                [["message", "table.column", "reason", "what is wrong"]]
                    + outcome.failures.map { failure in
                        [
                            "\(failure.partition)@\(failure.offset)", place(failure.table, failure.column),
                            failure.sqlState.map { "\(failure.reason) \($0)" } ?? failure.reason,
                            shortened(LogLine.visible(failure.explanation), to: 100),
                        ]
                    })
            if outcome.failed > outcome.failures.count {
                lines.append("… and \(outcome.failed - outcome.failures.count) more")
            }
        }
        if isDryRun { lines.append("This is what would happen; nothing was changed (--dry-run).") }
        return lines
    }

    private static func place(_ table: String, _ column: String?) -> String {
        table.isEmpty ? "-" : LogLine.visible(column.map { "\(table).\($0)" } ?? table)
    }

    private static func shortened(_ text: String, to count: Int) -> String {
        text.count > count ? text.prefix(count - 1) + "…" : text
    }

    /// Text as it is, anything else in hexadecimal digits.
    private static func text(_ bytes: [UInt8]?) -> String {
        guard let bytes else { return "none" }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return "\\x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        return text.isEmpty ? "empty" : LogLine.visible(text)
    }

    // MARK: JSON

    private struct Letter: Encodable {
        struct Content: Encodable {
            var name: String?
            /// The text, or base64 where it is none.
            var value: String?
            var encoding: String?
        }

        var id: Int64
        var group: String
        var topic: String
        var partition: Int32
        var offset: Int64
        var timestamp: String?
        var table: String
        var column: String?
        var reason: String
        var sqlstate: String?
        var message: String
        var next: String
        var attempts: Int32
        var failedAt: String
        var key: String?
        var keyEncoding: String?
        var value: String?
        var valueEncoding: String?
        var headers: [Content]?

        init(_ letter: StoredDeadLetter, isWhole: Bool) {
            let message = letter.message
            id = letter.id
            group = letter.group
            topic = message.partition.topic
            partition = message.partition.partition
            offset = message.offset
            timestamp = message.timestamp.map(timeText)
            table = letter.table
            column = letter.column
            reason = letter.reason
            sqlstate = letter.sqlState
            self.message = letter.explanation
            next = letter.mend
            attempts = letter.attempts
            failedAt = timeText(letter.failedAt)
            guard isWhole else { return }
            (key, keyEncoding) = Self.encoded(message.key)
            (value, valueEncoding) = Self.encoded(message.value)
            headers = message.headers.map { header in
                let (value, encoding) = Self.encoded(header.value)
                return Content(name: header.name, value: value, encoding: encoding)
            }
        }

        private static func encoded(_ bytes: [UInt8]?) -> (String?, String?) {
            guard let bytes else { return (nil, nil) }
            if let text = String(validating: bytes, as: UTF8.self) { return (text, "utf8") }
            return (Data(bytes).base64EncodedString(), "base64")
        }
    }

    private struct Listing: Encodable {
        struct Fault: Encodable {
            var reason: String
            var sqlstate: String?
            var table: String
            var column: String?
            var count: Int64
            var first: String
            var last: String
        }

        var count: Int64
        var faults: [Fault]
        var letters: [Letter]
    }

    static func json(_ faults: [DeadLetterTable.Fault], _ letters: [StoredDeadLetter]) -> String {
        jsonText(
            Listing(
                count: faults.reduce(0) { $0 + $1.count },
                faults: faults.map { fault in
                    Listing.Fault(
                        reason: fault.reason, sqlstate: fault.sqlState, table: fault.table, column: fault.column,
                        count: fault.count, first: timeText(fault.first), last: timeText(fault.last))
                }, letters: letters.map { Letter($0, isWhole: false) }), pretty: true)
    }

    static func json(_ letter: StoredDeadLetter) -> String { jsonText(Letter(letter, isWhole: true), pretty: true) }

    private struct Result: Encodable {
        struct Failure: Encodable {
            var topic: String
            var partition: Int32
            var offset: Int64
            var table: String
            var column: String?
            var reason: String
            var sqlstate: String?
            var message: String
        }

        var dryRun: Bool
        var loaded: Int
        var overtaken: Int
        var failed: Int
        var unrouted: Int
        var unknown: Int
        var repeated: Int
        var failures: [Failure]
    }

    static func json(_ outcome: DeadLetterReplay.Outcome, isDryRun: Bool) -> String {
        jsonText(
            Result(
                dryRun: isDryRun, loaded: outcome.loaded, overtaken: outcome.overtaken, failed: outcome.failed,
                unrouted: outcome.unrouted, unknown: outcome.unknown, repeated: outcome.repeated,
                failures: outcome.failures.map { failure in
                    Result.Failure(
                        topic: failure.partition.topic, partition: failure.partition.partition, offset: failure.offset,
                        table: failure.table, column: failure.column, reason: failure.reason,
                        sqlstate: failure.sqlState, message: failure.explanation)
                }), pretty: true)
    }
}
