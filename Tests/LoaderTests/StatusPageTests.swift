import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@testable import Loader

/// The page in a real browser. `SCREENSHOTS_DIRECTORY=directory` keeps pictures of it.
@Suite(
    .serialized,
    .enabled(if: Chromium.installed != nil, "no Chromium is installed; Debian has chromium-headless-shell"))
struct StatusPageTests {
    private static let chromium = Chromium.installed

    @Test("a loader that keeps up says so, with its figures, partitions and batches")
    func well() async throws {
        let dom = try await dom(Scene.well, "well")
        #expect(text("title", in: dom) == "Well")
        #expect(text("lag", in: dom) == "1,042")
        #expect(text("commit", in: dom) == "400 ms ago")
        #expect(dom.contains(">orders[0]</td>"))
        #expect(dom.contains(#"id="clean">No dead letter, no warning and no error since the start."#))
        #expect(dom.contains("Lag over the last 9 min 59 s: now 1,042"))
        #expect(dom.contains("<b class=\"\">public.orders</b>") || dom.contains("<b>public.orders</b>"))
        #expect(dom.contains("shop on db1:5432"))
        #expect(dom.contains("\(Version.loader) (\(Version.commit))"))
        #expect(rows(of: "batches", in: dom) == 10)
        #expect(rows(of: "partitions", in: dom) == 4)
    }

    @Test("while it catches up there are percentage, rate, time left and a bar that says the same")
    func catchingUp() async throws {
        let dom = try await dom(Scene.catchingUp, "catching-up")
        #expect(text("title", in: dom) == "Catching up")
        #expect(text("detail", in: dom) == "41 %, 84,000 messages a second, 1 min 11 s left, lag 5,884,000.")
        #expect(dom.contains(#"aria-valuenow="41""#))
        #expect(text("lag", in: dom) == "5.88 M")
    }

    @Test("curves show the time that there is: less than a minute of a young loader")
    func youngCurves() async throws {
        let dom = try await dom(Scene.catchingUp, nil)
        #expect(dom.contains(">−40 s</text>"))
        #expect(!dom.contains(" min</text>"))
    }

    @Test("what is away is named, with the last error, its code and its mend")
    func waiting() async throws {
        let dom = try await dom(Scene.databaseAway, "database-away")
        #expect(text("title", in: dom) == "Waiting for the database")
        #expect(text("mend", in: dom) == "Bring it back; the loader goes on by itself.")
        #expect(dom.contains("<code>57P01</code>"))
        #expect(dom.contains("Next: bring the server of postgres.url back; the loader goes on by itself"))
        let now = try #require(part("going-on", in: dom))
        #expect(now.contains("the database is away") && now.contains(", for 1 min 59 s"))
    }

    @Test("an error that is over says so, stands apart from what goes on, and asks for nothing")
    func over() async throws {
        let dom = try await dom(Scene.databaseBack, "database-back")
        #expect(text("title", in: dom) == "Well")
        #expect(dom.contains(#"id="now" aria-labelledby="now-title" hidden"#))
        let past = try #require(part("errors", in: dom))
        #expect(past.contains("the database is away"))
        #expect(past.contains("over, at "))
        #expect(!past.contains("Next: "))
    }

    @Test("a state says what to type, and the notes of a route stand with it, those that are over last")
    func notes() async throws {
        let dom = try await dom(Scene.notes, "notes")
        let routes = try #require(part("routes", in: dom))
        let order = ["two fields are new", "3 values became null", "rows waited"].map {
            routes.range(of: $0)?.lowerBound
        }
        #expect(!order.contains(nil))
        #expect(order == order.compactMap { $0 }.sorted())
        #expect(routes.contains("over, at "))
        #expect(routes.components(separatedBy: "Next: ").count == 2)
        #expect(routes.contains("Beside rows: deletion 3, skipped 1,200."))
    }

