import Foundation

/// A foreign key between two tables.
public struct ForeignKey: Sendable, Hashable {
    /// How an error of the server names a foreign key: where the one that it met stands, which of a partitioned table is a
    /// partition.
    public struct Name: Sendable, Hashable {
        public var table: TableName
        public var constraint: String

        public init(table: TableName, constraint: String) {
            self.table = table
            self.constraint = constraint
        }
    }

    /// A column, the one that it refers to, and the operator that compares that one with it, as SQL.
    public struct Pair: Sendable, Hashable {
        public var column: String
        public var parent: String
        public var equality: String
    }

    public var constraint: String
    /// The table that it refers to.
    public var parent: TableName
    public var pairs: [Pair]
    /// Whether the connected role may read all of the table that it refers to.
    public var maySelectParent: Bool
    /// Whether a row as it is sent is what the server checks: no trigger and no rule makes another of it, or makes what it
    /// refers to, and no row stands there that was never checked.
    public var isCheckedAsSent: Bool
}

extension Catalog {
    /// The foreign keys that lead from one of these tables, or of their partitions, to another, or to itself.
    ///
    /// - Parameter tables: their `pg_class.oid`.
    public static func foreignKeys(
        among tables: [UInt32], on connection: Connection
    ) throws(PostgresError) -> Set<ForeignKey.Name> {
        let found = try connection.query(
            """
            WITH tree AS (
              SELECT DISTINCT t.relid::oid AS oid FROM unnest($1::bigint[]::oid[]) AS w (oid),
                LATERAL (SELECT w.oid::regclass AS relid UNION SELECT relid FROM pg_partition_tree(w.oid)) AS t)
            SELECT n.nspname, c.relname, k.conname
            FROM pg_catalog.pg_constraint k
            JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE k.contype = 'f' AND k.conrelid IN (SELECT oid FROM tree) AND k.confrelid IN (SELECT oid FROM tree)
            """, [.array(tables.map { Int64($0) })])
        var names: Set<ForeignKey.Name> = []
        for row in 0..<found.rowCount {
            guard let table = found.string(row, 1), let constraint = found.string(row, 2) else { continue }
            names.insert(
                ForeignKey.Name(table: TableName(schema: found.string(row, 0), name: table), constraint: constraint))
        }
        return names
    }

    /// The foreign keys that each of these tables has.
    ///
    /// - Parameter tables: their `pg_class.oid`.
    public static func foreignKeys(
        of tables: [UInt32], on connection: Connection
    ) throws(PostgresError) -> [UInt32: [ForeignKey]] {
        // A table that refers to a partitioned one has a constraint for each partition, too, below the one that counts.
        let found = try connection.query(
            """
            SELECT k.conrelid::bigint, json_build_object(
              'constraint', k.conname, 'schema', n.nspname, 'table', p.relname,
              'maySelect', has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(p.oid, 'SELECT')
                AND NOT row_security_active(p.oid),
              'isCheckedAsSent', k.convalidated AND NOT c.relhasrules AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_trigger g
                WHERE NOT g.tgisinternal
                  AND (g.tgrelid = c.oid OR g.tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid)))),
              'columns', (SELECT json_agg(a.attname ORDER BY i.position)
                FROM unnest(k.conkey) WITH ORDINALITY AS i (number, position)
                JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = i.number),
              'parents', (SELECT json_agg(a.attname ORDER BY i.position)
                FROM unnest(k.confkey) WITH ORDINALITY AS i (number, position)
                JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = i.number),
              'operators', (SELECT json_agg('OPERATOR(' || quote_ident(s.nspname) || '.' || o.oprname || ')'
                ORDER BY i.position)
                FROM unnest(k.conpfeqop) WITH ORDINALITY AS i (operator, position)
                JOIN pg_catalog.pg_operator o ON o.oid = i.operator
                JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace))
            FROM pg_catalog.pg_constraint k
            JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
            JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
            WHERE k.contype = 'f' AND k.conrelid = ANY ($1::bigint[]::oid[])
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint u WHERE u.oid = k.conparentid AND u.conrelid = k.conrelid)
            ORDER BY k.conrelid, k.conname
            """, [.array(tables.map { Int64($0) })])
        var keys: [UInt32: [ForeignKey]] = [:]
        for row in 0..<found.rowCount {
            guard let table = found.int(row, 0).flatMap({ UInt32(exactly: $0) }),
                let key = try? JSONDecoder().decode(
                    ForeignKeyRow.self, from: Data((found.string(row, 1) ?? "").utf8)
                ).key
            else { continue }
            keys[table, default: []].append(key)
        }
        return keys
    }
}

private struct ForeignKeyRow: Decodable {
    var constraint: String
    var schema: String
    var table: String
    var maySelect: Bool
    var isCheckedAsSent: Bool
    var columns: [String]
    var parents: [String]
    var operators: [String]

    /// Nil where a column or an operator was dropped while they were read.
    var key: ForeignKey? {
        guard columns.count == parents.count, columns.count == operators.count else { return nil }
        return ForeignKey(
            constraint: constraint, parent: TableName(schema: schema, name: table),
            pairs: columns.indices.map {
                ForeignKey.Pair(column: columns[$0], parent: parents[$0], equality: operators[$0])
            }, maySelectParent: maySelect, isCheckedAsSent: isCheckedAsSent)
    }
}
