import Foundation

/// Reads from the server's catalog what the loader must know of its tables.
public enum Catalog {
    /// Describes one table, view or foreign table.
    ///
    /// - Returns: nil where there is no such relation, or it is out of the search path's sight.
    public static func table(_ name: TableName, on connection: Connection) throws(PostgresError) -> Table? {
        try tables([name], on: connection)[name]
    }

    /// Describes several tables in two round trips, one more for each level of types made of other types, and two more where
    /// columns have defaults. Those that do not exist are missing from the result.
    public static func tables(
        _ names: [TableName], on connection: Connection
    ) throws(PostgresError) -> [TableName: Table] {
        guard !names.isEmpty else { return [:] }
        // With these settings, because a default is SQL that is read again: one date is another in another DateStyle.
        let found = try connection.query(
            Connection.Statement(
                relationsStatement, [.array(names.map(\.schema)), .array(names.map { $0.name as String? })]),
            with: ValueSettings.written)
        var relations: [(name: TableName, row: RelationRow)] = []
        for row in 0..<found.rowCount {
            guard let ordinal = found.int(row, 0) else { continue }
            relations.append((names[Int(ordinal) - 1], try decode(RelationRow.self, found.json(row, 1))))
        }
        let types = try types(usedIn: Set(relations.flatMap { $0.row.columns.map(\.typeKey) }), on: connection)
        var tables = relations.map { $0.row.table(types) }
        var candidates: [ConstantDefault.Candidate] = []
        var places: [(table: Int, column: Int)] = []
        for (table, relation) in relations.enumerated() {
            for (column, row) in relation.row.columns.enumerated() {
                guard let candidate = row.constantDefault(types) else { continue }
                candidates.append(candidate)
                places.append((table, column))
            }
        }
        for (place, constant) in zip(places, try ConstantDefault.found(among: candidates, on: connection)) {
            tables[place.table].columns[place.column].constantDefault = constant
        }
        return Dictionary(zip(relations, tables).map { ($0.name, $1) }) { first, _ in first }
    }

    /// Reads types and the types they are made of, level by level. A recursive query would do it at once, but the planner
    /// expects so many rows of one that the server compiles it (JIT): seconds, for milliseconds of work.
    private static func types(
        usedIn keys: Set<TypeKey>, on connection: Connection
    ) throws(PostgresError) -> [TypeKey: TypeRow] {
        var types: [TypeKey: TypeRow] = [:]
        var missing = keys
        while !missing.isEmpty {
            let level = Array(missing)
            let found = try connection.query(
                typesStatement, [.array(level.map { Int64($0.oid) }), .array(level.map(\.modifier))])
            missing = []
            for row in 0..<found.rowCount {
                let type = try decode(TypeRow.self, found.json(row, 0))
                types[type.key] = type
                missing.formUnion(type.parts)
            }
            missing.subtract(types.keys)
        }
        return types
    }

    private static func decode<T: Decodable>(_ type: T.Type, _ json: Data) throws(PostgresError) -> T {
        do {
            return try JSONDecoder().decode(type, from: json)
        } catch {
            throw PostgresError(.misuse, message: "the catalog's answer could not be read: \(error)")
        }
    }

