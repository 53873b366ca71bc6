import Kafka
import Loading
import Logging
import Operating
import Postgres
import TestSupport
import Testing

/// What comes to a table by more than one way, or is taken from it again.
@Suite("Verification: where rows come from")
struct VerifySourcesTests {
    private func row(_ id: Int, _ v: String) -> TestMessage {
        TestMessage(key: "\(id)", value: #"{"id": \#(id), "v": \#(v)}"#)
    }

    @Test(
        "a row of another route's is not proven by this one, and a difference in a row of its own is found all the same"
    )
    func severalRoutes() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v int)") { scenario in
            let one = try scenario.topic([row(1, "1"), row(2, "2")])
            let two = try scenario.topic([row(3, "3"), row(4, "4")])
            let routes = [Route(one, "t", mode: .upsert), Route(two, "t", mode: .upsert, label: "routes[1]")]
            try await scenario.load(routes)
            var report = try await scenario.verify(routes)
            #expect(report.words == [] && report.noteWords == ["other_routes 2", "other_routes 2"], "\(report)")
            try scenario.connection.execute("DELETE FROM t WHERE id IN (2, 3)")
            report = try await scenario.verify(routes)
            #expect(report.words == ["missing 2 [0]@1", "missing 3 [0]@0"], "\(report)")
        }
    }

    @Test("a table that its source has emptied holds what came behind that, and a row from before is one too many")
    func truncations() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v int)") { scenario in
            func event(_ text: String) -> TestMessage { TestMessage(key: nil, value: text) }
            let topic = try scenario.topic([
                event(#"{"op": "c", "after": {"id": 1, "v": 1}, "source": {}}"#),
                event(#"{"op": "c", "after": {"id": 2, "v": 2}, "source": {}}"#),
                event(#"{"op": "t", "source": {}}"#),
                event(#"{"op": "c", "after": {"id": 2, "v": 3}, "source": {}}"#),
            ])
            var route = Route(topic, "t", mode: .upsert)
            route.envelopeOptions.form = .debezium
            route.onTruncate = .truncate
            try await scenario.load([route])
            var report = try await scenario.verify([route])
            #expect(report.words == [] && report.tables.map(\.rows) == [1], "\(report)")
            try scenario.connection.execute("INSERT INTO t VALUES (1, 1); UPDATE t SET v = 2 WHERE id = 2")
            report = try await scenario.verify([route])
            #expect(report.words == ["extra 1 -", "other 2 [0]@3 v"], "\(report)")
        }
    }

    @Test("a letter that is replayed after it was read is told as not proven, and is no difference")
    func replayedMeanwhile() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v < 100))") { scenario in
            let topic = try scenario.topic([row(1, "1"), row(2, "500"), row(3, "3")])
            let routes = [Route(topic, "t", mode: .upsert)]
            try await scenario.load(routes)
            try scenario.connection.execute("ALTER TABLE t DROP CONSTRAINT t_v_check")
            let options = scenario.options(routes)
            let report = try await onThread {
                var isReplayed = false
                return try Verification(options, VerificationScope()) { progress in
                    guard progress.step == .reading, !isReplayed else { return }
                    isReplayed = true
                    #expect(throws: Never.self) {
                        let replay = try DeadLetterReplay(
                            options, logger: Logger(label: "replay") { _ in SwiftLogNoOpLogHandler() })
                        var filter = DeadLetterFilter()
                        filter.group = options.group
                        #expect(try replay.run(filter).loaded == 1)
                    }
                }.run()
            }
            #expect(report.words == [] && report.noteWords == ["replayed_meanwhile 1"], "\(report)")
            #expect(try scenario.rows("SELECT id FROM t ORDER BY id") == ["1", "2", "3"])
            let later = try await scenario.verify(routes)
            #expect(later.words == [] && later.noteWords == [])
        }
    }
}
