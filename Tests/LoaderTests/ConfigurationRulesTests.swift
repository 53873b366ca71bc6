import Testing

@testable import Loader

@Suite struct ConfigurationRulesTests {
    @Test(
        "settings that contradict each other are refused, at the key that has to change",
        arguments: [
            (["routes.0.on_tombstone=delete"], "routes[0].on_tombstone"),
            (["routes.0.on_tombstone=delete", "routes.0.mode=ignore"], "routes[0].on_tombstone"),
            (["dead_letters.table=null"], "dead_letters.table"),
            (["dead_letters.topic=orders"], "dead_letters.topic"),
            (["dead_letters.topic=orders-dead", "routes.0.topic=^orders"], "dead_letters.topic"),
            (["delivery=at_least_once", "postgres.synchronous_commit=off"], "postgres.synchronous_commit"),
            (["postgres.statement_timeout=5m"], "postgres.statement_timeout"),
            (
                [
                    "postgres.lock_timeout=30s", "kafka.properties.max.poll.interval.ms=20000",
                    "postgres.statement_timeout=10s",
                ],
                "postgres.lock_timeout"
            ),
            (
                ["routes.0.mode=upsert", "routes.0.key=id", "routes.0.columns.x=x", "routes.0.rest=none"],
                "routes[0].key"
            ),
            (["routes.0.rest=none"], "routes[0].rest"),
            (
                ["dead_letters.table=null", "dead_letters.topic=dead", "dead_letters.wait_for_parent=5s"],
                "dead_letters.wait_for_parent"
            ),
            (
                ["dead_letters.table=null", "dead_letters.topic=dead", "routes.0.wait_for_parent=5s"],
                "routes[0].wait_for_parent"
            ),
            (["schema_registry.user=u"], "schema_registry.user"),
            (["schema_registry.kind=apicurio"], "schema_registry.kind"),
            (["schema_registry.url=http://r", "schema_registry.oauth.scope=s"], "schema_registry.oauth.scope"),
            (
                [
                    "schema_registry.url=http://r", "schema_registry.oauth.url=https://t",
                    "schema_registry.oauth.client_id=i",
                ],
                "schema_registry.oauth.url"
            ),
            (["schema_registry.url=http://r", "schema_registry.oauth.source=azure"], "schema_registry.oauth.source"),
            (
                [
                    "schema_registry.url=http://r", "schema_registry.oauth.source=gcp",
                    "schema_registry.oauth.client_id=i",
                ], "schema_registry.oauth.client_id"
            ),
            (
                [
                    "schema_registry.url=http://r", "schema_registry.oauth.source=gcp", "schema_registry.token=t",
                ], "schema_registry.oauth.source"
            ),
            (["schema_registry.url=http://r", "schema_registry.region=eu-west-1"], "schema_registry.region"),
            (
                [
                    "schema_registry.kind=glue", "schema_registry.region=eu-west-1", "schema_registry.access_key_id=a",
                ], "schema_registry.access_key_id"
            ),
            (
                [
                    "schema_registry.kind=glue", "schema_registry.region=eu-west-1", "schema_registry.access_key_id=a",
                    "schema_registry.secret_access_key=s", "schema_registry.token=t",
                ], "schema_registry.token"
            ),
            (
                ["schema_registry.kind=azure", "schema_registry.url=http://r", "schema_registry.user=u"],
                "schema_registry.user"
            ),
            (
                [
                    "schema_registry.kind=azure", "schema_registry.url=http://r", "routes.0.format=avro",
                    "routes.0.schema.subject=orders",
                ], "routes[0].schema.subject"
            ),
            (
                [
                    "schema_registry.kind=azure", "schema_registry.url=http://r", "routes.0.format=avro",
                    "routes.0.schema.id=7",
                ], "routes[0].schema.id"
            ),
            (["schema_registry.url=http://r", "schema_registry.numbers=global"], "schema_registry.numbers"),
            (["schema_registry.url=http://r", "schema_registry.password=p"], "schema_registry.password"),
            (["schema_registry.url=http://r", "schema_registry.key=k"], "schema_registry.key"),
            (
                ["schema_registry.url=http://r", "schema_registry.user=u", "schema_registry.token=t"],
                "schema_registry.token"
            ),
            (["routes.0.csv.null=x"], "routes[0].csv.null"), (["routes.0.csv.header=true"], "routes[0].csv.header"),
            (
                ["routes.0.format=csv", "routes.0.csv.header=true", "routes.0.csv.fields=a,b"],
                "routes[0].csv.fields"
            ),
            (["routes.0.format=csv", "routes.0.csv.quote=,"], "routes[0].csv.quote"),
            (["routes.0.envelope.form=canal", "routes.0.each=items"], "routes[0].each"),
            (
                ["routes.0.envelope.form=canal", "routes.0.table=${database}", "routes.0.tables=a,b"],
                "routes[0].table"
            ),
            (["routes.0.format=avro"], "routes[0].format"), (["routes.0.key_format=avro"], "routes[0].key_format"),
            (["routes.0.format=avro", "routes.0.schema.id=7"], "routes[0].schema.id"),
            (["schema_registry.url=http://r", "routes.0.schema.id=7"], "routes[0].schema.id"),
            (
                [
                    "schema_registry.url=http://r", "routes.0.format=avro", "routes.0.schema.id=7",
                    "routes.0.schema.subject=s",
                ],
                "routes[0].schema.subject"
            ),
        ])
    func contradictions(assignments: [String], path: String) throws {
        let found = try mistakes(set: assignments)
        #expect(found.map(\.path) == [path])
        #expect(found.map(\.code) == [.contradiction])
        #expect(found.map(\.origin) != [.builtIn])
    }

