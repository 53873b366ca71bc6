import Foundation
import RegistryMock
import Synchronization
import TestSupport
import Testing
import Web

/// Runs what waits away from Swift's pool.
private func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}

/// One request, and how it ended.
private func ask(
    _ url: String, _ options: HTTPOptions = HTTPOptions(), headers: [(String, String)] = [], post: [UInt8]? = nil
) async throws -> Result<HTTPAnswer, HTTPFailure> {
    try await onOwnThread {
        do throws(HTTPFailure) {
            let request = HTTPRequest(
                post.map { .post($0) } ?? .get, url, headers: headers.map { (name: $0.0, value: $0.1) })
            return .success(try HTTPClient(options).send(request))
        } catch {
            return .failure(error)
        }
    }
}

extension Result where Success == HTTPAnswer, Failure == HTTPFailure {
    fileprivate var code: HTTPFailure.Code? { failure?.code }
    fileprivate var answer: HTTPAnswer? { try? get() }
    fileprivate var failure: HTTPFailure? { if case .failure(let failure) = self { failure } else { nil } }
}

/// Keeps what a server was asked.
private final class Asked: Sendable {
    private let kept = Mutex<[MockHTTPServer.Request]>([])

    func take(_ request: MockHTTPServer.Request) { kept.withLock { $0.append(request) } }
    var all: [MockHTTPServer.Request] { kept.withLock { $0 } }
}

@Suite("HTTP client")
struct HTTPClientTests {
    @Test("hands over the status and the body whatever they are, and keeps its connection")
    func answers() async throws {
        let server = try MockHTTPServer { request in
            .said(status: request.path == "/there" ? 200 : 404, body: Array("\(request.path) \(request.query)".utf8))
        }
        defer { server.stop() }
        let said = try await onOwnThread {
            let client = HTTPClient(HTTPOptions())
            return try ["/there", "/not?a=b%20c", "/there"].map { path in
                let answer = try client.send(HTTPRequest(.get, server.url + path))
                return "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))"
            }
        }
        #expect(said == ["200 /there [:]", #"404 /not ["a": "b c"]"#, "200 /there [:]"])
        #expect(server.connectionCount == 1)
    }

