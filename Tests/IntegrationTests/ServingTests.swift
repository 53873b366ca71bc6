import Foundation
import TestSupport
import Testing

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// What a running loader tells over HTTP and in its log.
@Suite("Serving")
struct ServingTests {
    @Test("probes, metrics, status and log say what was loaded, what was bad and what is away, and never a value")
    func day() async throws {
        let server = try PostgresServer()
        try TestDatabase.migrate(server.url)
        try await Landing.with(broker: .sharedMock(), server: server, partitions: 4) { landing in
            let client = Client(port: try freeLoopbackPort())
            try landing.produce(0..<2000)
            var environment = landing.environment
            environment["LOADER_HTTP_LISTEN"] = "127.0.0.1:\(client.port)"
            let loader = try LoaderProcess(environment)

            try await client.waitFor("/metrics") { $0.text.contains("\nloader_messages_total 2000\n") }
            try await client.waitFor("/health/ready") { $0 == (200, "ready\n") }
            let metrics = try await client.get("/metrics").text
            let lags = metrics.split(separator: "\n").filter { $0.hasPrefix("loader_lag{") }
            #expect(lags.count == 4)
            #expect(lags.allSatisfy { $0.hasSuffix(" 0") })
            let copies = metrics.firstMatch(of: /loader_batch_copy_seconds_count (\d+)/)?.1
            #expect(copies.flatMap { Int($0) } ?? 0 >= 4)

            // Bad messages, in a batch of their own or with others.
            let bad = (0..<3).map { _ in TestMessage(partition: 1, key: nil, value: #"{"n":{"secret":"hush"}}"#) }
            try landing.broker.produce(bad, to: landing.topic)
            try await client.waitFor("/metrics") {
                $0.text.contains(#"loader_dead_letters_total{reason="wrong_type"} 3"#)
            }
            // In many batches: they are all counted, but not all logged.
            for count in 4...30 {
                try landing.broker.produce(Array(bad.prefix(1)), to: landing.topic)
                try await client.waitFor("/metrics") {
                    $0.text.contains(#"loader_dead_letters_total{reason="wrong_type"} \#(count)"#)
                }
            }
            let status = try await client.status()
            #expect(status.state.level == "warn")
            #expect(status.state.detail.contains("are bad: 30 dead letters."))
            #expect(status.messages == 2030)
            #expect(status.rows == 2000)
            #expect(status.partitions.allSatisfy { $0.position >= 500 && $0.lag == 0 })
            #expect(status.recentBatches.allSatisfy { $0.copySeconds ?? 0 > 0 && $0.waitSeconds > 0 })
            // Beside it there may be the word that the field's type has changed.
            let trouble = try #require(status.recentErrors.first { $0.code == "wrong_type" })
            #expect(trouble.at == "\(landing.topic)[1]@529")
            #expect(trouble.count > 20)
            #expect(!trouble.goesOn)
            let route = try #require(status.routes.first)
            #expect((route.messages, route.rows, route.deadLetters, route.lag) == (2030, 2000, 30, 0))
            #expect(route.lastRow != nil)
            let letters = try #require(status.deadLettersByKind.first)
            #expect((letters.column, letters.reason, letters.count) == ("n", "wrong_type", 30))
            #expect(letters.at == "\(landing.topic)[1]@529")
            #expect(status.database.version != nil)
            #expect(status.database.place.contains(" on "))

            try server.stop(.immediate)
            try landing.produce(2000..<2010)
            try await client.waitFor("/health/ready") { $0 == (503, "the database is away\n") }
            #expect(try await client.get("/health/live").code == 200)
            let waiting = try await client.status()
            #expect(waiting.state.title == "Waiting for the database")
            let away = try #require(waiting.recentErrors.first { $0.message.hasPrefix("the database is away") })
            #expect(away.goesOn && away.over == nil)
            #expect(try await client.get("/metrics").text.contains(#"loader_outage{place="database"} 1"#))
            try server.start()
            try await client.waitFor("/health/ready") { $0.code == 200 }
            try await client.waitFor("/metrics") { $0.text.contains("\nloader_messages_total 2040\n") }
            let back = try await client.status().recentErrors.filter { $0.message.hasPrefix("the database is away") }
            #expect(!back.isEmpty && back.allSatisfy { !$0.goesOn && $0.over != nil })
            for path in ["/", "/status.json", "/metrics", "/health/ready"] {
                #expect(try await !client.get(path).text.contains("hush"))
            }

            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            #expect(!loader.output.contains("hush"))
            let lines = loader.output.split(separator: "\n")
            for line in lines {
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                #expect(object?["message"] is String)
                if let level = object?["level"] as? String, ["warning", "error"].contains(level) {
                    #expect(object?["mend"] is String, "\(line)")
                }
            }
            // A line for each change of state, not for each batch; progress and dead letters are told by the clock.
            let changes = lines.count {
                !$0.contains(#""message":"progress""#) && !$0.contains(#""message":"dead letters""#)
            }
            #expect(changes < 12, "\(loader.output)")
        }
    }

    private struct Client {
        var port: UInt16

        func get(_ path: String) async throws -> (code: Int, text: String) {
            guard let url = URL(string: "http://127.0.0.1:\(port)\(path)") else { throw URLError(.badURL) }
            let (data, response) = try await URLSession.shared.data(from: url)
            return ((response as? HTTPURLResponse)?.statusCode ?? 0, String(decoding: data, as: UTF8.self))
        }

        func waitFor(_ path: String, _ condition: ((code: Int, text: String)) -> Bool) async throws {
            let deadline = ContinuousClock.now + .seconds(60)
            var last: (code: Int, text: String)?
            while ContinuousClock.now < deadline {
                // It may not listen yet.
                last = try? await get(path)
                if let last, condition(last) { return }
                try await Task.sleep(for: .milliseconds(20))
            }
            throw TimedOut(what: "\(path), which says: \(last?.text ?? "nothing")")
        }

        func status() async throws -> Status {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Status.self, from: Data(try await get("/status.json").text.utf8))
        }
    }

    /// What the test looks at of `/status.json`.
    private struct Status: Decodable {
        struct State: Decodable {
            var level: String
            var title: String
            var detail: String
        }
        struct Partition: Decodable {
            var position: Int64
            var lag: Int64
        }
        struct Batch: Decodable {
            var waitSeconds: Double
            var copySeconds: Double?
        }
        struct Trouble: Decodable {
            var message: String
            var code: String?
            var at: String?
            var count: Int
            var goesOn: Bool
            var over: String?
        }
        struct Route: Decodable {
            var messages: Int
            var rows: Int
            var deadLetters: Int
            var lag: Int64
            var lastRow: String?
        }
        struct Letters: Decodable {
            var column: String?
            var reason: String
            var count: Int
            var at: String
        }
        struct Database: Decodable {
            var place: String
            var version: String?
        }
        var state: State
        var messages: Int
        var rows: Int
        var partitions: [Partition]
        var recentBatches: [Batch]
        var recentErrors: [Trouble]
        var routes: [Route]
        var deadLettersByKind: [Letters]
        var database: Database
    }
}
