import Foundation
import Testing

@testable import Loader

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

@Suite struct HealthServerTests {
    @Test("metrics are in Prometheus' format, with every label escaped")
    func metrics() {
        var status = ServiceStatus()
        status.counters.messages = 12
        status.counters.deadLetters = ["wrong_type": 2, "invalid_json": 1]
        status.counters.retries = ["away": 3]
        status.lags = [
            .init(topic: "b", partition: 0, lag: 5), .init(topic: "a\"\\\n", partition: 10, lag: 0),
            .init(topic: "b", partition: 1, lag: 7),
        ]
        let lines = PrometheusText(status, build: [("version", "1.0"), ("libpq", "15.1")]).text.split(separator: "\n")
        let samples = lines.filter { !$0.hasPrefix("#") }
        #expect(
            samples == [
                "loader_messages_total 12", "loader_rows_total 0", "loader_batches_total 0",
                #"loader_dead_letters_total{reason="invalid_json"} 1"#,
                #"loader_dead_letters_total{reason="wrong_type"} 2"#,
                "loader_rebalances_total 0", #"loader_retries_total{class="away"} 3"#, "loader_ledger_fences_total 0",
                "loader_position_resets_total 0", #"loader_lag{topic="a\"\\\n",partition="10"} 0"#,
                #"loader_lag{topic="b",partition="0"} 5"#, #"loader_lag{topic="b",partition="1"} 7"#, "loader_live 1",
                "loader_ready 1", #"loader_build_info{version="1.0",libpq="15.1"} 1"#,
            ])
        #expect(lines.contains("# TYPE loader_lag gauge"))
        #expect(lines.contains("# TYPE loader_messages_total counter"))
    }

    @Test("a loader that waits for its database is alive but not ready, and says why")
    func waiting() {
        let status = ServiceStatus(obstacles: ["database away: 08006", "not assigned"])
        #expect(HealthAnswer(path: "/health/live", status: { status }).code == 200)
        let ready = HealthAnswer(path: "/health/ready", status: { status })
        #expect(ready.code == 503)
        #expect(ready.body == "database away: 08006\nnot assigned\n")
        #expect(HealthAnswer(path: "/health/ready", status: { ServiceStatus() }).code == 200)
    }

    @Test("a loader whose loops stand still is neither alive nor ready")
    func dead() {
        let status = ServiceStatus(isLive: false)
        #expect(HealthAnswer(path: "/health/live", status: { status }).code == 503)
        #expect(HealthAnswer(path: "/health/ready", status: { status }).code == 503)
        #expect(HealthAnswer(path: "/else", status: { status }).code == 404)
    }

    @Test("the server answers over HTTP until it is stopped, and a second one is told that the port is taken")
    func serves() async throws {
        let any = try #require(ListenAddress("127.0.0.1:0"))
        let server = try await HealthServer(listen: any) { ServiceStatus(obstacles: ["starting"]) }
        let port = try #require(await server.port)
        func get(_ path: String) async throws -> (status: Int?, body: String) {
            let url = try #require(URL(string: "http://127.0.0.1:\(port)\(path)"))
            let (data, response) = try await URLSession.shared.data(from: url)
            return ((response as? HTTPURLResponse)?.statusCode, String(decoding: data, as: UTF8.self))
        }
        #expect(try await get("/health/live").status == 200)
        #expect(try await get("/health/ready") == (503, "starting\n"))
        let metrics = try await get("/metrics")
        #expect(metrics.status == 200)
        #expect(metrics.body.contains("loader_build_info{version=\"\(Version.loader)\""))

        let taken = try #require(ListenAddress("127.0.0.1:\(port)"))
        let problem = await #expect(throws: ConfigurationProblem.self) {
            _ = try await HealthServer(listen: taken, origin: .variable("LOADER_HTTP_LISTEN")) { ServiceStatus() }
        }
        #expect(problem?.path == "http.listen")
        #expect(problem?.code == .addressInUse)
        #expect(problem?.origin == .variable("LOADER_HTTP_LISTEN"))

        await server.stop()
        await #expect(throws: (any Error).self) { try await get("/health/live") }
    }

    @Test(
        "addresses are numeric, so that no name server is asked",
        arguments: [
            ("127.0.0.1:9464", "127.0.0.1:9464"), (":80", "0.0.0.0:80"), ("[::1]:9464", "[::1]:9464"),
            ("localhost:1", "127.0.0.1:1"),
        ])
    func addresses(text: String, expected: String) { #expect(ListenAddress(text)?.description == expected) }

    @Test(
        "what is no address is none",
        arguments: ["", "9464", "h:1", "127.0.0.1", "1.2.3.4:99999", "::1:80", "[::1]", "1.2.3:1"])
    func noAddresses(text: String) { #expect(ListenAddress(text) == nil) }
}
