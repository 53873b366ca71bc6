import Loading

extension Mend.Drift {
    var words: String {
        switch self {
        case .take(let additions): additions.words
        case .vanished(let vanished): vanished.words
        case .changed(let changed): changed.words
        }
    }
}

extension Mend.Additions {
    fileprivate var words: String {
        let mappings = mappings.map { mapping in
            mapping.unit.map { "`\(mapping.column): { from: \(mapping.field), unit: \($0.rawValue) }`" }
                ?? "`\(mapping.column): \(mapping.field)`"
        }
        let under = "under `columns` of \(route): \(mappings.joined(separator: ", "))"
        guard !columns.isEmpty else {
            return "if that is what it is meant for, " + under
                + (isOtherSpelling ? "; or `names: snake_case` there, which takes both spellings" : "")
        }
        let additions = columns.map { "ADD COLUMN \(sqlIdentifier($0.name)) \($0.type)" }
        return "to load it: ALTER TABLE \(table.sql) \(additions.joined(separator: ", "));"
            + (mappings.isEmpty ? " it is taken up without a restart" : " then, " + under + ", and a restart")
    }
}

extension Mend.Vanished {
    fileprivate var words: String {
        let place = "\(table).\(column)"
        let consequence =
            switch consequence {
            case .routesDefault: "\(place) gets the route's `default`"
            case .deadLetters: "messages without it are dead letters"
            case .tablesDefault: "\(place) gets its default"
            case .null(let overwrites): "\(place) gets NULL" + (overwrites ? ", also over what is there" : "")
            }
        let next =
            successor.map {
                "if \($0) has come in its place, under `columns`: `\(column): \($0)`"
                    + (isOtherSpelling ? ", or `names: snake_case` on the route, which takes both" : "")
            } ?? "ask who writes the topic; if it is gone for good, take the column out of the route or drop it"
        return "\(consequence): \(next)"
    }
}

extension Mend.Changed {
    fileprivate var words: String {
        let look =
            switch evidence {
            case .letters: "`loader dead-letters list --since 1h` shows whether the column refuses it"
            case .sample: "the sample shows whether the column refuses it"
            }
        guard let type else { return look + "; else see whether those who read it can take that" }
        let name = sqlIdentifier(column)
        let using = conversion.map { " USING " + $0.replacing("$", with: name) } ?? ""
        return "\(look); if it is meant: ALTER TABLE \(table.sql) ALTER COLUMN \(name) TYPE \(type)\(using); "
            + "it is taken up without a restart"
    }
}
