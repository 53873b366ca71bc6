import Foundation
import Loading
import Testing

@testable import Loader

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

@Suite struct HealthServerTests {
    private func answer(_ path: String, _ status: ServiceStatus) throws -> HealthAnswer {
        try HealthAnswer(path: path, nonce: "n", status: { status })
    }

    @Test("a loader that waits for its database is alive but not ready, and says why")
    func waiting() throws {
        var snapshot = LoadingStatistics.Snapshot()
        snapshot.outagesSince = [.database: Date(), .deadLetterTopic: Date()]
        let status = ServiceStatus(snapshot)
        #expect(try answer("/health/live", status).code == 200)
        let ready = try answer("/health/ready", status)
        #expect(ready.code == 503)
        #expect(
            String(decoding: ready.body, as: UTF8.self)
                == "the database is away\nthe dead letters' topic takes nothing\n"
                + "the group has not assigned partitions yet\n")
        var assigned = LoadingStatistics.Snapshot()
        assigned.isAssigned = true
        #expect(try answer("/health/ready", ServiceStatus(assigned)).code == 200)
    }

    @Test("a loader whose loops stand still is neither alive nor ready")
    func dead() throws {
        var snapshot = LoadingStatistics.Snapshot()
        snapshot.isAssigned = true
        snapshot.lastTurn = .now - .seconds(301)
        let status = ServiceStatus(snapshot)
        #expect(try answer("/health/live", status).code == 503)
        #expect(try answer("/health/ready", status).code == 503)
        #expect(try answer("/else", status).code == 404)
    }

    @Test("the server answers over HTTP until it is stopped, and a second one is told that the port is taken")
    func serves() async throws {
        let any = try #require(ListenAddress("127.0.0.1:0"))
        let server = try await HealthServer(listen: any) { ServiceStatus(.init()) }
        let port = server.port
        func get(_ path: String) async throws -> (status: Int?, body: String) {
            let url = try #require(URL(string: "http://127.0.0.1:\(port)\(path)"))
            let (data, response) = try await URLSession.shared.data(from: url)
            return ((response as? HTTPURLResponse)?.statusCode, String(decoding: data, as: UTF8.self))
        }
        #expect(try await get("/health/live").status == 200)
        #expect(try await get("/health/ready") == (503, "the group has not assigned partitions yet\n"))
        let metrics = try await get("/metrics")
        #expect(metrics.status == 200)
        #expect(metrics.body.contains("loader_build_info{version=\"\(Version.loader)\""))

        let taken = try #require(ListenAddress("127.0.0.1:\(port)"))
        let problem = await #expect(throws: ConfigurationProblem.self) {
            _ = try await HealthServer(listen: taken, origin: .variable("LOADER_HTTP_LISTEN")) {
                ServiceStatus(.init())
            }
        }
        #expect(problem?.path == "http.listen")
        #expect(problem?.code == .addressInUse)
        #expect(problem?.origin == .variable("LOADER_HTTP_LISTEN"))

        await server.stop()
        await #expect(throws: (any Error).self) { try await get("/health/live") }
    }

    @Test("paths are told from queries, and from what a proxy puts before them")
    func paths() {
        #expect(HTTPConnection.path("/metrics?name[]=up") == "/metrics")
        #expect(HTTPConnection.path("http://loader:9464/health/live") == "/health/live")
        #expect(HTTPConnection.path("http://loader:9464") == "/")
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
