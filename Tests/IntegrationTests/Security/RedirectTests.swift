import Credentials
import Foundation
import RegistryMock
import Schemas
import Synchronization
import Testing

@testable import Loader

/// Whoever answers a request that has a secret in it may send elsewhere: nobody goes there.
@Suite("Redirects")
struct RedirectTests {
    /// Something that shows a secret to a server.
    struct Way: Sendable, CustomTestStringConvertible {
        var name: String
        /// Beside routes, brokers and the database. `URL` and `HOST` stand for the server that sends elsewhere, `FILE` for a file.
        var yaml: String
        var environment: [String: String] = [:]

        var testDescription: String { name }
    }

    private static func token(_ text: String) -> String { "kafka: { brokers: b:9092, group: g, token: { \(text) } }" }

    private static func registry(_ text: String) -> String {
        "kafka: { brokers: b:9092, group: g }\nschema_registry: { \(text) }"
    }

    /// Nothing of whoever runs the tests.
    private static let nobody = [
        "AWS_CONFIG_FILE": "/nowhere/config", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
        "AWS_REGION": "eu-west-1", "HOME": "/nowhere",
    ]

    static let ways = [
        Way(
            name: "a client's secret in the header",
            yaml: token(#"source: oidc, url: "URL", client_id: i, client_secret: s3cret"#)),
        Way(
            name: "a client's secret in the body",
            yaml: token(#"source: oidc, url: "URL", client_id: i, client_secret: s3cret, client_auth: body"#)),
        Way(
            name: "a workload's token for Entra", yaml: token("source: azure, scope: api://x/.default"),
            environment: [
                "AZURE_AUTHORITY_HOST": "URL", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c",
                "AZURE_FEDERATED_TOKEN_FILE": "FILE",
            ]),
        Way(
            name: "the header of App Service", yaml: token("source: azure, scope: api://x/.default"),
            environment: ["IDENTITY_ENDPOINT": "URL", "IDENTITY_HEADER": "s3cret"]),
        Way(
            name: "Google's metadata", yaml: token("source: gcp"), environment: ["GCE_METADATA_HOST": "HOST"]),
        Way(
            name: "a workload's token for STS", yaml: token("source: msk_iam"),
            environment: nobody.merging([
                "AWS_ENDPOINT_URL_STS": "URL", "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/loader",
                "AWS_WEB_IDENTITY_TOKEN_FILE": "FILE",
            ]) { $1 }),
        Way(
            name: "a container's token", yaml: token("source: msk_iam"),
            environment: nobody.merging([
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "URL/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "s3cret",
            ]) { $1 }),
        Way(
            name: "an instance's metadata", yaml: token("source: msk_iam"),
            environment: nobody.merging(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "URL"]) { $1 }),
        Way(name: "a registry's user", yaml: registry(#"url: "URL", user: me, password: s3cret"#)),
        Way(name: "a registry's token", yaml: registry(#"url: "URL", token: s3cret"#)),
        Way(name: "a registry's header", yaml: registry(#"url: "URL", headers: ["x-key: s3cret"]"#)),
        Way(
            name: "a registry's token server",
            yaml: registry(#"url: "URL", oauth: { url: "URL", client_id: i, client_secret: s3cret }"#)),
        Way(
            name: "Glue",
            yaml: registry(
                #"kind: glue, region: eu-west-1, url: "URL", access_key_id: a, secret_access_key: s3cret, session_token: s3cret"#
            )),
    ]

    @Test("are followed with no secret, to whichever place, by whichever status", arguments: ways)
    func notFollowed(_ way: Way) throws {
        let (asked, taken) = (Counter(), Counter())
        let elsewhere = try MockHTTPServer { _ in
            taken.add()
            return .said(status: 200, body: [])
        }
        defer { elsewhere.stop() }
        let target = elsewhere.url
        let file = FileManager.default.temporaryDirectory.appending(path: "redirect-\(UUID().uuidString)").path()
        try "s3cret".write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        for status in [301, 302, 303, 307, 308] {
            let before = asked.count
            let server = try MockHTTPServer { _ in
                asked.add()
                return .said(status: status, headers: ["Location": target + "/there"], body: [])
            }
            defer { server.stop() }
            func filled(_ text: String) -> String {
                text.replacing("URL", with: server.url).replacing(
                    "HOST", with: server.url.replacing("http://", with: "")
                ).replacing("FILE", with: file)
            }
            let yaml = """
                \(filled(way.yaml))
                postgres: { url: "postgresql://loader@localhost/shop" }
                routes: [{ topic: orders, table: public.orders }]
                """
            let loading = try Configuration(
                ConfigurationSources(
                    file: ("loader.yaml", yaml),
                    environment: way.environment.mapValues(filled)
                ) { path in
                    try? String(contentsOfFile: path, encoding: .utf8)
                }
            ).loading
            if let tokens = loading.tokens {
                #expect(throws: CredentialFailure.self) { try tokens.token(within: .seconds(60)) }
            } else {
                let schemas = try #require(loading.schemas)
                #expect(throws: RegistryFailure.self) { try SchemaResolver(schemas).greet() }
            }
            #expect(asked.count > before, "somebody was asked")
            #expect(taken.count == 0, "HTTP status \(status)")
        }
    }

    private final class Counter: Sendable {
        private let state = Mutex(0)
        func add() { state.withLock { $0 += 1 } }
        var count: Int { state.withLock(\.self) }
    }
}
