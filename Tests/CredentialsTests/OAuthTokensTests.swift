import Foundation
import RegistryMock
import Synchronization
import TestSupport
import Testing
import Web

@testable import Credentials

@Suite("Tokens of a token server")
struct OAuthTokensTests {
    private let server: TokenServer

    init() throws { server = try TokenServer() }

    private func source(
        _ proof: OAuthTokens.Client.Proof = .secret("s3cret+/&"), scope: String? = nil, url: String? = nil
    ) -> OAuthTokens {
        let client = OAuthTokens.Client(
            url: url ?? "\(server.url)/token", id: "loader app", proof: proof, scope: scope)
        return OAuthTokens(client, HTTPOptions(timeout: .seconds(2)), extensions: ["logicalCluster": "lkc-1"])
    }

    private func fetch(_ source: OAuthTokens) throws -> Token { try source.fetch { false } }

    @Test("are asked for with the client's secret in the header, or in the body where that is said")
    func secrets() throws {
        server.answer(.json(["access_token": "one", "expires_in": 60]))
        #expect(try fetch(source(scope: "kafka read")).text == "one")
        let basic = try #require(server.requests.last)
        // Each part is encoded as in a form, and both then in base64 (RFC 6749, 2.3.1).
        let encoded = Data("loader%20app:s3cret%2B%2F%26".utf8).base64EncodedString()
        #expect(basic.method == "POST" && basic.headers["authorization"] == "Basic \(encoded)")
        #expect(basic.form == ["grant_type": "client_credentials", "scope": "kafka read"])
        #expect(try fetch(source(.secret("s3cret+/&", .body))).extensions == ["logicalCluster": "lkc-1"])
        let body = try #require(server.requests.last)
        #expect(body.headers["authorization"] == nil)
        #expect(
            body.form == [
                "grant_type": "client_credentials", "client_id": "loader app", "client_secret": "s3cret+/&",
            ])
    }

    @Test("end when they say themselves, else when the server says, else after a while; whom they are for, they say")
    func ends() throws {
        let exp = Date().addingTimeInterval(1000).timeIntervalSince1970.rounded()
        server.answer(.json(["access_token": readableToken(["exp": exp, "sub": "app-7"]), "expires_in": 60]))
        let readable = try fetch(source())
        #expect(readable.expires == Date(timeIntervalSince1970: exp) && readable.principal == "app-7")
        for (said, seconds) in [(60 as Any, 60.0), ("90", 90), ("soon", 300), (1e9, 86_400)] {
            server.answer(.json(["access_token": "opaque", "expires_in": said]))
            let before = Date()
            let token = try fetch(source())
            let end = try #require(token.expires)
            #expect(token.principal == nil)
            #expect(end >= before.addingTimeInterval(seconds) && end <= Date().addingTimeInterval(seconds), "\(said)")
        }
    }

    @Test("end by this machine's clock, also where the server's goes otherwise; and that it does is told")
    func skew() throws {
        let ahead: TimeInterval = 7200
        let theirs = Date().addingTimeInterval(ahead)
        let token = readableToken(["exp": theirs.addingTimeInterval(600).timeIntervalSince1970])
        let good = MockHTTPServer.Answer.json(["access_token": token])
        server.answer(good.dated(theirs))
        let source = source()
        let end = try #require(try fetch(source).expires)
        #expect(abs(end.timeIntervalSinceNow - 600) < 60 * testTimeScale)
        let words = "s behind that of the token server \(server.url)/token"
        #expect(source.note?.hasPrefix("this machine's clock is 7") == true && source.note?.contains(words) == true)
        // What a client has signed is refused for its times, and the server says only that it is.
        server.answer(.json(["error": "invalid_client"], status: 401).dated(theirs))
        let refusal = try #require(whyNone(of: source))
        #expect(refusal.words.hasPrefix("HTTP status 401, invalid_client; this machine's clock is 7"))
        server.answer(good.dated(Date()))
        _ = try fetch(source)
        #expect(source.note == nil)
    }

    @Test(
        "a refusal, an outage and what is no token server are told apart, with the error's name and nothing else of theirs",
        arguments: [
            (
                MockHTTPServer.Answer.json(["error": "invalid_client", "error_description": "s3cret"], status: 401),
                CredentialFailure.Code.refused, "HTTP status 401, invalid_client"
            ),
            (.json(["error": "invalid_scope"], status: 400), .refused, "HTTP status 400, invalid_scope"),
            (
                .json(["error": "no name s3cret"], status: 403), .refused,
                "HTTP status 403, nothing that a token server says"
            ),
            (.text("<html>s3cret</html>", status: 400), .unusable, "HTTP status 400, nothing that a token server says"),
            (.text("<html>s3cret</html>"), .unusable, "HTTP status 200, and the answer is none of a token server's"),
            (.json(["access_token": "s3cret with a space"]), .unusable, "what it gives is no token"),
            (.text("", status: 404), .unusable, "HTTP status 404, nothing that a token server says"),
            (.text("", status: 503), .away, "HTTP status 503, nothing that a token server says"),
            (
                .json(["error": "temporarily_unavailable"], status: 400), .away,
                "HTTP status 400, temporarily_unavailable"
            ),
            (
                .text("", status: 302, headers: ["Location": "https://u:s3cret@elsewhere/login?x=s3cret"]), .unusable,
                "HTTP status 302, it sends elsewhere: https://elsewhere/login"
            ),
        ])
    func failures(answer: MockHTTPServer.Answer, code: CredentialFailure.Code, words: String) throws {
        server.answer(answer)
        let failure = try #require(whyNone(of: source()))
        #expect(failure.code == code && failure.words == words)
        #expect(failure.place == "the token server \(server.url)/token")
        #expect(!"\(failure) \(failure.mend)".contains("s3cret"))
    }

    @Test("a server that answers late, or badly at first, is asked again at once; one that does not answer is away")
    func again() throws {
        let good = MockHTTPServer.Answer.json(["access_token": "one"])
        for bad in [MockHTTPServer.Answer.text("", status: 500), .reset, .cut(short: 9, body: Array("{".utf8))] {
            server.answer(bad, .later(milliseconds: 10, good))
            #expect(try fetch(source()).text == "one")
        }
        let before = server.requests.count
        server.answer(.json(["error": "invalid_client"], status: 401))
        #expect(whyNone(of: source())?.code == .refused)
        #expect(server.requests.count == before + 1, "a refusal is none that passes")
        #expect(whyNone(of: source(url: "http://127.0.0.1:1/token"))?.code == .away)
        server.answer(.silence)
        #expect(whyNone(of: source())?.code == .away)
    }

    @Test("a client may show a key of its own in place of a secret, by a token that it has signed with it")
    func keys() throws {
        for (kind, algorithm) in [("RSA", "RS256"), ("EC", "ES256")] {
            let key = try KeyPair(kind)
            server.answer(.json(["access_token": "one"]))
            #expect(try fetch(source(.key(path: key.path, id: "k1"))).text == "one")
            let form = try #require(server.requests.last).form
            #expect(form["client_id"] == "loader app" && form["client_secret"] == nil)
            #expect(form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            let assertion = try #require(form["client_assertion"])
            let parts = assertion.split(separator: ".").compactMap { Data(base64URL: $0) }
            try #require(parts.count == 3)
            let header = try #require(try JSONSerialization.jsonObject(with: parts[0]) as? [String: String])
            #expect(header == ["alg": algorithm, "typ": "JWT", "kid": "k1"])
            let claims = try #require(try JSONSerialization.jsonObject(with: parts[1]) as? [String: Any])
            #expect(claims["iss"] as? String == "loader app" && claims["sub"] as? String == "loader app")
            #expect(claims["aud"] as? String == "\(server.url)/token" && claims["jti"] is String)
            #expect(try key.hasSigned(assertion), "\(kind)")
        }
        let asked = server.requests.count
        let none = whyNone(of: source(.key(path: "/no/such/key")))
        #expect(none?.code == .unusable && none?.place == "the file /no/such/key")
        let wrong = try TemporaryFile("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
        #expect(whyNone(of: source(.key(path: wrong.path)))?.code == .unusable)
        #expect(server.requests.count == asked)
    }

    @Test("a secret that has changed is said as it is by then; while nobody can say it, as it was")
    func changed() throws {
        server.answer(.json(["access_token": "one"]))
        for way in [OAuthTokens.Client.Authentication.basic, .body] {
            let client = OAuthTokens.Client(url: "\(server.url)/token", id: "i", proof: .secret("first", way))
            let holder = SecretHolder()
            let source = OAuthTokens(client, HTTPOptions()) { holder.text.withLock { $0 } }
            func said() throws -> String {
                _ = try source.fetch { false }
                let request = try #require(server.requests.last)
                let header = request.headers["authorization"]?.dropFirst("Basic ".count)
                let pair = header.flatMap { Data(base64Encoded: String($0)) }.map {
                    String(decoding: $0, as: UTF8.self)
                }
                return pair ?? "i:\(request.form["client_secret"] ?? "")"
            }
            #expect(try said() == "i:first")
            holder.text.withLock { $0 = "second" }
            #expect(try said() == "i:second")
        }
    }

    private final class SecretHolder: Sendable { let text = Mutex<String?>(nil) }

    @Test("whatever prints a client prints no secret")
    func printing() {
        for proof in [OAuthTokens.Client.Proof.secret("s3cret"), .secret("s3cret", .body)] {
            let client = OAuthTokens.Client(url: "https://u:s3cret@h/t?k=s3cret", id: "i", proof: proof)
            var dumped = ""
            dump(client, to: &dumped)
            dump(OAuthTokens(client, HTTPOptions()), to: &dumped)
            dump(proof, to: &dumped)
            #expect(!"\(client) \(String(reflecting: client)) \(proof) \(dumped)".contains("s3cret"))
        }
    }
}
