import LoadingFixtures
import Postgres
import Records
import TestSupport
import Testing

@testable import Loading

@Suite("A row for each message")
struct HistoryModeTests {
    private static let places: [Route.Column] = [
        .init(name: "p", source: .partition), .init(name: "o", source: .offset),
    ]

    @Test(
        "each message is a row of its own, once however often it comes; a tombstone is none", arguments: RowWay.allCases
    )
    func once(way: RowWay) throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute("CREATE TABLE t (id int, a text, p int, o bigint, UNIQUE (o, p))")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            let route = Route(topics: [.name("orders")], table: name, mode: .history, columns: Self.places)
            let target = try Target.compile(route, index: 0, table: found).get()
            #expect(target.isReplaySafe)
            let messages: [(key: String?, value: String?)] = [
                ("1", #"{"id": 1, "a": "x"}"#), ("1", #"{"id": 1, "a": "y"}"#), ("1", nil),
                ("1", #"{"id": 1, "a": "z"}"#),
            ]
            for part in [messages.prefix(2), messages[...], messages[...]] {
                let loaded = try way.load(Batch.filled(Array(part), for: target), target, connection)
                #expect(loaded.deadLetters.isEmpty)
            }
            #expect(try connection.rows("SELECT id, a, o FROM t ORDER BY o") == ["1|x|0", "1|y|1", "1|z|3"])
        }
    }

