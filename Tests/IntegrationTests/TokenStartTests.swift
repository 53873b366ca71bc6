import Foundation
import RegistryMock
import Synchronization
import TestSupport
import Testing

@testable import Loader

/// What a start says of tokens for the brokers that it cannot have.
@Suite("A start without tokens")
struct TokenStartTests {
    private func environment(_ landing: Landing, _ token: [String: String]) -> [String: String] {
        let keys = token.map { ("LOADER_KAFKA_TOKEN_\($0.key)", $0.value) }
        return landing.environment.merging(["LOADER_WAIT_AT_START": "false"]) { $1 }.merging(keys) { $1 }
    }

    private final class Held: Sendable {
        let secret = Mutex("first")
        let asked = Mutex<[String]>([])
    }

    @Test("a client's secret that stands in a file of its own is read anew for each token")
    func rotated() throws {
        let held = Held()
        let server = try MockHTTPServer { request in
            held.asked.withLock { $0.append(request.headers["authorization"] ?? "") }
            return .said(status: 200, body: Array(#"{"access_token": "t", "expires_in": 3600}"#.utf8))
        }
        defer { server.stop() }
        let yaml = """
            kafka:
              brokers: localhost:9092
              group: g
              token: { source: oidc, url: "\(server.url)", client_id: me, client_secret: "${file:/secret}" }
            postgres: { url: "postgresql://localhost/shop" }
            routes: [{ topic: orders, table: orders }]
            """
        let sources = ConfigurationSources(file: ("loader.yaml", yaml)) { path in
            path == "/secret" ? held.secret.withLock { $0 } : nil
        }
        let tokens = try #require(try Configuration(sources).loading.tokens)
        let first = try tokens.token(within: .seconds(60))
        held.secret.withLock { $0 = "second" }
        tokens.forget(first)
        _ = try tokens.token(within: .seconds(60))
        let expected = ["me:first", "me:second"].map { "Basic \(Data($0.utf8).base64EncodedString())" }
        #expect(held.asked.withLock { $0 } == expected)
    }

    @Test(
        "a refusal stops run and check with 78, whoever is away with 69, and both say who was asked, what was said and what helps"
    )
    func refused() async throws {
        let refusing = try MockHTTPServer { _ in
            .said(status: 401, body: Array(#"{"error": "invalid_client", "error_description": "wrong-one"}"#.utf8))
        }
        defer { refusing.stop() }
        let failing = try MockHTTPServer { _ in .said(status: 503, body: []) }
        defer { failing.stop() }
        func client(_ url: String) -> [String: String] {
            ["SOURCE": "oidc", "URL": url, "CLIENT_ID": "me", "CLIENT_SECRET": "wrong-one"]
        }
        let ways: [([String: String], Int32, String, String)] = [
            (client(refusing.url), 78, "HTTP status 401, invalid_client", "mend client_id, client_secret"),
            (client(failing.url), 69, "HTTP status 503", "look whether it can be reached"),
            (["SOURCE": "file", "PATH": "/no/such/token"], 78, "No such file", "mend path"),
            (["SOURCE": "command", "COMMAND": "false"], 78, "exit status 1", "run it by hand"),
        ]
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            for (token, status, words, mend) in ways {
                for command in [["run", "--until-end"], ["check"]] {
                    let run = try await Command.run(command, environment(landing, token))
                    let said = run.errors + run.output
                    #expect(run.status == status, "\(token): \(said)")
                    #expect(said.contains(words) && said.contains(mend), "\(token): \(said)")
                    #expect(said.contains("there is no token for the brokers") && said.contains("kafka.token"))
                    #expect(!said.contains("wrong-one"))
                }
            }
        }
    }
}