    @Test("says who it is as it was told: basic, bearer, and what the URL itself says before both")
    func credentials() async throws {
        let asked = Asked()
        let server = try MockHTTPServer { request in
            asked.take(request)
            return .said(status: 200, body: [])
        }
        defer { server.stop() }
        let own = server.url.replacing("//", with: "//own:p%40ss@")
        let ways: [(String, HTTPOptions.Credentials)] = [
            (server.url, .none), (server.url, .basic(user: "me", password: "it:is")),
            (server.url, .bearer(token: "tok.en")), (own, .bearer(token: "tok.en")),
            (own, .basic(user: "me", password: "it:is")),
        ]
        for (url, credentials) in ways {
            let answer = try await ask(url, HTTPOptions(credentials: credentials)).answer
            #expect(answer?.status == 200)
        }
        func basic(_ words: String) -> String { "Basic " + Data(words.utf8).base64EncodedString() }
        #expect(
            asked.all.map { $0.headers["authorization"] } == [
                nil, basic("me:it:is"), "Bearer tok.en", basic("own:p@ss"), basic("own:p@ss"),
            ])
    }

    @Test("sends headers, each on its own line whatever is in it, and a body")
    func posts() async throws {
        let asked = Asked()
        let server = try MockHTTPServer { request in
            asked.take(request)
            return .said(status: 200, body: request.body)
        }
        defer { server.stop() }
        let body = Array("{\"a\": 1}\0".utf8)
        let answer = try await ask(
            server.url + "/x", HTTPOptions(userAgent: "loader/7"),
            headers: [("Accept", "a/b"), ("X-Other", "1\r\nX-Smuggled: 2")], post: body
        ).answer
        #expect(answer?.body == body)
        let request = try #require(asked.all.first)
        #expect(request.method == "POST")
        #expect(request.headers["accept"] == "a/b")
        #expect(request.headers["user-agent"] == "loader/7")
        #expect(request.headers["x-other"] == "1X-Smuggled: 2")
        #expect(request.headers["x-smuggled"] == nil)
        #expect(request.headers["expect"] == nil)
    }

    @Test("goes nowhere by itself, and says where it was sent")
    func redirects() async throws {
        let other = Asked()
        let elsewhere = try MockHTTPServer { request in
            other.take(request)
            return .said(status: 200, body: [])
        }
        defer { elsewhere.stop() }
        let target = elsewhere.url + "/taken?with=secret"
        let server = try MockHTTPServer { _ in .said(status: 302, headers: ["Location": target], body: []) }
        defer { server.stop() }
        let answer = try await ask(server.url, HTTPOptions(credentials: .basic(user: "me", password: "x"))).answer
        #expect(answer?.status == 302)
        #expect(answer?.redirect == elsewhere.url + "/taken")
        #expect(other.all.isEmpty)
    }

    @Test("ends with a code for each way of having no answer")
    func failures() async throws {
        let server = try MockHTTPServer { request in
            switch request.path {
            case "/silence": .silence
            case "/late": .later(milliseconds: 60_000, .said(status: 200, body: []))
            case "/reset": .reset
            case "/cut": .cut(short: 10, body: [1, 2, 3])
            default: .said(status: 200, body: Array(repeating: 7, count: 1001))
            }
        }
        defer { server.stop() }
        let nobody = try freeLoopbackPort()
        let short = HTTPOptions(timeout: .seconds(1), largestAnswer: 1000)
        let patient = HTTPOptions(largestAnswer: 1000)
        let ways: [(String, HTTPFailure.Code)] = [
            (server.url + "/silence", .timeout), (server.url + "/late", .timeout), (server.url + "/reset", .reset),
            (server.url + "/cut", .reset), (server.url + "/large", .tooLarge),
            ("http://127.0.0.1:\(nobody)/", .connect), ("http://no-such-host.invalid/", .resolve),
            ("ftp://127.0.0.1/", .url), ("http://[", .url), ("https://127.0.0.1:\(server.port)/", .tls),
        ]
        for (url, code) in ways {
            #expect(try await ask(url, code == .timeout ? short : patient).code == code, "\(url)")
        }
        let exact = HTTPOptions(largestAnswer: 1001)
        #expect(try await ask(server.url + "/large", exact).answer?.body.count == 1001)
    }

    @Test("says no secret of a URL in a failure")
    func secrets() async throws {
        let nobody = try freeLoopbackPort()
        let asked = try await ask("http://user:secret@127.0.0.1:\(nobody)/a/b?token=hidden#behind")
        let failure = try #require(asked.failure)
        #expect(failure.url == "http://127.0.0.1:\(nobody)/a/b")
        #expect(!"\(failure)".contains("secret") && !"\(failure)".contains("hidden"))
    }

    @Test("ends as soon as nobody wants it any more")
    func givenUp() async throws {
        let asked = Asked()
        let server = try MockHTTPServer { request in
            asked.take(request)
            return .silence
        }
        defer { server.stop() }
        let code = try await onOwnThread {
            do throws(HTTPFailure) {
                // Far longer than the test: it ends by the question alone.
                let client = HTTPClient(HTTPOptions(timeout: .seconds(3600)))
                _ = try client.send(HTTPRequest(.get, server.url)) { !asked.all.isEmpty }
                return HTTPFailure.Code?.none
            } catch {
                return error.code
            }
        }
        #expect(code == .givenUp)
    }
}

