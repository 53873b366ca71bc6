import Foundation
import Kafka
import Loading
import RegistryMock
import Schemas
import TestSupport
import Testing

@testable import Loader
@testable import Operating

/// Messages that name their schemas, from a broker and a registry into tables.
@Suite("Schema registry")
struct SchemaRegistryTests {
    private func route(_ topic: String, _ table: String, format: Route.Format = .auto, _ number: Int = 0) -> Route {
        var route = Route(topic, table, label: "routes[\(number)]")
        (route.format, route.keyFormat) = (format, .auto)
        return route
    }

    private func source(_ registry: RegistryMock) -> SchemaSource {
        SchemaSource(RegistryOptions(urls: [registry.url]))
    }

    private func messages(_ id: Int, _ numbers: Range<Int>) -> [TestMessage] {
        numbers.map { TestMessage(key: nil, bytes: AvroMessage.framed(id, $0)) }
    }

    @Test(
        "what Confluent's serializers write, by several versions of a schema, is loaded as its twin in JSON is",
        .enabled(if: RegistryCases.isThere, "\(RegistryCases.missing)"))
    func twins() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let columns = """
            (id bigint, customer text, total numeric(12,2), note text, address jsonb, street text, placed timestamptz,
             tags text[], key bigint, schema text)
            """
        try await Scenario.with("CREATE TABLE avro \(columns); CREATE TABLE json \(columns)") { scenario in
            let cases = try RegistryCases.make(registry.url)
            let avro = try scenario.topic(
                cases.map { made in
                    TestMessage(
                        key: RegistryCases.bytes(made.key), bytes: RegistryCases.bytes(made.value),
                        headers: made.headers.map { Header(name: $0[0], value: RegistryCases.bytes($0[1])) })
                })
            let json = try scenario.topic(
                cases.map { made in
                    TestMessage(
                        key: String(
                            (try? JSONDecoder().decode([String: JSONNumber].self, from: Data(made.json.utf8)))?["id"]?
                                .text ?? ""),
                        value: made.json)
                })
            var routes = [route(avro, "avro"), route(json, "json", 1)]
            for index in routes.indices {
                routes[index].columns = [
                    .init("street", "address.street"), .init("key", "$key"), .init("schema", "$schema_id"),
                ]
            }
            let snapshot = try await scenario.load(routes) { $0.schemas = source(registry) }
            #expect(try scenario.deadLetters().map(\.message) == [])
            #expect(snapshot.rows == 2 * cases.count)
            let list = "id, customer, total, note, address, street, placed, tags, key"
            #expect(
                try scenario.rows("SELECT \(list) FROM avro ORDER BY id")
                    == scenario.rows("SELECT \(list) FROM json ORDER BY id"))
            // By a number before the message, by a GUID in the header.
            #expect(try scenario.rows("SELECT count(DISTINCT schema), count(schema) FROM avro") == ["6|120"])
            #expect(try scenario.rows("SELECT count(schema) FROM json") == ["0"])
        }
    }

    @Test(
        "what Confluent's serializer of Protobuf writes, whichever of a file's messages, is loaded as its twin in JSON is",
        .enabled(if: RegistryCases.isThere, "\(RegistryCases.missing)"))
    func protobufTwins() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let columns =
            "(id bigint, customer text, placed timestamptz, address jsonb, street text, tags text[], note text)"
        try await Scenario.with("CREATE TABLE protobuf \(columns); CREATE TABLE json \(columns)") { scenario in
            let cases = try RegistryCases.make(registry.url, by: "registry-protobuf-cases")
            let protobuf = try scenario.topic(
                cases.map { made in
                    TestMessage(
                        key: nil, bytes: RegistryCases.bytes(made.value),
                        headers: made.headers.map { Header(name: $0[0], value: RegistryCases.bytes($0[1])) })
                })
            let json = try scenario.topic(cases.map { TestMessage(key: nil, value: $0.json) })
            var routes = [route(protobuf, "protobuf"), route(json, "json", 1)]
            for index in routes.indices { routes[index].columns = [.init("street", "address.street")] }
            let snapshot = try await scenario.load(routes) { $0.schemas = source(registry) }
            #expect(try scenario.deadLetters().map(\.message) == [])
            #expect(cases.count == 80 && snapshot.rows == 160)
            let list = "id, customer, placed, address, street, tags, note"
            #expect(
                try scenario.rows("SELECT \(list) FROM protobuf ORDER BY id")
                    == scenario.rows("SELECT \(list) FROM json ORDER BY id"))
        }
    }

    @Test(
        "message indexes as clients with use.deprecated.format write them are read where the route says so, and else dead letters",
        .enabled(if: RegistryCases.isThere, "\(RegistryCases.missing)"))
    func plainMessageIndexes() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        try await Scenario.with("CREATE TABLE plain (id bigint, note text); CREATE TABLE zigzag (id bigint, note text)")
        {
            scenario in
            let cases = try RegistryCases.make(registry.url, by: "registry-protobuf-cases", "plain")
            let topic = try scenario.topic(
                cases.map { made in
                    TestMessage(
                        key: nil, bytes: RegistryCases.bytes(made.value),
                        headers: made.headers.map { Header(name: $0[0], value: RegistryCases.bytes($0[1])) })
                })
            var routes = [route(topic, "plain", format: .protobuf), route(topic, "zigzag", format: .protobuf, 1)]
            routes[0].messageIndexes = .plain
            try await scenario.load(routes) { options in
                options.schemas = source(registry)
                options.deadLetters.maxShare = 1
            }
            #expect(try scenario.rows("SELECT count(DISTINCT id), count(*) FROM plain") == ["80|80"])
            #expect(
                try scenario.rows("SELECT count(*) FROM plain WHERE id % 200 >= 100 AND note LIKE 'cancelled %'") == [
                    "40"
                ])
            // The first message of a file is the same in both ways, and the others are taken for none that there are.
            #expect(try scenario.rows("SELECT count(DISTINCT id), count(*) FROM zigzag") == ["40|40"])
            let letters = try scenario.deadLetters()
            #expect(letters.count == 40)
            #expect(
                letters.allSatisfy { $0.message.contains("as clients with use.deprecated.format write them") },
                "\(letters.first?.message ?? "")")
        }
    }

    @Test("a registry that is away while messages come is waited for and named, and all of them are loaded then")
    func outage() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let id = registry.register(AvroMessage.schema, as: "numbers-value")
        let other = registry.register(
            #"{"type":"record","name":"Other","fields":[{"name":"n","type":"int"}]}"#, as: "others-value")
        for fault: RegistryMock.Fault in [.status(503), .reset, .page, .status(401)] {
            try await Scenario.with("CREATE TABLE numbers (n bigint)") { scenario in
                let topic = try scenario.topic(messages(id, 0..<100))
                var options = scenario.options([route(topic, "numbers")])
                options.schemas = source(registry)
                // Down from the start, if that is no mistake of the operator's, else once it is asked again.
                let isFromStart = fault != .page && fault != .status(401)
                if isFromStart { registry.fail(fault) }
                let run = try LoaderRun(options)
                if !isFromStart {
                    try await eventually("rows go in") { run.statistics.snapshot.rows == 100 }
                    registry.fail(fault)
                    try scenario.produce(messages(other, 100..<200), to: topic)
                }
                try await eventually("the loader notices \(fault)") {
                    run.statistics.snapshot.outages == [.schemaRegistry]
                }
                let noticed = ContinuousClock.now
                try await eventually("its loop still turns") {
                    (run.statistics.snapshot.lastTurn ?? noticed) > noticed + .seconds(1)
                }
                registry.recover()
                try await eventually("rows go in again") {
                    run.statistics.snapshot.rows == (isFromStart ? 100 : 200)
                }
                #expect(run.statistics.snapshot.outages.isEmpty)
                #expect(run.statistics.snapshot.outageCounts[.schemaRegistry] == 1)
                #expect(run.statistics.snapshot.rebalances <= 1)
                #expect(run.statistics.snapshot.deadLetterCount == 0)
                try await run.finish()
                let told = run.log.lines.filter { $0.message.contains("registry") && $0.metadata["mend"] != nil }
                #expect(told.allSatisfy { $0.metadata["mend"]?.contains("schema_registry") ?? false }, "\(told)")
                #expect(!told.isEmpty)
            }
        }
    }

    @Test(
        "a registry that is away for longer than an outage may last ends the loader, which says so, and nothing is lost"
    )
    func tooLong() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let id = registry.register(AvroMessage.schema, as: "numbers-value")
        try await Scenario.with("CREATE TABLE numbers (n bigint)") { scenario in
            let topic = try scenario.topic(messages(id, 0..<100))
            registry.fail(.status(503))
            var options = scenario.options([route(topic, "numbers")])
            options.schemas = source(registry)
            options.outageTimeout = .seconds(1)
            let run = try LoaderRun(options)
            let error = await #expect(throws: LoadingError.self) { try await run.waitForEnd() }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("the schema registry is away") ?? false)
            registry.recover()
            try await scenario.load([route(topic, "numbers")]) { $0.schemas = source(registry) }
            #expect(try scenario.rows("SELECT count(*), count(DISTINCT n) FROM numbers") == ["100|100"])
        }
    }

    @Test(
        "ids that nobody has are dead letters, neither stall what is good nor flood the registry, and are loaded once they are there"
    )
    func garbage() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let id = registry.register(AvroMessage.schema, as: "numbers-value", id: 70_000)
        try await Scenario.with("CREATE TABLE numbers (n bigint)") { scenario in
            let all = (0..<4000).map { number in
                let isGood = number % 2 == 0
                return TestMessage(key: nil, bytes: AvroMessage.framed(isGood ? id : 100_000 + number % 1000, number))
            }
            let topic = try scenario.topic(all)
            let routes = [route(topic, "numbers")]
            let schemas = source(registry)
            try await scenario.load(routes) { options in
                options.schemas = schemas
                options.deadLetters.maxShare = 1
                options.batch.maxRows = 500
            }
            #expect(try scenario.rows("SELECT count(*), count(DISTINCT n) FROM numbers") == ["2000|2000"])
            let letters = try scenario.deadLetters()
            #expect(letters.count == 2000)
            #expect(Set(letters.map(\.reason)) == ["unknown_schema"])
            #expect(letters[0].message.contains("schema 100001") && letters[0].message.contains(registry.url))
            // A hundred, those that the waits were for, and ten for each second that it took.
            #expect(registry.requests.count < 400, "\(registry.requests.count)")
            for wanted in Set(letters.compactMap { $0.value.map { AvroMessage.id($0) } }) {
                registry.register(AvroMessage.schema, as: "numbers-value", id: wanted)
            }
            let environment = [
                "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": scenario.group,
                "KAFKA_TOPIC": topic, "DATABASE_URL": scenario.schema.url, "LOADER_TABLE": "numbers",
                "LOADER_SCHEMA_REGISTRY_URL": registry.url,
            ]
            let replay = try await Command.run(
                ["dead-letters", "replay", "--reason", "unknown_schema"], environment)
            #expect(replay.status == 0, "\(replay.errors)")
            #expect(try scenario.rows("SELECT count(*), count(DISTINCT n) FROM numbers") == ["4000|4000"])
        }
    }

    @Test("loaders that are killed and join while the registry is away lose and double nothing")
    func killedInAnOutage() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let id = registry.register(AvroMessage.schema, as: "numbers-value")
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 4) { landing in
            registry.fail(.status(503))
            try landing.broker.produce(
                (0..<4000).map { TestMessage(partition: Int32($0 % 4), key: nil, bytes: AvroMessage.framed(id, $0)) },
                to: landing.topic)
            var environment = landing.environment
            environment["LOADER_SCHEMA_REGISTRY_URL"] = registry.url
            let waits = #"the schema registry is away"#
            let victim = try LoaderProcess(environment)
            try await victim.waitForLog(waits)
            let heir = try LoaderProcess(environment)
            try await heir.waitForLog(waits)
            try await victim.killAndWait()
            let leaver = try LoaderProcess(environment)
            try await leaver.waitForLog(#""message":"loading""#)
            // A stop waits for no registry.
            leaver.kill(SIGTERM)
            #expect(try await leaver.waitForExit() == 0)
            #expect(try landing.rowCount() == 0)
            registry.recover()
            try await landing.waitForRows(4000)
            heir.kill(SIGTERM)
            #expect(try await heir.waitForExit() == 0)
            let comparison = try landing.compare(numberOf: AvroMessage.number)
            #expect(comparison.isExact, "\(comparison)")
            try await landing.expectGroupFollowsLedger()
        }
    }

    @Test("two routes of a topic read its messages each in its own way")
    func twoFormats() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let id = registry.register(AvroMessage.schema, as: "numbers-value")
        try await Scenario.with(
            "CREATE TABLE numbers (n bigint); CREATE TABLE texts (n bigint); CREATE TABLE raws (v bytea)"
        ) {
            scenario in
            let topic = try scenario.topic([
                TestMessage(key: nil, bytes: AvroMessage.framed(id, 7)), TestMessage(key: nil, value: #"{"n": 8}"#),
            ])
            var raw = route(topic, "raws", format: .auto, 2)
            raw.columns = [.init("v", "$value")]
            try await scenario.load(
                [route(topic, "numbers"), route(topic, "texts", format: .json, 1), raw]
            ) { options in
                options.schemas = source(registry)
                options.deadLetters.maxShare = 1
            }
            #expect(try scenario.rows("SELECT n FROM numbers ORDER BY n") == ["7", "8"])
            #expect(try scenario.rows("SELECT n FROM texts") == ["8"])
            #expect(
                try scenario.rows("SELECT encode(v, 'hex') FROM raws ORDER BY v") == [
                    "00000000010e", "7b226e223a20387d",
                ])
            #expect(try scenario.deadLetters().map(\.reason) == ["invalid_json"])
        }
    }

    @Test("all of a message and of a key in Avro is JSON to a column of it, and byte for byte what it was to bytea")
    func wholes() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let id = registry.register(AvroMessage.schema, as: "numbers-value")
        let text = registry.register("\"string\"", as: "keys-key")
        try await Scenario.with("CREATE TABLE wholes (doc jsonb, raw bytea, k text, kb bytea, s int)") { scenario in
            let key: [UInt8] = [0, 0, 0, 0, UInt8(text), 4, 0x61, 0x62]
            let topic = try scenario.topic([
                TestMessage(key: key, bytes: AvroMessage.framed(id, -3)),
                TestMessage(key: "plain", value: #"{"n": 8}"#),
            ])
            var route = route(topic, "wholes")
            route.columns = [
                .init("doc", "$value"), .init("raw", "$value"), .init("k", "$key"), .init("kb", "$key"),
                .init("s", "$schema_id"),
            ]
            try await scenario.load([route]) { $0.schemas = source(registry) }
            #expect(try scenario.deadLetters().map(\.message) == [])
            #expect(
                try scenario.rows("SELECT doc, encode(raw, 'hex'), k, encode(kb, 'hex'), s FROM wholes ORDER BY s") == [
                    #"{"n": -3}|000000000105|ab|0000000002046162|1"#,
                    #"{"n": 8}|7b226e223a20387d|plain|706c61696e|∅"#,
                ])
        }
    }

    @Test("rows are upserted and deleted by keys in Avro")
    func keys() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let id = registry.register(
            #"{"type":"record","name":"R","fields":[{"name":"id","type":"long"},{"name":"n","type":"long"}]}"#, as: "v")
        let number = registry.register("\"long\"", as: "k1")
        let record = registry.register(
            #"{"type":"record","name":"K","fields":[{"name":"id","type":"long"}]}"#, as: "k2")
        try await Scenario.with("CREATE TABLE things (id bigint PRIMARY KEY, n bigint)") { scenario in
            func message(_ keyed: Int, _ key: Int, _ value: Int?) -> TestMessage {
                TestMessage(
                    key: AvroMessage.framed(keyed, key), bytes: value.map { AvroMessage.framed(id, key, $0) })
            }
            let topic = try scenario.topic([
                message(number, 1, 10), message(record, 2, 20), message(number, 3, 30), message(number, 1, 11),
                message(number, 3, nil), message(record, 2, nil), message(record, 4, 40),
            ])
            var route = route(topic, "things")
            route.mode = .upsert
            try await scenario.load([route]) { $0.schemas = source(registry) }
            #expect(try scenario.deadLetters().map(\.message) == [])
            #expect(try scenario.rows("SELECT id, n FROM things ORDER BY id") == ["1|11", "4|40"])
        }
    }

    @Test("messages without anything before them are read by the route's schema: of a file, an id, a subject")
    func configured() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let id = registry.register(AvroMessage.schema, as: "numbers-value")
        try await Scenario.with("CREATE TABLE numbers (n bigint)") { scenario in
            let topic = try scenario.topic((0..<3).map { TestMessage(key: nil, bytes: AvroMessage.long($0)) })
            var (file, number, subject) = (
                route(topic, "numbers", format: .avro), route(topic, "numbers", format: .avro),
                route(topic, "numbers", format: .avro)
            )
            file.schemaFile = .init(path: "n.avsc", content: .avro(try .init(AvroMessage.schema)))
            number.schemaID = Int32(id)
            subject.schemaSubject = "numbers-value"
            for (count, route) in [file, number, subject].enumerated() {
                try await scenario.load([route]) { options in
                    options.schemas = source(registry)
                    options.group = Broker.randomName("group")
                    options.isNewGroup = true
                }
                #expect(
                    try scenario.rows("SELECT count(*), sum(n) FROM numbers") == [
                        "\(3 * (count + 1))|\(3 * (count + 1))"
                    ])
            }
        }
    }
}

/// A number as JSON has it, whatever else the object holds.
private struct JSONNumber: Decodable {
    var text: String

    init(from decoder: any Decoder) throws {
        text = (try? decoder.singleValueContainer().decode(Int64.self)).map(String.init) ?? ""
    }
}
