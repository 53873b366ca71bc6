import Foundation
import Loading
import Operating
import Postgres
import Records

extension TableProposal {
    // MARK: The migration

    /// What tells a migration of this command from others.
    static let mark = "proposed by `loader infer`"

    /// A migration in dbmate's format.
    ///
    /// - Parameter showsValues: whether the least and the greatest values may stand in the comments.
    func migration(showsValues: Bool = true) -> String {
        let count = profile.records.count
        var lines = [
            "-- \(Self.oneLine(topic)): \(Self.mark) from \(count) messages. Look it over: a sample does not "
                + "show",
            "-- what may yet come, above all what is NOT NULL and which numbers are small.",
        ]
        if profile.tombstones > 0 { lines.append("-- \(profile.tombstones) more were tombstones.") }
        if let envelope = profile.envelope {
            lines += Self.wrapped(
                "They are change events (\(envelope.name))"
                    + (profile.withoutRow > 0
                        ? "; \(profile.withoutRow) more have no row, as deletions have none." : "."))
        }
        if profile.broken > 0 {
            let first = profile.firstBroken.map { ", the first, \($0.place), \($0.failure.words)" } ?? ""
            lines += Self.wrapped(Self.oneLine("\(profile.broken) more would be dead letters\(first)."))
        }
        if let refusedWords { lines += Self.wrapped(Self.oneLine(refusedWords) + ".") }
        if let widenedWords { lines += Self.wrapped(Self.oneLine(widenedWords) + ".") }
        lines += Self.wrapped("Key: \(Self.oneLine(keyReason)).")
        if unroutable > 0 {
            lines.append("-- \(unroutable) fields are left out: without a name, or beyond 1000 columns.")
        }
        if !arrays.isEmpty, !key.isEmpty {
            lines += Self.wrapped(
                Self.oneLine(
                    "Arrays of objects: \(arrays.joined(separator: ", ")). `--nested tables` gives each a table."))
        }
        for child in descendants {
            lines += Self.wrapped("Key of \(child.table.sql): \(Self.oneLine(child.keyReason)).")
        }
        lines += ["", "-- migrate:up", ""]
        if let schema = table.schema, schema != "public" {
            lines += ["CREATE SCHEMA IF NOT EXISTS \(sqlIdentifier(schema));", ""]
        }
        lines += definition(showsValues: showsValues)
        for child in descendants { lines += [""] + child.definition(showsValues: showsValues) }
        lines += ["", "-- migrate:down", ""] + descendants.reversed().map { "DROP TABLE \($0.table.sql);" }
        lines.append("DROP TABLE \(table.sql);")
        return lines.joined(separator: "\n") + "\n"
    }

    /// The table, and what is said of its columns.
    private func definition(showsValues: Bool) -> [String] {
        var lines = ["CREATE TABLE \(table.sql) ("]
        var definitions = columns.map { column in
            let constraint =
                column.isKey && key.count == 1 ? " PRIMARY KEY" : column.isNotNull ? " NOT NULL" : ""
            return (
                column: sqlIdentifier(column.name), type: column.proposal.sql + constraint,
                comment: Self.oneLine(comment(column, showsValues: showsValues))
            )
        }
        if key.count > 1 {
            let names = key.map(sqlIdentifier).joined(separator: ", ")
            definitions.append((column: "PRIMARY KEY (\(names))", type: "", comment: ""))
        }
        if let elements {
            let names = elements.key.map(sqlIdentifier).joined(separator: ", ")
            let reference = "FOREIGN KEY (\(names)) REFERENCES \(elements.of.sql) (\(names))"
            definitions.append((column: reference, type: "", comment: ""))
        }
        let names = min(definitions.lazy.filter { !$0.type.isEmpty }.map(\.column.count).max() ?? 0, 40)
        let types = definitions.map(\.type.count).max() ?? 0
        for (index, definition) in definitions.enumerated() {
            let isLast = index == definitions.count - 1
            let name = definition.type.isEmpty ? definition.column : Self.padded(definition.column, to: names) + " "
            let type = definition.type + (isLast ? "" : ",")
            let comment = definition.comment.isEmpty ? "" : "  -- " + definition.comment
            lines.append("  " + name + (comment.isEmpty ? type : Self.padded(type, to: types + 1) + comment))
        }
        lines.append(");")
        for column in columns {
            guard let words = column.field.declared?.documentation else { continue }
            let text = Self.oneLine(words).replacing("'", with: "''")
            lines.append("COMMENT ON COLUMN \(table.sql).\(sqlIdentifier(column.name)) IS '\(text)';")
        }
        return lines
    }

