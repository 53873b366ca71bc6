import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

/// Each mistake is made, the command that its mend names is run as it stands, and the mistake is gone.
@Suite("Mends, walked")
struct MendTests {
    @Test("a database without the loader's schema: `loader migrate up`")
    func missingLedger() async throws {
        try await Walk.with(isMigrated: false) { walk in
            try walk.produce(0..<2)
            let said = try await walk.stumble(saying: "exactly-once rests on it")
            for command in ["loader status", "loader dead-letters list"] {
                let other = try await walk.stumble(command, saying: "loader migrate up")
                #expect(Walk.commands(in: other).contains("loader migrate up"))
            }
            let backfill = try await walk.type("loader backfill --topic \(walk.topic) --to-earliest")
            #expect(backfill.status == 78 && Walk.commands(in: backfill.errors) == ["loader migrate up"])
            try await walk.go(try walk.command("migrate up", in: said))
            try await walk.go()
            try await walk.go("loader status")
            #expect(try walk.ids() == [0, 1])
        }
    }

    @Test("a schema of the version before: `loader migrate up`")
    func olderLedger() async throws {
        try await Walk.with { walk in
            try walk.owner.execute(
                """
                ALTER TABLE loader.positions DROP COLUMN last_message, DROP COLUMN lost_offset;
                DELETE FROM schema_migrations WHERE version = '00000000000003';
                """)
            let said = try await walk.stumble(saying: "it lacks last_message and lost_offset")
            try await walk.go(try walk.command("migrate up", in: said))
            try await walk.go()
        }
    }

    @Test("a missing table: `loader infer` proposes it, `loader migrate up` makes it")
    func missingTable() async throws {
        try await Walk.with { walk in
            try walk.produce(0..<3)
            walk.environment["LOADER_TABLE"] = "public.others"
            let said = try await walk.stumble(saying: "there is no table public.others")
            try await walk.go(try walk.command("infer", in: said))
            try await walk.go(try walk.command("migrate up", in: said))
            try FileManager.default.removeItem(at: walk.directory.appending(path: "loader.yaml"))
            try await walk.go()
            #expect(try walk.owner.query("SELECT count(*) FROM others").int(0, 0) == 3)
        }
    }

    @Test("no unique index on the key: the DDL that is offered")
    func missingIndex() async throws {
        try await Walk.with { walk in
            try walk.produce(0..<3)
            walk.environment.merge(["LOADER_MODE": "upsert", "LOADER_ROUTES_0_KEY": "id"]) { $1 }
            let said = try await walk.stumble(saying: "no unique index on")
            for statement in Walk.statements(in: said) { try walk.owner.execute(statement) }
            try await walk.go()
            #expect(try walk.ids() == [0, 1, 2])
        }
    }

    @Test(
        "a role without rights: the GRANTs that are offered, in every mode", arguments: ["insert", "ignore", "upsert"])
    func missingRights(mode: String) async throws {
        try await Walk.with(tables: "CREATE TABLE events (id int PRIMARY KEY, v text)") { walk in
            try walk.produce(0..<3)
            let database = try walk.owner.query("SELECT current_database()").string(0, 0) ?? ""
            try walk.owner.execute("REVOKE TEMPORARY ON DATABASE \(quoteIdentifier(database)) FROM PUBLIC")
            walk.environment["LOADER_MODE"] = mode
            try await walk.withRole { _ in
                let said = try await walk.stumble(saying: "no right to")
                for statement in Walk.statements(in: said) { try walk.owner.execute(statement) }
                try await walk.go()
                #expect(try walk.ids() == [0, 1, 2])
            }
        }
    }

    @Test("an unlogged table: the ALTER TABLE that is offered")
    func unlogged() async throws {
        try await Walk.with(tables: "CREATE UNLOGGED TABLE events (id int, v text)") { walk in
            try walk.produce(0..<1)
            let found = try await walk.type("loader check")
            #expect(found.output.contains("is unlogged"))
            // The report is wrapped.
            let text = found.output.replacing(/\s+/, with: " ")
            for statement in Walk.statements(in: text) { try walk.owner.execute(statement) }
            #expect(try await walk.type("loader check").output.contains("is unlogged") == false)
        }
    }

    @Test("the ledger without its row: the INSERT, then the command that takes the group over where it stands")
    func lostIdentity() async throws {
        try await Walk.with { walk in
            try walk.produce(0..<3)
            try await walk.go()
            try walk.owner.execute("DELETE FROM loader.ledger")
            let said = try await walk.stumble(saying: "has no row")
            let status = try await walk.stumble("loader status", saying: "has no row")
            #expect(Walk.commands(in: status) == Walk.commands(in: said))
            for statement in Walk.statements(in: said) { try walk.owner.execute(statement) }
            for command in Walk.commands(in: said) { try await walk.go(command) }
            try walk.produce(3..<5)
            try await walk.go()
            #expect(try walk.ids() == [0, 1, 2, 3, 4])
        }
    }

