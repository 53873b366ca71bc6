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
