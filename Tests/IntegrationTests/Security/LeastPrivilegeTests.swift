import Foundation
import Postgres
import TestSupport
import Testing

/// `deploy/postgres/role.sql` is enough for all that the loader does, and none of it is too much.
@Suite("Least privilege")
struct LeastPrivilegeTests {
    private static let tables = [
        "appended": "insert", "kept": "ignore", "replaced": "upsert", "told": "history",
    ]

    /// A database in which nobody may do anything that he was not given, with the loader's schema and a table of each mode.
    private func prepare(_ url: String) throws {
        try TestDatabase.migrate(url)
        let connection = try Connection(ConnectionOptions(url: url))
        let database = try #require(try connection.query("SELECT current_database()").string(0, 0))
        try connection.execute(
            """
            REVOKE ALL ON DATABASE \(quoteIdentifier(database)) FROM PUBLIC;
            REVOKE ALL ON SCHEMA public FROM PUBLIC;
            CREATE TABLE appended (id bigint, n int);
            CREATE TABLE kept (id bigint PRIMARY KEY, n int);
            CREATE TABLE replaced (id bigint PRIMARY KEY, n int);
            CREATE TABLE told (id bigint, n int, place int, number bigint, PRIMARY KEY (place, number));
            """)
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../deploy/postgres/role.sql").standardizedFileURL.path()
        for (table, mode) in Self.tables {
            try PostgresServer.runTool(
                "psql",
                [
                    "-qX", "-v", "ON_ERROR_STOP=1", "-v", "role=loader_app", "-v", "table=public.\(table)", "-v",
                    "mode=\(mode)", "-f", script, url,
                ])
        }
        try connection.execute("ALTER ROLE loader_app PASSWORD 'right'")
    }

    private func environment(_ broker: Broker, _ url: String, _ topics: [String: String]) throws -> [String: String] {
        var environment = [
            "KAFKA_BROKERS": broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": Broker.randomName("group"),
            "DATABASE_URL": try login(url), "LOADER_HTTP_LISTEN": "off",
            "LOADER_DEAD_LETTERS_MAX_SHARE": "1",
        ]
        for (index, (table, mode)) in Self.tables.sorted(by: { $0.key < $1.key }).enumerated() {
            environment["LOADER_ROUTES_\(index)_TOPIC"] = topics[table]
            environment["LOADER_ROUTES_\(index)_TABLE"] = "public.\(table)"
            environment["LOADER_ROUTES_\(index)_MODE"] = mode
            guard mode == "history" else { continue }
            environment["LOADER_ROUTES_\(index)_COLUMNS_PLACE"] = "$partition"
            environment["LOADER_ROUTES_\(index)_COLUMNS_NUMBER"] = "$offset"
        }
        return environment
    }

    private func login(_ url: String) throws -> String {
        var parts = try #require(URLComponents(string: url))
        (parts.user, parts.password) = ("loader_app", "right")
        return try #require(parts.string)
    }

    /// Topics for the tables, each with two good messages and a bad one, and a tombstone for what is replaced.
    private func topics(_ broker: Broker) throws -> [String: String] {
        var topics: [String: String] = [:]
        for (table, mode) in Self.tables {
            let topic = Broker.randomName(table)
            topics[table] = topic
            try broker.createTopic(topic, partitions: 1)
            var messages = [(1, "1"), (2, "2"), (3, "\"bad\"")].map { id, n in
                TestMessage(partition: 0, key: "{\"id\":\(id)}", value: "{\"id\":\(id),\"n\":\(n)}")
            }
            if mode == "upsert" { messages.append(TestMessage(partition: 0, key: "{\"id\":2}", value: nil)) }
            try broker.produce(messages, to: topic)
        }
        return topics
    }