    @Test(
        "settings that only look alike are accepted",
        arguments: [
            ["routes.0.on_tombstone=delete", "routes.0.mode=upsert"], ["routes.0.key=id"],
            ["routes.1.topic=orders", "routes.1.table=a_second_table_of_the_same_topic"],
            ["dead_letters.table=null", "dead_letters.topic=dead"], ["postgres.synchronous_commit=off"],
            ["postgres.statement_timeout=6m", "kafka.properties.max.poll.interval.ms=600000"],
            ["routes.0.mode=upsert", "routes.0.key=id", "routes.0.columns.id=x"],
            ["routes.0.mode=upsert", "routes.0.key=id", "routes.0.columns.x=x"],
            ["routes.0.columns.id=x", "routes.0.rest=none"],
            ["dead_letters.table=null", "dead_letters.topic=dead", "dead_letters.wait_for_parent=0s"],
            ["routes.0.wait_for_parent=1h", "dead_letters.wait_for_parent=0s"],
            ["schema_registry.url=http://r", "schema_registry.user=u", "schema_registry.password=p"],
            ["schema_registry.url=http://r/apis/ccompat/v7,https://s", "schema_registry.token=t"],
            ["schema_registry.url=http://r", "routes.0.format=avro", "routes.0.key_format=avro"],
            ["schema_registry.url=http://r", "routes.0.format=avro", "routes.0.schema.subject=s"],
            ["schema_registry.url=http://r", "routes.0.columns.s=$schema_id"],
            [
                "schema_registry.url=http://r", "schema_registry.oauth.url=https://t",
                "schema_registry.oauth.client_id=i",
                "schema_registry.oauth.client_secret=s", "schema_registry.headers=target-sr-cluster: lsrc-1",
            ],
            ["schema_registry.url=http://r", "schema_registry.kind=apicurio", "schema_registry.numbers=global"],
            [
                "schema_registry.kind=glue", "schema_registry.region=eu-west-1", "schema_registry.access_key_id=a",
                "schema_registry.secret_access_key=s", "routes.0.key_format=avro",
            ],
            ["schema_registry.kind=glue"], ["schema_registry.kind=glue", "schema_registry.region=eu-west-1"],
            ["schema_registry.kind=azure", "schema_registry.url=http://r", "schema_registry.token=t"],
        ])
    func accepted(assignments: [String]) throws { #expect(try mistakes(set: assignments) == []) }

    @Test("a contradiction with a value that was refused already is not reported on top of it")
    func noConsequences() throws {
        #expect(
            try mistakes(set: ["routes.0.on_tombstone=delete", "routes.0.mode=upser"]).map(\.path) == ["routes[0].mode"]
        )
    }

    @Test(
        "properties that would break the promise are refused with the reason",
        arguments: [
            ("enable.auto.commit", "true"), ("enable.auto.commit", "false"), ("enable.auto.offset.store", "true"),
            ("auto.offset.reset", "latest"), ("group.id", "g"), ("bootstrap.servers", "b:1"),
            ("metadata.broker.list", "b:1"), ("partition.assignment.strategy", "cooperative-sticky"),
        ])
    func refused(name: String, value: String) {
        let found = PropertyRules.findings([name: value], libraryVersion: 0x0200_02ff)
        #expect(found.map(\.property) == [name])
        #expect(found.allSatisfy { $0.severity == .error && !$0.message.isEmpty && !$0.mend.isEmpty })
    }

    @Test("cooperative assignment is allowed where librdkafka no longer hangs in it")
    func cooperative() {
        let properties = ["partition.assignment.strategy": "cooperative-sticky"]
        #expect(PropertyRules.findings(properties, libraryVersion: 0x0206_00ff).count == 1)
        #expect(PropertyRules.findings(properties, libraryVersion: 0x0206_01ff).isEmpty)
        #expect(PropertyRules.findings(["partition.assignment.strategy": "range"], libraryVersion: 0x0200_02ff).isEmpty)
    }

