import Testing

@testable import Loader

@Suite struct ConfigurationMistakesTests {
    @Test("every mistake is reported at once, in the order of the places, each with its mend")
    func allAtOnce() throws {
        let yaml = """
            kafka:
              brokers: ${BROKERS}
              propertys: {}
            batch: { max_rows: 0, max_delay: 1 }
            max_bytes: 3
            routes:
              - topic: a b
                mode: upser
                on_tombstone: delete
            """
        let found = try mistakes(
            yaml, environment: ["LOADER_BATCH_MAXROWS": "1"], set: ["writer=2", "log.level=loud"])
        #expect(
            found.map(\.description) == [
                "loader.yaml:2:12: kafka.brokers: the environment variable BROKERS is not set. "
                    + "Set it, or give a default: ${BROKERS:-default}.",
                "loader.yaml:3:3: kafka: unknown key `propertys`. Did you mean `properties`?",
                "loader.yaml:4:20: batch.max_rows: 0 is out of range. Give a number from 1 to 10000000.",
                "loader.yaml:4:34: batch.max_delay: 1 is no duration. "
                    + "Write a number with ms, s, m or h, such as 500ms or 1m30s.",
                "loader.yaml:5:1: unknown key `max_bytes`. Did you mean `batch.max_bytes`?",
                "loader.yaml:7:12: routes[0].topic: a b cannot be a topic's name. "
                    + "Use at most 249 letters, digits, dots, underscores and hyphens; a regular expression begins with ^.",
                "loader.yaml:8:11: routes[0].mode: upser is no choice here. "
                    + "Did you mean upsert? The choices are insert, ignore, upsert, history.",
                "LOADER_BATCH_MAXROWS: no key has this variable. Did you mean LOADER_BATCH_MAX_ROWS?",
                "--set log.level: loud is no choice here. "
                    + "Choose one of trace, debug, info, notice, warning, error, critical.",
                "--set writer: unknown key. Did you mean writers?",
                "kafka.group: is required and not set. Set it in the file, with KAFKA_CONSUMER_GROUP, or with --set.",
                "routes[0].table: is required and not set. Set it in the file, with LOADER_TABLE, or with --set.",
                "postgres.url: no database is named. Set it, or DATABASE_URL, or libpq's PGHOST and PGDATABASE.",
            ])
    }

    @Test("with nothing configured, all that is required is named")
    func nothing() throws {
        let found = try mistakes(nil)
        #expect(found.map(\.path) == ["kafka.brokers", "kafka.group", "routes", "postgres.url"])
        #expect(found.allSatisfy { $0.code == .missing })
        #expect(try mistakes("").map(\.path) == found.map(\.path))
    }

    @Test("a hole in the list of routes is a missing route")
    func hole() throws {
        let found = try mistakes(environment: ["LOADER_ROUTES_2_TABLE": "t"])
        #expect(found.map(\.path) == ["routes[1].topic", "routes[2].topic", "routes[1].table"])
        #expect(found[1].mend.contains("LOADER_ROUTES_2_TOPIC"))
    }

    @Test(
        "a value of the wrong shape is reported where it stands, and once",
        arguments: [
            ("kafka: localhost", "kafka"), ("kafka: [a]", "kafka"), ("routes: { topic: t }", "routes"),
            ("routes: orders", "routes"), ("routes: [orders]", "routes[0]"), ("writers: [1]", "writers"),
            ("writers: { a: 1 }", "writers"), ("writers: two", "writers"), ("writers:", "writers"),
            ("postgres: { url: '' }", "postgres.url"), ("log: { level: [a] }", "log.level"),
            ("dead_letters: { max_share: 50% }", "dead_letters.max_share"),
            ("kafka: { properties: { sasl: { username: u } } }", "kafka.properties.sasl"),
        ])
    func shapes(line: String, path: String) throws {
        let section = String(line.prefix { $0 != ":" })
        let rest = completeYAML.split(separator: "\n").reduce(into: (lines: [Substring](), skips: false)) {
            state, line in
            if !line.hasPrefix(" ") { state.skips = line.hasPrefix(section + ":") }
            if !state.skips { state.lines.append(line) }
        }
        let found = try mistakes(rest.lines.joined(separator: "\n") + "\n" + line).filter { $0.code != .missing }
        #expect(found.map(\.path) == [path])
        #expect(found.allSatisfy { !$0.mend.isEmpty && $0.origin != nil })
    }

    @Test("a file that is no YAML is reported with its line")
    func syntax() throws {
        let found = try mistakes("kafka:\n  brokers: [a\nroutes: x")
        #expect(found.map(\.code) == [.syntax])
        guard case .file("loader.yaml", let line, _, _) = found[0].origin else {
            Issue.record("no place: \(found[0])")
            return
        }
        #expect(line == 3)
    }

    @Test("a key that is given twice is refused, and mistakes outside the file are still reported")
    func duplicate() throws {
        let found = try mistakes("writers: 1\nkafka: {}\nwriters: 2", set: ["writers=0"])
        #expect(found.map(\.code) == [.duplicateKey, .outOfRange])
        #expect(found[0].message.contains("`writers`"))
        #expect(found[0].origin == .file("loader.yaml", line: 1, column: 1))
    }

    @Test("variables for the one route are refused where the file has several")
    func ambiguousRoute() throws {
        let yaml = completeYAML + "\n  - { topic: refunds, table: refunds }"
        #expect(try mistakes(yaml).isEmpty)
        let found = try mistakes(yaml, environment: ["LOADER_TABLE": "t"])
        #expect(found.map(\.code) == [.contradiction])
        #expect(found[0].origin == .variable("LOADER_TABLE"))
        #expect(try mistakes(yaml, environment: ["LOADER_ROUTES_0_TABLE": "t"]).isEmpty)
    }

    @Test(
        "an assignment without a key says so and does not repeat what may be a secret",
        arguments: ["s3cret", "=s3cret", ""])
    func assignment(text: String) throws {
        let found = try mistakes(set: [text])
        #expect(found.map(\.code) == [.syntax])
        #expect(!found[0].description.contains("s3cret"))
    }

    @Test(
        "an unknown path after --set is refused",
        arguments: [
            "batch", "routes.x.table", "routes.0", "routes.9999.table", "kafka.properties", "a..b", "routes.0.columns",
        ])
    func unknownAssignment(path: String) throws {
        #expect(try mistakes(set: ["\(path)=1"]).map(\.code) == [.unknownKey])
    }

    @Test("an unknown zone or an expression that names nothing is refused")
    func expressions() throws {
        #expect(try mistakes(set: ["routes.0.zone=Mars/Base"]).map(\.code) == [.invalidValue])
        #expect(try mistakes(set: ["routes.0.zone=America/New_York"]).isEmpty)
        #expect(try mistakes(set: ["routes.0.columns.a=$valu"]).map(\.code) == [.invalidValue])
        #expect(try mistakes(set: ["routes.0.topic=^("]).map(\.code) == [.invalidValue])
        #expect(try mistakes(set: ["routes.0.topic=a,b,a"]).map(\.code) == [.invalidValue])
        #expect(try mistakes(set: ["http.listen=example.com:80"]).map(\.code) == [.invalidValue])
        #expect(try mistakes(set: ["postgres.url=jdbc:postgresql://h/d"]).map(\.code) == [.invalidValue])
    }
}