    /// One row for each relation found: the ordinal of the name asked for, and a description as JSON.
    ///
    /// Needs no more than the reading of pg_catalog, which every role may. Works from PostgreSQL 13 on.
    private static let relationsStatement = """
        WITH named AS (
            SELECT ordinal,
                   CASE WHEN schema IS NULL THEN to_regclass(quote_ident(name))::oid
                        ELSE (SELECT c.oid
                              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                              WHERE n.nspname = schema AND c.relname = name)
                   END AS oid
            FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (schema, name, ordinal)
        ),
        wanted AS (
            SELECT named.ordinal, c.oid, c.relkind, n.nspname, c.relname,
                   has_schema_privilege(n.oid, 'USAGE') AS usable
            FROM named
            JOIN pg_catalog.pg_class c ON c.oid = named.oid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        )
        SELECT w.ordinal, json_build_object(
            'oid', w.oid::bigint, 'schema', w.nspname, 'name', w.relname, 'kind', w.relkind,
            'maySelect', w.usable AND has_table_privilege(w.oid, 'SELECT'),
            'mayDelete', w.usable AND has_table_privilege(w.oid, 'DELETE'),
            'mayTruncate',
                w.usable AND w.relkind IN ('r', 'p') AND has_table_privilege(w.oid, 'TRUNCATE')
                AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_constraint k
                    WHERE k.contype = 'f'
                      AND (k.confrelid = w.oid OR k.confrelid IN (SELECT relid FROM pg_partition_tree(w.oid)))
                      AND k.conrelid <> w.oid AND k.conrelid NOT IN (SELECT relid FROM pg_partition_tree(w.oid))),
            'mayUseSchema', w.usable,
            'mayMakeTemporary', has_database_privilege(current_database(), 'TEMPORARY'),
            'numericHasInfinity', current_setting('server_version_num')::int4 >= 140000,
            'columns', (
                SELECT coalesce(json_agg(json_build_object(
                    'name', c.attname, 'number', c.attnum, 'type', c.atttypid::bigint, 'modifier', c.atttypmod,
                    'isNotNull', c.attnotnull, 'identity', c.attidentity, 'isGenerated', c.attgenerated <> '',
                    'default', CASE WHEN c.attgenerated = '' AND c.attidentity = '' THEN coalesce(
                        -- A default names no column, so the relation does not matter; named, it would be locked.
                        pg_get_expr(own.adbin, 0),
                        (SELECT coalesce(pg_get_expr(t.typdefaultbin, 0),
                                         quote_literal(t.typdefault) || '::' || format_type(t.oid, c.atttypmod))
                         FROM pg_catalog.pg_type t WHERE t.oid = c.atttypid)) END,
                    'hasOwnDefault', own.oid IS NOT NULL,
                    -- What it stands on, but for what every server has: oids of types, and 0 for all else.
                    'defaultNeeds', (
                        SELECT coalesce(json_agg(DISTINCT CASE WHEN p.refclassid = 'pg_catalog.pg_type'::regclass
                                                               THEN p.refobjid::bigint ELSE 0 END), '[]')
                        FROM pg_catalog.pg_depend p
                        WHERE p.deptype = 'n' AND p.objsubid = 0
                          AND p.refclassid <> 'pg_catalog.pg_namespace'::regclass
                          AND p.classid = CASE WHEN own.oid IS NULL THEN 'pg_catalog.pg_type'::regclass
                                               ELSE 'pg_catalog.pg_attrdef'::regclass END
                          AND p.objid = coalesce(own.oid, c.atttypid)),
                    'mayInsert', w.usable AND has_column_privilege(w.oid, c.attnum, 'INSERT'),
                    'mayUpdate', w.usable AND has_column_privilege(w.oid, c.attnum, 'UPDATE')
                ) ORDER BY c.attnum), '[]')
                FROM pg_catalog.pg_attribute c
                LEFT JOIN pg_catalog.pg_attrdef own ON own.adrelid = c.attrelid AND own.adnum = c.attnum
                WHERE c.attrelid = w.oid AND c.attnum > 0 AND NOT c.attisdropped),
            'indexes', (
                SELECT coalesce(json_agg(json_build_object(
                    'name', i.relname, 'isPrimary', x.indisprimary,
                    'isArbiter', x.indisvalid AND x.indimmediate AND NOT x.indisexclusion
                                 AND x.indpred IS NULL AND x.indexprs IS NULL,
                    'columns', (
                        SELECT coalesce(json_agg(a.attname ORDER BY k.position), '[]')
                        FROM unnest(x.indkey) WITH ORDINALITY AS k (attnum, position)
                        JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum = k.attnum
                        WHERE k.position <= x.indnkeyatts),
                    'comparisons', (
                        SELECT coalesce(json_agg(json_build_object(
                            'collation', CASE WHEN l.oid <> a.attcollation
                                              THEN quote_ident(ln.nspname) || '.' || quote_ident(l.collname) END,
                            'isDeterministic', coalesce(l.collisdeterministic, true),
                            'equality', CASE WHEN own.oid <> usual.oid
                                             THEN 'OPERATOR(' || quote_ident(own.nspname) || '.' || own.oprname || ')' END
                        ) ORDER BY k.position), '[]')
                        FROM unnest(x.indkey) WITH ORDINALITY AS k (attnum, position)
                        JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum = k.attnum
                        JOIN pg_catalog.pg_opclass p ON p.oid = x.indclass[k.position - 1]
                        LEFT JOIN pg_catalog.pg_collation l ON l.oid = x.indcollation[k.position - 1]
                        LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
                        LEFT JOIN LATERAL (
                            SELECT o.oid, o.oprname, n.nspname
                            FROM pg_catalog.pg_amop m
                            JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr
                            JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
                            WHERE m.amopfamily = p.opcfamily AND m.amopstrategy = 3
                              AND m.amoplefttype = p.opcintype AND m.amoprighttype = p.opcintype
                        ) own ON true
                        LEFT JOIN LATERAL (
                            SELECT m.amopopr AS oid
                            FROM pg_catalog.pg_opclass d
                            JOIN pg_catalog.pg_amop m
                              ON m.amopfamily = d.opcfamily AND m.amopstrategy = 3
                              AND m.amoplefttype = d.opcintype AND m.amoprighttype = d.opcintype
                            WHERE d.opcmethod = p.opcmethod AND d.opcdefault AND d.opcintype = p.opcintype
                        ) usual ON true
                        WHERE k.position <= x.indnkeyatts)
                ) ORDER BY NOT x.indisprimary, i.relname), '[]')
                FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
                WHERE x.indrelid = w.oid AND x.indisunique),
            'otherIndexes', (
                SELECT coalesce(json_agg((
                    SELECT coalesce(json_agg(coalesce(a.attname, '') ORDER BY k.position), '[]')
                    FROM unnest(x.indkey) WITH ORDINALITY AS k (attnum, position)
                    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum = k.attnum
                    WHERE k.position <= x.indnkeyatts)), '[]')
                FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
                JOIN pg_catalog.pg_am m ON m.oid = i.relam
                WHERE x.indrelid = w.oid AND NOT x.indisunique AND x.indisvalid AND x.indpred IS NULL
                  AND m.amname = 'btree'),
            'hasDeferredConstraints',
                w.relkind = 'v'
                OR EXISTS (
                    SELECT FROM pg_catalog.pg_constraint k
                    WHERE k.condeferred
                      AND (k.conrelid = w.oid OR k.confrelid = w.oid
                           OR k.conrelid IN (SELECT relid FROM pg_partition_tree(w.oid))))
                OR EXISTS (
                    SELECT FROM pg_catalog.pg_trigger g
                    WHERE NOT g.tgisinternal
                      AND (g.tgrelid = w.oid OR g.tgrelid IN (SELECT relid FROM pg_partition_tree(w.oid)))),
            'hasConflicts',
                EXISTS (
                    SELECT FROM pg_catalog.pg_index x
                    WHERE (x.indisunique OR x.indisexclusion)
                      AND (x.indrelid = w.oid OR x.indrelid IN (SELECT relid FROM pg_partition_tree(w.oid)))),
            -- The bits of tgtype: 1 for each row, 2 before, 4 on INSERT.
            'hasInsertTriggers',
                EXISTS (
                    SELECT FROM pg_catalog.pg_trigger g
                    WHERE NOT g.tgisinternal AND g.tgtype & 7 = 7
                      AND (g.tgrelid = w.oid OR g.tgrelid IN (SELECT relid FROM pg_partition_tree(w.oid))))
        )
        FROM wanted w
        """

