import Postgres
import Records

/// What is proposed where messages and a route drift apart. Never done by the loader itself.
package struct DriftAdvice {
    package let target: Target
    /// Columns that get nothing: no route fills them, or what should has not come.
    var idleColumns: [String] = []

    package init(target: Target, idleColumns: [String] = []) {
        self.target = target
        self.idleColumns = idleColumns
    }

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
    package func mend(for fields: [FieldProfile]) -> Mend {
        var additions = Mend.Additions(table: target.name, route: target.route.label)
        var naming = ColumnNaming(taken: target.table.columns.map(\.name))
        for field in fields {
            let path = field.path
            let source = ColumnSource.field(FieldPath(path)).expression
            if let column = column(for: path) {
                additions.mappings.append(Mend.Additions.Mapping(column: column, field: source))
                additions.isOtherSpelling = additions.isOtherSpelling || bySnakeCase(source, column)
                continue
            }
            let proposal = TypeProposal(field, now: .now)
            let column = naming.name(for: path)
            additions.columns.append(Mend.Additions.Column(name: column, type: proposal.sql))
            if proposal.unit != nil || !isTakenUp(path, by: column) {
                additions.mappings.append(
                    Mend.Additions.Mapping(column: column, field: source, unit: proposal.unit))
            }
        }
        return .drift(.take(additions))
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

    package func mendVanished(_ column: Target.Column, successor: String?) -> Mend {
        let consequence: Mend.Vanished.Consequence =
            if column.mending?.fixed != nil {
                .routesDefault
            } else if column.isRequired || column.isNotNull && column.omissionBit == nil {
                .deadLetters
            } else if column.omissionBit != nil, !column.isKept {
                .tablesDefault
            } else {
                .null(overwrites: target.mode == .upsert && !column.isKept)
            }
        return .drift(
            .vanished(
                Mend.Vanished(
                    table: target.name, column: column.name, consequence: consequence, successor: successor,
                    isOtherSpelling: successor.map { bySnakeCase($0, column.name) } ?? false)))
    }

    /// - Parameter evidence: what shows whether such values fit the column.
    package func mendChanged(
        _ column: Target.Column, to kind: FieldKinds.Kind, _ evidence: Mend.Changed.Evidence = .letters
    ) -> Mend {
        let type = Self.type(for: kind)
        let isLikely = !column.type.isJSON && !type.alike.contains(column.type.name)
        return .drift(
            .changed(
                Mend.Changed(
                    table: target.name, column: column.name, evidence: evidence, type: isLikely ? type.name : nil,
                    conversion: isLikely ? type.conversion : nil)))
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
