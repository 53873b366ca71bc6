import Kafka
import Loading
import Operating
import Postgres
import TestSupport
import Testing

@Suite("Values that a route mends")
struct MendedValuesTests {
    private static let values = [
        #"{"id": 1, "qty": " 5 ", "name": " Köln ", "state": "new"}"#,
        #"{"id": 2, "qty": "n/a", "name": "", "state": "lost"}"#,
        #"{"id": 3, "name": null, "state": "new"}"#,
        #"{"id": 4, "qty": "many", "name": {"first": "x"}, "state": "old"}"#,
        #"{"id": 5, "qty": 99999999999, "name": "a", "state": null}"#,
    ]
    private static let columns: [Route.Column] = [
        .init(name: "qty", trims: true, nullIf: ["n/a"], fallback: "7", onError: .null),
        .init(name: "name", trims: true, nullIf: [""], fallback: "nobody", onError: .null),
        .init(name: "state", onError: .null), .init(name: "source", constant: "web"),
    ]
    private static let right = [
        "1|5|Köln|new|web|x", "2|7|nobody|∅|web|x", "3|7|nobody|new|web|x", "4|∅|∅|∅|web|x", "5|∅|a|∅|web|x",
    ]

    private func nulled(_ snapshot: LoadingStatistics.Snapshot) -> [String: Int] {
        snapshot.nulledValues.reduce(into: [:]) { $0[$1.key.column] = $1.value }
    }