    /// One row for each type: a description as JSON, naming the types it is made of by oid and modifier.
    private static let typesStatement = """
        SELECT json_build_object(
            'oid', t.oid::bigint, 'modifier', used.modifier, 'name', t.typname, 'kind', t.typtype,
            'formatted', format_type(t.oid, used.modifier), 'unmodified', format_type(t.oid, -1),
            'send', CASE WHEN t.typsend <> 0 THEN t.typsend::text END, 'isNotNull', t.typnotnull,
            'base', nullif(t.typbasetype, 0)::bigint, 'baseModifier', t.typtypmod,
            'element', (SELECT e.oid::bigint FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid),
            'labels', (
                SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e
                WHERE t.typtype = 'e' AND e.enumtypid = t.oid),
            'attributes', (
                SELECT json_agg(json_build_object('name', a.attname, 'type', a.atttypid::bigint,
                                                  'modifier', a.atttypmod) ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute a
                WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
        )
        FROM unnest($1::bigint[], $2::int[]) AS used (oid, modifier)
        JOIN pg_catalog.pg_type t ON t.oid = used.oid::oid
        """
}

extension QueryResult {
    fileprivate func json(_ row: Int, _ column: Int) -> Data { Data((string(row, column) ?? "").utf8) }
}

/// A type as it is used: with another modifier it is another one.
private struct TypeKey: Hashable {
    var oid: UInt32
    var modifier: Int32
}

