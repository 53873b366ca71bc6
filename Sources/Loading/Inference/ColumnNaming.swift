import Postgres

/// Gives fields the names of columns: snake case, at most 63 bytes, each once.
package struct ColumnNaming {
    private var taken: Set<String> = []

    /// Columns that every table has already.
    private static let ofTheSystem: Set<String> = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"]

    /// - Parameter taken: names that a table has already.
    package init(taken: [String] = []) { self.taken = Set(taken) }

    package mutating func name(for path: [String]) -> String {
        var base = snakeCased(path.joined(separator: "."))
        if base.isEmpty { base = "field" }
        if base.first?.isNumber == true { base = "_" + base }
        if Self.ofTheSystem.contains(base) { base += "_" }
        var name = Self.cut(base, to: 63)
        var number = 2
        while !taken.insert(name).inserted {
            let suffix = "_\(number)"
            name = Self.cut(base, to: 63 - suffix.utf8.count) + suffix
            number += 1
        }
        return name
    }

    /// At most so many bytes, without half a character.
    package static func cut(_ name: String, to bytes: Int) -> String {
        var name = name
        while name.utf8.count > bytes { name.removeLast() }
        return name
    }
}

extension TableName {
    /// As SQL names the table, quoted only where it has to be.
    package var sql: String { (schema.map { sqlIdentifier($0) + "." } ?? "") + sqlIdentifier(name) }
}

/// A name as SQL needs it: bare where PostgreSQL reads it back as it is.
package func sqlIdentifier(_ name: String) -> String {
    let isPlain =
        name.first.map { $0 == "_" || ($0.isASCII && $0.isLowercase) } == true
        && name.allSatisfy { $0 == "_" || ($0.isASCII && ($0.isLowercase || $0.isNumber)) }
    return isPlain && !reservedWords.contains(name) ? name : "\"" + name.replacing("\"", with: "\"\"") + "\""
}

/// What PostgreSQL 17 reserves, fully or for functions and types (its appendix C).
private let reservedWords: Set<String> = Set(
    """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
    concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from
    full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
    localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning
    right select session_user similar some symmetric system_user table tablesample then to trailing true union unique user
    using variadic verbose when where window with
    """.split { $0 == " " || $0 == "\n" }.map(String.init))
