import Foundation
import Kafka
import Loading
import Logging
import Postgres
import TestSupport
import Testing

/// `loader dead-letters replay`, without its command line.
@Suite("Replay of dead letters")
struct DeadLetterReplayTests {
    private static let logger = Logger(label: "replay") { _ in SwiftLogNoOpLogHandler() }

    private func replay(
        _ options: LoadingOptions, overwrites: Bool = false, isDryRun: Bool = false, topic: String? = nil,
        _ select: @Sendable @escaping (inout DeadLetterFilter) -> Void = { _ in }
    ) async throws -> DeadLetterReplay.Outcome {
        try await onThread {
            let replay = try DeadLetterReplay(
                options, overwrites: overwrites, isDryRun: isDryRun, logger: Self.logger)
            if let topic { return try replay.run(fromTopic: topic) }
            var filter = DeadLetterFilter()
            filter.group = options.group
            select(&filter)
            return try replay.run(filter)
        }
    }

    private func message(_ id: Int, _ value: String, key: String? = nil) -> TestMessage {
        TestMessage(key: key, value: #"{"id": \#(id), "v": \#(value)}"#)
    }

    @Test("what loads after the mend leaves the table; what does not stays, with its new reason and one attempt more")
    func mended() async throws {
        try await Scenario.with("CREATE TABLE t (id int, v int2, at bigint, sent timestamptz)") { scenario in
            let topic = try scenario.topic([
                message(1, "1"), message(2, "70000"), message(3, #""x""#), message(4, "5000000000"),
                TestMessage(key: nil, value: "{"),
            ])
            let route = Route(
                topic, "t",
                columns: [
                    .init("id", "id"), .init("v", "v"), .init("at", "$offset"), .init("sent", "$timestamp"),
                ])
            try await scenario.load([route])
            #expect(try scenario.deadLetters().count == 4)
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int, ADD CHECK (v <> 70000) NOT VALID")
            let first = try await replay(scenario.options([route]))
            #expect(first.loaded == 0 && first.failed == 4)
            #expect(
                try scenario.deadLetters().map { "\($0.offset) \($0.reason) \($0.attempts)" } == [
                    "1 refused_by_server 2", "2 bad_syntax 2", "3 out_of_range 2", "4 invalid_json 2",
                ])
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE bigint, DROP CONSTRAINT t_v_check")
            let second = try await replay(scenario.options([route]))
            #expect(second.loaded == 2 && second.failed == 2)
            #expect(second.failures.map(\.offset) == [2, 4])
            #expect(
                try scenario.rows("SELECT id, v, at, sent IS NOT NULL FROM t ORDER BY id") == [
                    "1|1|0|t", "2|70000|1|t", "4|5000000000|3|t",
                ])
            #expect(try scenario.deadLetters().map { "\($0.offset) \($0.attempts)" } == ["2 3", "4 3"])
        }
    }

    @Test("a value that its producer has compressed is kept as it came, with its header, and is replayed by that")
    func compressed() async throws {
        try await Scenario.with("CREATE TABLE t (id int2, v int2)") { scenario in
            // `{"id": 70000, "v": 1}` in gzip, by Python.
            let gzip: [UInt8] = [
                0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xAB, 0x56, 0xCA, 0x4C, 0x51, 0xB2,
                0x52, 0x30, 0x37, 0x00, 0x02, 0x1D, 0x05, 0xA5, 0x32, 0x20, 0xDB, 0xB0, 0x16, 0x00, 0x06, 0x68,
                0x41, 0xB8, 0x15, 0x00, 0x00, 0x00,
            ]
            let headers = [Header(name: "content-encoding", value: Array("gzip".utf8))]
            let topic = try scenario.topic([
                TestMessage(key: nil, bytes: gzip, headers: headers),
                TestMessage(key: nil, bytes: Array(gzip.dropLast(4)), headers: headers),
            ])
            let route = Route(topic, "t")
            try await scenario.load([route])
            let letters = try scenario.deadLetters()
            #expect(letters.map(\.reason) == ["out_of_range", "bad_syntax"])
            #expect(letters.first?.value == gzip)
            #expect(letters.first?.headers.first?.name == "content-encoding")
            try scenario.connection.execute("ALTER TABLE t ALTER id TYPE int")
            let outcome = try await replay(scenario.options([route]))
            #expect(outcome.loaded == 1 && outcome.failed == 1)
            #expect(try scenario.rows("SELECT id, v FROM t") == ["70000|1"])
        }
    }

