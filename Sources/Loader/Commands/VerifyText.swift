import Operating

/// What a verification found, for people.
enum VerifyText {
    static func lines(_ report: VerificationReport) -> [String] {
        let share = report.share < 1 ? " (of these \(percent(report.share)) of the keys or messages)" : ""
        var lines = [
            "\(grouped(report.messages)) messages of \(report.partitions.count) "
                + "\(report.partitions.count == 1 ? "partition" : "partitions")\(share) in \(seconds(report.duration)) s; "
                + "the snapshot was held for \(seconds(report.snapshotDuration)) s",
            "",
        ]
        var rows = [["route", "table", "mode", "compared by", "rows", "dead letters", "differences"]]
        rows += report.tables.map { table in
            [
                table.route, table.table, table.mode, words(table.way), grouped(table.rows), grouped(table.deadLetters),
                table.way == .none ? "-" : grouped(table.differenceCount),
            ]
        }
        lines += TextTable.lines(rows, numbers: [4, 5, 6])
        for table in report.tables where !table.differences.isEmpty || !table.notes.isEmpty {
            lines += ["", "\(table.table) (\(table.route))"]
            lines += table.differences.map { "  " + line($0) }
            if table.differenceCount > table.differences.count {
                lines.append("  and \(grouped(table.differenceCount - table.differences.count)) more (--limit)")
            }
            lines += table.notes.map { note in "  note: " + (note.count.map { "\(grouped($0)) " } ?? "") + note.words }
        }
        lines.append("")
        lines.append(verdict(report))
        return lines
    }

    private static func verdict(_ report: VerificationReport) -> String {
        let count = report.differenceCount
        if count > 0 { return "\(grouped(count)) \(count == 1 ? "difference" : "differences")." }
        return report.tables.contains { $0.way != .none }
            ? "All that could be compared holds." : "Nothing was compared."
    }

    private static func words(_ way: VerificationReport.Way) -> String {
        switch way {
        case .keys: "key"
        case .places: "offset"
        case .counts: "count"
        case .none: "-"
        }
    }

    private static func line(_ difference: VerificationReport.Difference) -> String {
        if difference.kind == .count {
            return "has \(difference.found ?? 0) rows, and should have \(difference.expected ?? 0)"
        }
        let key = difference.key.map { "\($0.name)=\($0.value.map(shown) ?? "NULL")" }.joined(separator: ", ")
        let message = difference.message.map { "by \($0)" }
        switch difference.kind {
        case .missing: return "missing  \(key)  \(message ?? "")\(values(difference))"
        case .extra where difference.isDeleted: return "extra    \(key)  deleted \(message ?? "")\(values(difference))"
        case .extra: return "extra    \(key)  \(message.map { "last \($0)" } ?? "by no message")\(values(difference))"
        case .doubled: return "doubled  \(key)  \(difference.found ?? 0) times \(message ?? "")"
        case .other, .count: return "other    \(key)  \(message ?? "")\(values(difference))"
        }
    }

    private static func values(_ difference: VerificationReport.Difference) -> String {
        guard !difference.columns.isEmpty else { return "" }
        return ": "
            + difference.columns.map { column in
                let expected = column.expected.map { "should be \($0.map(shown) ?? "NULL")" }
                let found = column.found.map { "is \($0.map(shown) ?? "NULL")" }
                let both = [found, expected].compactMap(\.self).joined(separator: ", ")
                return both.isEmpty ? column.name : "\(column.name) \(both)"
            }.joined(separator: "; ")
    }

    /// Harmless for a terminal, and not a page long.
    private static func shown(_ text: String) -> String {
        let short = text.count > 80 ? text.prefix(80) + "…" : text[...]
        return "'"
            + short.unicodeScalars.map {
                $0.properties.generalCategory == .control ? "\\u{\(String($0.value, radix: 16))}" : String($0)
            }.joined() + "'"
    }

    private static func seconds(_ duration: Double) -> String { String(format: "%.1f", duration) }

    private static func percent(_ share: Double) -> String { "\(String(format: "%g", share * 100)) %" }
}