    @Test(
        "a group that loads another database: the command that takes it over, with positions here and without",
        arguments: [true, false])
    func otherLedger(hasPosition: Bool) async throws {
        try await Walk.with { walk in
            try walk.produce(0..<3)
            if hasPosition { try await walk.go() }
            try walk.broker.withAdmin { admin in
                try admin.alterOffsets(
                    ofGroup: walk.group,
                    to: [
                        CommittedOffset(
                            partition: walk.place, offset: 2,
                            metadata: "loader/1 00000000-0000-0000-0000-000000000000")
                    ], timeout: .seconds(30))
            }
            let said = try await walk.stumble(saying: "belongs to another database")
            try await walk.go(try walk.command("backfill", in: said))
            try await walk.go()
            #expect(try walk.ids() == [0, 1, 2])
        }
    }

    @Test("a ledger that has lost a position: the command that goes on where the group is")
    func lostPosition() async throws {
        try await Walk.with { walk in
            try walk.produce(0..<3)
            try await walk.go()
            try walk.owner.execute("DELETE FROM loader.positions")
            let said = try await walk.stumble(saying: "has no row of it")
            try await walk.go(try walk.command("backfill", in: said))
            try walk.produce(3..<4)
            try await walk.go()
            #expect(try walk.ids() == [0, 1, 2, 3])
        }
    }

    @Test(
        "a position that the topic no longer holds: the command that is offered, by a start, check and status alike",
        arguments: ["loader run", "loader check", "loader status"])
    func lostOffsets(command: String) async throws {
        try await Walk.with { walk in
            try walk.produce(0..<3)
            try await walk.go()
            try walk.owner.execute(
                "DELETE FROM events; UPDATE loader.positions SET next_offset = 50 WHERE next_offset = 3")
            // The report of check is wrapped.
            let said = try await walk.stumble(command, saying: "lies outside").replacing(/\s+/, with: " ")
            try await walk.go(try walk.command("backfill", in: said))
            try await walk.go()
            #expect(try walk.ids() == [0, 1, 2])
        }
    }

    @Test(
        "a reset that would double rows: the command that takes it back, by a start, check and status alike",
        arguments: ["loader run", "loader check", "loader status"])
    func unsafeReplay(command: String) async throws {
        try await Walk.with { walk in
            try walk.produce(0..<4)
            try await walk.go()
            try walk.broker.withAdmin { admin in
                try admin.alterOffsets(
                    ofGroup: walk.group, to: [CommittedOffset(partition: walk.place, offset: 1, metadata: "")],
                    timeout: .seconds(30))
            }
            let said = try await walk.stumble(command, saying: "would be loaded twice").replacing(/\s+/, with: " ")
            try await walk.go(try walk.command("backfill", in: said))
            try await walk.go()
            #expect(try walk.ids() == [0, 1, 2, 3])
        }
    }

    @Test("a new group beside another: `loader run --new-group`")
    func newGroup() async throws {
        try await Walk.with { walk in
            try walk.produce(0..<1)
            try await walk.go()
            try await walk.broker.withGroup { group in
                walk.environment["KAFKA_CONSUMER_GROUP"] = group
                let said = try await walk.stumble(saying: "is new here")
                try await walk.go(try walk.command("run --new-group", in: said))
                try await walk.go()
                #expect(try walk.ids() == [0, 0])
            }
        }
    }

    @Test("RESET_OFFSET_ON_START without the ledger: the command that loads again by hand")
    func resetWithoutLedger() async throws {
        try await Walk.with { walk in
            try walk.produce(0..<2)
            walk.environment.merge(
                ["LOADER_DELIVERY": "at_least_once", "LOADER_MODE": "ignore", "RESET_OFFSET_ON_START": "true"]
            ) { $1 }
            try walk.owner.execute("ALTER TABLE events ADD PRIMARY KEY (id)")
            let said = try await walk.stumble(saying: "only the ledger can remember")
            walk.environment["RESET_OFFSET_ON_START"] = nil
            try await walk.go()
            try walk.owner.execute("DELETE FROM events")
            try await walk.go(try walk.command("backfill", in: said))
            try await walk.go()
            #expect(try walk.ids() == [0, 1])
        }
    }

