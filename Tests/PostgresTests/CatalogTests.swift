import Postgres
import TestSupport
import Testing

@Suite struct CatalogTests {
    let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    /// Creates what `sql` says in a schema of its own and describes its table `t`.
    private func table(_ sql: String, named name: String = "t") throws -> Table {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute(sql)
            return try #require(try Catalog.table(TableName(schema: schema.name, name: name), on: connection))
        }
    }

    @Test("base types come with their names and modifiers")
    func baseTypes() throws {
        let table = try table(
            "CREATE TABLE t (a int, b numeric(12,2), c varchar(10), d timestamptz, e char(3), f jsonb)")
        #expect(table.kind == .table)
        #expect(table.columns.map(\.name) == ["a", "b", "c", "d", "e", "f"])
        #expect(table.columns.map(\.number) == [1, 2, 3, 4, 5, 6])
        #expect(table.columns.map(\.type.name) == ["int4", "numeric", "varchar", "timestamptz", "bpchar", "jsonb"])
        #expect(
            table.columns.map(\.type.formatted) == [
                "integer", "numeric(12,2)", "character varying(10)", "timestamp with time zone", "character(3)",
                "jsonb",
            ])
        #expect(table.columns.map(\.type.modifier) == [-1, 786438, 14, -1, 7, -1])
        #expect(table.columns.map(\.type.oid) == [23, 1700, 1043, 1184, 1042, 3802])
        #expect(table.columns.allSatisfy { $0.type.shape == .base })
    }

    @Test(
        "foreign keys come with what compares them, also of partitioned tables, and with what may change a row on its way"
    )
    func foreignKeys() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute(
                """
                CREATE TABLE p (a int, b text, PRIMARY KEY (a, b)) PARTITION BY RANGE (a);
                CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
                CREATE TABLE c (id int PRIMARY KEY, x int8, y text, up int REFERENCES c,
                  CONSTRAINT parent FOREIGN KEY (x, y) REFERENCES p);
                CREATE TABLE d (id int, x int, y text, FOREIGN KEY (x, y) REFERENCES p) PARTITION BY RANGE (id);
                CREATE TABLE d1 PARTITION OF d FOR VALUES FROM (0) TO (10);
                CREATE TABLE t (id int REFERENCES c);
                CREATE TRIGGER t BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
                """)
            func oid(_ name: String) throws -> UInt32 {
                UInt32(try connection.query("SELECT '\(name)'::regclass::oid::bigint").int(0, 0) ?? 0)
            }
            let (c, d, p, t) = (try oid("c"), try oid("d"), try oid("p"), try oid("t"))
            let keys = try Catalog.foreignKeys(of: [c, d, t], on: connection)
            let ofC = try #require(keys[c])
            #expect(ofC.map(\.parent.name).sorted() == ["c", "p"])
            let parent = try #require(ofC.first { $0.constraint == "parent" })
            #expect(parent.pairs.map(\.column) == ["x", "y"] && parent.pairs.map(\.parent) == ["a", "b"])
            #expect(parent.pairs.allSatisfy { $0.equality == "OPERATOR(pg_catalog.=)" })
            #expect(parent.maySelectParent && parent.isCheckedAsSent)
            #expect(keys[d]?.count == 1)
            #expect(keys[t]?.map(\.isCheckedAsSent) == [false])
            let among = try Catalog.foreignKeys(among: [c, d, p], on: connection)
            #expect(Set(among.map(\.table.name)) == ["c", "d", "d1"])
            #expect(try Catalog.foreignKeys(among: [d, t], on: connection).isEmpty)
        }
    }

    @Test("names and vectors of the system are base types, not arrays")
    func pseudoArrays() throws {
        let table = try table("CREATE TABLE t (a name, b oidvector, c int2vector, d point, e int4range, f tsvector)")
        #expect(table.columns.allSatisfy { $0.type.shape == .base })
    }

    @Test("an enum lists its labels in their order, not in that of their creation")
    func enums() throws {
        let table = try table(
            "CREATE TYPE mood AS ENUM ('sad', 'happy'); ALTER TYPE mood ADD VALUE 'so ''so''' BEFORE 'happy'; "
                + "CREATE TABLE t (a mood, b mood[])")
        #expect(table.columns[0].type.shape == .enumeration(labels: ["sad", "so 'so'", "happy"]))
        #expect(table.columns[1].type.shape == .array(of: table.columns[0].type))
    }

    @Test("domains over domains unfold down to their base, and hand up NOT NULL")
    func domains() throws {
        let table = try table(
            """
            CREATE DOMAIN code AS varchar(8) NOT NULL;
            CREATE DOMAIN country AS code CHECK (value = upper(value));
            CREATE DOMAIN free AS text;
            CREATE TABLE t (a country, b free, c country[]);
            """)
        let base = PostgresType(oid: 1043, name: "varchar", formatted: "character varying(8)", modifier: 12)
        guard case .domain(let code) = table.columns[0].type.shape else { throw Unexpected() }
        #expect(code.name == "code")
        #expect(code.shape == .domain(over: base))
        #expect(table.columns.map(\.isNotNull) == [true, false, false])
        #expect(table.columns[2].type.shape == .array(of: table.columns[0].type))
    }

    private struct Unexpected: Error {}

    @Test("composites unfold their attributes, nested and in arrays, without the dropped ones")
    func composites() throws {
        let table = try table(
            """
            CREATE TYPE money_amount AS (amount numeric(10,2), currency char(3));
            CREATE TYPE item AS (sku text, gone int, prices money_amount[], "Odd Name" varchar(3)[]);
            ALTER TYPE item DROP ATTRIBUTE gone;
            CREATE TABLE t (a item, b item[]);
            """)
        guard case .composite(let attributes) = table.columns[0].type.shape else { throw Unexpected() }
        #expect(attributes.map(\.name) == ["sku", "prices", "Odd Name"])
        guard case .array(let price) = attributes[1].type.shape, case .composite(let parts) = price.shape else {
            throw Unexpected()
        }
        #expect(parts.map(\.type.formatted) == ["numeric(10,2)", "character(3)"])
        guard case .array(let element) = attributes[2].type.shape else { throw Unexpected() }
        #expect(element.formatted == "character varying(3)")
        #expect(element.modifier == 7)
        #expect(table.columns[1].type.shape == .array(of: table.columns[0].type))
    }

    @Test("a table's own row type is a composite")
    func rowType() throws {
        let table = try table("CREATE TABLE other (x int, y text); CREATE TABLE t (a other)")
        guard case .composite(let attributes) = table.columns[0].type.shape else { throw Unexpected() }
        #expect(attributes.map(\.name) == ["x", "y"])
    }

    @Test("defaults, identity and generated columns are told apart")
    func defaults() throws {
        let table = try table(
            """
            CREATE TABLE t (
                a bigint GENERATED ALWAYS AS IDENTITY, b int GENERATED BY DEFAULT AS IDENTITY, c serial, d text DEFAULT 'x',
                e int GENERATED ALWAYS AS (b * 2) STORED, f int NOT NULL, gone int
            );
            ALTER TABLE t DROP COLUMN gone;
            ALTER TABLE t ADD COLUMN g timestamptz NOT NULL DEFAULT now();
            """)
        #expect(table.columns.map(\.identity) == [.always, .byDefault, .none, .none, .none, .none, .none])
        #expect(table.columns.map(\.isGenerated) == [false, false, false, false, true, false, false])
        #expect(table.columns.map { $0.defaultExpression != nil } == [false, false, true, true, false, false, true])
        #expect(table.column(named: "d")?.defaultExpression == "'x'::text")
        #expect(table.columns.map(\.isNotNull) == [true, true, true, false, false, true, true])
        #expect(table.column(named: "g")?.number == 8)
    }

    @Test(
        "a default is a constant if the server computes it beforehand, and nothing can change it but the column or its type"
    )
    func constantDefaults() throws {
        let columns: [(definition: String, constant: String?)] = [
            ("bigint DEFAULT 7", "7 0000000000000007"), ("text DEFAULT ''", " "), ("int", nil),
            ("varchar(3) DEFAULT 'toolong'", "toolong 746f6f6c6f6e67"), ("char(3) DEFAULT 'a'", "a 61"),
            ("numeric(4,2) DEFAULT 1.005", "1.005 "), ("text DEFAULT CASE WHEN false THEN 'x' END", "∅"),
            ("text DEFAULT CASE WHEN true THEN 'x' ELSE random()::text END", "x 78"),
            ("timestamptz DEFAULT 'epoch'", "1970-01-01 00:00:00+00 fffca2fec4c82000"),
            ("timestamptz DEFAULT now()", nil), ("timestamptz DEFAULT 'now'::text::timestamptz", nil),
            ("date DEFAULT timestamptz '2020-02-02 00:00Z'", nil), ("date DEFAULT current_date", nil),
            ("text DEFAULT current_user", nil), ("text DEFAULT current_setting('TimeZone')", nil),
            ("int DEFAULT nextval('s')", nil), ("float8 DEFAULT random()", nil), ("int DEFAULT own()", nil),
            ("int DEFAULT 1 / 0", nil), ("int[] DEFAULT ARRAY[1, (random() * 0)::int]", nil),
            ("address DEFAULT '(s,)'", "(s,) "), ("address DEFAULT ROW('s', NULL)", "(s,) "),
            ("address DEFAULT ROW(random()::text, NULL)", nil), ("mood[] DEFAULT '{calm}'", "{calm} "),
            ("code", "dom 646f6d"), ("code DEFAULT 'own'", "own 6f776e"), ("moving", nil),
            ("text DEFAULT 'calm'::mood::text", nil), ("regclass DEFAULT 's'", nil), ("regclass[] DEFAULT '{s}'", nil),
            ("text DEFAULT repeat('x', 1024)", "\(String(repeating: "x", count: 1024)) "),
            ("text DEFAULT repeat('x', 1025)", nil), ("int GENERATED ALWAYS AS (1 + 1) STORED", nil),
            ("int GENERATED BY DEFAULT AS IDENTITY", nil),
        ]
        let definitions = columns.enumerated().map { "c\($0) \($1.definition)" }.joined(separator: ", ")
        let table = try table(
            """
            CREATE SEQUENCE s; CREATE TYPE address AS (street text, city text); CREATE TYPE mood AS ENUM ('calm');
            CREATE DOMAIN code AS varchar(5) DEFAULT 'dom'; CREATE DOMAIN moving AS int DEFAULT nextval('s');
            CREATE FUNCTION own() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
            CREATE TABLE t (\(definitions))
            """)
        for (column, (definition, expected)) in zip(table.columns, columns) {
            let found: String? =
                switch column.constantDefault {
                case nil: nil
                case .null: "∅"
                case .value(let text, let binary):
                    text + " " + (binary ?? []).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                }
            guard let expected, expected.hasSuffix(" ") else {
                #expect(found == expected, "\(definition)")
                continue
            }
            #expect(found?.hasPrefix(expected) == true, "\(definition)")
        }
    }

    @Test("only an index that ON CONFLICT can infer from its columns is an arbiter")
    func indexes() throws {
        let table = try table(
            """
            CREATE TABLE t (a int, b int, c text, PRIMARY KEY (b, a), CONSTRAINT later UNIQUE (c) DEFERRABLE,
                            EXCLUDE USING btree (b WITH =));
            CREATE UNIQUE INDEX covering ON t (c) INCLUDE (a);
            CREATE UNIQUE INDEX expression ON t (lower(c), a);
            CREATE UNIQUE INDEX partial ON t (a) WHERE b > 0;
            CREATE INDEX plain ON t (c);
            """)
        #expect(table.primaryKey == ["b", "a"])
        #expect(table.uniqueIndexes.map(\.name) == ["t_pkey", "covering", "expression", "later", "partial"])
        #expect(table.uniqueIndexes.map(\.isArbiter) == [true, true, false, false, false])
        #expect(table.uniqueIndexes[1].columns == ["c"])
    }

    @Test(
        "whatever may be checked only at COMMIT is seen",
        arguments: [
            ("CREATE TABLE t (a int)", false),
            ("CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE t (a int REFERENCES p)", false),
            ("CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE t (a int REFERENCES p DEFERRABLE)", false),
            (
                "CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE t (a int REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
                true
            ),
            (
                "CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE r (a int REFERENCES t DEFERRABLE INITIALLY DEFERRED)",
                true
            ),
            ("CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)", true),
            ("CREATE TABLE u (a int); CREATE VIEW t AS SELECT * FROM u", true),
            (
                """
                CREATE TABLE p (a int PRIMARY KEY); CREATE TABLE t (a int) PARTITION BY LIST (a);
                CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
                ALTER TABLE t1 ADD FOREIGN KEY (a) REFERENCES p DEFERRABLE INITIALLY DEFERRED
                """, true
            ),
            (
                """
                CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION f()
                """, true
            ),
        ])
    func deferred(sql: String, expected: Bool) throws {
        #expect(try table(sql).hasDeferredConstraints == expected)
    }

    @Test("partitioned tables, views, materialized views and sequences say what they are")
    func kinds() throws {
        #expect(try table("CREATE TABLE t (a int) PARTITION BY RANGE (a)").kind == .partitioned)
        #expect(try table("CREATE VIEW t AS SELECT 1 AS a").kind == .view)
        #expect(try table("CREATE MATERIALIZED VIEW t AS SELECT 1 AS a").kind == .other("m"))
        #expect(try table("CREATE SEQUENCE t").kind == .other("S"))
        #expect(try table("CREATE TABLE t ()").columns == [])
    }

    @Test("names are taken letter by letter, with or without a schema")
    func names() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            let odd = #"We"ird. Näme; DROP"#
            try connection.execute(
                "CREATE TABLE \(quoteIdentifier(odd)) (\(quoteIdentifier(odd)) int PRIMARY KEY); CREATE TABLE lower (a int)"
            )
            for name in [TableName(schema: nil, name: odd), TableName(schema: schema.name, name: odd)] {
                let table = try #require(try Catalog.table(name, on: connection))
                #expect(table.name == TableName(schema: schema.name, name: odd))
                #expect(table.primaryKey == [odd])
            }
            #expect(try Catalog.table(TableName(schema: nil, name: "LOWER"), on: connection) == nil)
            #expect(try Catalog.table(TableName(schema: "no_such_schema", name: "lower"), on: connection) == nil)
            #expect(try Catalog.table(TableName(schema: nil, name: schema.name + ".lower"), on: connection) == nil)
        }
    }

    @Test("several tables come in one call, each under the name it was asked by")
    func several() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TABLE one (a int); CREATE TABLE two (b text)")
            let names = [
                TableName(schema: nil, name: "one"), TableName(schema: schema.name, name: "one"),
                TableName(schema: schema.name, name: "two"), TableName(schema: nil, name: "three"),
            ]
            let tables = try Catalog.tables(names, on: connection)
            #expect(Set(tables.keys) == Set(names.dropLast()))
            #expect(tables[names[0]] == tables[names[1]])
            #expect(tables[names[2]]?.columns.map(\.name) == ["b"])
            #expect(try Catalog.tables([], on: connection).isEmpty)
        }
    }

    @Test("rights are those of the connected role, down to the column")
    func privileges() throws {
        guard server.isPrivate else { return }
        try server.withSchema { schema in
            let role = schema.name + "_role"
            let owner = try schema.connect()
            try owner.execute(
                "CREATE ROLE \(role) LOGIN; CREATE TABLE t (a int, b int); GRANT INSERT (a), UPDATE (b) ON t TO \(role)"
            )
            defer { _ = try? owner.execute("DROP OWNED BY \(role); DROP ROLE \(role)") }
            let connection = try Connection(ConnectionOptions(url: server.url(adding: ["user": role])))
            let name = TableName(schema: schema.name, name: "t")

            var table = try #require(try Catalog.table(name, on: connection))
            #expect(table.columns.allSatisfy { !$0.mayInsert && !$0.mayUpdate }, "no USAGE on the schema yet")

            try owner.execute("GRANT USAGE ON SCHEMA \(schema.name) TO \(role)")
            table = try #require(try Catalog.table(name, on: connection))
            #expect(table.columns.map(\.mayInsert) == [true, false])
            #expect(table.columns.map(\.mayUpdate) == [false, true])
            #expect(!table.maySelect && !table.mayDelete)

            try owner.execute("GRANT SELECT, DELETE ON t TO \(role)")
            table = try #require(try Catalog.table(name, on: connection))
            #expect(table.maySelect && table.mayDelete)
        }
    }

    @Test("what a batch requires of its tables holds until a column changes or another table takes the name")
    func requirement() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute(
                """
                CREATE TYPE inner_type AS (street text, city text);
                CREATE TYPE outer_type AS (id int, at inner_type);
                CREATE TYPE mood AS ENUM ('calm');
                CREATE DOMAIN code AS text;
                CREATE DOMAIN moods AS mood[];
                CREATE TYPE codes AS RANGE (subtype = text);
                CREATE TYPE unused AS (a int);
                CREATE TABLE "A b" (a int, b text, c outer_type[], d moods, e codes, g code);
                CREATE TABLE t (a int)
                """)
            let names = [TableName(schema: schema.name, name: "A b"), TableName(schema: nil, name: "t")]
            func versions() throws -> [Catalog.Version] { try Catalog.versions(of: names, on: connection) }
            func holds(_ versions: [Catalog.Version]) throws -> Bool {
                let requirement = Catalog.requirement(zip(names, versions).map { ($0, $1) })
                do throws(PostgresError) {
                    _ = try connection.query(requirement.sql, requirement.parameters)
                    return true
                } catch {
                    #expect(error.sqlState == .divisionByZero)
                    return false
                }
            }
            var known = try versions()
            #expect(try holds(known))
            for change in [
                "ALTER TABLE t ALTER COLUMN a TYPE bigint", "ALTER TABLE \"A b\" ADD COLUMN f int",
                "ALTER TABLE t RENAME COLUMN a TO b", "DROP TABLE t; CREATE TABLE t (b bigint)",
                "ALTER TYPE inner_type RENAME ATTRIBUTE city TO town",
                "ALTER TYPE inner_type ADD ATTRIBUTE house text", "ALTER TYPE inner_type DROP ATTRIBUTE street",
                "ALTER TYPE mood ADD VALUE 'glad'", "ALTER TYPE mood RENAME VALUE 'glad' TO 'sad'",
                "ALTER DOMAIN code SET NOT NULL", "ALTER TABLE t ALTER b SET DEFAULT 1",
                "ALTER TABLE t ALTER b SET DEFAULT 2", "ALTER TABLE t ALTER b DROP DEFAULT",
                "ALTER DOMAIN code SET DEFAULT 'a'", "ALTER DOMAIN code SET DEFAULT 'b'",
                "ALTER DOMAIN code DROP DEFAULT",
            ] {
                try connection.execute(change)
                #expect(try !holds(known), "\(change)")
                known = try versions()
                #expect(try holds(known), "\(change)")
            }
            try connection.execute("ALTER TYPE unused ADD ATTRIBUTE b int")
            #expect(try holds(known), "no column is of this type")
            try connection.execute("DROP TABLE t")
            #expect(try !holds(known))
        }
    }
}
