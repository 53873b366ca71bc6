import Foundation
import Kafka
import Loading
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
        #expect(dom.contains("None since the start."))
        #expect(dom.contains("Lag over the last ten minutes: now 1,042"))
        #expect(rows(of: "batches", in: dom) == 10)
        #expect(rows(of: "partitions", in: dom) == 4)
    }

    @Test("while it catches up there are percentage, rate, time left and a bar that says the same")
    func catchingUp() async throws {
        let dom = try await dom(Scene.catchingUp, "catching-up")
        #expect(text("title", in: dom) == "Catching up")
        #expect(text("detail", in: dom) == "41 %, 84,000 messages a second, 1 min 11 s left, lag 5,884,000.")
        #expect(dom.contains(#"aria-valuenow="41""#))
    }

    @Test("what is away is named, with the last error, its code and its mend")
    func waiting() async throws {
        let dom = try await dom(Scene.databaseAway, "database-away")
        #expect(text("title", in: dom) == "Waiting for the database")
        #expect(text("mend", in: dom) == "Bring it back; the loader goes on by itself.")
        #expect(dom.contains("<code>57P01</code>"))
        #expect(dom.contains("Next: bring the server of postgres.url back; the loader goes on by itself"))
    }

    @Test("dead letters are counted by reason, the most frequent first")
    func deadLetters() async throws {
        let dom = try await dom(Scene.deadLetters, "dead-letters")
        #expect(rows(of: "letters", in: dom) == 3)
        let order = ["wrong_type", "missing_field", "refused_by_server"].map {
            dom.range(of: ">\($0)</td>")?.lowerBound
        }
        #expect(order == order.compactMap { $0 }.sorted())
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
        guard let start = dom.range(of: "<tbody id=\"\(id)\">"),
            let end = dom[start.upperBound...].range(of: "</tbody>")
        else { return nil }
        return dom[start.upperBound..<end.lowerBound].split(separator: "<tr>", omittingEmptySubsequences: true).count
    }
}

/// A loader's last ten minutes, made up.
private struct Scene {
    var snapshot = LoadingStatistics.Snapshot()
    let now = ContinuousClock.now
    let time = Date()

    var status: ServiceStatus {
        ServiceStatus(snapshot, facts: ServiceFacts(group: "orders-loader"), at: now, time: time)
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
                mend: "bring the server of postgres.url back; the loader goes on by itself", time: scene.time - 119))
        return scene
    }

    static var deadLetters: Scene {
        var scene = well
        for (count, column, reason, state) in [
            (310, "customer_id", "missing_field", nil), (7, nil, "refused_by_server", "23503"),
            (1204, "total_price", "wrong_type", nil),
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
                    at: "orders[2]@\(748_000 + count)", mend: "look with `loader dead-letters list`",
                    time: scene.time - 30 + Double(count)))
        }
        return scene
    }

    static var hostile: Scene {
        var scene = well
        let topic = "<img src=x onerror=document.title=1>"
        scene.snapshot.partitions[TopicPartition(topic: topic, partition: 0)] = .init(position: 0, end: 10_000_000)
        return scene
    }

    /// - Parameter at: messages loaded and lag at a second of 600; nil before it was started.
    private init(partitions: Int, _ at: (_ second: Int) -> (messages: Int, lag: Int)?) {
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