    @Test("binary and text COPY load the same rows in each mode, and count the same values that became NULL")
    func modes() async throws {
        let tables = """
            CREATE TYPE state AS ENUM ('new');
            CREATE TABLE plain (id int PRIMARY KEY, qty int, name text, state state, source text NOT NULL, d text DEFAULT 'x');
            CREATE TABLE wide (LIKE plain INCLUDING ALL, net inet);
            """
        for mode in [Route.Mode.insert, .ignore, .upsert] {
            for table in ["plain", "wide"] {
                try await Scenario.with(tables) { scenario in
                    let topic = try scenario.topic(Self.values.map { TestMessage(value: $0) })
                    let loaded = try await scenario.load([Route(topic, table, mode: mode, columns: Self.columns)])
                    #expect(
                        try scenario.rows("SELECT id, qty, name, state, source, d FROM \(table) ORDER BY id")
                            == Self.right,
                        "\(mode) into \(table)")
                    #expect(try scenario.deadLetters().map(\.message) == [])
                    #expect(nulled(loaded) == ["qty": 2, "name": 1, "state": 2])
                }
            }
        }
    }

    @Test(
        "what only the server can read becomes NULL where it cannot, and a row that it refuses is still a dead letter")
    func readByServer() async throws {
        let tables = """
            CREATE DOMAIN positive AS int CHECK (VALUE > 0);
            CREATE TABLE odd (id int PRIMARY KEY, net inet, words tsvector, n positive, d positive DEFAULT 1,
              total int CHECK (total < 100), at timestamptz);
            """
        let columns: [Route.Column] = [
            .init(name: "net", onError: .null), .init(name: "words", onError: .null), .init(name: "n", onError: .null),
            .init(name: "total", onError: .null), .init(name: "at", onError: .null),
        ]
        for mode in [Route.Mode.insert, .upsert] {
            try await Scenario.with(tables) { scenario in
                var values = (0..<600).map { #"{"id": \#($0), "net": "10.0.0.1", "words": "a", "n": 1}"# }
                values[10] = #"{"id": 10, "net": "nowhere", "words": "rock 'n roll", "n": 1}"#
                values[20] = #"{"id": 20, "net": "10.0.0.1", "n": -1, "at": "soon"}"#
                values[30] = #"{"id": 30, "net": "10.0.0.2", "total": 100}"#
                values[40] = #"{"id": 40, "net": "", "d": -1}"#
                values[599] = #"{"id": 599, "net": "x"}"#
                let topic = try scenario.topic(values.map { TestMessage(value: $0) })
                let loaded = try await scenario.load([Route(topic, "odd", mode: mode, columns: columns)])
                #expect(try scenario.rows("SELECT count(*) FROM odd") == ["598"])
                #expect(
                    try scenario.rows("SELECT id, net, words, n, at FROM odd WHERE id IN (10, 20, 599) ORDER BY id")
                        == ["10|∅|∅|1|∅", "20|10.0.0.1|∅|∅|∅", "599|∅|∅|∅|∅"])
                let letters = try scenario.deadLetters()
                #expect(letters.map(\.offset) == [30, 40], "\(mode)")
                #expect(letters.map(\.sqlState) == ["23514", "23514"])
                #expect(nulled(loaded) == ["net": 2, "words": 1, "n": 1, "total": 0, "at": 1], "\(mode)")
            }
        }
    }

    @Test("of a key's rows in one batch each may have a value that the server refuses, and the last one wins")
    func foldedRows() async throws {
        try await Scenario.with(
            "CREATE TABLE folded (id numeric(6,2) PRIMARY KEY, net inet DEFAULT '10.0.0.9', other text DEFAULT 'd')"
        ) { scenario in
            let values = [
                #"{"id": 1, "net": "bad"}"#, #"{"id": 1.0, "other": "x"}"#, #"{"id": 2, "net": "10.0.0.1"}"#,
                #"{"id": 2.00, "net": "worse", "other": "y"}"#,
            ]
            let topic = try scenario.topic(values.map { TestMessage(value: $0) })
            try await scenario.load([
                Route(topic, "folded", mode: .upsert, columns: [.init(name: "net", onError: .null)])
            ])
            #expect(try scenario.rows("SELECT id, net, other FROM folded ORDER BY id") == ["1.00|∅|x", "2.00|∅|y"])
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    @Test("a default or constant that only the server can refuse stops the start with its words")
    func impossibleDefaults() async throws {
        let tables = """
            CREATE TYPE state AS ENUM ('new');
            CREATE DOMAIN positive AS int CHECK (VALUE > 0);
            CREATE TABLE picky (id int, state state, n positive, net inet, tags text[], doc jsonb);
            """
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic()
            func check(_ columns: [Route.Column]) throws -> [String] {
                try Preflight.inspect(
                    scenario.options([Route(topic, "picky", columns: columns)]), on: scenario.connection
                )
                .problems.map(\.problem)
            }
            let good: [Route.Column] = [
                .init(name: "state", fallback: "new"), .init(name: "n", constant: "1"),
                .init(name: "net", fallback: "10.0.0.1"), .init(name: "tags", fallback: #"["a\tb", "\\"]"#),
                .init(name: "doc", fallback: #"{"a": "\n"}"#),
            ]
            #expect(try check(good) == [])
            let found = try check([
                .init(name: "state", fallback: "old"), .init(name: "n", constant: "0"),
                .init(name: "net", fallback: "nowhere"),
            ])
            #expect(found.count == 3)
            for (words, text) in zip(["(22P02)", "(23514)", "(22P02)"], found) {
                #expect(text.contains("that") && text.contains(words), "\(text)")
            }
        }
    }

    @Test("the log tells how many values became NULL in which column, and none of them")
    func log() async throws {
        try await Scenario.with("CREATE TABLE told (id int, net inet)") { scenario in
            let topic = try scenario.topic([
                TestMessage(value: #"{"id": "secret", "net": "hidden"}"#),
                TestMessage(value: #"{"id": 1, "net": "hidden"}"#),
                TestMessage(value: #"{"id": 2, "net": "10.0.0.1"}"#),
            ])
            var options = scenario.options([
                Route(topic, "told", columns: [.init(name: "id", onError: .null), .init(name: "net", onError: .null)])
            ])
            options.untilEnd = true
            let run = try LoaderRun(options)
            try await run.waitForEnd()
            let said = run.log.lines.filter { $0.message == "values became NULL that their columns cannot hold" }
            let line = try #require(said.first)
            #expect(said.count == 1 && line.level == .notice)
            #expect(line.metadata["nulled_values"] == "3")
            let columns = line.metadata["columns"] ?? ""
            #expect(columns.contains(".told.id: 1") && columns.contains(".told.net: 2"), "\(columns)")
            #expect(!run.log.lines.contains { "\($0)".contains("hidden") || "\($0)".contains("secret") })
        }
    }

    @Test("a tombstone deletes the row whose key the route has mended in the same way")
    func tombstones() async throws {
        try await Scenario.with(
            "CREATE TABLE kept (tenant text, region text, id int, v text, PRIMARY KEY (tenant, region, id))"
        ) { scenario in
            let topic = try scenario.topic([
                TestMessage(key: #"{"id": 1}"#, value: #"{"id": 1, "v": "a"}"#),
                TestMessage(key: #"{"id": 2}"#, value: #"{"id": 2, "region": " us", "v": "b"}"#),
                TestMessage(key: #"{"id": 1, "region": "-"}"#, value: nil),
                TestMessage(key: #"{"id": 2}"#, value: nil),
            ])
            let columns: [Route.Column] = [
                .init(name: "tenant", constant: "main"),
                .init(name: "region", trims: true, nullIf: ["-"], fallback: "eu"),
            ]
            try await scenario.load([Route(topic, "kept", mode: .upsert, columns: columns)])
            #expect(try scenario.rows("SELECT tenant, region, id, v FROM kept") == ["main|us|2|b"])
        }
    }
}
