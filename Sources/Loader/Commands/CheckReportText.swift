import Operating

/// `loader check` for people: what is well in a line each, what is not with its mend, and how each field lands.
struct CheckReportText {
    let report: CheckReport
    /// The terminal's columns.
    let width: Int
    let isColored: Bool

    /// Where the texts behind the marks begin.
    private static let indent = 8

    var lines: [String] {
        var lines: [String] = []
        let names = report.areas.map(\.name.count).max() ?? 0
        for area in report.areas {
            lines.append(mark(area.status) + (area.name.padded(to: names) + "  " + area.summary).trimmedEnd)
            lines += area.problems.flatMap { text($0) }
        }
        for route in report.routes {
            lines.append("")
            lines += text(route)
        }
        lines.append("")
        lines.append(verdict)
        return lines
    }

    private var verdict: String {
        func count(_ number: Int, _ what: String) -> String { "\(number) \(what)\(number == 1 ? "" : "s")" }
        let counts = [
            report.errors > 0 ? count(report.errors, "error") : nil,
            report.warnings > 0 ? count(report.warnings, "warning") : nil,
        ].compactMap(\.self)
        switch report.status {
        case .ok: return colored("All is well.", TerminalCode.green) + " Nothing was written."
        case .warning: return colored(counts.joined(separator: ", "), TerminalCode.yellow) + ". It can be loaded."
        case .error: return colored(counts.joined(separator: ", "), TerminalCode.red) + ". A loader would not start."
        }
    }

    // MARK: A route

    private func text(_ route: CheckReport.Route) -> [String] {
        var lines = [
            mark(route.status) + "\(route.route)  \(route.topics.joined(separator: ", ")) → \(route.table)"
        ]
        let keys = route.columns.filter(\.isKey).map(\.name)
        let how = [
            route.mode + (keys.isEmpty ? "" : " by \(keys.joined(separator: ", "))"),
            route.onTombstone.isEmpty ? nil : "tombstones: \(route.onTombstone)",
            route.copy.isEmpty ? nil : "\(route.copy) COPY",
            route.isReplaySafe ? "safe to replay" : "a replay would double rows",
        ].compactMap(\.self)
        lines += wrapped(how.joined(separator: " · "), Self.indent)
        if let words = sampleWords(route) { lines += wrapped(words, Self.indent) }
        if let schemas = route.sample?.schemas, !schemas.isEmpty {
            lines += wrapped("schemas: " + schemas.map(\.shown).joined(separator: ", "), Self.indent)
        }
        if !route.columns.isEmpty {
            lines.append("")
            lines += table(of: route)
        }
        // That each message is a row goes without saying.
        if route.effects.count > 1 || route.effects.first.map({ !$0.what.hasPrefix("row of") }) == true {
            lines.append("")
            lines += wrapped("What the sampled messages would do:", Self.indent)
            for effect in route.effects.prefix(12) {
                lines += wrapped(
                    "\(grouped(effect.count)) × \(effect.what.shown), the first at \(effect.places.first ?? "")",
                    Self.indent + 2)
            }
            if route.effects.count > 12 {
                lines += wrapped("and \(route.effects.count - 12) other things, which --json lists", Self.indent + 2)
            }
        }
        if !route.deadLetters.isEmpty {
            lines.append("")
            lines += wrapped("Dead letters of the sample:", Self.indent)
            for letter in route.deadLetters {
                let more = letter.count > letter.places.count ? ", …" : ""
                lines += wrapped(
                    "\(letter.count) × \(letter.reason)\(letter.sqlState.map { " (\($0))" } ?? ""): \(letter.explanation)",
                    Self.indent + 2)
                lines += wrapped("at \(letter.places.joined(separator: ", "))\(more)", Self.indent + 6)
            }
        }
        if !route.unusedFields.isEmpty {
            lines.append("")
            let messages = route.sample?.objects ?? 0
            let fields = route.unusedFields.map { "\($0.path.shown) \(share($0.count, of: messages))" }
            let rest = fields.count > 20 ? " and \(fields.count - 20) more" : ""
            lines += wrapped(
                "Fields that land nowhere: " + fields.prefix(20).joined(separator: ", ") + rest, Self.indent)
        }
        if !route.problems.isEmpty {
            lines.append("")
            lines += route.problems.flatMap { text($0, at: false) }
        }
        return lines
    }

    private func sampleWords(_ route: CheckReport.Route) -> String? {
        guard let sample = route.sample else { return nil }
        guard sample.messages > 0 else { return "no messages to sample" }
        let partitions = route.partitions ?? 0
        let of = route.unread.map { $0 > 0 ? "; \(grouped($0)) unread" : "; all is read" } ?? ""
        let counts = [
            "\(grouped(sample.rows)) \(sample.rows == 1 ? "row" : "rows")",
            sample.deletions > 0
                ? "\(grouped(sample.deletions)) \(sample.deletions == 1 ? "deletion" : "deletions")" : nil,
            "\(grouped(sample.deadLetters)) dead \(sample.deadLetters == 1 ? "letter" : "letters")",
        ].compactMap(\.self)
        return "\(grouped(sample.messages)) messages of \(partitions) \(partitions == 1 ? "partition" : "partitions") "
            + "sampled\(of): \(counts.joined(separator: ", "))"
            + Self.words(forTrial: sample)
    }

