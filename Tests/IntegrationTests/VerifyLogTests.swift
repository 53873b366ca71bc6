import Foundation
import Kafka
import Loading
import Operating
import Postgres
import TestSupport
import Testing

/// What a log no longer has, does not say in an order, or gets while it is read.
@Suite("Verification: logs")
struct VerifyLogTests {
    private func row(_ id: Int, _ v: String, partition: Int32 = 0) -> TestMessage {
        TestMessage(partition: partition, key: "\(id)", value: #"{"id": \#(id), "v": "\#(v)"}"#)
    }

    @Test("offsets without messages, of aborted transactions and control records, are no difference")
    func transactions() async throws {
        let broker = try Broker.sharedReal()
        try await LedgerScenario.with(broker) { scenario in
            let producer = try TransactionalProducer(broker, id: scenario.options.group)
            for commits in [true, false, true, false] {
                try producer.begin()
                try producer.produce(scenario.nextValues(3), to: scenario.place(0))
                if commits { try producer.commit() } else { try producer.abort() }
            }
            try await scenario.load()
            #expect(try scenario.ids() == [0, 1, 2, 6, 7, 8])
            var report = try await verified(scenario.options)
            #expect(report.words == [] && report.messages == 6, "\(report)")
            try scenario.connection.execute("INSERT INTO events VALUES (3, 0, 4); DELETE FROM events WHERE id = 6")
            report = try await verified(scenario.options)
            #expect(report.words == ["extra 0,4 -", "missing 0,8 [0]@8"])
        }
    }

    @Test("rows of messages that retention has deleted are told as such; a row of a deleted key is still a difference")
    func retention() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            let place = scenario.place(0)
            try scenario.produce(6)
            scenario.options.routes[0].columns?.append(.init(name: "extra", source: .field(.init(["extra"]))))
            scenario.options.routes[0].absent = .keep
            try scenario.connection.execute("ALTER TABLE events ADD extra text")
            try scenario.broker.produce(
                [
                    TestMessage(partition: 0, key: nil, value: #"{"id": 1, "extra": "x"}"#),
                    TestMessage(partition: 0, key: nil, value: #"{"id": 4}"#),
                    TestMessage(partition: 0, key: #"{"id": 5}"#, value: nil),
                    TestMessage(partition: 0, key: nil, value: #"{"id": 1}"#),
                ], to: scenario.topic)
            try await scenario.load()
            try scenario.broker.withAdmin { _ = try $0.deleteRecords(before: [place: 7], timeout: .seconds(30)) }
            var report = try await verified(scenario.options)
            #expect(report.words == [] && report.noteWords == ["not_in_topic 3", "partly_compared -"], "\(report)")
            try scenario.connection.execute(
                "INSERT INTO events VALUES (5, 0, 5); UPDATE events SET part = 9 WHERE id IN (0, 4)")
            report = try await verified(scenario.options)
            #expect(report.words == ["extra 5 [0]@8 deleted", "other 4 [0]@7 part"])
        }
    }

    @Test("rows of messages that compaction has taken are told as such and are no difference; what is left is compared")
    func compaction() async throws {
        try await LedgerScenario.with(try Broker.sharedReal(), mode: .upsert) { scenario in
            let topic = Broker.randomName("compacted")
            try scenario.broker.withAdmin {
                try $0.createTopic(
                    topic, partitions: 1, replicas: 1,
                    configuration: [
                        "cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.001",
                        "max.compaction.lag.ms": "100",
                    ], timeout: .seconds(30))
            }
            defer { scenario.broker.deleteTopic(topic) }
            try scenario.connection.execute(
                "CREATE TABLE placed (id int, part int, at bigint); CREATE TABLE counted (id int)")
            scenario.options.routes[0].topics = [.name(topic)]
            var placed = scenario.options.routes[0]
            (placed.table, placed.mode, placed.label) = (TableName(schema: nil, name: "placed"), .insert, "routes[1]")
            scenario.options.routes += [placed, Route(topic, "counted", label: "routes[2]")]
            // Many rows come under one key, so that the topic keeps the last of them alone.
            let sources = (0..<40).map { ("a", $0) } + [("b", 100), ("b", 101), ("c", 100)]
            try scenario.broker.produce(
                sources.map { TestMessage(partition: 0, key: $0.0, value: #"{"id": \#($0.1)}"#) }, to: topic)
            try await scenario.load()
            try await eventually("the log is compacted") {
                // Only what no longer grows is.
                try scenario.broker.produce([TestMessage(partition: 0, key: "z", value: #"{"id": 1000}"#)], to: topic)
                return try scenario.broker.readAll(topic).count { $0.key != Array("z".utf8) } == 3
            }
            var report = try await verified(scenario.options)
            #expect(report.words == [] && report.messages == 3, "\(report)")
            #expect(
                report.noteWords == ["not_in_topic 39", "not_in_topic 40", "not_in_topic 40", "not_verified -"],
                "\(report.noteWords)")
            try scenario.connection.execute(
                "UPDATE events SET part = 9 WHERE id IN (5, 39); DELETE FROM events WHERE id IN (7, 101)"
                    + "; DELETE FROM placed WHERE at IN (2, 41); DELETE FROM counted WHERE id > 1")
            report = try await verified(scenario.options)
            #expect(
                report.words == ["count  -", "missing 0,41 [0]@41", "missing 101 [0]@41", "other 39 [0]@39 part"])
        }
    }

    @Test("keys that come through several partitions have no order, so what they come to is told as not proven")
    func severalPartitions() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v text)") { scenario in
            let topic = try scenario.topic([row(1, "a"), row(2, "a"), row(1, "b", partition: 1)], partitions: 2)
            let routes = [Route(topic, "t", mode: .upsert)]
            try await scenario.load(routes)
            try scenario.connection.execute("UPDATE t SET v = 'c'")
            let report = try await scenario.verify(routes)
            #expect(report.words == ["other 2 [0]@1 v"] && report.noteWords == ["several_partitions 1"])
        }
    }

    @Test("only what is asked for is compared: from an offset on, up to one, a sample of the keys or of the messages")
    func scopes() async throws {
        let tables = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE a (id int, v text, o bigint, p int)"
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic(
                (0..<400).map { row($0, "a") } + [row(3, "b"), TestMessage(key: #"{"id": 5}"#, value: nil)])
            let append = Route(
                topic, "a", onTombstone: .skip,
                columns: [Route.Column("o", "$offset"), Route.Column("p", "$partition")],
                label: "routes[1]")
            let routes = [Route(topic, "t", mode: .upsert), append]
            try await scenario.load(routes)
            try scenario.connection.execute(
                """
                UPDATE t SET v = 'x'; INSERT INTO t VALUES (5, 'x'), (1000, 'x'); UPDATE a SET v = 'x' WHERE o < 401;
                INSERT INTO a VALUES (0, 'x', 500, 0)
                """)
            var report = try await scenario.verify(routes) { $0.from = .offset(398) }
            #expect(
                report.words == [
                    "extra 5 [0]@401 deleted", "other 0,398 [0]@398 v", "other 0,399 [0]@399 v",
                    "other 0,400 [0]@400 v",
                    "other 3 [0]@400 v", "other 398 [0]@398 v", "other 399 [0]@399 v",
                ])
            report = try await scenario.verify(routes) { ($0.from, $0.to) = (.offset(2), .offset(4)) }
            #expect(report.words == ["other 0,2 [0]@2 v", "other 0,3 [0]@3 v"])
            #expect(report.tables.map(\.way) == [.none, .places] && report.messages == 2)
            report = try await scenario.verify(routes) { $0.from = .time(4_000_000_000_000) }
            #expect(report.words == [] && report.messages == 0)
            report = try await scenario.verify(routes) { $0.share = 0.25 }
            #expect(
                (50...150).contains(report.tables[0].rows) && (50...150).contains(report.tables[1].rows), "\(report)")
            #expect(report.tables[0].differenceCount <= report.tables[0].rows + 1)
            #expect(
                try await scenario.verify(routes) { $0.share = 0.25 }.tables == report.tables, "the same ones each time"
            )
            let few = try await scenario.verify(routes) { ($0.share, $0.limit) = (0.05, 1000) }
            report = try await scenario.verify(routes) { ($0.share, $0.limit) = (0.25, 1000) }
            #expect(!few.words.isEmpty && Set(few.words).isSubset(of: report.words))
        }
    }

    @Test(
        "while a loader loads and the table is read, what holds is found to hold, and one row that is changed is found",
        arguments: [false, true])
    func whileLoading(changes: Bool) async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(9,2))") { scenario in
            let topic = try scenario.topic([], partitions: 3)
            let routes = [Route(topic, "t", mode: .upsert)]
            var options = scenario.options(routes)
            options.batch.maxDelay = .milliseconds(20)
            options.batch.maxRows = 500
            let loader = try LoaderRun(options)
            let broker = scenario.broker
            let writing = Task {
                var written = 0
                while !Task.isCancelled {
                    let messages = (0..<300).map { index in
                        TestMessage(
                            partition: Int32(index % 3), key: nil, value: #"{"id": \#(index), "v": "\#(written)"}"#)
                    }
                    try broker.produce(messages, to: topic)
                    written += 1
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
            try await eventually("much is loaded") { loader.statistics.snapshot.messages > 3000 }
            // In the row's place stays a value that no message brings back, as each brings another one.
            if changes {
                try scenario.connection.execute("INSERT INTO t VALUES (1000, 'mine', 0)")
            }
            for _ in 0..<3 {
                let report = try await verified(options)
                #expect(report.words == (changes ? ["extra 1000 -"] : []))
                #expect(report.messages > 3000)
            }
            writing.cancel()
            _ = await writing.result
            try await loader.finish()
        }
    }

    @Test(
        "a route whose topics were never loaded, a position that is lost, and a backfill with an end: none is proven, and all are told"
    )
    func unprovable() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v text)") { scenario in
            let topic = try scenario.topic([row(1, "a")])
            let routes = [Route(topic, "t", mode: .upsert)]
            #expect(try await scenario.verify(routes).noteWords == ["nothing_loaded -"])
            try await scenario.load(routes)
            func code() async throws -> VerificationRefusal.Code? {
                do { _ = try await scenario.verify(routes) } catch let refusal as VerificationRefusal {
                    return refusal.code
                }
                return nil
            }
            #expect(try await code() == nil)
            func position(_ assignments: String) throws {
                _ = try scenario.connection.query(
                    "UPDATE loader.positions SET \(assignments) WHERE consumer_group = $1", [.text(scenario.group)])
            }
            try position("last_message = ARRAY[1, NULL, NULL, NULL, 1, 1]")
            #expect(try await code() == .detour)
            try position("last_message = NULL, lost_offset = 1")
            #expect(try await code() == .lostPosition)
            try position("lost_offset = NULL, next_offset = 7")
            #expect(try await code() == .lostPosition)
        }
    }
}
