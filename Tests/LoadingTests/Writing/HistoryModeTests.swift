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