    /// How many messages of the sample the proposal makes dead letters, and which columns; nil if none.
    var refusedWords: String? {
        guard refused > 0 else { return nil }
        let places = columns.filter { $0.misfits.count > 0 }.map { "\($0.name): \($0.misfits.words($0.proposal.type))" }
        return
            "\(refused) of \(profile.records.count) sampled messages will be dead letters (\(places.joined(separator: "; "))): "
            + "the types are what nearly all values have. Widen a column to text or jsonb if these are meant, or "
            + "let the route mend them (`null_if`, `on_error: null`)"
    }

    /// Columns whose type a few values have widened; nil if none.
    var widenedWords: String? {
        let places = columns.filter(\.proposal.isWidened).map {
            "\($0.name) is \($0.proposal.sql): \($0.proposal.reason ?? "")"
        }
        guard !places.isEmpty else { return nil }
        return "a few values have decided types: \(places.joined(separator: "; ")). "
            + "Narrow the type if those are no reason; they are dead letters then"
    }

    /// What the sample shows of a column.
    private func comment(_ column: Column, showsValues: Bool) -> String {
        let field = column.field
        var parts = field.declared.map { [$0.type] } ?? []
        let all = profile.records.count
        let missing = all - field.present
        if missing == 0, field.null == 0 { parts.append("always") }
        if missing > 0 { parts.append("missing in \(Self.percent(missing, of: all))") }
        if field.null > 0 { parts.append("null in \(Self.percent(field.null, of: all))") }
        if !field.kinds.isEmpty, field.kinds.isDisjoint(with: [.array, .object]) {
            if field.isUnique(in: all) {
                parts.append("all different")
            } else if field.values > 0 {
                parts.append("\(field.distinct)\(field.isDistinctCapped ? "+" : "") distinct")
            }
        }
        if showsValues, Self.isNumeric(column.proposal), let numbers = field.numbers {
            let isTime = column.proposal.unit != nil
            let bounds = [numbers.least, numbers.greatest].map { isTime ? Self.time($0, column.proposal.unit) : $0 }
            parts.append(Self.range(bounds[0], bounds[1]))
        }
        if field.scale > 0 { parts.append("up to \(field.scale) \(field.scale == 1 ? "decimal" : "decimals")") }
        if showsValues, [.date, .timestamp, .timestamptz].contains(column.proposal.type), let times = field.times {
            parts.append(Self.range(times.lowerBound, times.upperBound))
        } else if column.proposal.type == .text, let lengths = field.lengths {
            let range = Self.range("\(lengths.lowerBound)", "\(lengths.upperBound)")
            parts.append(range + (lengths == 1...1 ? " character" : " characters"))
        }
        if column.proposal.replacesNul { parts.append("holds U+0000, which the route replaces") }
        if let reason = column.proposal.reason { parts.append(reason) }
        if column.misfits.count > 0 {
            let first = column.misfits.first.map { ", the first at \($0)" } ?? ""
            parts.append(
                "\(column.misfits.count) of \(field.values) will be dead letters: "
                    + column.misfits.words(column.proposal.type) + first)
        }
        return parts.joined(separator: "; ")
    }

    // MARK: The route

    /// The routes as elements of `routes`: its own, and those of the tables that refer to it.
    var route: String { ([self] + descendants).map(\.ownRoute).joined() }

