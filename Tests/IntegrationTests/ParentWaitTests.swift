import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

/// Rows that come before the rows that they refer to, in other topics, partitions and batches.
@Suite("Rows that come before what they refer to")
struct ParentWaitTests {
    private static let tables = """
        CREATE TABLE p (id int PRIMARY KEY, v text);
        CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p (id), v text)
        """

    private func parent(_ id: Int, _ value: String = "parent") -> TestMessage {
        TestMessage(key: #"{"id": \#(id)}"#, value: #"{"id": \#(id), "v": "\#(value)"}"#)
    }

    private func child(_ id: Int, of parent: Int?, _ value: String = "child") -> TestMessage {
        let parent = parent.map { String($0) } ?? "null"
        return TestMessage(key: #"{"id": \#(id)}"#, value: #"{"id": \#(id), "p": \#(parent), "v": "\#(value)"}"#)
    }

    private func tombstone(_ id: Int) -> TestMessage { TestMessage(key: #"{"id": \#(id)}"#, value: nil) }

    /// Loads `parents` into p and `children` into c, until told to finish.
    private func start(
        _ scenario: Scenario, parents: String?, children: String, mode: Route.Mode = .upsert,
        _ configure: (inout LoadingOptions) -> Void = { _ in }
    ) throws -> LoaderRun {
        var routes = [Route(children, "c", mode: mode, label: "routes[0]")]
        if let parents { routes.append(Route(parents, "p", mode: .upsert, label: "routes[1]")) }
        var options = scenario.options(routes)
        options.batch.maxDelay = .milliseconds(50)
        // A busy machine must not make rows of those that are given up.
        options.deadLetters.waitForParent = .seconds(3600)
        configure(&options)
        return try LoaderRun(options)
    }

    private func waiting(_ scenario: Scenario) throws -> Int {
        try scenario.deadLetters().count { $0.reason == "waiting_for_parent" }
    }

    @Test("a row from another topic is loaded once what it refers to is there, and leaves no dead letter")
    func childFirst() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let (parents, children) = (try scenario.topic(), try scenario.topic([child(1, of: 7), child(2, of: nil)]))
            let run = try start(scenario, parents: parents, children: children)
            try await eventually("the row waits") { try waiting(scenario) == 1 }
            #expect(try scenario.rows("SELECT id FROM c") == ["2"], "the others do not wait")
            try scenario.produce([parent(7)], to: parents)
            try await eventually("the row is in") {
                try scenario.rows("SELECT id, p FROM c ORDER BY id") == ["1|7", "2|∅"]
            }
            try await eventually("it is counted") { run.statistics.snapshot.parentWaits.loaded == 1 }
            try await eventually("it is told") {
                run.log.count(of: "rows that waited for the rows they refer to are in") == 1
            }
            try await run.finish()
            #expect(try scenario.deadLetters().isEmpty)
            let snapshot = run.statistics.snapshot
            #expect(snapshot.deadLetterCount == 0 && snapshot.parentWaits.givenUp == 0 && snapshot.rows == 3)
            #expect(
                run.log.count(of: "rows wait for the rows that they refer to; they are loaded once those are there")
                    == 1)
            let told = snapshot.incidents.filter { $0.summary.hasPrefix("rows wait for the rows") }
            #expect(told.count == 1 && told.allSatisfy { $0.over != nil }, "it is over on the page as well")
        }
    }

    @Test("a bounded run tries what waits once more when all else is in; then it is a dead letter like any other")
    func bounded() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let children = try scenario.topic([child(1, of: 7), child(2, of: 8)])
            let parents = try scenario.topic([parent(7)])
            // One message a batch, so that the children's come first whatever the brokers do.
            let snapshot = try await scenario.load([
                Route(children, "c", mode: .upsert), Route(parents, "p", mode: .upsert, label: "routes[1]"),
            ]) {
                $0.batch.maxRows = 1
                $0.deadLetters.waitForParent = .seconds(3600)
            }
            #expect(try scenario.rows("SELECT id, p FROM c") == ["1|7"])
            #expect(
                try scenario.deadLetters().map { "\($0.offset) \($0.reason) \($0.sqlState ?? "")" } == [
                    "1 refused_by_server 23503"
                ])
            #expect(snapshot.deadLetters == ["refused_by_server": 1])
        }
    }

    @Test("a row whose parent never comes is given up after its time, told once, and holds nothing up meanwhile")
    func neverComes() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let (parents, children) = (try scenario.topic(), try scenario.topic([child(1, of: 7)]))
            let run = try start(scenario, parents: parents, children: children) {
                $0.deadLetters.waitForParent = .seconds(2)
            }
            // Not by its letter, which a busy machine may look for only once the wait is over.
            let waits = "rows wait for the rows that they refer to; they are loaded once those are there"
            try await eventually("the row waits") { run.log.count(of: waits) == 1 }
            try scenario.produce([child(2, of: nil)], to: children)
            try await eventually("the next row is in") { try scenario.rows("SELECT id FROM c") == ["2"] }
            try await eventually("it is given up") {
                try scenario.deadLetters().map(\.reason) == ["refused_by_server"]
            }
            let line = "rows that waited for the rows they refer to were given up: these have not come"
            try await eventually("it is told") { run.log.count(of: line) == 1 }
            try await run.finish()
            let letter = try #require(try scenario.deadLetters().first)
            #expect(letter.sqlState == "23503" && letter.attempts == 1, "it was asked about, and not tried")
            #expect(try scenario.rows("SELECT id FROM c") == ["2"])
            #expect(run.statistics.snapshot.deadLetters == ["refused_by_server": 1])
        }
    }

    @Test("a later message of the same key is not set back by the one that waited")
    func overtaken() async throws {
        try await Scenario.with(Self.tables + "; INSERT INTO p VALUES (1)") { scenario in
            let (parents, children) = (
                try scenario.topic(),
                try scenario.topic([child(1, of: 7, "first"), child(2, of: 7, "stays"), child(3, of: 7, "deleted")])
            )
            let run = try start(scenario, parents: parents, children: children)
            try await eventually("the rows wait") { try waiting(scenario) == 3 }
            try scenario.produce([child(1, of: 1, "last"), tombstone(3)], to: children)
            try await eventually("the later one is in") { try scenario.rows("SELECT v FROM c") == ["last"] }
            try scenario.produce([parent(7)], to: parents)
            try await eventually("all are decided") { try scenario.deadLetters().isEmpty }
            try await eventually("it is counted") { run.statistics.snapshot.parentWaits.overtaken == 2 }
            try await run.finish()
            #expect(try scenario.rows("SELECT id, p, v FROM c ORDER BY id") == ["1|1|last", "2|7|stays"])
        }
    }

    @Test("what waits goes on waiting behind a restart, from the time when it began")
    func restart() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let (parents, children) = (try scenario.topic(), try scenario.topic([child(1, of: 7)]))
            let first = try start(scenario, parents: parents, children: children)
            try await eventually("the row waits") { try waiting(scenario) == 1 }
            try await first.finish()
            #expect(try waiting(scenario) == 1, "a stop does not wait, and decides nothing")
            let second = try start(scenario, parents: parents, children: children)
            try await eventually("it is known") { second.statistics.snapshot.parentWaits.waiting == 1 }
            try scenario.produce([parent(7)], to: parents)
            try await eventually("the row is in") { try scenario.rows("SELECT id FROM c") == ["1"] }
            try await second.finish()
            #expect(try scenario.deadLetters().isEmpty)
        }
    }

    @Test("two loaders of a group load each row that waited once, also into a table that is only appended to")
    func twoLoaders() async throws {
        try await Scenario.with(
            "CREATE TABLE p (id int PRIMARY KEY, v text); CREATE TABLE c (id int, p int REFERENCES p, v text)"
        ) { scenario in
            let (parents, children) = (try scenario.topic(partitions: 2), try scenario.topic(partitions: 2))
            let count = 400
            for partition: Int32 in [0, 1] {
                try scenario.produce(
                    (0..<count).map { id in
                        var message = child(id * 2 + Int(partition), of: id)
                        message.partition = partition
                        return message
                    }, to: children)
            }
            let one = try start(scenario, parents: parents, children: children, mode: .insert)
            try await eventually("all wait") { try waiting(scenario) == 2 * count }
            let other = try start(scenario, parents: parents, children: children, mode: .insert)
            try await eventually("both have partitions") {
                !other.statistics.snapshot.partitions.isEmpty && !one.statistics.snapshot.partitions.isEmpty
            }
            try scenario.produce((0..<count).map { parent($0) }, to: parents)
            try await eventually("all are in") {
                try scenario.rows("SELECT count(*), count(DISTINCT id) FROM c") == ["\(2 * count)|\(2 * count)"]
            }
            try await one.finish()
            try await other.finish()
            #expect(try scenario.deadLetters().isEmpty)
            let loaded = [one, other].map(\.statistics.snapshot.parentWaits.loaded)
            #expect(loaded.reduce(0, +) == 2 * count)
        }
    }

    @Test("a row that is still referred to is deleted once nothing refers to it any more")
    func deletions() async throws {
        try await Scenario.with(Self.tables + "; INSERT INTO p VALUES (7); INSERT INTO c VALUES (1, 7), (2, 7)") {
            scenario in
            let (parents, children) = (try scenario.topic([tombstone(7)]), try scenario.topic())
            let run = try start(scenario, parents: parents, children: children)
            try await eventually("the deletion waits") { try waiting(scenario) == 1 }
            try scenario.produce([tombstone(1), tombstone(2)], to: children)
            try await eventually("all are gone") {
                try scenario.rows("SELECT 1 FROM p UNION ALL SELECT 1 FROM c").isEmpty && scenario.deadLetters().isEmpty
            }
            try await run.finish()
        }
    }

    @Test("what no route brings is waited for where the route says so, and nowhere else")
    func otherParents() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let children = try scenario.topic([child(1, of: 7)])
            let plain = try start(scenario, parents: nil, children: children)
            try await eventually("it is a dead letter") {
                try scenario.deadLetters().map(\.reason) == ["refused_by_server"]
            }
            try await plain.finish()
            let patient = try start(scenario, parents: nil, children: children) {
                $0.routes[0].waitForParent = .seconds(600)
            }
            try scenario.produce([child(2, of: 8)], to: children)
            try await eventually("the row waits") { try waiting(scenario) == 1 }
            try scenario.connection.execute("INSERT INTO p VALUES (7), (8)")
            try await eventually("it is in") { try scenario.rows("SELECT id FROM c") == ["2"] }
            try await patient.finish()
            #expect(try scenario.deadLetters().map(\.offset) == [0], "what was given up before stays so")
        }
    }

    @Test("without waiting, a row that comes too early is a dead letter at once")
    func off() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let (parents, children) = (try scenario.topic(), try scenario.topic([child(1, of: 7)]))
            let run = try start(scenario, parents: parents, children: children) {
                $0.deadLetters.waitForParent = .zero
            }
            try await eventually("the message is in") { run.statistics.snapshot.messages == 1 }
            try await run.finish()
            #expect(try scenario.deadLetters().map(\.reason) == ["refused_by_server"])
        }
    }

    @Test("a whole batch of rows that refer to nothing stops nothing, and all of them load behind their parents")
    func allOfThem() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let count = 12_000
            let (parents, children) = (
                try scenario.topic(), try scenario.topic((0..<count).map { child($0, of: $0 / 3) })
            )
            let run = try start(scenario, parents: parents, children: children)
            try await eventually("all wait") { run.statistics.snapshot.parentWaits.waiting == count }
            try scenario.produce((0..<count / 3).map { parent($0) }, to: parents)
            try await eventually("all are in") { try scenario.rows("SELECT count(*) FROM c") == ["\(count)"] }
            try await eventually("none waits") { try scenario.deadLetters().isEmpty }
            try await run.finish()
            #expect(run.statistics.snapshot.deadLetterCount == 0)
        }
    }

    @Test("a topic of which too many rows wait is not taken further until some are decided, and then to its end")
    func full() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let count = 1000
            let (parents, children) = (
                try scenario.topic([parent(1, "first")]), try scenario.topic((0..<count).map { child($0, of: $0) })
            )
            let run = try start(scenario, parents: parents, children: children) {
                $0.batch.maxRows = 50
                $0.deadLetters.mostWaiting = 100
                $0.deadLetters.waitForParent = .seconds(3600)
            }
            let line = "so many rows wait for the rows they refer to that no more of their topic is taken for now"
            try await eventually("it is told") { run.log.count(of: line) == 1 }
            // Others go on meanwhile; what was taken before is all that has come of the children's.
            try scenario.produce([parent(1, "second")], to: parents)
            try await eventually("the parents go on") { try scenario.rows("SELECT v FROM p") == ["second"] }
            #expect(try waiting(scenario) < 400)
            try scenario.produce((0..<count).map { parent($0) }, to: parents)
            try await eventually("all are in") { try scenario.rows("SELECT count(*) FROM c") == ["\(count)"] }
            try await eventually("none waits") { try scenario.deadLetters().isEmpty }
            try await run.finish()
            #expect(run.log.count(of: "a topic whose rows waited is taken again") >= 1)
            #expect(try scenario.rows("SELECT count(*) FROM c WHERE p = id") == ["\(count)"])
        }
    }

    @Test("a route whose rows all wait in vain stops the loader as any other broken route does")
    func brokenForGood() async throws {
        try await Scenario.with(Self.tables) { scenario in
            let (parents, children) = (
                try scenario.topic(), try scenario.topic((0..<12_000).map { child($0, of: 1) })
            )
            let run = try start(scenario, parents: parents, children: children) {
                $0.deadLetters.waitForParent = .seconds(1)
            }
            // Where they come slowly, the last of them find the share of the first too high already.
            try await eventually("they are given up") {
                run.hasEnded || run.statistics.snapshot.parentWaits.givenUp == 12_000
            }
            try scenario.produce((0..<12_000).map { child($0, of: 2) }, to: children)
            await #expect(throws: LoadingError.self) { try await run.waitForEnd() }
        }
    }
}
