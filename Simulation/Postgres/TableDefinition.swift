/// A table as the world makes it: what its columns take, and which rows may be in it.
package struct TableDefinition {
    package struct Column {
        package var name: String
        package var type: SQLType
        package var isNotNull = false
        /// As SQL, such as `now()`.
        package var defaultValue: String?
        package var isIdentity = false
        /// Of `varchar`: the most characters.
        package var limit: Int?

        package init(
            _ name: String, _ type: SQLType, notNull: Bool = false, default defaultValue: String? = nil,
            identity: Bool = false, limit: Int? = nil
        ) {
            (self.name, self.type, isNotNull, self.defaultValue, isIdentity, self.limit) =
                (name, type, notNull, defaultValue, identity, limit)
        }

        /// As the catalog formats the type.
        package var formatted: String { type.rawValue + (limit.map { "(\($0))" } ?? "") }
    }

    package struct Check {
        package var name: String
        package var condition: String

        package init(name: String, condition: String) { (self.name, self.condition) = (name, condition) }
    }

    package struct Reference {
        package var name: String
        package var columns: [String]
        package var parent: String
        package var parentColumns: [String]
        package var isDeferrable = false
        package var isDeferred = false

        package init(
            name: String, columns: [String], parent: String, parentColumns: [String], isDeferrable: Bool = false,
            isDeferred: Bool = false
        ) {
            (self.name, self.columns, self.parent, self.parentColumns, self.isDeferrable, self.isDeferred) =
                (name, columns, parent, parentColumns, isDeferrable, isDeferred)
        }
    }

    package var schema: String
    package var name: String
    package var columns: [Column]
    package var primaryKey: [String] = []
    package var uniques: [[String]] = []
    package var checks: [Check] = []
    package var references: [Reference] = []

    package init(
        _ schema: String, _ name: String, _ columns: [Column], key: [String] = [], uniques: [[String]] = [],
        checks: [Check] = [], references: [Reference] = []
    ) {
        (self.schema, self.name, self.columns, primaryKey, self.uniques, self.checks, self.references) =
            (schema, name, columns, key, uniques, checks, references)
    }

    /// The same for a real server.
    package var statement: String {
        var parts = columns.map { column in
            "\"\(column.name)\" \(column.formatted)" + (column.isNotNull ? " NOT NULL" : "")
                + (column.defaultValue.map { " DEFAULT \($0)" } ?? "")
                + (column.isIdentity ? " GENERATED ALWAYS AS IDENTITY" : "")
        }
        func list(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ", ") }
        if !primaryKey.isEmpty { parts.append("PRIMARY KEY (\(list(primaryKey)))") }
        // What has an expression is an index of its own.
        parts += uniques.filter { !$0.contains { $0.hasPrefix("coalesce ") } }.map { "UNIQUE (\(list($0)))" }
        parts += checks.map { "CONSTRAINT \"\($0.name)\" CHECK (\($0.condition))" }
        parts += references.map { reference in
            "CONSTRAINT \"\(reference.name)\" FOREIGN KEY (\(list(reference.columns))) REFERENCES "
                + "\"\(schema)\".\"\(reference.parent)\" (\(list(reference.parentColumns)))"
                + (reference.isDeferrable ? " DEFERRABLE" : "") + (reference.isDeferred ? " INITIALLY DEFERRED" : "")
        }
        return "CREATE TABLE \"\(schema)\".\"\(name)\" (\(parts.joined(separator: ", ")))"
    }
}

extension TableDefinition {
    /// The loader's own tables, as its migrations make them.
    package static let loaders: [TableDefinition] = [
        TableDefinition(
            "loader", "ledger",
            [
                Column("singleton", .bool, notNull: true, default: "true"), Column("id", .uuid, notNull: true),
                Column("schema_version", .int4, notNull: true),
                Column("created_at", .timestamptz, notNull: true, default: "now()"),
            ], key: ["singleton"], checks: [Check(name: "ledger_singleton_check", condition: "singleton")]),
        TableDefinition(
            "loader", "positions",
            [
                Column("consumer_group", .text, notNull: true), Column("topic", .text, notNull: true),
                Column("partition", .int4, notNull: true), Column("next_offset", .int8, notNull: true),
                Column("updated_at", .timestamptz, notNull: true, default: "now()"), Column("last_message", .int8s),
                Column("lost_offset", .int8),
            ], key: ["consumer_group", "topic", "partition"],
            checks: [
                Check(name: "positions_next_offset_check", condition: "next_offset >= 0"),
                Check(name: "positions_partition_check", condition: "partition >= 0"),
            ]),
        TableDefinition(
            "loader", "dead_letters",
            [
                Column("id", .int8, notNull: true, identity: true), Column("consumer_group", .text, notNull: true),
                Column("topic", .text, notNull: true), Column("partition", .int4, notNull: true),
                Column("offset", .int8, notNull: true), Column("timestamp", .timestamptz), Column("key", .bytea),
                Column("value", .bytea), Column("header_names", .texts, notNull: true, default: "'{}'::text[]"),
                Column("header_values", .byteas, notNull: true, default: "'{}'::bytea[]"),
                Column("target", .text, notNull: true, default: "''::text"), Column("reason", .text, notNull: true),
                Column("sqlstate", .text), Column("column_name", .text), Column("message", .text),
                Column("attempts", .int4, notNull: true, default: "1"),
                Column("failed_at", .timestamptz, notNull: true, default: "now()"),
            ], key: ["id"],
            uniques: [["consumer_group", "topic", "partition", "offset", "target", "coalesce timestamp"]],
            checks: [
                Check(
                    name: "dead_letters_check", condition: "cardinality(header_names) = cardinality(header_values)")
            ]),
    ]
}
