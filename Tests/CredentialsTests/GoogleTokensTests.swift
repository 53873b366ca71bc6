import Foundation
import RegistryMock
import Testing

@testable import Credentials

@Suite("Tokens of Google's")
struct GoogleTokensTests {
    private static let email = "loader@shop.iam.gserviceaccount.com"
    private let server: TokenServer

    init() throws { server = try TokenServer() }

    private var machine: [String: String] { ["GCE_METADATA_HOST": String(server.url.dropFirst("http://".count))] }

    private func fields(_ part: Substring) throws -> [String: Any] {
        let bytes = try #require(Data(base64URL: part))
        return try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
    }

    /// A file of credentials.
    private func file(_ fields: [String: Any]) throws -> TemporaryFile {
        try TemporaryFile(String(decoding: JSONSerialization.data(withJSONObject: fields), as: UTF8.self))
    }

    @Test("a machine's own are wrapped for the brokers, with whom they are for, and bare for others")
    func machineAccount() throws {
        server.answer(.json(["access_token": "ya29.one", "expires_in": 3599]), .text("\(Self.email)\n"))
        let before = Date()
        let token = try GoogleTokens(.kafka, machine).fetch { false }
        let parts = token.text.split(separator: ".")
        try #require(parts.count == 3)
        #expect(try fields(parts[0]) as? [String: String] == ["typ": "JWT", "alg": "GOOG_OAUTH2_TOKEN"])
        let claims = try fields(parts[1])
        let end = try #require(token.expires)
        #expect(claims["sub"] as? String == Self.email && token.principal == Self.email)
        #expect(claims["iss"] as? String == "Google" && claims["scope"] as? String == "kafka")
        #expect(claims["exp"] as? Int == Int(end.timeIntervalSince1970))
        #expect(end >= before.addingTimeInterval(3599) && end <= Date().addingTimeInterval(3599))
        #expect(Data(base64URL: parts[2]) == Data("ya29.one".utf8))
        let paths = server.requests.map(\.path)
        let account = "/computeMetadata/v1/instance/service-accounts/default"
        #expect(paths == ["\(account)/token", "\(account)/email"])
        #expect(server.requests.allSatisfy { $0.headers["metadata-flavor"] == "Google" })
        #expect(server.requests[0].query == ["scopes": "https://www.googleapis.com/auth/cloud-platform"])

        server.answer(.json(["access_token": "ya29.two", "expires_in": 3599]))
        let bare = GoogleTokens(.bare, machine, scope: "https://www.googleapis.com/auth/sqlservice.login")
        #expect(try bare.fetch { false }.text == "ya29.two")
        #expect(server.requests.last?.query == ["scopes": "https://www.googleapis.com/auth/sqlservice.login"])
        #expect(server.requests.count == 3)
    }

    @Test("a service account's key signs for them, and the file is read anew each time")
    func key() throws {
        let pair = try KeyPair("RSA")
        var fields: [String: Any] = [
            "type": "service_account", "client_email": Self.email, "private_key": pair.pem, "private_key_id": "k7",
            "token_uri": "\(server.url)/token",
        ]
        let file = try file(fields)
        server.answer(.json(["access_token": "ya29.one", "expires_in": 3599]))
        let source = GoogleTokens(.bare, ["GOOGLE_APPLICATION_CREDENTIALS": file.path])
        let token = try source.fetch { false }
        #expect(token.text == "ya29.one" && token.principal == Self.email)
        let form = try #require(server.requests.last).form
        #expect(form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer")
        let assertion = try #require(form["assertion"])
        #expect(try pair.hasSigned(assertion))
        let parts = assertion.split(separator: ".")
        #expect(try self.fields(parts[0]) as? [String: String] == ["alg": "RS256", "typ": "JWT", "kid": "k7"])
        let claims = try self.fields(parts[1])
        #expect(claims["iss"] as? String == Self.email && claims["aud"] as? String == "\(server.url)/token")
        #expect(claims["scope"] as? String == GoogleTokens.wholeScope)
        #expect((claims["exp"] as? Int ?? 0) - (claims["iat"] as? Int ?? 0) == 3600)

        fields["client_email"] = "other@shop"
        try file.write(String(decoding: JSONSerialization.data(withJSONObject: fields), as: UTF8.self))
        #expect(try GoogleTokens(.kafka, [:], path: file.path).fetch { false }.principal == "other@shop")
        server.answer(.json(["error": "invalid_grant", "error_description": "s3cret"], status: 400))
        let refused = try #require(whyNone(of: source))
        #expect(refused.code == .refused && refused.words == "HTTP status 400, invalid_grant")
        #expect(refused.place == "Google, as the file \(file.path) says")
    }