    @Test("thirty routes and five hundred partitions are told, and the page shows the first of the latter")
    func many() async throws {
        let dom = try await dom(Scene.many, "many")
        #expect(rows(of: "routes", in: dom) == 30)
        #expect(rows(of: "partitions", in: dom) == 10)
        #expect(dom.contains("Show all 500 partitions"))
        #expect(text("partitions-sum", in: dom) == "500 of 25 topics, 42 behind")
    }

    @Test("a loader that has loaded nothing says so without a figure out of nowhere")
    func nothing() async throws {
        let dom = try await dom(Scene.starting, "starting")
        #expect(text("title", in: dom) == "Starting")
        #expect(text("commit", in: dom) == "none yet")
        #expect(text("partitions-sum", in: dom) == "none assigned")
        #expect(!dom.contains("NaN") && !dom.contains("undefined") && !dom.contains("Infinity"))
    }

    @Test("one that is on its way out and one whose loop does not turn say so first, and what to do")
    func ends() async throws {
        let stopping = try await dom(Scene.stopping, "stopping")
        #expect(text("title", in: stopping) == "Stopping")
        let stuck = try await dom(Scene.stuck, "stuck")
        #expect(text("title", in: stuck) == "Stuck")
        #expect(stuck.contains("restart it"))
    }

    @Test(
        "dead letters are counted by column and reason, the most frequent first, with what shows them; one in a hundred is not green"
    )
    func deadLetters() async throws {
        let dom = try await dom(Scene.deadLetters, "dead-letters")
        #expect(rows(of: "letters", in: dom) == 3)
        let letters = try #require(part("letters", in: dom))
        let order = ["wrong_type", "missing_field", "refused_by_server 23503"].map {
            letters.range(of: ">\($0)</code>")?.lowerBound
        }
        #expect(!order.contains(nil))
        #expect(order == order.compactMap { $0 }.sorted())
        #expect(letters.contains(">public.orders.total_price</b>"))
        #expect(letters.contains("dead-letters</span> <span>list</span>"))
        #expect(dom.contains(#"<section class="card state warn" id="state""#))
        #expect(text("title", in: dom) == "Well, but for dead letters")
    }

    @Test("a name from outside is text, whatever it looks like")
    func escaping() async throws {
        let dom = try await dom(Scene.hostile, nil)
        #expect(dom.contains("&lt;img src=x onerror=document.title=1&gt;[0]"))
        #expect(!dom.contains("<img"))
        #expect(!dom.contains("<title>1</title>"))
    }

    @Test("a page that gets no answer does not go on looking well")
    func gone() async throws {
        // From a file, where there is no /status.json.
        let file = FileManager.default.temporaryDirectory.appending(path: "status-\(UUID().uuidString).html")
        try Data(StatusPage.html(nonce: "n").utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(text("title", in: try await open(file, "no-answer")) == "No answer")
    }

    // MARK: How

    private func dom(_ scene: Scene, _ name: String?) async throws -> String {
        let any = try #require(ListenAddress("127.0.0.1:0"))
        let status = scene.status
        let server = try await HealthServer(listen: any) { status }
        let port = server.port
        let page = try #require(URL(string: "http://127.0.0.1:\(port)/"))
        let result: Result<String, any Error>
        do { result = .success(try await open(page, name)) } catch { result = .failure(error) }
        await server.stop()
        return try result.get()
    }

    /// The page's DOM, and pictures of it if somebody wants them.
    private func open(_ page: URL, _ name: String?) async throws -> String {
        let chromium = try #require(Self.chromium)
        return try await onThread {
            if let name, let directory = ProcessInfo.processInfo.environment["SCREENSHOTS_DIRECTORY"] {
                for (suffix, width, height, isDark) in [
                    ("", 1200, 1500, false), ("-dark", 1200, 1500, true), ("-phone", 375, 2400, false),
                ] {
                    try chromium.screenshot(
                        of: page, to: URL(filePath: "\(directory)/\(name)\(suffix).png"), width: width,
                        height: height, isDark: isDark)
                }
            }
            return try chromium.dom(of: page)
        }
    }

    /// Runs what blocks on a thread of its own: Swift has few for tests, and the server needs one of them.
    private func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
        }
    }

    /// What an element without children says.
    private func text(_ id: String, in dom: String) -> String? {
        guard let start = dom.range(of: "id=\"\(id)\""), let open = dom[start.upperBound...].firstIndex(of: ">") else {
            return nil
        }
        return String(dom[dom.index(after: open)...].prefix { $0 != "<" })
    }

    private func rows(of id: String, in dom: String) -> Int? {
        part(id, in: dom)?.matches(of: /<tr[ >]/).count
    }

    /// What stands in a list or in a table's body.
    private func part(_ id: String, in dom: String) -> String? {
        guard let start = dom.range(of: "id=\"\(id)\""),
            let end = dom[start.upperBound...].firstRange(of: /<\/(tbody|ul)>/)
        else { return nil }
        return String(dom[start.upperBound..<end.lowerBound])
    }
}