    @Test("the consumer protocol is refused where it is a preview, and so is what only the classic one has beside it")
    func consumerProtocol() {
        func found(_ properties: [String: String], _ version: Int32) -> [String] {
            PropertyRules.findings(properties, libraryVersion: version).filter { $0.severity == .error }.map(\.property)
        }
        #expect(found(["group.protocol": "consumer"], 0x0200_02ff) == ["group.protocol"])
        #expect(found(["group.protocol": "CONSUMER"], 0x020b_01ff) == ["group.protocol"])
        #expect(found(["group.protocol": "consumer"], 0x020c_00ff).isEmpty)
        #expect(found(["group.protocol": "classic", "session.timeout.ms": "9000"], 0x0208_00ff).isEmpty)
        for name in ["partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"] {
            #expect(found(["group.protocol": "consumer", name: "range"], 0x0210_01ff) == [name])
        }
    }

    @Test(
        "SCRAM with a librdkafka that newer brokers do not let in is a warning that names both versions",
        arguments: ["sasl.mechanism", "sasl.mechanisms"], ["SCRAM-SHA-256", "scram-sha-512"])
    func scram(name: String, mechanism: String) {
        let properties = [name: mechanism]
        let found = PropertyRules.findings(properties, libraryVersion: 0x0200_02ff)
        #expect(found.map(\.property) == [name])
        #expect(found.allSatisfy { $0.severity == .warning && $0.message.contains("2.0.2") })
        #expect(found.allSatisfy { $0.message.contains("Apache Kafka 4.0") && $0.mend.contains("2.6.1") })
        #expect(PropertyRules.findings(properties, libraryVersion: 0x0206_01ff).isEmpty)
        #expect(PropertyRules.findings([name: "PLAIN"], libraryVersion: 0x0200_02ff).isEmpty)
    }

    @Test("reading uncommitted messages is a warning, not a mistake")
    func uncommitted() throws {
        let configuration = try read(set: ["kafka.properties.isolation.level=read_uncommitted"])
        #expect(configuration.warnings.map(\.path) == ["kafka.properties.isolation.level"])
    }

    @Test("librdkafka itself judges the properties, before anything starts")
    func judgedByLibrary() throws {
        let found = try mistakes(set: ["kafka.properties.no.such=1", "kafka.properties.fetch.min.bytes=many"])
        #expect(found.map(\.path) == ["kafka.properties.fetch.min.bytes", "kafka.properties.no.such"])
        #expect(found.allSatisfy { $0.code == .invalidValue })
    }

    @Test(
        "that nobody's certificate is checked is taken only where it is said twice, and warned of then",
        arguments: ["false", "False", "f", "0"])
    func unverified(no: String) throws {
        let property = ["enable.ssl.certificate.verification": no]
        let once = PropertyRules.findings(property, libraryVersion: 0x0200_02ff)
        #expect(once.count == 1 && once.first?.severity == .error)
        #expect(once.first?.mend.contains("kafka.allow_unverified: true") == true)
        let twice = PropertyRules.findings(property, libraryVersion: 0x0200_02ff, allowsUnverified: true)
        #expect(twice.count == 1 && twice.first?.severity == .warning)

        let yaml = """
            kafka: { brokers: "kafka-1:9093", group: g, properties: { security.protocol: SSL, enable.ssl.certificate.verification: '\(no)' } }
            postgres: { url: "postgresql://loader@localhost/shop" }
            routes: [{ topic: orders, table: public.orders }]
            """
        #expect(throws: ConfigurationProblems.self) {
            try Configuration(ConfigurationSources(file: ("loader.yaml", yaml)))
        }
        let said = yaml.replacing("kafka: {", with: "kafka: { allow_unverified: true,")
        let warnings = try Configuration(ConfigurationSources(file: ("loader.yaml", said))).warnings
        #expect(warnings.contains { $0.message.contains("can read and change every message") })
    }

    @Test(
        "brokers off this machine to whom messages go plain, or whose names nobody checks, are a warning, and no others",
        arguments: [
            ("kafka-1:9092", [:], "can read every message"),
            ("127.0.0.1:9092,10.0.0.1:9092", [:], "can read every message"),
            ("kafka-1:9094", ["security.protocol": "SASL_PLAINTEXT"], "the password or token and every message"),
            (
                "kafka-1:9093", ["security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "none"],
                "host names are not checked"
            ),
            ("kafka-1:9093", ["security.protocol": "SASL_SSL"], nil),
            ("localhost:9092,127.0.0.1:9093,[::1]:9094", [:], nil),
        ] as [(String, [String: String], String?)])
    func exposed(brokers: String, properties: [String: String], warning: String?) throws {
        let lines = properties.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
        let yaml = """
            kafka: { brokers: "\(brokers)", group: g, properties: { \(lines) } }
            postgres: { url: "postgresql://loader@localhost/shop" }
            routes: [{ topic: orders, table: public.orders }]
            """
        let warnings = try Configuration(ConfigurationSources(file: ("loader.yaml", yaml))).warnings
        let exposed = warnings.filter { $0.code == .exposed }
        #expect(exposed.count == (warning == nil ? 0 : 1))
        if let warning { #expect(exposed.first?.message.contains(warning) == true, "\(exposed)") }
    }
}