    private var ownRoute: String {
        var lines = [
            "  - topic: \(Self.yaml(topic))", "    table: \(Self.yaml(configurationName))",
            "    mode: \(mode.rawValue)",
        ]
        if let envelope = profile.envelope { lines.append("    envelope: \(envelope.name)") }
        lines += reading.map { "    " + $0 }
        if let elements {
            lines.append("    each: \(Self.yaml(ColumnSource.field(FieldPath(elements.path)).expression))")
        }
        if let onTombstone { lines.append("    on_tombstone: \(onTombstone.rawValue)") }
        if !isMappingPlain {
            lines.append("    columns:")
            // What an element's own fields fill needs no words.
            for column in columns where elements == nil || !column.isPlain {
                let source = Self.yaml(column.source)
                var settings = ["from: \(source)"]
                if let unit = column.proposal.unit { settings.append("unit: \(unit.rawValue)") }
                if column.proposal.decoding == .json { settings.append("decode: json") }
                if column.proposal.replacesNul { settings.append("on_nul: replace") }
                let value = settings.count == 1 ? source : "{ \(settings.joined(separator: ", ")) }"
                lines.append("      \(Self.yaml(column.name, isValue: false)): \(value)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A configuration with this route and nothing else.
    ///
    /// - Parameter hasRegistry: whether the messages' schemas are asked for.
    func configuration(group: String, hasRegistry: Bool = false) -> String {
        let registry = hasRegistry ? "schema_registry:\n  url: ${LOADER_SCHEMA_REGISTRY_URL}\n" : ""
        return """
            kafka:
              brokers: ${KAFKA_BROKERS}
              group: \(Self.yaml(group))
            postgres:
              url: ${DATABASE_URL}
            \(registry)routes:
            \(route)
            """
    }

    /// The table as `routes[].table` reads it: what is not quoted is folded to lower case.
    private var configurationName: String {
        func quoted(_ name: String) -> String {
            let isPlain =
                name.first.map { $0 == "_" || ($0.isASCII && $0.isLowercase) } == true
                && name.allSatisfy { $0 == "_" || ($0.isASCII && ($0.isLowercase || $0.isNumber)) }
            return isPlain ? name : quoteIdentifier(name)
        }
        return (table.schema.map { quoted($0) + "." } ?? "") + quoted(table.name)
    }

    /// A text that YAML, and the configuration's substitutions in values, read back as it is.
    static func yaml(_ text: String, isValue: Bool = true) -> String {
        let words: Set<String> = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "~"]
        let isPlain =
            text.wholeMatch(of: /[A-Za-z_$][A-Za-z0-9_.$-]*/) != nil && !words.contains(text.lowercased())
            && !text.hasSuffix("-")
        if isPlain { return text }
        return jsonString(isValue ? text.replacing("${", with: "$${") : text)
    }

    // MARK: Words

    private static func isNumeric(_ proposal: TypeProposal) -> Bool {
        proposal.unit != nil || [.integer, .bigint, .numeric].contains(proposal.type)
    }

    private static func percent(_ part: Int, of all: Int) -> String {
        let share = part * 100 / max(all, 1)
        return share == 0 ? "< 1 %" : "\(share) %"
    }

    private static func range(_ lower: String, _ upper: String) -> String {
        lower == upper ? lower : "\(lower) to \(upper)"
    }

    /// A number since 1970 as a time.
    private static func time(_ number: String, _ unit: EpochUnit?) -> String {
        let perSecond =
            switch unit {
            case .milliseconds: 1e3
            case .microseconds: 1e6
            case .nanoseconds: 1e9
            case .days: 1.0 / 86400
            case .seconds, nil: 1.0
            }
        return Date(timeIntervalSince1970: (Double(number) ?? 0) / perSecond).ISO8601Format()
    }

    /// Lines of a comment that fit the width of code.
    private static func wrapped(_ text: String) -> [String] {
        var lines = ["--"]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].count + 1 + word.count > 118 { lines.append("--") }
            lines[lines.count - 1] += " " + word
        }
        return lines
    }

    private static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// A line of a comment must not end before it is over.
    private static func oneLine(_ text: String) -> String {
        String(
            text.map {
                $0.isNewline || $0.unicodeScalars.contains { $0.properties.generalCategory == .control } ? " " : $0
            })
    }
}