/// A loader's last ten minutes, made up.
private struct Scene {
    var snapshot = LoadingStatistics.Snapshot()
    let now = ContinuousClock.now
    let time = Date()

    private var facts: ServiceFacts {
        ServiceFacts(
            group: "orders-loader", brokers: "kafka1:9092,kafka2:9092", database: "shop on db1:5432", host: "loader-0",
            started: time - 600)
    }

    var status: ServiceStatus {
        ServiceStatus(snapshot, facts: facts, at: now, time: time)
    }

    static var well: Scene { Scene(partitions: 4) { (5000 * $0, 1042 + ($0 % 5) * (599 - $0)) } }

    /// Started 49 seconds ago.
    static var catchingUp: Scene {
        Scene(partitions: 12) { $0 < 550 ? nil : (84_000 * ($0 - 550), 10_000_000 - 84_000 * ($0 - 550)) }
    }

    static var databaseAway: Scene {
        var scene = Scene(partitions: 4) { (5000 * min($0, 480), 900 + max(0, $0 - 480) * 5000) }
        scene.snapshot.outagesSince = [.database: scene.time - 119]
        scene.snapshot.note(
            Incident(
                .warning, "the database is away; the batch is kept and tried again until it answers", code: "57P01",
                error: "SQLSTATE 57P01: terminating connection due to administrator command",
                mend: .database(.outage(.away)),
                until: .outage(.database), time: scene.time - 119))
        return scene
    }

    static var databaseBack: Scene {
        let statistics = LoadingStatistics()
        statistics.outage(.database, isOver: false)
        statistics.note(
            Incident(
                .warning, "the database is away; the batch is kept and tried again until it answers", code: "57P01",
                mend: "bring the server of postgres.url back", until: .outage(.database)))
        statistics.outage(.database, isOver: true)
        var scene = well
        for incident in statistics.snapshot.incidents { scene.snapshot.note(incident) }
        return scene
    }

    static var notes: Scene {
        var scene = well
        scene.snapshot.note(RouteNote("waiting", "rows waited for their parents", mend: .said("nothing")), ofRoute: 0)
        scene.snapshot.endNote("waiting", ofRoute: 0)
        scene.snapshot.note(RouteNote("nulls", "3 values became null", level: .info), ofRoute: 0)
        scene.snapshot.routes[0].operations = [.row: 12, .deletion: 3, .skipped: 1200]
        scene.snapshot.note(
            RouteNote("new_fields", "two fields are new: coupon, gift", mend: .said("add `coupon: coupon`")), ofRoute: 0
        )
        return scene
    }

    static var starting: Scene {
        var scene = Scene(partitions: 0) { _ in nil }
        (scene.snapshot.phase, scene.snapshot.isAssigned) = (.starting, false)
        return scene
    }