    @Test("a workload of elsewhere exchanges its own token, and then acts as the service account")
    func workload() throws {
        let own = try TemporaryFile(#"{"access": "projected", "more": 1}"#)
        let fields: [String: Any] = [
            "type": "external_account", "audience": "//iam.googleapis.com/pool", "token_url": "\(server.url)/sts",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "service_account_impersonation_url": "\(server.url)/v1/serviceAccounts/\(Self.email):generateAccessToken",
            "credential_source": ["file": own.path, "format": ["type": "json", "subject_token_field_name": "access"]],
        ]
        let file = try file(fields)
        server.answer(
            .json(["access_token": "federated", "expires_in": 3600]),
            .json(["accessToken": "ya29.account", "expireTime": "2126-01-02T03:04:05Z"]))
        let token = try GoogleTokens(.bare, [:], path: file.path).fetch { false }
        let end = Date(timeIntervalSince1970: 4_922_996_645)
        #expect(token == Token("ya29.account", expires: end, principal: Self.email))
        try #require(server.requests.count == 2)
        let exchange = server.requests[0].form
        #expect(exchange["subject_token"] == "projected" && exchange["audience"] == "//iam.googleapis.com/pool")
        #expect(exchange["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange")
        #expect(server.requests[1].headers["authorization"] == "Bearer federated")
        let body = try JSONSerialization.jsonObject(with: Data(server.requests[1].body)) as? [String: Any]
        #expect(body?["scope"] as? [String] == [GoogleTokens.wholeScope])
    }

    @Test("metadata of another machine's is not asked, and no secret goes over a line that others read")
    func places() throws {
        for host in ["10.0.0.1", "metadata.example.com", "me@10.0.0.1"] {
            let failure = whyNone(of: GoogleTokens(.bare, ["GCE_METADATA_HOST": host]))
            #expect(failure?.code == .unusable && failure?.mend == "unset GCE_METADATA_HOST", "\(host)")
        }
        let key = try KeyPair("RSA").pem
        let plain = try file([
            "type": "service_account", "client_email": Self.email, "private_key": key, "token_uri": "http://10.0.0.1/t",
        ])
        #expect(whyNone(of: GoogleTokens(.bare, [:], path: plain.path))?.words == "token_uri is no URL of https")
    }

    @Test("a file that is none of Google's, a person's, or has a key that is none, is told for what it is")
    func files() throws {
        let account: [String: Any] = ["type": "service_account", "client_email": Self.email, "private_key": "s3cret"]
        for (fields, words) in [
            (["type": "authorized_user", "refresh_token": "s3cret"], "not for programs"), (account, "no private key"),
            (["kind": "s3cret"], "no file of credentials"),
            (["type": "external_account", "audience": "a"], "names no file"),
        ] {
            let file = try file(fields)
            let failure = try #require(whyNone(of: GoogleTokens(.bare, [:], path: file.path)))
            #expect(failure.code == .unusable && failure.words.contains(words))
            #expect(!"\(failure) \(failure.mend)".contains("s3cret"))
        }
        #expect(whyNone(of: GoogleTokens(.bare, [:], path: "/no/such/file"))?.code == .unusable)
    }

    @Test("metadata that is busy is asked again; no account, a page and silence are told for what they are")
    func failures() throws {
        server.answer(.text("", status: 503), .json(["access_token": "one", "expires_in": 9]))
        #expect(try GoogleTokens(.bare, machine).fetch { false }.text == "one")
        server.answer(.text("<html>"))
        #expect(whyNone(of: GoogleTokens(.bare, machine))?.code == .unusable)
        server.answer(.text("", status: 404))
        let none = whyNone(of: GoogleTokens(.bare, machine))
        #expect(none?.code == .unusable && none?.mend.contains("service account") ?? false)
        server.answer(.reset)
        #expect(whyNone(of: GoogleTokens(.bare, machine))?.code == .away)
        server.answer(.json(["access_token": "one", "expires_in": 9]), .text("no address"))
        #expect(
            whyNone(of: GoogleTokens(.kafka, machine))?.mend.contains("GOOGLE_MANAGED_KAFKA_AUTH_PRINCIPAL") ?? false)
        server.answer(.json(["access_token": "one", "expires_in": 9]), .text("no address"))
        let said = machine.merging(["GOOGLE_MANAGED_KAFKA_AUTH_PRINCIPAL": "me@shop"]) { $1 }
        #expect(try GoogleTokens(.kafka, said).fetch { false }.principal == "me@shop")
    }
}