    private static func words(forTrial sample: CheckReport.Route.Sample) -> String {
        if sample.wasTriedInTable, !sample.triggers.isEmpty {
            return
                " (tried in the table and rolled back; its triggers ran: \(sample.triggers.joined(separator: ", ").shown))"
        }
        guard sample.rows + sample.deadLetters > 0 else { return "" }
        return sample.wasTriedInTable
            ? "" : sample.wasReadByServer ? " (tried in a copy of the table)" : " (not tried on the server)"
    }

    /// How each field lands: column, type, source, how often, an example.
    private func table(of route: CheckReport.Route) -> [String] {
        let hasSample = (route.sample?.messages ?? 0) > 0
        let values = route.sample?.objects ?? 0
        let hasSchema = route.columns.contains { $0.schemaType != nil }
        var rows = [
            ["column", "type", "from"] + (hasSchema ? ["in the schema"] : [])
                + (hasSample ? ["filled", "example"] : [])
        ]
        for column in route.columns {
            var row = [
                column.name.shown, column.type + (column.isKey ? ", key" : column.isNotNull ? ", not null" : ""),
                column.source.shown,
            ]
            if hasSchema { row.append((column.schemaType ?? "").shown) }
            if hasSample {
                // What is neither is missing.
                let null = column.null.flatMap { $0 > 0 ? ", \(share($0, of: values)) null" : nil } ?? ""
                row.append(column.filled.map { share($0, of: values) + null } ?? "")
                row.append((column.example ?? "").shown)
            }
            rows.append(row)
        }
        // The example takes what is left; names that are too long for a screen push the rest aside.
        let texts = hasSchema ? 4 : 3
        let widths = (0..<min(texts + 1, rows[0].count)).map { column in
            min(rows.map { $0[column].count }.max() ?? 0, 40)
        }
        let left = max(12, width - Self.indent - widths.reduce(0) { $0 + $1 + 2 } - 1)
        return rows.enumerated().map { index, row in
            let cells = row.enumerated().map { column, cell in
                column == texts
                    ? String(repeating: " ", count: max(0, widths[column] - cell.count)) + cell
                    : column < texts ? cell.padded(to: widths[column]) : cell.cut(to: left)
            }
            let line = (String(repeating: " ", count: Self.indent) + cells.joined(separator: "  ")).trimmedEnd
            return index == 0 ? colored(line, TerminalCode.dim) : line
        }
    }

    /// 100 % and 0 % are said only when they are true.
    private func share(_ count: Int, of all: Int) -> String {
        let percent = min(max(count * 100 / max(all, 1), count > 0 ? 1 : 0), 100)
        return "\(percent)%"
    }

    // MARK: Problems

    private func text(_ problem: CheckReport.Problem, at showsPlace: Bool = true) -> [String] {
        let place = showsPlace ? "\(problem.place): " : ""
        var lines = wrapped("\(place)\(problem.problem)", Self.indent + 2)
        if showsPlace == false {
            lines = wrapped(problem.problem, Self.indent)
            if !lines.isEmpty { lines[0] = mark(problem.severity) + lines[0].dropFirst(Self.indent) }
        }
        return lines + wrapped("→ \(problem.mend)", Self.indent + 2)
    }

    private func mark(_ status: CheckReport.Status) -> String {
        let (word, color) =
            switch status {
            case .ok: ("ok", TerminalCode.green)
            case .warning: ("warn", TerminalCode.yellow)
            case .error: ("error", TerminalCode.red)
            }
        return colored(word, color) + String(repeating: " ", count: Self.indent - word.count)
    }

    private func colored(_ text: String, _ color: String) -> String {
        isColored ? color + text + TerminalCode.reset : text
    }

    /// Broken between words, each line indented.
    private func wrapped(_ text: String, _ indent: Int) -> [String] {
        let room = max(40, width - indent)
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > room {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        if !line.isEmpty { lines.append(line) }
        return lines.map { String(repeating: " ", count: indent) + $0 }
    }

    private func grouped(_ number: some BinaryInteger) -> String {
        let digits = Array(String(number))
        return digits.enumerated().reduce(into: "") { text, digit in
            if digit.offset > 0, (digits.count - digit.offset) % 3 == 0 { text += "," }
            text.append(digit.element)
        }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    fileprivate func cut(to width: Int) -> String { count <= width ? self : prefix(width - 1) + "…" }

    fileprivate var trimmedEnd: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }

    /// Harmless to a terminal: what controls it is written as an escape.
    fileprivate var shown: String {
        String(jsonString(self).dropFirst().dropLast()).replacing("\\\"", with: "\"").replacing("\\\\", with: "\\")
    }
}
