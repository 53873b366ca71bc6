import Foundation

/// A type of PostgreSQL's catalog with a text that it takes and one that it does not, as the JSON of a message's field.
struct TypeSpecimen: Sendable {
    /// As DDL writes it.
    var type: String
    var good: String
    /// Nil where the type takes every text.
    var bad: String?

    /// What stands in each bad text, and may stand nowhere but in the dead letters.
    static let secret = "SECRET7"

    private init(_ type: String, _ good: String, bad: String?) {
        (self.type, self.good, self.bad) = (type, good, bad)
    }

    /// A type that reads a text, and not this one: no literal of any type has an open quote behind words.
    private static func text(_ type: String, _ good: String, bad: String = "\(secret) rock 'n roll (") -> TypeSpecimen {
        TypeSpecimen(type, quoted(good), bad: quoted(bad))
    }

    /// A type that takes whatever the encoding can hold, so that only U+0000 is left.
    private static func anyText(_ type: String, _ good: String) -> TypeSpecimen {
        TypeSpecimen(type, quoted(good), bad: #""\#(secret)\u0000""#)
    }

    /// A type that the server lets nobody write.
    private static func unwritable(_ type: String) -> TypeSpecimen { TypeSpecimen(type, "null", bad: quoted(secret)) }

    private static func quoted(_ text: String) -> String {
        #"""# + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + #"""#
    }

    /// An array of this type.
    var array: TypeSpecimen {
        TypeSpecimen(
            type == #""char""# ? #""char"[]"# : type + "[]", "[\(good), null]", bad: bad.map { "[\(good), \($0)]" })
    }

    /// Every type of pg_catalog that a column can have, but arrays and the row types of its tables.
    static let catalog: [TypeSpecimen] =
        [
            text("bool", "true"), text("date", "2024-01-31"), text("time", "12:30:01"),
            text("timestamp", "2024-01-31T12:30:01"), text("timestamptz", "2024-01-31T12:30:01Z"),
            text("timetz", "12:30:01+02"), text("interval", "1 day 02:00:00"),
        ] + [
            text("box", "(1,1),(0,0)"), text("circle", "<(0,0),1>"), text("line", "{1,2,3}"),
            text("lseg", "[(0,0),(1,1)]"), text("path", "((0,0),(1,1))"), text("point", "(1,2)"),
            text("polygon", "((0,0),(1,1),(1,0))"),
        ] + [
            text("cidr", "10.0.0.0/8"), text("inet", "10.0.0.1"), text("macaddr", "08:00:2b:01:02:03"),
            text("macaddr8", "08:00:2b:01:02:03:04:05"),
        ] + [
            text("float4", "1.5"), text("float8", "1.5"), text("int2", "7"), text("int4", "7"), text("int8", "7"),
            text("money", "1.50"), text("numeric", "1.50"), text("oid", "7"),
        ] + [
            text("regclass", "pg_class"), text("regcollation", #""C""#), text("regconfig", "simple"),
            text("regdictionary", "simple"), text("regnamespace", "pg_catalog"), text("regoper", "||/"),
            text("regoperator", "+(integer,integer)"), text("regproc", "boolin"),
            text("regprocedure", "boolin(cstring)"), text("regrole", "pg_monitor"), text("regtype", "integer"),
        ] + [
            anyText("bpchar", "a"), anyText("name", "a"), anyText("text", "a"), anyText("varchar", "a"),
            anyText(#""char""#, "a"), anyText("refcursor", "a"), text("varchar(3)", "abc"), text("char(3)", "abc"),
        ] + [
            text("aclitem", "=r/pg_monitor"), text("bytea", #"\x00ff"#, bad: #"\x0 \#(secret)"#),
            TypeSpecimen("json", #"{"a": 1}"#, bad: nil),
            TypeSpecimen("jsonb", #"{"a": 1}"#, bad: #"{"a": "\#(secret)\u0000"}"#), text("jsonpath", "$.a"),
            text("pg_lsn", "16/B374D848"), text("pg_snapshot", "10:20:10"), text("txid_snapshot", "10:20:10"),
            text("tid", "(0,1)"), text("tsquery", "fat & rat"), text("tsvector", "a fat cat"),
            text("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), text("xml", "<a/>", bad: "<\(secret)"),
            // Before PostgreSQL 16 their input functions take any text for 0.
            anyText("xid", "7"), anyText("cid", "7"), anyText("xid8", "7"),
            text("bit(3)", "101"), text("varbit", "101"), text("oidvector", "1 2"), text("int2vector", "1 2"),
        ] + [
            text("int4range", "[1,2)"), text("int8range", "[1,2)"), text("numrange", "[1,2)"),
            text("daterange", "[2024-01-01,2024-02-01)"), text("tsrange", "[2024-01-01,2024-02-01)"),
            text("tstzrange", "[2024-01-01 00:00:00+00,2024-02-01 00:00:00+00)"),
            text("int4multirange", "{[1,2)}"), text("int8multirange", "{[1,2)}"), text("nummultirange", "{[1,2)}"),
            text("datemultirange", "{[2024-01-01,2024-02-01)}"), text("tsmultirange", "{[2024-01-01,2024-02-01)}"),
            text("tstzmultirange", "{[2024-01-01 00:00:00+00,2024-02-01 00:00:00+00)}"),
        ] + [
            unwritable("gtsvector"), unwritable("pg_brin_bloom_summary"),
            unwritable("pg_brin_minmax_multi_summary"), unwritable("pg_dependencies"), unwritable("pg_mcv_list"),
            unwritable("pg_ndistinct"), unwritable("pg_node_tree"),
        ]

    /// Types that `ownTypes` makes.
    static let own: [TypeSpecimen] = [
        text("mood", "glad"), text("even", "2", bad: "3"),
        TypeSpecimen(
            "address", #"{"street": "High Street", "number": 7}"#, bad: #"{"street": "a", "number": "\#(secret)"}"#),
        text("floatrange", "[1.5,2.5)"), text("clean", "a", bad: "\(secret) is not clean"),
    ]

    static let ownTypes = """
        CREATE TYPE mood AS ENUM ('calm', 'glad');
        CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
        CREATE DOMAIN clean AS text CHECK (VALUE !~ 'not clean');
        CREATE TYPE address AS (street text, number int);
        CREATE TYPE floatrange AS RANGE (subtype = float8);
        """

    /// By extension of PostgreSQL's contrib.
    static let contrib: [(extension: String, types: [TypeSpecimen])] = [
        ("citext", [anyText("citext", "a")]), ("hstore", [text("hstore", "a=>1")]),
        ("ltree", [text("ltree", "Top.Science"), text("lquery", "Top.*"), text("ltxtquery", "Top & Science")]),
        ("intarray", [text("query_int", "1&2")]), ("seg", [text("seg", "1.0 .. 2.0")]),
        ("cube", [text("cube", "(1,2),(3,4)")]),
    ]
}
