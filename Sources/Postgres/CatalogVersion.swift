extension Catalog {
    /// What a table's columns and their types were at one moment, for comparing.
    public struct Version: Sendable, Equatable {
        /// Another text after any change of the columns, and after another table has taken the name; empty where there is
        /// none.
        fileprivate var columns = ""
        /// Types of the columns, and what those are made of, as far as they can change without the table.
        fileprivate var types: [UInt32] = []
        /// The same for these.
        fileprivate var shapes = ""

        public init() {}
    }

    /// How these tables are now, to be read before the tables themselves are: a change in between then shows.
    public static func versions(of names: [TableName], on connection: Connection) throws(PostgresError) -> [Version] {
        // Every change of a column writes its row in pg_attribute anew, and the row's xmin says by which transaction.
        let result = try connection.query(
            """
            SELECT coalesce(string_agg(concat_ws('/', a.attrelid, a.attnum, a.xmin), ' ' ORDER BY a.attnum), ''),
              to_json(coalesce(array_agg(DISTINCT a.atttypid::bigint) FILTER (WHERE a.atttypid >= \(firstChangeable)), '{}'))
            FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS named (schema, name, ordinal)
            LEFT JOIN pg_catalog.pg_attribute a
              ON a.attnum > 0
              AND a.attrelid = CASE WHEN schema IS NULL THEN to_regclass(quote_ident(name))::oid
                                    ELSE (SELECT c.oid
                                          FROM pg_catalog.pg_class c
                                          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                                          WHERE n.nspname = schema AND c.relname = name)
                               END
            GROUP BY ordinal ORDER BY ordinal
            """, [.array(names.map(\.schema)), .array(names.map { $0.name as String? })])
        var versions: [Version] = []
        for row in 0..<result.rowCount {
            var version = Version()
            version.columns = result.string(row, 0) ?? ""
            version.types = try parts(of: Set(decodeOids(result.string(row, 1))), on: connection).sorted()
            if !version.types.isEmpty {
                let shapes = try connection.query("SELECT \(shapes("$1"))", [.array(version.types.map { Int64($0) })])
                version.shapes = shapes.string(0, 0) ?? ""
            }
            versions.append(version)
        }
        return versions
    }

    /// A statement that fails, with `SQLState.divisionByZero`, unless the tables' versions are these. It costs the server a
    /// third of asking for them, and for types of one's own as much again.
    public static func requirement(_ versions: [(name: TableName, version: Version)]) -> Connection.Statement {
        var parameters: [QueryParameter] = []
        var conditions: [String] = []
        func parameter(_ value: QueryParameter) -> String {
            parameters.append(value)
            return "$\(parameters.count)"
        }
        for (name, version) in versions {
            conditions.append(
                """
                array_to_string(ARRAY(
                  SELECT concat_ws('/', a.attrelid, a.attnum, a.xmin) FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = to_regclass(\(parameter(.text(name.quoted)))) AND a.attnum > 0 ORDER BY a.attnum
                ), ' ') = \(parameter(.text(version.columns)))
                """)
            if !version.types.isEmpty {
                let types = parameter(.array(version.types.map { Int64($0) }))
                conditions.append("\(shapes(types)) = \(parameter(.text(version.shapes)))")
            }
        }
        let isMet = conditions.isEmpty ? "true" : conditions.joined(separator: " AND ")
        return Connection.Statement("SELECT 1 / CASE WHEN \(isMet) THEN 1 ELSE 0 END", parameters)
    }

    /// The first oid that initdb does not give (`FirstNormalObjectId`). What is below changes with the server alone.
    private static let firstChangeable = 16384

    /// Types with all that they are made of: elements, attributes, what a domain or a range stands on.
    private static func parts(
        of types: Set<UInt32>, on connection: Connection
    ) throws(PostgresError) -> Set<UInt32> {
        var known = types
        var level = types
        while !level.isEmpty {
            let found = try connection.query(
                """
                SELECT to_json(coalesce(array_agg(DISTINCT part.oid), '{}'))
                FROM pg_catalog.pg_type t
                CROSS JOIN LATERAL (
                    SELECT t.typelem::bigint AS oid
                    UNION ALL SELECT t.typbasetype::bigint
                    UNION ALL SELECT a.atttypid::bigint FROM pg_catalog.pg_attribute a
                      WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0
                    UNION ALL SELECT r.rngsubtype::bigint FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid
                ) AS part
                WHERE t.oid = ANY ($1::bigint[]::oid[]) AND part.oid >= \(firstChangeable)
                """, [.array(level.map { Int64($0) })])
            level = Set(decodeOids(found.string(0, 0))).subtracting(known)
            known.formUnion(level)
        }
        return known
    }

    /// The rows of these types in the catalog, their attributes' and their labels', each with the transaction that wrote it.
    private static func shapes(_ types: String) -> String {
        """
        concat_ws('|',
          array_to_string(ARRAY(
            SELECT concat_ws('/', t.oid, t.xmin) FROM pg_catalog.pg_type t
            WHERE t.oid = ANY (\(types)::bigint[]::oid[]) ORDER BY t.oid), ' '),
          array_to_string(ARRAY(
            SELECT concat_ws('/', a.attrelid, a.attnum, a.xmin)
            FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid
            WHERE t.oid = ANY (\(types)::bigint[]::oid[]) AND t.typtype = 'c' AND a.attnum > 0
            ORDER BY a.attrelid, a.attnum), ' '),
          array_to_string(ARRAY(
            SELECT concat_ws('/', e.oid, e.xmin) FROM pg_catalog.pg_enum e
            WHERE e.enumtypid = ANY (\(types)::bigint[]::oid[]) ORDER BY e.oid), ' '))
        """
    }

    private static func decodeOids(_ json: String?) -> [UInt32] {
        (json ?? "").split { !($0.isASCII && $0.isNumber) }.compactMap { UInt32($0) }
    }
}
