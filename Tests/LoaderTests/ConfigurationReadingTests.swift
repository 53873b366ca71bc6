import Foundation
import Loading
import Postgres
import Records
import Testing

@testable import Loader

@Suite struct ConfigurationReadingTests {
    @Test("the defaults in the table of keys are those of the pipeline's own types")
    func defaults() throws {
        let configuration = try read()
        let loading = configuration.loading
        let expected = LoadingOptions(brokers: "localhost:9092", group: "orders-loader", routes: [])
        #expect(loading.batch == expected.batch)
        #expect(loading.deadLetters == expected.deadLetters)
        #expect(loading.delivery == expected.delivery)
        #expect(loading.writers == expected.writers)
        #expect(loading.autoOffsetReset == expected.autoOffsetReset)
        #expect(loading.onLostOffsets == expected.onLostOffsets)
        #expect(loading.shutdownTimeout == expected.shutdownTimeout)
        #expect(loading.outageTimeout == expected.outageTimeout)
        #expect(loading.database == LoadingOptions.Database(url: "postgresql://loader@localhost/shop"))
        #expect(
            loading.routes == [Route(topics: [.name("orders")], table: TableName(schema: "public", name: "orders"))])
        #expect(configuration.log == Configuration.Log())
        #expect(configuration.http.listen?.description == "127.0.0.1:9464")
    }

    @Test("every key of the file arrives where it belongs")
    func everything() throws {
        let configuration = try read(
            """
            x-common: &common { format: json, mode: ignore, zone: Europe/Berlin }
            kafka:
              brokers: a:1,b:2
              group: ${NAME:-g}
              group_prefix: dev-
              group_suffix: -1
              auto_offset_reset: latest
              on_lost_offsets: earliest
              properties:
                client.id: loader
                fetch.min.bytes: 1024
                max.poll.interval.ms: 600000
            postgres:
              url: host=db user=u
              connect_timeout: 5s
              statement_timeout: 1m
              lock_timeout: 500ms
              synchronous_commit: off
            batch: { max_rows: 10_000, max_bytes: 64kB, max_delay: 250ms }
            writers: 4
            delivery: exactly_once
            shutdown_timeout: 10s
            outage_timeout: 1h
            routes:
              - topic: [orders, "^orders-.*{1,3}"]
                table: '"Odd Schema".Orders'
                mode: upsert
                key: [order_id, region]
                on_tombstone: skip
                on_nul: strip
                columns:
                  order_id: id
                  region: $headers.region
                  total: { from: order.total, required: true }
                  at: { unit: ms, zone: "+02:00", on_nul: replace }
                  raw: $value
              - <<: *common
                topic: refunds
                table: refunds
            dead_letters: { table: null, topic: dead, max_share: 0.25 }
            http: { listen: off }
            log: { format: json, level: debug }
            """)
        let loading = configuration.loading
        #expect(loading.brokers == "a:1,b:2")
        #expect(loading.group == "dev-g-1")
        #expect(loading.autoOffsetReset == .latest)
        #expect(loading.onLostOffsets == .earliest)
        #expect(
            loading.properties == ["client.id": "loader", "fetch.min.bytes": "1024", "max.poll.interval.ms": "600000"])
        #expect(
            loading.database
                == LoadingOptions.Database(
                    url: "host=db user=u", connectTimeout: .seconds(5), statementTimeout: .seconds(60),
                    lockTimeout: .milliseconds(500), synchronousCommit: false))
        #expect(loading.batch == BatchPolicy(maxRows: 10_000, maxBytes: 64_000, maxDelay: .milliseconds(250)))
        #expect(loading.writers == 4)
        #expect(loading.shutdownTimeout == .seconds(10))
        #expect(loading.outageTimeout == .seconds(3600))
        #expect(loading.deadLetters == LoadingOptions.DeadLetters(table: nil, topic: "dead", maxShare: 0.25))
        #expect(configuration.http.listen == nil)
        #expect(configuration.log == Configuration.Log(format: .json, level: .debug))
        #expect(
            loading.routes == [
                Route(
                    topics: [.name("orders"), .expression("^orders-.*{1,3}")],
                    table: TableName(schema: "Odd Schema", name: "orders"), mode: .upsert, key: ["order_id", "region"],
                    onTombstone: .skip,
                    columns: [
                        Route.Column(name: "order_id", source: .field(FieldPath(["id"]))),
                        Route.Column(name: "region", source: .header("region")),
                        Route.Column(name: "total", source: .field(FieldPath(["order", "total"])), isRequired: true),
                        Route.Column(
                            name: "at", epochUnit: .milliseconds, timeZone: "+02:00", onNul: .replace),
                        Route.Column(name: "raw", source: .value),
                    ], onNul: .strip, label: "routes[0]"),
                Route(
                    topics: [.name("refunds")], table: TableName(schema: nil, name: "refunds"), format: .json,
                    mode: .ignore,
                    timeZone: "Europe/Berlin", label: "routes[1]"),
            ])
    }

    @Test("the environment alone suffices")
    func environmentOnly() throws {
        let loading = try read(
            nil,
            environment: [
                "KAFKA_BROKERS": "a:1", "KAFKA_TOPIC": "orders, refunds", "KAFKA_CONSUMER_GROUP": "g",
                "KAFKA_CONSUMER_GROUP_PREFIX": "dev-", "KAFKA_CONSUMER_GROUP_SUFFIX": "-2",
                "DATABASE_URL": "postgres://h/d", "LOADER_TABLE": "Events", "LOADER_MODE": "ignore",
                "BATCH_SIZE": "10", "BATCH_TIMEOUT_SECONDS": "0.25",
                "LOADER_KAFKA_PROPERTIES_SECURITY_PROTOCOL": "sasl_plaintext",
                "LOADER_ROUTES_0_COLUMNS_ORDER_ID": "order.id", "LOADER_ROUTES_0_KEY": "order_id",
                "LOADER_DEAD_LETTERS_MAX_SHARE": "0.1", "LOADER_SHUTDOWN_TIMEOUT": "",
            ]
        ).loading
        #expect(loading.brokers == "a:1")
        #expect(loading.group == "dev-g-2")
        #expect(loading.database.url == "postgres://h/d")
        #expect(loading.batch.maxRows == 10)
        #expect(loading.batch.maxDelay == .milliseconds(250))
        #expect(loading.properties == ["security.protocol": "sasl_plaintext"])
        #expect(loading.deadLetters.maxShare == 0.1)
        #expect(loading.shutdownTimeout == .seconds(25))
        #expect(
            loading.routes == [
                Route(
                    topics: [.name("orders"), .name("refunds")], table: TableName(schema: nil, name: "events"),
                    mode: .ignore, key: ["order_id"],
                    columns: [.loose("order_id", source: .field(FieldPath(["order", "id"])))])
            ])
    }

    @Test("libpq's own variables are enough to name the database")
    func libpqVariables() throws {
        let environment = [
            "KAFKA_BROKERS": "a:1", "KAFKA_TOPIC": "t", "KAFKA_CONSUMER_GROUP": "g", "LOADER_TABLE": "t",
        ]
        #expect(try mistakes(nil, environment: environment).map(\.path) == ["postgres.url"])
        #expect(try mistakes(nil, environment: environment.merging(["PGHOST": "db"]) { $1 }).isEmpty)
    }

    @Test("the command line goes over the environment, the environment over the file, the file over the default")
    func precedence() throws {
        let yaml = completeYAML + "\nbatch: { max_rows: 1 }"
        let variables = ["BATCH_SIZE": "2", "LOADER_BATCH_MAX_ROWS": "3"]
        let path = ConfigurationPattern("batch.max_rows").path()
        func maxRows(_ configuration: Configuration) -> Int { configuration.loading.batch.maxRows }

        #expect(try read().origin(of: path) == .builtIn)
        #expect(maxRows(try read(yaml)) == 1)
        #expect(try read(yaml).origin(of: path) == .file("loader.yaml", line: 9, column: 20))
        #expect(maxRows(try read(yaml, environment: ["BATCH_SIZE": "2"])) == 2)
        #expect(maxRows(try read(yaml, environment: variables)) == 3)
        #expect(try read(yaml, environment: variables).origin(of: path) == .variable("LOADER_BATCH_MAX_ROWS"))
        let assigned = try read(yaml, environment: variables, set: ["batch.max_rows=4", "batch.max_rows=5"])
        #expect(maxRows(assigned) == 5)
        #expect(assigned.origin(of: path) == .argument("batch.max_rows"))
    }

    @Test("--set reaches lists, columns and librdkafka's dotted names")
    func assignments() throws {
        let loading = try read(set: [
            "routes.0.table=a.b", "routes[0].key=[x, y]", "routes[1].topic=^t{1,2}", "routes.1.table=t",
            "kafka.properties.sasl.username=u=v", "routes.0.columns.x=a.b", "routes.0.columns.x.required=true",
            "routes.0.columns.y.z=$key", "outage_timeout=null", "http.listen=[::1]:80",
        ]).loading
        #expect(loading.routes[0].table == TableName(schema: "a", name: "b"))
        #expect(loading.routes[0].key == ["x", "y"])
        #expect(loading.routes[1].topics == [.expression("^t{1,2}")])
        #expect(loading.properties == ["sasl.username": "u=v"])
        #expect(
            loading.routes[0].columns == [
                Route.Column(name: "x", source: .field(FieldPath(["a", "b"])), isRequired: true),
                Route.Column(name: "y.z", source: .key(nil)),
            ])
    }

    @Test("how fields and tombstones are found is each route's own to say")
    func fieldsAndTombstones() throws {
        let loading = try read(
            completeYAML,
            set: [
                "routes.0.names=snake_case", "routes.0.rest=none", "routes.0.on_no_fields=load",
                "routes.0.tombstones=json_null,empty", "routes.0.columns.raw.decode=base64",
                "routes.0.columns.at.unit=d",
            ]
        ).loading
        let route = try #require(loading.routes.first)
        #expect(route.names == .snakeCase && route.rest == .none && route.onNoFields == .load)
        #expect(route.tombstones == [.jsonNull, .empty])
        #expect(route.columns?.first { $0.name == "raw" }?.decoding == .base64)
        #expect(route.columns?.first { $0.name == "at" }?.epochUnit == .days)
    }

    @Test("a secret in a file of its own may hold any character")
    func secretFile() throws {
        let url = "postgresql://u:p: [x]}#${HOME}@h/d"
        let yaml = completeYAML.replacing("postgresql://loader@localhost/shop", with: "${file:/run/secrets/pg}")
        #expect(try read(yaml, files: ["/run/secrets/pg": url + "\n"]).loading.database.url == url)
    }

    @Test("a file in the database's URL is read again at each connection, and what is wrong with it then is said")
    func rereadFile() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "password-\(UUID().uuidString)").path()
        defer { try? FileManager.default.removeItem(atPath: file) }
        func write(_ text: String) throws { try text.write(toFile: file, atomically: true, encoding: .utf8) }
        try write("first\n")
        let yaml = completeYAML.replacing(
            "postgresql://loader@localhost/shop", with: "postgresql://loader:${file:${DIRECTORY}}@localhost/shop")
        let configuration = try Configuration(
            ConfigurationSources(
                file: ("loader.yaml", yaml), environment: ["DIRECTORY": file],
                readFile: { try? String(contentsOfFile: $0, encoding: .utf8) }))
        #expect(configuration.loading.database.url == "postgresql://loader:first@localhost/shop")
        let secrets = try #require(configuration.loading.database.connectionOptions("x").secrets)
        try write("second\n")
        #expect(try secrets.url() == "postgresql://loader:second@localhost/shop")
        try FileManager.default.removeItem(atPath: file)
        let failure = #expect(throws: SecretFailure.self) { try secrets.url() }
        #expect(failure?.words == "the file \(file) cannot be read" && failure?.passes == false)
        // What goes over the file has no file in it.
        let other = try Configuration(
            ConfigurationSources(
                file: ("loader.yaml", yaml), environment: ["DIRECTORY": file, "DATABASE_URL": "postgresql://h/d"],
                readFile: { _ in "x" }))
        #expect(other.loading.database.secrets == nil)
    }

    @Test("variables that Kubernetes sets for a service named loader are no mistakes")
    func serviceLinks() throws {
        let links = [
            "LOADER_SERVICE_HOST": "1", "LOADER_SERVICE_PORT": "1", "LOADER_SERVICE_PORT_METRICS": "1",
            "LOADER_PORT": "1",
            "LOADER_PORT_9464_TCP": "1", "LOADER_PORT_9464_TCP_ADDR": "1", "LOADER_METRICS_SERVICE_HOST": "1",
            "LOADER_CONFIG": "x",
        ]
        #expect(try mistakes(environment: links).isEmpty)
    }
}