    @Test("dead letters: what the list names shows one, and what that names is understood")
    func deadLetters() async throws {
        try await Walk.with { walk in
            try walk.produce(0..<1)
            try walk.broker.produce([TestMessage(partition: 0, value: #"{"id": "none"}"#)], to: walk.topic)
            walk.environment["LOADER_DEAD_LETTERS_MAX_SHARE"] = "1"
            try await walk.go()
            let status = try await walk.type("loader status")
            let list = try await walk.type(try walk.command("dead-letters list", in: status.output))
            #expect(list.status == 0)
            let show = try await walk.type(try walk.command("dead-letters show", in: list.output))
            #expect(show.status == 0)
            // It fails again, and is kept.
            #expect(try await walk.type(try walk.command("dead-letters replay", in: show.output)).status == 65)
            try walk.owner.execute("ALTER TABLE events ALTER COLUMN id TYPE text")
            try await walk.go(try walk.command("dead-letters replay", in: show.output))
            #expect(try walk.owner.query("SELECT 1 FROM loader.dead_letters").rowCount == 0)
        }
    }

    @Test("a row that waited in vain for the one it refers to: the replay that is named, once that one is there")
    func givenUp() async throws {
        let tables = "CREATE TABLE events (id int PRIMARY KEY, v text, parent int REFERENCES events)"
        try await Walk.with(tables: tables) { walk in
            try walk.broker.produce([TestMessage(partition: 0, value: #"{"id": 1, "parent": 7}"#)], to: walk.topic)
            walk.environment["LOADER_DEAD_LETTERS_MAX_SHARE"] = "1"
            let run = try await walk.type("loader run")
            #expect(run.status == 0)
            #expect(try walk.ids() == [])
            try walk.owner.execute("INSERT INTO events (id) VALUES (7)")
            try await walk.go(try walk.command("dead-letters replay", in: run.errors))
            #expect(try walk.ids() == [1, 7])
        }
    }

    @Test("letters that the role may not delete: the GRANT that is offered")
    func deleteRight() async throws {
        try await Walk.with { walk in
            try walk.broker.produce([TestMessage(partition: 0, value: "no JSON")], to: walk.topic)
            walk.environment["LOADER_DEAD_LETTERS_MAX_SHARE"] = "1"
            try await walk.go()
            try await walk.withRole { role in
                try walk.owner.execute(
                    "GRANT USAGE ON SCHEMA loader TO \(role); GRANT SELECT, UPDATE ON loader.dead_letters TO \(role)")
                let said = try await walk.stumble("loader dead-letters purge", saying: "need DELETE")
                for statement in Walk.statements(in: said) { try walk.owner.execute(statement) }
                // As what shows the letter says.
                let id = try walk.owner.query("SELECT id FROM loader.dead_letters").int(0, 0) ?? 0
                let show = try await walk.type("loader dead-letters show \(id)")
                try await walk.go(try walk.command("dead-letters purge", in: show.output))
                #expect(try walk.owner.query("SELECT 1 FROM loader.dead_letters").rowCount == 0)
            }
        }
    }

    @Test("a role whose search path begins with the ledger's schema: the ALTER ROLE that is offered")
    func searchPath() async throws {
        try await Walk.with { walk in
            try await walk.withRole { role in
                try walk.owner.execute(
                    """
                    ALTER ROLE \(role) SET search_path = loader, public; GRANT USAGE ON SCHEMA loader TO \(role);
                    GRANT SELECT ON loader.ledger TO \(role); GRANT ALL ON loader.positions, loader.dead_letters, events TO \(role)
                    """)
                func said() async throws -> String {
                    try await walk.type("loader check --sample 0").output.replacing(/\s+/, with: " ")
                }
                let before = try await said()
                #expect(before.contains("land in the ledger's own"), "\(before)")
                for statement in Walk.statements(in: before) { try walk.owner.execute(statement) }
                #expect(try await !said().contains("land in the ledger's own"))
            }
        }
    }

    @Test("a migration whose number is recorded for another: `loader migrate up --applied`")
    func appliedElsewhere() async throws {
        try await Walk.with { walk in
            let files = walk.directory.appending(path: "migrations")
            try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
            let first = files.appending(path: "0005_first.sql")
            try Data("-- migrate:up\nCREATE TABLE first (id int);\n-- migrate:down\n".utf8).write(to: first)
            try await walk.go("loader migrate up")
            try FileManager.default.removeItem(at: first)
            try Data("-- migrate:up\nCREATE TABLE second (id int);\n-- migrate:down\n".utf8)
                .write(to: files.appending(path: "0005_second.sql"))
            let said = try await walk.stumble("loader migrate up", saying: "is recorded for")
            try await walk.go(try walk.command("migrate up --applied", in: said))
            try await walk.go("loader migrate up")
            try await walk.go("loader migrate status --exit-code")
        }
    }

    @Test("a variable that is like no other: the command that lists them all")
    func reference() async throws {
        try await Walk.with { walk in
            walk.environment["LOADER_XYZZY_PLUGH_FROTZ"] = "1"
            let said = try await walk.stumble(saying: "no key has this variable")
            walk.environment["LOADER_XYZZY_PLUGH_FROTZ"] = nil
            try await walk.go(try walk.command("config --reference", in: said))
        }
    }

    @Test(
        "a mistyped variable or key: the name that it was taken for",
        arguments: [
            ("LOADER_BATCH_MAX_ROW", "10"), ("LOADER_POSTGRES_STATEMENT_TIMEOUTS", "9s"), ("LOADER_MODUS", "insert"),
        ])
    func didYouMean(variable: String, value: String) async throws {
        try await Walk.with { walk in
            try walk.produce(0..<1)
            walk.environment[variable] = value
            let said = try await walk.stumble(saying: "Did you mean")
            let meant = try #require(said.firstMatch(of: /Did you mean ([A-Z_0-9]+)\?/)?.1)
            walk.environment[String(meant)] = walk.environment.removeValue(forKey: variable)
            try await walk.go()
        }
    }
}
