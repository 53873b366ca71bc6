import Loading
import Postgres

/// What a sample showed of columns that no message fills, and of fields that a column waits for: each with the lines to type,
/// and with none that would leave the rest worse than it is.
struct UnfilledColumns {
    private let target: Target
    private let sample: RouteSample
    /// Fields that no route takes, without those within others, and how many messages have each.
    private let fields: [String: Int]

    init(_ target: Target, _ sample: RouteSample) {
        self.target = target
        self.sample = sample
        fields = Dictionary(sample.unusedFields.map { ($0.path, $0.count) }, uniquingKeysWith: +)
    }

    var findings: [SetupProblem] {
        guard sample.objects > 0 else { return [] }
        var found: [SetupProblem] = []
        let columns = zip(target.columns, sample.columns).map { (column: $0, measured: $1) }
        let empty = columns.filter { $0.measured.filled == 0 && $0.column.source != .constant }.map(\.column)
        let meant = empty.compactMap { column in likelyField(of: column).map { (column, $0) } }
        if let problem = finding(waiting: meant) { found.append(problem) }

        let others = empty.filter { column in
            !meant.contains { $0.0.name == column.name } && column.mending?.fixed == nil
        }
        let nulled = others.filter { isNulledByUpsert($0) }
        if let problem = finding(nulled: nulled) { found.append(problem) }
        // What has a default, and nobody has said that a field should fill it, may well stay empty.
        let lost = others.filter { column in
            (column.omissionBit == nil || target.route.names(column: column.name))
                && !nulled.contains { $0.name == column.name }
        }
        if let problem = finding(empty: lost) { found.append(problem) }

        for (column, measured) in columns where measured.filled > 0 && measured.filled < sample.objects {
            if let problem = finding(column, filled: measured.filled) { found.append(problem) }
        }
        if let problem = findingOfRest() { found.append(problem) }
        return found
    }

    // MARK: Columns that take nothing

    /// Where nobody has said that the column should be filled, and it has a default, only a field of the very name counts.
    private func likelyField(of column: Target.Column) -> String? {
        guard column.omissionBit != nil, !target.route.names(column: column.name) else {
            return likelySource(of: column.name, among: sample.unusedPaths)
        }
        return sameField(as: column.name)
    }

    private func sameField(as column: String) -> String? {
        fields.keys.sorted().first { snakeCased($0) == snakeCased(column) }
    }

    private func finding(waiting meant: [(column: Target.Column, field: String)]) -> SetupProblem? {
        guard !meant.isEmpty else { return nil }
        let names = meant.map(\.column.name)
        let lines = meant.map { "`\($0.column.name): \($0.field)`" }.joined(separator: ", ")
        let bySnakeCase =
            target.route.names == .exact
            && meant.allSatisfy { pair in
                let isPlain = target.route.columns?.first { $0.name == pair.column.name }?.source == nil
                return isPlain && fields[pair.field] != nil && snakeCased(pair.field) == pair.column.name
            }
        return problem(
            noValue(for: names),
            "did you mean, under `columns`: \(lines)?"
                + (bySnakeCase ? " Or `names: snake_case` on the route, which finds them all" : ""))
    }

    private func finding(empty columns: [Target.Column]) -> SetupProblem? {
        guard !columns.isEmpty else { return nil }
        return problem(
            noValue(for: columns.map(\.name)),
            "check where they come from, under `columns`; where that is as it should be there is nothing to do: a column "
                + "without a field gets its default, or NULL")
    }

    private func noValue(for names: [String]) -> String {
        names.count == 1
            ? "no value for \(names[0]) in any of \(sample.objects) messages"
            : "no value for \(names.count) columns in any of \(sample.objects) messages: \(names.joined(separator: ", "))"
    }

    // MARK: What an upsert takes away

    /// The route does not name it, no message has it, and nothing keeps what a row has.
    private func isNulledByUpsert(_ column: Target.Column) -> Bool {
        target.mode == .upsert && !column.isNotNull && column.omissionBit == nil
            && !target.route.names(column: column.name)
    }

    private func finding(nulled columns: [Target.Column]) -> SetupProblem? {
        guard !columns.isEmpty else { return nil }
        let names = columns.map(\.name).joined(separator: ", ")
        let lines = zip(target.columns, sample.columns).filter { column, measured in
            !target.route.names(column: column.name)
                && (measured.filled > 0 || column.isNotNull && column.omissionBit == nil)
        }.map { "`\($0.0.name): \($0.0.source.expression)`" }
        return problem(
            "each upsert sets \(names) to NULL, whatever the row had there: no message has a field of that name",
            "nothing, if no one else fills \(columns.count == 1 ? "it" : "them"); else `rest: none`"
                + (lines.isEmpty
                    ? "" : ", and under `columns` all that messages fill: \(lines.joined(separator: ", "))"))
    }

    // MARK: Fields that come under two names, and columns left alone

    /// Some messages have the field by another spelling, which nobody takes.
    private func finding(_ column: Target.Column, filled: Int) -> SetupProblem? {
        guard case .field(let path) = column.source, path.components.count == 1,
            let field = sameField(as: column.name), let count = fields[field]
        else { return nil }
        return problem(
            "\(column.name) has a value in \(filled) of \(sample.objects) messages, and \(count) have \(field), which lands "
                + "nowhere",
            target.route.names == .exact && target.route.columns?.first { $0.name == column.name }?.source == nil
                && snakeCased(field) == column.name
                ? "`names: snake_case` on the route takes both" : "ask the producer for one spelling")
    }

    /// With `rest: none` a column that nobody names may have been forgotten.
    private func findingOfRest() -> SetupProblem? {
        guard target.route.rest == .none else { return nil }
        let left = target.table.columns.filter { column in
            !column.isGenerated && column.identity != .always
                && !target.columns.contains { $0.name == column.name }
        }
        let meant = left.compactMap { column in sameField(as: column.name).map { (column.name, $0) } }
        guard !meant.isEmpty else { return nil }
        let names = meant.map(\.0).joined(separator: ", ")
        let lines = meant.map { "`\($0): \($1)`" }.joined(separator: ", ")
        return problem(
            "`rest: none` leaves \(names) alone, and messages have \(meant.count == 1 ? "a field" : "fields") of that name",
            "nothing, if that is meant; else add under `columns`: \(lines)")
    }

    private func problem(_ text: String, _ mend: String) -> SetupProblem {
        SetupProblem(.sample, at: target.route.label, text, mend: mend, isWarning: true)
    }
}
