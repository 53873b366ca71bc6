import Postgres
import Records

/// What is proposed where messages and a route drift apart. Never done by the loader itself.
package struct DriftWords {
    package let target: Target
    /// Columns that get nothing: no route fills them, or what should has not come.
    var idleColumns: [String] = []

    package init(target: Target, idleColumns: [String] = []) {
        self.target = target
        self.idleColumns = idleColumns
    }

    private var table: String { target.name.sql }

    // MARK: Fields that nobody takes

    /// The idle column that a field was most likely meant for.
    func column(for path: [String]) -> String? {
        let names = [path.joined(separator: "."), path.last ?? ""].map { snakeCased($0) }
        return idleColumns.first { column in names.contains { Self.isNearly(snakeCased(column), $0) } }
    }

    /// The same but for underscores, or for one letter in five.
    package static func isNearly(_ column: String, _ name: String) -> Bool {
        let (column, name) = (column.filter { $0 != "_" }, name.filter { $0 != "_" })
        if column == name { return !column.isEmpty }
        let shorter = min(column.utf8.count, name.utf8.count)
        return shorter >= 5 && editDistance(Array(column.utf8), Array(name.utf8)) <= max(1, shorter / 5)
    }

    /// What loads the fields.
    package func mend(for fields: [FieldProfile]) -> String {
        var additions: [String] = []
        var mappings: [String] = []
        var isAnotherSpelling = false
        var naming = ColumnNaming(taken: target.table.columns.map(\.name))
        for field in fields {
            let path = field.path
            let source = ColumnSource.field(FieldPath(path)).expression
            if let column = column(for: path) {
                mappings.append("`\(column): \(source)`")
                isAnotherSpelling = isAnotherSpelling || bySnakeCase(source, column)
                continue
            }
            let proposal = TypeProposal(field, now: .now)
            let column = naming.name(for: path)
            additions.append("ADD COLUMN \(sqlIdentifier(column)) \(proposal.type.rawValue)")
            if let unit = proposal.unit {
                mappings.append("`\(column): { from: \(source), unit: \(unit.rawValue) }`")
            } else if !isTakenUp(path, by: column) {
                mappings.append("`\(column): \(source)`")
            }
        }
        let columns = "under `columns` of \(target.route.label): \(mappings.joined(separator: ", "))"
        guard !additions.isEmpty else {
            return "if that is what it is meant for, " + columns
                + (isAnotherSpelling ? "; or `names: snake_case` there, which takes both spellings" : "")
        }
        let statement = "to load it: ALTER TABLE \(table) \(additions.joined(separator: ", "));"
        return statement
            + (mappings.isEmpty ? " it is taken up without a restart" : " then, " + columns + ", and a restart")
    }

    /// Whether the column would get the field, and the one of its own name, too, if the route asked for less.
    private func bySnakeCase(_ field: String, _ column: String) -> Bool {
        target.route.names == .exact && !field.contains(".") && snakeCased(field) == column
            && (target.route.columns?.first { $0.name == column }.map { $0.source == nil }
                ?? (target.route.rest == .fields))
    }

    /// Whether a new column gets the field without a word in the route.
    private func isTakenUp(_ path: [String], by column: String) -> Bool {
        guard target.route.rest == .fields, path.count == 1 else { return false }
        return target.route.source(of: Route.Column(name: column)).takes(path[0])
    }

    // MARK: Fields that a column takes

    package func mendVanished(_ column: Target.Column, successor: String?) -> String {
        let place = "\(target.name).\(column.name)"
        let consequence =
            if column.mending?.fixed != nil {
                "\(place) gets the route's `default`"
            } else if column.isRequired || column.isNotNull && column.omissionBit == nil {
                "messages without it are dead letters"
            } else if column.omissionBit != nil {
                "\(place) gets its default"
            } else {
                "\(place) gets NULL" + (target.mode == .upsert ? ", also over what is there" : "")
            }
        let next =
            successor.map {
                "if \($0) has come in its place, under `columns`: `\(column.name): \($0)`"
                    + (bySnakeCase($0, column.name) ? ", or `names: snake_case` on the route, which takes both" : "")
            } ?? "ask who writes the topic; if it is gone for good, take the column out of the route or drop it"
        return "\(consequence): \(next)"
    }

    /// - Parameter look: what shows whether such values fit the column.
    package func mendChanged(
        _ column: Target.Column, to kind: FieldKinds.Kind,
        look: String = "`loader dead-letters list --since 1h` shows whether the column refuses it"
    ) -> String {
        let type = Self.type(for: kind)
        guard !column.type.isJSON, !type.alike.contains(column.type.name) else {
            return look + "; else see whether those who read it can take that"
        }
        let name = sqlIdentifier(column.name)
        let using = type.conversion.map { " USING " + $0.replacing("$", with: name) } ?? ""
        return "\(look); if it is meant: ALTER TABLE \(table) ALTER COLUMN \(name) TYPE \(type.name)\(using); "
            + "it is taken up without a restart"
    }

    /// A type that takes such values, and how the rows that are there get it.
    private static func type(
        for kind: FieldKinds.Kind
    ) -> (name: String, conversion: String?, alike: Set<String>) {
        switch kind {
        case .string: ("text", nil, ["text", "varchar", "bpchar", "citext"])
        case .array, .object: ("jsonb", "to_jsonb($)", [])
        case .number:
            ("numeric", "$::numeric", ["numeric", "int2", "int4", "int8", "float4", "float8", "text", "varchar"])
        case .boolean: ("boolean", "$::boolean", ["bool", "text", "varchar"])
        }
    }
}

extension ColumnSource {
    /// Whether a field of a message's outermost object is taken by this source.
    fileprivate func takes(_ name: String) -> Bool {
        if case .field(let path) = self { path.takes(name) } else { false }
    }
}