    @Test("a filter, and nothing else, says which letters are replayed; a dry run changes nothing")
    func filtered() async throws {
        try await Scenario.with("CREATE TABLE t (id int2, v int2)") { scenario in
            let topic = try scenario.topic([
                message(1, "70000"), message(70000, "1"), message(2, #""x""#), message(3, "70001"),
            ])
            let route = Route(topic, "t")
            try await scenario.load([route])
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int, ALTER id TYPE int")
            let options = scenario.options([route])
            let dry = try await replay(options, isDryRun: true) { $0.columns = ["v"] }
            #expect(dry.loaded == 2 && dry.failed == 1)
            #expect(try scenario.rows("SELECT * FROM t").isEmpty)
            #expect(try scenario.deadLetters().map(\.attempts) == [1, 1, 1, 1])
            #expect(
                try await replay(options) {
                    $0.reasons = ["out_of_range"]
                    $0.columns = ["v"]
                }.loaded == 2)
            #expect(try await replay(options) { $0.topics = ["another"] } == .init())
            #expect(try await replay(options) { $0.until = Date(timeIntervalSinceNow: -3600) } == .init())
            #expect(
                try await replay(options) {
                    $0.tables = ["t"]
                    $0.reasons = ["out_of_range"]
                }.loaded == 1)
            #expect(try scenario.rows("SELECT id FROM t ORDER BY 1") == ["1", "3", "70000"])
        }
    }

    @Test("two replays at once load each letter once, also into a table that is only appended to")
    func atOnce() async throws {
        try await Scenario.with("CREATE TABLE t (id int, v int2)") { scenario in
            let count = 4000
            let topic = try scenario.topic((0..<count).map { message($0, "70000") })
            let route = Route(topic, "t")
            try await scenario.load([route]) { $0.deadLetters.maxShare = 1 }
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int")
            let options = scenario.options([route])
            async let one = replay(options)
            async let other = replay(options)
            let outcomes = try await [one, other]
            #expect(outcomes.reduce(0) { $0 + $1.loaded } == count)
            #expect(try scenario.rows("SELECT count(*), count(DISTINCT id) FROM t") == ["\(count)|\(count)"])
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    @Test("in mode upsert a letter that was overtaken sets no row back and raises no deleted one; the latest loads")
    func overtaken() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v int2)") { scenario in
            let topic = try scenario.topic([
                message(1, "70000", key: "1"), message(1, "2", key: "1"),  // replaced later
                message(2, "1", key: "2"), message(2, "70000", key: "2"),  // the letter is the latest
                message(3, "70000", key: "3"), TestMessage(key: "3", value: nil),  // deleted later
                message(4, "70000", key: "4"), message(4, "70001", key: "4"),  // two letters of one key
                message(5, "70000", key: "5"), message(5, #""x""#, key: "5"),  // the later one stays bad
            ])
            let route = Route(topic, "t", mode: .upsert)
            try await scenario.load([route])
            #expect(try scenario.deadLetters().count == 7)
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int")
            let outcome = try await replay(scenario.options([route]))
            #expect(outcome.overtaken == 2 && outcome.loaded == 4 && outcome.failed == 1)
            #expect(
                try scenario.rows("SELECT * FROM t ORDER BY id") == ["1|2", "2|70000", "4|70001", "5|70000"])
            #expect(try scenario.deadLetters().map(\.offset) == [9])
        }
    }

    @Test("where a route says what is newer, a letter loads over later messages that are older, and over no newer ones")
    func newer() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v int2, n int)") { scenario in
            func message(_ id: Int, _ v: Int, newer: Int) -> TestMessage {
                TestMessage(key: "\(id)", value: "{\"id\": \(id), \"v\": \(v), \"n\": \(newer)}")
            }
            let topic = try scenario.topic([
                message(1, 70000, newer: 5), message(1, 1, newer: 4),  // the later one is older
                message(2, 70000, newer: 5), message(2, 1, newer: 6),  // and here it is newer
                message(3, 70000, newer: 5), TestMessage(key: "3", value: nil),  // deleted whatever was there
                message(4, 1, newer: 7), message(4, 70000, newer: 5),  // the row was newer before
            ])
            var route = Route(topic, "t", mode: .upsert)
            route.newer = ["n"]
            try await scenario.load([route])
            #expect(try scenario.deadLetters().count == 4)
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int")
            let outcome = try await replay(scenario.options([route]))
            #expect(outcome.overtaken == 1 && outcome.loaded == 3 && outcome.failed == 0)
            #expect(try scenario.rows("SELECT * FROM t ORDER BY id") == ["1|70000|5", "2|1|6", "4|1|7"])
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    @Test("a letter is not loaded over a row whose later message a loader brings in the meantime")
    func overtakenMeanwhile() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v int2)") { scenario in
            let topic = try scenario.topic([message(1, "70000", key: "1")])
            let route = Route(topic, "t", mode: .upsert)
            try await scenario.load([route])
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int")
            // The letter is held, so that the replay has looked at the topic and waits; then the later message loads.
            let blocker = try scenario.schema.connect()
            try blocker.execute("BEGIN")
            _ = try blocker.query(
                "SELECT 1 FROM loader.positions WHERE consumer_group = $1 FOR UPDATE", [.text(scenario.group)])
            let options = scenario.options([route])
            async let outcome = replay(options)
            let observer = try scenario.schema.connect()
            try await eventually("the replay waits") {
                try observer.query(
                    "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'",
                    [.text("loader \(scenario.group) replay")]
                ).rowCount > 0
            }
            try scenario.produce([message(1, "5", key: "1")], to: topic)
            _ = try blocker.query("INSERT INTO t VALUES (1, 5)")
            _ = try blocker.query(
                "UPDATE loader.positions SET next_offset = 2 WHERE consumer_group = $1", [.text(scenario.group)])
            try blocker.execute("COMMIT")
            #expect(try await outcome.overtaken == 1)
            #expect(try scenario.rows("SELECT * FROM t") == ["1|5"])
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    @Test("where Kafka has deleted what came behind a letter, it stays; --overwrite loads it")
    func unknown() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            try scenario.connection.execute("ALTER TABLE events ALTER id TYPE int2")
            try scenario.broker.produce(
                [70000, 1, 2, 3].map { TestMessage(partition: 0, value: #"{"id": \#($0)}"#) }, to: scenario.topic)
            try await scenario.load()
            try scenario.connection.execute("ALTER TABLE events ALTER id TYPE int")
            try scenario.broker.withAdmin {
                _ = try $0.deleteRecords(before: [scenario.place(0): 3], timeout: .seconds(30))
            }
            #expect(try await replay(scenario.options).unknown == 1)
            #expect(try scenario.ids() == [1, 2, 3])
            #expect(try await replay(scenario.options, overwrites: true).loaded == 1)
            #expect(try scenario.ids() == [1, 2, 3, 70000])
        }
    }

    @Test("a letter goes where its route goes today; one whose topic no route takes stays as it was")
    func rerouted() async throws {
        try await Scenario.with("CREATE TABLE t (id int2); CREATE TABLE wide (id int)") { scenario in
            let topic = try scenario.topic([message(70000, "1"), message(70001, #""x""#)])
            try await scenario.load([Route(topic, "t")])
            let stranger = try await replay(scenario.options([Route("another", "wide")]))
            #expect(stranger.unrouted == 2)
            #expect(try scenario.deadLetters().map(\.attempts) == [1, 1])
            #expect(try await replay(scenario.options([Route(topic, "wide")])).loaded == 2)
            #expect(try scenario.rows("SELECT * FROM wide ORDER BY 1") == ["70000", "70001"])
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    // MARK: From a topic

    @Test("a topic's letters load once, however often it is replayed; what fails again goes back with its attempts")
    func fromTopic() async throws {
        try await Scenario.with("CREATE TABLE t (id int, v int2, p int, at bigint, h text, sent timestamptz)") {
            scenario in
            var bad = message(1, "70000")
            bad.headers = [Header("h", "kept")]
            let topic = try scenario.topic([bad, message(2, #""x""#), message(3, "70001")])
            let letters = try scenario.topic()
            let route = Route(
                topic, "t",
                columns: [
                    .init("id", "id"), .init("v", "v"), .init("p", "$partition"), .init("at", "$offset"),
                    .init("h", "$headers.h"), .init("sent", "$timestamp"),
                ])
            let onlyTopic = LoadingOptions.DeadLetters(table: nil, topic: letters, maxShare: 1)
            try await scenario.load([route]) { $0.deadLetters = onlyTopic }
            // As after a crash between the topic and the database: the same letter twice.
            let copy = try #require(try scenario.broker.readAll(letters).first)
            try scenario.broker.produce([copy], to: letters)
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int")
            var options = scenario.options([route])
            options.deadLetters = onlyTopic
            let dry = try await replay(options, isDryRun: true, topic: letters)
            #expect(dry.loaded == 2 && dry.failed == 1 && dry.repeated == 1)
            #expect(try scenario.rows("SELECT * FROM t").isEmpty)
            let first = try await replay(options, topic: letters)
            #expect(first.loaded == 2 && first.failed == 1 && first.repeated == 1)
            #expect(
                try scenario.rows("SELECT id, p, at, h FROM t ORDER BY id") == ["1|0|0|kept", "3|0|2|∅"])
            let sent = try #require(try scenario.broker.readAll(topic).first?.timestamp)
            #expect(
                try scenario.rows("SELECT (extract(epoch FROM sent) * 1000)::bigint FROM t WHERE id = 1") == ["\(sent)"]
            )
            // Only what failed again is tried again, and it remembers.
            let second = try await replay(options, topic: letters)
            #expect(second == .init(failed: 1, failures: second.failures))
            let last = try #require(try scenario.broker.readAll(letters).last)
            #expect(last.headers.last { $0.name == "__connect.errors.attempts" }?.value == Array("3".utf8))
            #expect(last.headers.count { $0.name == "__connect.errors.topic" } == 1)
            // A copy that comes later is known as one.
            try scenario.broker.produce([copy], to: letters)
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE text USING v")
            let third = try await replay(options, topic: letters)
            #expect(third.loaded == 1 && third.repeated == 1)
            #expect(try scenario.rows("SELECT id FROM t ORDER BY id") == ["1", "2", "3"])
            scenario.forgetReplays()
        }
    }

    @Test("a letter that stands in the table as well loads once, whichever of both is replayed")
    func fromBoth() async throws {
        try await Scenario.with("CREATE TABLE t (id int, v int2)") { scenario in
            let topic = try scenario.topic([message(1, "70000"), message(2, "70000"), message(3, #""x""#)])
            let letters = try scenario.topic()
            let route = Route(topic, "t")
            try await scenario.load([route]) { $0.deadLetters.topic = letters }
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int")
            var options = scenario.options([route])
            options.deadLetters.topic = letters
            let id = try #require(
                try scenario.rows(
                    "SELECT id FROM loader.dead_letters WHERE consumer_group = '\(scenario.group)' AND \"offset\" = 0"
                ).first.flatMap { Int64($0) })
            #expect(try await replay(options) { $0.ids = [id] }.loaded == 1)
            let outcome = try await replay(options, topic: letters)
            #expect(outcome.loaded == 1 && outcome.repeated == 1 && outcome.failed == 1)
            #expect(try scenario.rows("SELECT id FROM t ORDER BY id") == ["1", "2"])
            #expect(try scenario.deadLetters().map { "\($0.offset) \($0.attempts)" } == ["2 2"])
            #expect(try scenario.broker.readAll(letters).count == 3, "the table is where it stays")
            scenario.forgetReplays()
        }
    }

    @Test("two replays of one topic at once load each letter once")
    func fromTopicAtOnce() async throws {
        try await Scenario.with("CREATE TABLE t (id int, v int2)") { scenario in
            let count = 3000
            let topic = try scenario.topic((0..<count).map { message($0, "70000") })
            let letters = try scenario.topic()
            let route = Route(topic, "t")
            var options = scenario.options([route])
            options.deadLetters = .init(table: nil, topic: letters, maxShare: 1)
            try await scenario.load([route]) { $0.deadLetters = .init(table: nil, topic: letters, maxShare: 1) }
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int")
            async let one = replay(options, topic: letters)
            async let other = replay(options, topic: letters)
            let outcomes = try await [one, other]
            #expect(outcomes.reduce(0) { $0 + $1.loaded } == count)
            #expect(try scenario.rows("SELECT count(*), count(DISTINCT id) FROM t") == ["\(count)|\(count)"])
            scenario.forgetReplays()
        }
    }

    @Test("Kafka Connect's letters go through the route of the topic they came from; what no route takes is kept")
    func fromConnect() async throws {
        try await Scenario.with("CREATE TABLE t (id int, topic text, p int, at bigint)") { scenario in
            let letters = try scenario.topic([
                connectLetter(#"{"id": 7}"#, topic: "payments", partition: 3, offset: 4242),
                connectLetter(#"{"id": 8}"#, topic: "nobody-takes-this", partition: 0, offset: 1),
                TestMessage(key: nil, value: #"{"id": 9}"#),
            ])
            let route = Route(
                "payments", "t",
                columns: [
                    .init("id", "id"), .init("topic", "$topic"), .init("p", "$partition"), .init("at", "$offset"),
                ])
            let outcome = try await replay(scenario.options([route]), topic: letters)
            #expect(outcome.loaded == 1 && outcome.unrouted == 2)
            #expect(try scenario.rows("SELECT * FROM t") == ["7|payments|3|4242"])
            let kept = try scenario.deadLetters()
            #expect(Set(kept.map(\.topic)) == ["nobody-takes-this", letters])
            #expect(kept.allSatisfy { $0.reason == "no_route" && $0.table.isEmpty })
            // With a route, they load from the table.
            let more = Route("nobody-takes-this", "t", label: "routes[1]")
            #expect(try await replay(scenario.options([route, more])).loaded == 1)
            scenario.forgetReplays()
        }
    }

    /// As Connect's DeadLetterQueueReporter writes it with `errors.deadletterqueue.context.headers.enable`.
    private func connectLetter(_ value: String, topic: String, partition: Int, offset: Int) -> TestMessage {
        var message = TestMessage(key: nil, value: value)
        message.headers = [
            Header("__connect.errors.topic", topic), Header("__connect.errors.partition", "\(partition)"),
            Header("__connect.errors.offset", "\(offset)"), Header("__connect.errors.connector.name", "jdbc-sink"),
            Header("__connect.errors.task.id", "0"), Header("__connect.errors.stage", "VALUE_CONVERTER"),
            Header("__connect.errors.class.name", "org.apache.kafka.connect.json.JsonConverter"),
            Header("__connect.errors.exception.class.name", "org.apache.kafka.connect.errors.DataException"),
            Header("__connect.errors.exception.message", "no schema"),
            Header(name: "__connect.errors.exception.stacktrace", value: nil),
        ]
        return message
    }
}

extension Scenario {
    /// Takes away the positions of replays from topics.
    fileprivate func forgetReplays() {
        _ = try? connection.query(
            "DELETE FROM loader.positions WHERE consumer_group = $1", [.text(group + "-dead-letters")])
    }
}
