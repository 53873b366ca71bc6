import Foundation
import Loading
import Synchronization
import TestSupport
import Testing

@testable import Loader

/// What a client can cost the HTTP server.
@Suite struct HTTPLimitsTests {
    private static let ask = "GET /health/live HTTP/1.1\r\nHost: loader\r\n\r\n"

    /// A server that is stopped afterwards.
    private func withServer(
        _ limits: HTTPLimits = HTTPLimits(), report: @escaping @Sendable (Incident) -> Void = { _ in },
        _ body: (HealthServer) async throws -> Void
    ) async throws {
        let any = try #require(ListenAddress("127.0.0.1:0"))
        let server = try await HealthServer(listen: any, limits: limits, report: report) { ServiceStatus(.init()) }
        let result: Result<Void, any Error>
        do { result = .success(try await body(server)) } catch { result = .failure(error) }
        await server.stop()
        try result.get()
    }

    /// Waits until a client who has just come is answered.
    private func expectAnswer(_ port: UInt16) async throws {
        let deadline = ContinuousClock.now + .seconds(60) * testTimeScale
        while true {
            if let client = try? TCPClient(port: port) {
                try await client.exchange(Self.ask, "an answer, or none") {
                    $0.isEnded || $0.received.hasSuffix("live\n")
                }
                if client.received.hasPrefix("HTTP/1.1 200 OK") { return }
            }
            guard ContinuousClock.now < deadline else { throw TimedOut(what: "an answer") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    @Test("a connection serves one request after another, and HEAD says what GET would, without a body")
    func keepAlive() async throws {
        try await withServer { server in
            let client = try TCPClient(port: server.port)
            try await client.exchange(Self.ask, "the first answer") { $0.received.hasSuffix("live\n") }
            #expect(client.received.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(client.received.contains("Connection: keep-alive\r\n"))
            #expect(client.received.contains("Content-Length: 5\r\n"))
            #expect(client.received.contains("X-Content-Type-Options: nosniff\r\n"))
            let first = client.received.count
            try await client.exchange(
                "HEAD /health/live HTTP/1.1\r\nHost: loader\r\nConnection: close\r\n\r\n", "the end"
            ) { $0.isEnded }
            let second = client.received.dropFirst(first)
            #expect(second.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(second.contains("Content-Length: 5\r\n"))
            #expect(second.hasSuffix("\r\n\r\n"))
        }
    }

    @Test(
        "what is not served is refused with its status, and the connection ends",
        arguments: [
            ("POST /health/live HTTP/1.1\r\nHost: l\r\n\r\n", "405 Method Not Allowed"),
            ("GET / HTTP/1.1\r\nHost: l\r\nContent-Length: 3\r\n\r\nabc", "413 Payload Too Large"),
            ("GET / HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "413 Payload Too Large"),
            ("GET /else HTTP/1.0\r\n\r\n", "404 Not Found"),
            ("\u{16}\u{3}\u{1} TLS", "400 Bad Request"),
        ])
    func refusals(request: String, status: String) async throws {
        try await withServer { server in
            let client = try TCPClient(port: server.port)
            try await client.exchange(request, "the end") { $0.isEnded }
            #expect(client.received.hasPrefix("HTTP/1.1 \(status)\r\n"))
            #expect(client.received.components(separatedBy: "HTTP/1.1 ").count == 2)
        }
    }

    @Test(
        "a request whose head does not end is refused before it costs memory, however it goes on",
        arguments: [
            ("GET /health/live HTTP/1.1\r\nX: ", "x"), ("GET /", "x"), ("GET /health/live HTTP/1.1\r\n", "A: b\r\n"),
            ("", "\r\n"),
        ])
    func endless(start: String, more: String) async throws {
        let request = start + String(repeating: more, count: (1 << 20) / more.utf8.count)
        try await withServer { server in
            let client = try TCPClient(port: server.port)
            try await client.exchange(request, "the end") { $0.isEnded }
            #expect(client.received.hasPrefix("HTTP/1.1 431 "))
            try await expectAnswer(server.port)
        }
    }

    @Test("a request must be there in time, and more bytes of it do not prolong that")
    func slowHeaders() async throws {
        var limits = HTTPLimits()
        limits.request = .milliseconds(200)
        try await withServer(limits) { server in
            let (silent, slow) = (try TCPClient(port: server.port), try TCPClient(port: server.port))
            slow.send("GET / HTTP/1.1\r\n")
            try await eventually("the end of both") {
                slow.send("X: y\r\n")
                silent.receive()
                slow.receive()
                return silent.isEnded && slow.isEnded
            }
            #expect(silent.received.isEmpty)
            try await expectAnswer(server.port)
        }
    }

    @Test("a connection without a further request is closed in time")
    func idle() async throws {
        var limits = HTTPLimits()
        limits.idle = .milliseconds(50)
        try await withServer(limits) { server in
            let client = try TCPClient(port: server.port)
            try await client.exchange(Self.ask, "the end") { $0.isEnded }
            #expect(client.received.hasSuffix("live\n"))
        }
    }

    @Test("who asks and asks and takes no answer is cut off")
    func slowReader() async throws {
        var limits = HTTPLimits()
        limits.answer = .milliseconds(200)
        try await withServer(limits) { server in
            let client = try TCPClient(port: server.port, receiveBuffer: 4096)
            let ask = "GET / HTTP/1.1\r\nHost: loader\r\n\r\n"
            var rest = ""
            try await eventually("the end") {
                for _ in 0..<20 where !client.isEnded {
                    if rest.isEmpty { rest = ask }
                    rest = String(rest.dropFirst(client.send(rest)))
                }
                return client.isEnded
            }
            try await expectAnswer(server.port)
        }
    }

    @Test("connections beyond the limit take the place of those of least use: who asks is answered")
    func manyConnections() async throws {
        var limits = HTTPLimits()
        limits.connections = 8
        try await withServer(limits) { server in
            let idle = try (0..<100).map { _ in try TCPClient(port: server.port) }
            try await eventually("all but eight are closed") {
                for client in idle { client.receive() }
                return idle.count(where: \.isEnded) >= 92
            }
            try await expectAnswer(server.port)
        }
    }

    @Test("a listener that ends is told, and listens again on its port")
    func restart() async throws {
        var limits = HTTPLimits()
        limits.restart = (.milliseconds(1), .milliseconds(10))
        let incidents = Mutex<[Incident]>([])
        try await withServer(limits) { incident in
            incidents.withLock { $0.append(incident) }
        } _: { server in
            let port = server.port
            try await server.listener?.close().get()
            try await eventually("it listens again") { server.listener != nil }
            #expect(server.port == port)
            try await expectAnswer(server.port)
            #expect(incidents.withLock { $0.map(\.place) } == ["127.0.0.1:\(port)"])
        }
    }

    @Test(
        "more connections than it may have descriptors end nothing: it says so, and answers then and afterwards",
        arguments: [(48, 400), (1024, 1500)])
    func descriptors(limit: Int, connections: Int) async throws {
        try raiseOwnLimit(to: UInt64(2 * connections + 1024))
        let port = try freeLoopbackPort()
        // Neither is there, which the endpoint is there to tell.
        let loader = try LoaderProcess(
            [
                "KAFKA_BROKERS": "127.0.0.1:1", "DATABASE_URL": "postgresql://loader@127.0.0.1:1/none",
                "KAFKA_TOPIC": "t", "KAFKA_CONSUMER_GROUP": "g", "LOADER_TABLE": "t",
                "LOADER_HTTP_LISTEN": "127.0.0.1:\(port)", "LOADER_WAIT_AT_START": "true",
            ], descriptorLimit: limit)
        try await expectAnswer(port)
        do {
            let idle = try (0..<connections).map { _ in try TCPClient(port: port) }
            let endless = try (0..<10).map { _ in try TCPClient(port: port) }
            let line = "GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 4096)
            for _ in 0..<20 {
                for client in endless { client.send(line) }
                try await expectAnswer(port)
            }
            if limit < HTTPLimits().connections { try await loader.waitForLog("could not take a connection") }
            withExtendedLifetime(idle) {}
        }
        try await expectAnswer(port)
        #expect(loader.isRunning)
    }

    private func raiseOwnLimit(to count: UInt64) throws {
        #if canImport(Darwin)
            let resource = RLIMIT_NOFILE
        #else
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #endif
        var limit = rlimit()
        getrlimit(resource, &limit)
        limit.rlim_cur = rlim_t(min(max(UInt64(limit.rlim_cur), count), UInt64(limit.rlim_max)))
        #expect(setrlimit(resource, &limit) == 0)
    }
}
