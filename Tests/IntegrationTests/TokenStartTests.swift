import Foundation
import RegistryMock
import TestSupport
import Testing

/// What a start says of tokens for the brokers that it cannot have.
@Suite("A start without tokens")
struct TokenStartTests {
    private func environment(_ landing: Landing, _ token: [String: String]) -> [String: String] {
        let keys = token.map { ("LOADER_KAFKA_TOKEN_\($0.key)", $0.value) }
        return landing.environment.merging(["LOADER_WAIT_AT_START": "false"]) { $1 }.merging(keys) { $1 }
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