@Suite("HTTP client over TLS")
struct HTTPClientTLSTests {
    @Test("speaks with who has a certificate for the host of an authority it knows, and with nobody else")
    func servers() async throws {
        let server = try MockHTTPServer { _ in .said(status: 200, body: [1]) }
        defer { server.stop() }
        let (own, foreign) = (try TestCertificates(), try TestCertificates())
        let knowing = HTTPOptions(tls: .init(authorities: own.authority.file))
        let good = try own.make("good")
        let gate = try TLSGate(to: server.port, good)
        #expect(try await ask(gate.url, knowing).answer?.body == [1])
        // The system's authorities, and others.
        #expect(try await ask(gate.url).code == .tls)
        #expect(try await ask(gate.url, HTTPOptions(tls: .init(authorities: foreign.authority.file))).code == .tls)
        let elsewhere = try TLSGate(to: server.port, try own.make("elsewhere", names: "DNS:elsewhere.example"))
        #expect(try await ask(elsewhere.url, knowing).code == .tls)
        let expired = try TLSGate(to: server.port, try own.make("expired", isExpired: true))
        #expect(try await ask(expired.url, knowing).code == .tls)
        let old = try TLSGate(to: server.port, good, version: "TLSv1_1")
        #expect(try await ask(old.url, knowing).code == .tls)
        let current = try TLSGate(to: server.port, good, version: "TLSv1_2")
        #expect(try await ask(current.url, knowing).answer?.body == [1])
    }

    @Test("shows its certificate to who wants one, from one file or two")
    func clients() async throws {
        let server = try MockHTTPServer { _ in .said(status: 200, body: [1]) }
        defer { server.stop() }
        let certificates = try TestCertificates()
        let gate = try TLSGate(
            to: server.port, try certificates.make("server"), clients: certificates.authority)
        let client = try certificates.make("client")
        let authorities = certificates.authority.file
        let shown = HTTPOptions.TLS(authorities: authorities, certificate: client.file, key: client.key)
        #expect(try await ask(gate.url, HTTPOptions(tls: shown)).answer?.body == [1])
        let both = client.file + "-and-key"
        let text = try String(contentsOfFile: client.file, encoding: .utf8)
        try (text + String(contentsOfFile: client.key, encoding: .utf8))
            .write(toFile: both, atomically: true, encoding: .utf8)
        let one = HTTPOptions.TLS(authorities: authorities, certificate: both)
        #expect(try await ask(gate.url, HTTPOptions(tls: one)).answer?.body == [1])
        // By TLS 1.3 the server says so only after the handshake, and ends the connection.
        let none = HTTPOptions(tls: .init(authorities: authorities))
        let code = try #require(try await ask(gate.url, none).code)
        #expect([.reset, .tls].contains(code))
    }

    @Test(
        "says which certificate it was shown with what first came over a connection, and not with what comes after it")
    func shown() throws {
        let server = try MockHTTPServer { _ in .said(status: 200, body: [1]) }
        defer { server.stop() }
        let certificates = try TestCertificates()
        let own = try certificates.make("server")
        let gate = try TLSGate(to: server.port, own)
        let client = HTTPClient(HTTPOptions(tls: .init(authorities: certificates.authority.file)))
        let pem = try String(contentsOfFile: own.file, encoding: .utf8)
        let first = try #require(try client.send(HTTPRequest(.get, gate.url)).certificate)
        #expect(String(decoding: first, as: UTF8.self).filter { !$0.isWhitespace } == pem.filter { !$0.isWhitespace })
        #expect(try client.send(HTTPRequest(.get, gate.url)).certificate == nil)
        #expect(try client.send(HTTPRequest(.get, server.url)).certificate == nil)
    }

    @Test("names a file of its own that is not there, or is none")
    func files() async throws {
        let server = try MockHTTPServer { _ in .said(status: 200, body: [1]) }
        defer { server.stop() }
        let certificates = try TestCertificates()
        let gate = try TLSGate(to: server.port, try certificates.make("server"))
        let client = try certificates.make("client")
        for tls: HTTPOptions.TLS in [
            .init(authorities: "/no/such/file"), .init(authorities: certificates.authority.key),
            .init(authorities: certificates.authority.file, certificate: "/no/such/file"),
            .init(authorities: certificates.authority.file, certificate: client.file, key: certificates.authority.key),
        ] {
            #expect(try await ask(gate.url, HTTPOptions(tls: tls)).code == .files, "\(tls)")
        }
    }
}