    static var stopping: Scene {
        var scene = well
        scene.snapshot.phase = .stopping("SIGTERM was sent")
        return scene
    }

    static var stuck: Scene {
        var scene = well
        scene.snapshot.lastTurn = scene.now - .seconds(301)
        return scene
    }

    static var many: Scene {
        var scene = Scene(partitions: 0, routes: 30) { _ in nil }
        for index in 0..<500 {
            let partition = TopicPartition(topic: "topic-\(index % 25)", partition: Int32(index / 25))
            scene.snapshot.partitions[partition] = .init(position: 1000, end: index % 12 == 0 ? 1042 : 1000)
        }
        return scene
    }

    static var deadLetters: Scene {
        var scene = well
        for (count, column, reason, state) in [
            (6310, "customer_id", "missing_field", nil), (7, nil, "refused_by_server", "23503"),
            (23_204, "total_price", "wrong_type", nil),
        ] {
            scene.snapshot.count(
                LetterFigure(
                    count: count, last: scene.time - 30, place: "orders[2]@748000",
                    explanation: "expected numeric(12,2), found an object"),
                of: LetterKind(table: "public.orders", column: column, reason: reason, sqlState: state))
        }
        for count in 0..<3 {
            scene.snapshot.note(
                Incident(
                    .warning, "dead letters", code: "wrong_type",
                    error: "public.orders.total_price: expected numeric(12,2), found an object",
                    at: "orders[2]@\(748_000 + count)", mend: .letters(.look(inTable: true)),
                    time: scene.time - 30 + Double(count)))
        }
        return scene
    }

    static var hostile: Scene {
        var scene = well
        let topic = "<img src=x onerror=document.title=1>"
        scene.snapshot.partitions[TopicPartition(topic: topic, partition: 0)] = .init(position: 0, end: 10_000_000)
        scene.snapshot.note(RouteNote("new_fields", "`\(topic)` is new", mend: .said(topic)), ofRoute: 0)
        scene.snapshot.count(
            LetterFigure(count: 1, last: scene.time, place: topic, explanation: topic),
            of: LetterKind(table: topic, column: topic, reason: "wrong_type"))
        return scene
    }

    /// - Parameter at: messages loaded and lag at a second of 600; nil before it was started.
    private init(partitions: Int, routes: Int = 1, _ at: (_ second: Int) -> (messages: Int, lag: Int)?) {
        let statistics = LoadingStatistics()
        statistics.begin(
            (0..<routes).map { index in
                Route(
                    topics: [.name(routes == 1 ? "orders" : "topic-\(index)")],
                    table: TableName(schema: "public", name: routes == 1 ? "orders" : "table_\(index)"), mode: .upsert,
                    label: "routes[\(index)]")
            })
        snapshot = statistics.snapshot
        snapshot.phase = .running
        snapshot.isAssigned = true
        snapshot.lastTurn = now
        for second in 0..<600 {
            guard let (messages, lag) = at(second) else { continue }
            let time = time - Double(599 - second)
            let delta = messages - snapshot.messages
            if delta > 0 {
                snapshot.count(
                    BatchRecord(
                        time: time - 0.4, partitions: partitions, messages: delta, rows: delta, bytes: delta * 311,
                        wait: 0.61, decode: Double(delta) / 400_000, copy: Double(delta) / 250_000 + 0.003,
                        commit: 0.0041),
                    offsets: Int64(delta))
            }
            for index in 0..<partitions {
                let share = lag / partitions + (index == 0 ? lag % partitions : 0)
                let position = Int64(messages / partitions)
                snapshot.partitions[TopicPartition(topic: "orders", partition: Int32(index))] = .init(
                    position: position, end: position + Int64(share))
            }
            snapshot.look(maxDelay: .seconds(1), at: now - .seconds(599 - second), time: time)
        }
    }
}