    @Test("the role of role.sql suffices for everything that the loader does")
    func suffices() async throws {
        let server = try PostgresServer()
        // Not the mock, which does not tell who is in a group.
        let broker = try Broker.sharedReal()
        try await server.withDatabase { url in
            try prepare(url)
            let topics = try topics(broker)
            let environment = try environment(broker, url, topics)
            func expect(_ arguments: [String], _ status: Int32 = 0) async throws {
                let ended = try await Command.run(arguments, environment)
                #expect(ended.status == status, "\(arguments): \(ended)")
                #expect(!"\(ended.output)\(ended.errors)".contains("42501"), "\(arguments): \(ended)")
            }
            try await expect(["check", "--sample", "10"])
            try await expect(["run", "--until-end"])
            let connection = try Connection(ConnectionOptions(url: url))
            func count(_ table: String) throws -> Int64? {
                try connection.query("SELECT count(*) FROM \(table)").int(0, 0)
            }
            #expect(try count("appended") == 2 && count("kept") == 2 && count("replaced") == 1)
            #expect(try count("told") == 2 && count("loader.dead_letters") == 4)
            try await expect(["status"])
            try await expect(["verify", "--route", "2"])
            try await expect(["dead-letters", "list"])
            try connection.execute(
                "ALTER TABLE appended ALTER n TYPE text; ALTER TABLE kept ALTER n TYPE text; ALTER TABLE told ALTER n TYPE text"
            )
            // One of them has no better table.
            try await expect(["dead-letters", "replay"], 65)
            #expect(try count("loader.dead_letters") == 1)
            try await expect(["dead-letters", "purge", "--yes"])
            #expect(try count("loader.dead_letters") == 0)
            let topic = try #require(topics["replaced"])
            try await expect(["backfill", "--topic", topic, "--to-earliest", "--yes"])
            try await expect(["run", "--until-end"])
            #expect(try count("replaced") == 1)
        }
    }

    @Test("each of its rights is needed: without it a check names what is missing")
    func needed() async throws {
        let server = try PostgresServer()
        let broker = try Broker.sharedMock()
        try await server.withDatabase { url in
            try prepare(url)
            let environment = try environment(broker, url, topics(broker))
            // So that there are letters.
            let run = try await Command.run(["run", "--until-end"], environment)
            #expect(run.status == 0, "\(run)")
            let connection = try Connection(ConnectionOptions(url: url))
            // Whatever the script has granted.
            let rights = try connection.query(
                """
                SELECT privilege_type, kind, name FROM (
                  SELECT relacl, 'TABLE', oid::regclass::text FROM pg_class
                  UNION ALL SELECT nspacl, 'SCHEMA', quote_ident(nspname) FROM pg_namespace
                  UNION ALL SELECT datacl, 'DATABASE', quote_ident(datname) FROM pg_database
                    WHERE datname = current_database()
                ) AS granted (acl, kind, name), aclexplode(acl) AS exploded
                WHERE grantee = 'loader_app'::regrole ORDER BY kind, name, privilege_type
                """)
            #expect(rights.rowCount >= 16)
            for row in 0..<rights.rowCount {
                let words = (0..<3).map { rights.string(row, $0) ?? "" }
                let (right, kind, name) = (words[0], words[1], words[2])
                try connection.execute("REVOKE \(right) ON \(kind) \(name) FROM loader_app")
                // A loader deletes no letters but those that wait for what they refer to, and nothing refers here.
                let isOfReplay = right == "DELETE" && name == "loader.dead_letters"
                let command = isOfReplay ? ["dead-letters", "purge", "--yes"] : ["check", "--sample", "0"]
                let check = try await Command.run(command, environment)
                let said = (check.output + check.errors).split(whereSeparator: \.isWhitespace).joined(separator: " ")
                #expect(check.status == 78, "\(right) on \(name): \(check)")
                if right == "CONNECT" {
                    #expect(said.contains(ConnectionRefusal.databaseRight.words), "\(check)")
                } else {
                    #expect(said.contains("GRANT") && said.contains(right), "\(right) on \(name): \(check)")
                }
                try connection.execute("GRANT \(right) ON \(kind) \(name) TO loader_app")
            }
            let check = try await Command.run(["check", "--sample", "0"], environment)
            #expect(check.status == 0, "\(check)")
        }
    }
}
