import Credentials
import Foundation
import Kafka
import Loading
import Records
import RegistryMock
import Schemas
import TestSupport
import Testing
import Web

/// Messages of other serializers than Confluent's for Avro and Protobuf, each against its twin in JSON.
@Suite("Other registries")
struct OtherRegistriesTests {
    private func route(_ topic: String, _ table: String, _ number: Int) -> Route {
        var route = Route(topic, table, label: "routes[\(number)]")
        (route.format, route.keyFormat) = (.auto, .json)
        return route
    }

    /// Loads messages and what they say in JSON, and compares.
    private func compare(_ cases: [RegistryCases], count: Int, _ schemas: SchemaSource) async throws {
        let columns = "(id bigint, customer text, note text, tags text[], doc jsonb)"
        try await Scenario.with("CREATE TABLE framed \(columns); CREATE TABLE json \(columns)") { scenario in
            let framed = try scenario.topic(
                cases.map { made in
                    TestMessage(
                        key: nil, bytes: RegistryCases.bytes(made.value),
                        headers: made.headers.map { Header(name: $0[0], value: RegistryCases.bytes($0[1])) })
                })
            let json = try scenario.topic(cases.map { TestMessage(key: nil, value: $0.json) })
            var routes = [route(framed, "framed", 0), route(json, "json", 1)]
            for index in routes.indices { routes[index].columns = [.init("doc", "$value")] }
            let snapshot = try await scenario.load(routes) { $0.schemas = schemas }
            #expect(try scenario.deadLetters().map(\.message) == [])
            #expect(cases.count == count && snapshot.rows == UInt64(2 * count))
            #expect(
                try scenario.rows("SELECT * FROM framed ORDER BY id") == scenario.rows("SELECT * FROM json ORDER BY id")
            )
        }
    }

    @Test(
        "what Confluent's serializer of JSON Schema writes, before the message and in headers, is loaded as JSON is",
        .enabled(if: PythonScript.has("confluent_kafka.schema_registry.json_schema"), "\(RegistryCases.missing)"))
    func jsonSchema() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let cases = try RegistryCases.make(registry.url, by: "registry-other-cases", "json")
        try await compare(cases, count: 40, SchemaSource(RegistryOptions(urls: [registry.url])))
    }

    @Test("what Connect's converter of JSON Schema means by its types is what lands, in columns and in documents")
    func connectTypes() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let decimal =
            #""connect.type":"bytes","title":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"2"}"#
        let date = #"{"type":"integer","connect.type":"int32","title":"org.apache.kafka.connect.data.Date"}"#
        let at = #"{"type":"integer","connect.type":"int64","title":"org.apache.kafka.connect.data.Timestamp"}"#
        let inner = #"{"type":"object","title":"i","properties":{"days":{"type":"array","items":\#(date)}}}"#
        let id = registry.register(
            .init(
                #"""
                {"type":"object","title":"r","properties":{"id":{"type":"integer","connect.type":"int64"},
                "total":{"oneOf":[{"type":"null"},{"type":"number",\#(decimal)}]},"day":\#(date),"at":\#(at),
                "raw":{"type":"string","connect.type":"bytes"},"more":\#(inner),
                "sums":{"type":"object","connect.type":"map","additionalProperties":{"type":"number",\#(decimal)}}}}
                """#, type: "JSON"), as: "orders-value")
        let columns = """
            (id bigint PRIMARY KEY, total numeric(12,2), day date, at timestamptz, raw bytea, days date[], sums jsonb,
             doc jsonb, bytes bytea, said text, k jsonb, ktext text)
            """
        try await Scenario.with("CREATE TABLE orders \(columns)") { scenario in
            let frame = AvroMessage.framed(id)
            let texts = [
                #"{"id":1,"total":"AJY=","day":20487,"at":1700000000123,"raw":"AP8=","more":{"days":[0,1]},"sums":{"a":"/w=="}}"#,
                // As with decimal.format=NUMERIC; and what is null or not there.
                #"{"id":2,"total":1.5,"day":null,"more":{"days":[]}}"#, #"{"id":3,"total":null}"#,
                #"{"id":4,"total":"no base64!"}"#,
            ]
            let key = frame + Array(#"{"total":"AJY="}"#.utf8)
            let topic = try scenario.topic(texts.map { TestMessage(key: key, bytes: frame + Array($0.utf8)) })
            var route = route(topic, "orders", 0)
            route.keyFormat = .auto
            route.columns = [
                .init("days", "more.days"), .init("doc", "$value"), .init("bytes", "$value"),
                .init("said", "$value"), .init("k", "$key"), .init("ktext", "$key"),
            ]
            try await scenario.load([route]) {
                $0.schemas = SchemaSource(RegistryOptions(urls: [registry.url]))
                $0.deadLetters.maxShare = 1
            }
            let letters = try scenario.deadLetters()
            #expect(letters.map(\.offset) == [3] && letters.first?.reason == "bad_syntax")
            #expect(letters.first?.message.contains("no base64") == true, "\(letters.map(\.message))")
            #expect(
                try scenario.rows("SELECT id, total, day, at, raw, days, sums FROM orders ORDER BY id") == [
                    #"1|1.50|2026-02-03|2023-11-14 22:13:20.123+00|\x00ff|{1970-01-01,1970-01-02}|{"a": -0.01}"#,
                    "2|1.50|∅|∅|∅|{}|∅", "3|∅|∅|∅|∅|∅|∅",
                ])
            #expect(
                try scenario.rows("SELECT doc ->> 'total', doc ->> 'at', doc -> 'more' FROM orders WHERE id = 1") == [
                    #"1.50|2023-11-14T22:13:20.123Z|{"days": ["1970-01-01", "1970-01-02"]}"#
                ])
            #expect(
                try scenario.rows("SELECT said, k, ktext FROM orders WHERE id = 1") == [
                    #"\#(texts[0])|{"total": 1.50}|{"total":"AJY="}"#
                ])
            let whole = (frame + Array(texts[0].utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            #expect(try scenario.rows("SELECT encode(bytes, 'hex') FROM orders WHERE id = 1") == [whole])
        }
    }

    @Test(
        "what AWS Glue's serializers write, in Avro and JSON, compressed or not, is loaded as its twin in JSON is",
        .enabled(if: PythonScript.has("aws_schema_registry"), "\(RegistryCases.missing)"))
    func glue() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.acceptAWS(keyID: "AKID")
        let cases = try RegistryCases.make(registry.url, by: "registry-other-cases", "glue")
        let credentials = AWSCredentials(accessKeyID: "AKID", secretAccessKey: "s3cret", sessionToken: "t0ken")
        let options = RegistryOptions(
            urls: [registry.url], naming: SchemaNaming(.glue),
            aws: .init(region: "eu-west-1", chain: AWSCredentialChain(credentials: credentials, environment: [:]))
        )
        try await compare(cases, count: 80, SchemaSource(options))
    }

    @Test(
        "what Azure's encoder writes is loaded as its twin in JSON is",
        .enabled(if: PythonScript.has("azure.schemaregistry.encoder.avroencoder"), "\(RegistryCases.missing)"))
    func azure() async throws {
        let registry = try RegistryMock(token: "to.k.en")
        defer { registry.stop() }
        let certificates = try TestCertificates()
        let gate = try TLSGate(to: registry.port, try certificates.make("registry"))
        let cases = try RegistryCases.make(gate.url, by: "registry-other-cases", "azure", certificates.authority.file)
        let options = RegistryOptions(
            urls: [registry.url], naming: SchemaNaming(.azure),
            http: HTTPOptions(credentials: .bearer(token: "to.k.en")))
        try await compare(cases, count: 20, SchemaSource(options))
    }

    @Test(
        "Glue's and Azure's are configured by their kinds, and the wrong identity stops the start, without its secrets")
    func configured() async throws {
        let (aws, microsoft) = (try RegistryMock(), try RegistryMock(token: "to.k.en"))
        defer { for registry in [aws, microsoft] { registry.stop() } }
        aws.acceptAWS(keyID: "AKID")
        func digits(_ registry: RegistryMock) throws -> String {
            try #require(registry.guid(of: registry.register(AvroMessage.schema, as: "shop/numbers"))).filter {
                $0 != "-"
            }
        }
        let type = "avro/binary+\(try digits(microsoft))"
        let glue = [3, 0] + RegistryCases.bytes(try digits(aws))
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.broker.produce(
                (0..<10).map { TestMessage(partition: 0, key: nil, bytes: glue + AvroMessage.long($0)) },
                to: landing.topic)
            func run(_ kind: String, _ settings: [String: String]) async throws -> Command {
                var environment = landing.environment
                environment["LOADER_SCHEMA_REGISTRY_KIND"] = kind
                environment["LOADER_SCHEMA_REGISTRY_URL"] = (kind == "glue" ? aws : microsoft).url
                for (name, value) in settings { environment[name] = value }
                return try await Command.run(["run", "--until-end"], environment)
            }
            let secrets = ["AWS_SECRET_ACCESS_KEY": "s3cret-one", "AWS_SESSION_TOKEN": "t0ken-one"]
            let region = ["AWS_REGION": "eu-west-1"]
            let wrong = try await run("glue", region.merging(secrets) { $1 }.merging(["AWS_ACCESS_KEY_ID": "X"]) { $1 })
            #expect(wrong.status == 78 && wrong.errors.contains("AWS_ACCESS_KEY_ID"), "\(wrong.errors)")
            #expect(!wrong.errors.contains("s3cret-one") && !wrong.errors.contains("t0ken-one"))
            let none = try await run("glue", ["AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"])
            #expect(none.status == 78 && none.errors.contains("AWS_REGION"), "\(none.errors)")
            let other = try await run("azure", ["LOADER_SCHEMA_REGISTRY_TOKEN": "wrong-one"])
            #expect(other.status == 78 && other.errors.contains("schema_registry.token"), "\(other.errors)")
            #expect(!other.errors.contains("wrong-one"))
            let right = try await run(
                "glue", region.merging(secrets) { $1 }.merging(["AWS_ACCESS_KEY_ID": "AKID"]) { $1 })
            #expect(right.status == 0, "\(right.errors)")
            #expect(try landing.rowCount() == 10)
            try landing.broker.produce(
                (10..<20).map { number in
                    TestMessage(
                        partition: 0, key: nil, bytes: AvroMessage.long(number),
                        headers: [Header(name: "content-type", value: Array(type.utf8))])
                }, to: landing.topic)
            let azure = try await run("azure", ["LOADER_SCHEMA_REGISTRY_TOKEN": "to.k.en"])
            #expect(azure.status == 0, "\(azure.errors)")
            #expect(try landing.rowCount() == 20)
        }
    }

    @Test(
        "a single object of Avro is read by the route's own schema, whatever stands in the registry; a file of Avro is refused"
    )
    func avroAlone() async throws {
        let schema = try AvroSchema(AvroMessage.schema)
        let mark = [0xC3, 1] + withUnsafeBytes(of: schema.fingerprint.littleEndian) { Array($0) }
        let other = [0xC3, 1] + [UInt8](repeating: 7, count: 8)
        try await Scenario.with("CREATE TABLE numbers (n bigint)") { scenario in
            let file = Array("Obj".utf8) + [1, 4, 0x16] + Array("avro.schema".utf8)
            let topic = try scenario.topic([
                TestMessage(key: nil, bytes: mark + AvroMessage.long(1)),
                TestMessage(key: nil, bytes: AvroMessage.long(2)),
                TestMessage(key: nil, bytes: file),
            ])
            var own = route(topic, "numbers", 0)
            (own.format, own.schemaFile) = (.avro, .init(path: "n.avsc", content: .avro(schema)))
            try await scenario.load([own]) { $0.deadLetters.maxShare = 1 }
            #expect(try scenario.rows("SELECT n FROM numbers ORDER BY n") == ["1", "2"])
            let unnamed = try scenario.topic([
                TestMessage(key: nil, bytes: file), TestMessage(key: nil, bytes: other + [2]),
            ])
            var auto = route(unnamed, "numbers", 0)
            auto.format = .auto
            try await scenario.load([auto]) { $0.deadLetters.maxShare = 1 }
            let letters = try scenario.deadLetters()
            #expect(letters.count == 3)
            let words = letters.filter { $0.topic == unnamed }.map(\.message)
            #expect(words.contains { $0.contains("Avro file of many records") }, "\(words)")
            #expect(words.contains { $0.contains("single-object encoding") }, "\(words)")
            let first = letters.first { $0.topic == topic }?.message ?? ""
            #expect(first.contains("Avro file of many records"), "\(first)")
        }
    }
}