private struct TypeRow: Decodable {
    struct Attribute: Decodable {
        var name: String
        var type: UInt32
        var modifier: Int32
    }

    var oid: UInt32
    var modifier: Int32
    var name: String
    var kind: String
    var formatted: String
    /// As `formatted`, without the modifier.
    var unmodified: String
    /// The function that writes its values in binary.
    var send: String?
    var isNotNull: Bool
    var base: UInt32?
    var baseModifier: Int32
    var element: UInt32?
    var labels: [String]?
    var attributes: [Attribute]?

    var key: TypeKey { TypeKey(oid: oid, modifier: modifier) }

    /// What this type is made of.
    var parts: [TypeKey] {
        if let base { return [TypeKey(oid: base, modifier: baseModifier)] }
        if let element { return [TypeKey(oid: element, modifier: modifier)] }
        return (attributes ?? []).map { TypeKey(oid: $0.type, modifier: $0.modifier) }
    }

    /// This type and all that it is made of.
    func whole(_ types: [TypeKey: TypeRow]) -> [TypeRow] {
        [self] + parts.compactMap { types[$0] }.flatMap { $0.whole(types) }
    }

    /// Whether the text of a value changes with the settings, or with the name of what it means: `regclass`.
    var hasMovingText: Bool { oid < 16384 && (name.hasPrefix("reg") || name == "money") }

    /// Ends, because the server lets no type contain itself.
    func type(_ types: [TypeKey: TypeRow]) -> PostgresType {
        func part(_ oid: UInt32, _ modifier: Int32) -> PostgresType {
            // Every part of every type has been read.
            types[TypeKey(oid: oid, modifier: modifier)]?.type(types)
                ?? PostgresType(oid: oid, name: "", formatted: "type \(oid)", modifier: modifier)
        }
        let shape: PostgresType.Shape =
            if let base {
                .domain(over: part(base, baseModifier))
            } else if let element {
                .array(of: part(element, modifier))
            } else if kind == "e" {
                .enumeration(labels: labels ?? [])
            } else if kind == "c" {
                .composite(
                    attributes: (attributes ?? []).map { .init(name: $0.name, type: part($0.type, $0.modifier)) })
            } else {
                .base
            }
        return PostgresType(oid: oid, name: name, formatted: formatted, modifier: modifier, shape: shape)
    }

    /// Whether this domain, or one it stands on, is NOT NULL.
    func refusesNull(_ types: [TypeKey: TypeRow]) -> Bool {
        isNotNull || (base.flatMap { types[TypeKey(oid: $0, modifier: baseModifier)] }?.refusesNull(types) ?? false)
    }
}