    @Test(
        "each version ends where the next one begins, in whichever order they come and however often",
        arguments: RowWay.allCases, [false, true])
    func ends(way: RowWay, isText: Bool) throws {
        var random = SeededGenerator.random(for: "ends of versions")
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                "CREATE TABLE t (id int, a text, at int, until int, p int, o bigint, UNIQUE (p, o)\(isText ? ", ip inet" : ""));"
                    + "CREATE INDEX ON t (id, at)")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            var route = Route(topics: [.name("orders")], table: name, mode: .history, columns: Self.places)
            (route.validity.key, route.validity.from, route.validity.to) = (["id"], "at", "until")
            let target = try Target.compile(route, index: 0, table: found).get()
            let messages: [(key: String?, value: String?)] = (0..<120).map { number in
                let at =
                    Int.random(in: 0..<10, using: &random) == 0 ? "null" : "\(Int.random(in: 1...50, using: &random))"
                return (nil, "{\"id\": \(Int.random(in: 1...6, using: &random)), \"a\": \"\(number)\", \"at\": \(at)}")
            }
            for count in [40, 90, 120, 60, 120] {
                let batch = Batch.filled(Array(messages.prefix(count)), for: target)
                let loaded = try way.load(batch, target, connection)
                #expect(loaded.deadLetters.isEmpty)
                let wrong = try connection.rows(
                    """
                    SELECT * FROM (SELECT *, lead(at) OVER (PARTITION BY id ORDER BY at, p, o) AS next FROM t WHERE at IS NOT NULL)
                    AS w WHERE until IS DISTINCT FROM next
                    """)
                #expect(wrong == [], "seed \(random.seed)")
                #expect(try connection.rows("SELECT count(*) FROM t WHERE at IS NULL AND until IS NOT NULL") == ["0"])
            }
            #expect(try connection.rows("SELECT count(*), count(until) > 90 FROM t") == ["120|t"])
        }
    }

    @Test(
        "a truncation ends all versions that are older, in whichever order it comes and however often, and begins none",
        arguments: RowWay.allCases)
    func truncations(way: RowWay) throws {
        var random = SeededGenerator.random(for: "truncations of a history")
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                "CREATE TABLE t (id int, op text, at int, until int, p int, o bigint, UNIQUE (p, o));"
                    + "CREATE INDEX ON t (id, at)")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            var columns = Self.places
            columns.append(.init(name: "op", source: .operation))
            columns.append(.init(name: "at", source: .origin(FieldPath(["at"]))))
            var route = Route(topics: [.name("orders")], table: name, mode: .history, columns: columns)
            route.envelopeOptions.form = .debezium
            route.onTruncate = .truncate
            (route.validity.key, route.validity.from, route.validity.to) = (["id"], "at", "until")
            let target = try Target.compile(route, index: 0, table: found).get()
            // Times come again, so that a truncation and a change may have the same one; a row may lack its key, too.
            let messages: [(key: String?, value: String?)] = (0..<120).map { _ in
                let at = Int.random(in: 1...40, using: &random)
                let id = Int.random(in: 0...6, using: &random)
                return Int.random(in: 0..<20, using: &random) == 0
                    ? (nil, "{\"op\": \"t\", \"source\": {\"at\": \(at)}}")
                    : (
                        nil,
                        "{\"op\": \"c\", \"after\": {\"id\": \(id == 0 ? "null" : "\(id)")}, \"source\": {\"at\": \(at)}}"
                    )
            }
            for count in [40, 41, 90, 120, 60, 120] {
                let loaded = try way.load(Batch.filled(Array(messages.prefix(count)), for: target), target, connection)
                #expect(loaded.deadLetters.isEmpty)
                let wrong = try connection.rows(
                    """
                    SELECT id, at, o, until, least(next, cut) FROM (SELECT *, lead(at) OVER (PARTITION BY id ORDER BY at, p, o) AS next,
                      (SELECT min(x.at) FROM t AS x WHERE x.op = 't' AND (x.at, x.p, x.o) > (t.at, t.p, t.o)) AS cut
                    FROM t WHERE op <> 't' AND id IS NOT NULL) AS w WHERE until IS DISTINCT FROM least(next, cut)
                    """)
                #expect(wrong == [], "seed \(random.seed)")
                #expect(try connection.rows("SELECT count(until) FROM t WHERE id IS NULL") == ["0"])
            }
            let truncations = messages.count { $0.value?.contains("\"t\"") == true }
            #expect(
                try connection.rows("SELECT count(*), count(*) FILTER (WHERE op = 't') FROM t") == [
                    "120|\(truncations)"
                ])
        }
    }

    @Test("a truncation that can be no row of a history, or end no version, is told at the start")
    func truncationMistakes() throws {
        func problems(
            _ columns: [Route.Column], notNull: Bool = false, default expression: String? = nil,
            from: String? = nil, each: String? = nil, onTruncate: Route.OnTruncate = .truncate
        ) throws -> [String] {
            var route = Route.made(mode: .history, columns: columns)
            route.envelopeOptions.form = .debezium
            route.onTruncate = onTruncate
            route.each = each.map { ElementPath([ElementPath.Step($0)]) }
            if let from { (route.validity.key, route.validity.from, route.validity.to) = (["id"], from, "until") }
            let table = Table.made(
                [
                    .made("id", .int8), .made("name", isNotNull: notNull, default: expression), .made("op"),
                    .made("p", .int4),
                    .made("o", .int8), .made("i", .int4), .made("at", .int8), .made("until", .int8),
                ],
                uniqueIndexes: [
                    .init(name: "places", columns: ["p", "o"] + (each == nil ? [] : ["i"]), isPrimary: false)
                ])
            switch Target.compile(route, index: 0, table: table) {
            case .success: return []
            case .failure(let problems): return problems.problems.map(\.problem)
            }
        }
        let operation = Route.Column(name: "op", source: .operation)
        let time = Route.Column(name: "at", source: .origin(FieldPath(["ts_ms"])))
        #expect(try problems(Self.places) == [])
        #expect(try problems(Self.places, notNull: true).first?.contains("orders.name is NOT NULL without") == true)
        #expect(try problems(Self.places, notNull: true, onTruncate: .ignore) == [])
        #expect(try problems(Self.places, notNull: true, default: "'x'") == [])
        let required = Route.Column(name: "name", isRequired: true)
        #expect(try problems(Self.places + [required]).first?.contains("orders.name is required") == true)
        #expect(
            try problems(Self.places + [time], from: "at").first?.contains("no column of public.orders says") == true)
        #expect(try problems(Self.places + [operation], from: "at").first?.contains("has no row to take it of") == true)
        #expect(try problems(Self.places + [operation, time], from: "at") == [])
        let index = Route.Column(name: "i", source: .index)
        #expect(try problems(Self.places + [index], each: "items").first?.contains("no element") == true)
    }

    @Test("a version that may not end as it would is a letter, and its neighbours load", arguments: RowWay.allCases)
    func refused(way: RowWay) throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                "CREATE TABLE t (id int, at int, until int CHECK (until > at), p int, o bigint, UNIQUE (p, o))")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            var route = Route(topics: [.name("orders")], table: name, mode: .history, columns: Self.places)
            (route.validity.key, route.validity.from, route.validity.to) = (["id"], "at", "until")
            let target = try Target.compile(route, index: 0, table: found).get()
            let messages: [(key: String?, value: String?)] = [(1, 1), (1, 2), (2, 5), (1, 2), (1, 3)].map { id, at in
                (nil, "{\"id\": \(id), \"at\": \(at)}")
            }
            let loaded = try way.load(Batch.filled(messages, for: target), target, connection)
            #expect(loaded.deadLetters.map(\.sqlState) == [.checkViolation])
            #expect(loaded.deadLetters.map(\.message) == [3])
            #expect(try connection.rows("SELECT at, until FROM t WHERE id = 1 ORDER BY at") == ["1|2", "2|3", "3|∅"])
        }
    }

    @Test("a history needs to know which message a row is of, and an index over that")
    func mistakes() throws {
        func problems(
            _ columns: [Route.Column], index: [String] = ["p", "o"], topics: [Route.TopicPattern] = [.name("orders")],
            onTombstone: Route.OnTombstone? = nil, key: [String]? = nil
        ) -> [String] {
            var route = Route.made(mode: .history, key: key, onTombstone: onTombstone, columns: columns)
            route.topics = topics
            let table = Table.made(
                [.made("id", .int8), .made("t"), .made("p", .int4), .made("o", .int8)],
                uniqueIndexes: [.init(name: "places", columns: index, isPrimary: false)])
            switch Target.compile(route, index: 0, table: table) {
            case .success: return []
            case .failure(let problems): return problems.problems.map(\.problem)
            }
        }
        let topic = Route.Column(name: "t", source: .topic)
        #expect(problems(Self.places) == [])
        #expect(problems([]).first?.contains("$partition, $offset") == true)
        #expect(problems(Self.places, topics: [.expression("^a")]).first?.contains("$topic") == true)
        #expect(problems([topic] + Self.places, index: ["t", "p", "o"], topics: [.expression("^a")]) == [])
        #expect(problems(Self.places, index: ["o"]).first?.contains("no unique index") == true)
        #expect(problems(Self.places, onTombstone: .delete).first?.contains("only mode upsert") == true)
        #expect(problems(Self.places, key: ["id"]).first?.contains("a key has no effect") == true)
    }
}