private struct RelationRow: Decodable {
    struct Column: Decodable {
        var name: String
        var number: Int16
        var type: UInt32
        var modifier: Int32
        var isNotNull: Bool
        var identity: String
        var isGenerated: Bool
        var `default`: String?
        /// The default is the column's own, and not its type's.
        var hasOwnDefault: Bool
        var defaultNeeds: [UInt32]
        var mayInsert: Bool
        var mayUpdate: Bool

        var typeKey: TypeKey { TypeKey(oid: type, modifier: modifier) }

        /// The default, if it can only change along with the column or its type, which `Catalog.versions` shows. Of what
        /// stands on more, as on a function of one's own, nothing would tell that.
        func constantDefault(_ types: [TypeKey: TypeRow]) -> ConstantDefault.Candidate? {
            guard let expression = `default`, let type = types[typeKey], hasOwnDefault || type.kind == "d" else {
                return nil
            }
            let parts = type.whole(types)
            guard !parts.contains(where: \.hasMovingText), Set(defaultNeeds).isSubset(of: parts.map(\.oid)) else {
                return nil
            }
            var base = type
            while let next = base.base.flatMap({ types[TypeKey(oid: $0, modifier: base.baseModifier)] }) { base = next }
            // Without the modifier: COPY refuses what is too long for it, and a cast would cut it off.
            return ConstantDefault.Candidate(value: "(\(expression))::\(base.unmodified)", send: base.send)
        }
    }

    struct Index: Decodable {
        var name: String
        var columns: [String]
        var isPrimary: Bool
        var isArbiter: Bool
        var comparisons: [Comparison]
    }

    struct Comparison: Decodable {
        var collation: String?
        var isDeterministic: Bool
        var equality: String?
    }

    var oid: UInt32
    var schema: String
    var name: String
    var kind: String
    var columns: [Column]
    var indexes: [Index]
    var otherIndexes: [[String]]
    var hasDeferredConstraints: Bool
    var hasConflicts: Bool
    var hasInsertTriggers: Bool
    var maySelect: Bool
    var mayDelete: Bool
    var mayTruncate: Bool
    var mayUseSchema: Bool
    var mayMakeTemporary: Bool
    var numericHasInfinity: Bool

    func table(_ types: [TypeKey: TypeRow]) -> Table {
        var table = Table(
            oid: oid, name: TableName(schema: schema, name: name), kind: Table.Kind(relkind: kind),
            columns: columns.map { column in
                let type = types[column.typeKey]
                return Table.Column(
                    name: column.name, number: column.number,
                    type: type?.type(types)
                        ?? PostgresType(oid: column.type, name: "", formatted: "type \(column.type)"),
                    isNotNull: column.isNotNull || (type?.refusesNull(types) ?? false),
                    defaultExpression: column.default,
                    identity: column.identity == "a" ? .always : column.identity == "d" ? .byDefault : .none,
                    isGenerated: column.isGenerated, mayInsert: column.mayInsert, mayUpdate: column.mayUpdate)
            },
            uniqueIndexes: indexes.map {
                Table.UniqueIndex(
                    name: $0.name, columns: $0.columns, isPrimary: $0.isPrimary, isArbiter: $0.isArbiter,
                    comparisons: $0.comparisons.map {
                        Table.Comparison(
                            collation: $0.collation, isDeterministic: $0.isDeterministic, equality: $0.equality)
                    })
            },
            hasDeferredConstraints: hasDeferredConstraints, hasConflicts: hasConflicts,
            hasInsertTriggers: hasInsertTriggers, maySelect: maySelect,
            mayDelete: mayDelete, mayTruncate: mayTruncate, mayUseSchema: mayUseSchema,
            mayMakeTemporary: mayMakeTemporary,
            numericHasInfinity: numericHasInfinity)
        table.otherIndexes = otherIndexes
        return table
    }
}

extension Table.Kind {
    /// `pg_class.relkind`.
    fileprivate init(relkind: String) {
        self =
            switch relkind {
            case "r": .table
            case "p": .partitioned
            case "v": .view
            case "f": .foreign
            default: .other(relkind)
            }
    }
}
