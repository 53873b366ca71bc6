import Foundation
import Kafka
import RegistryMock
import TestSupport
import Testing

/// What an operator has set up wrongly about schemas, and hears of.
@Suite("Setup of a schema registry")
struct RegistrySetupTests {
    private func environment(_ landing: Landing, _ more: [String: String]) -> [String: String] {
        landing.environment.merging(more) { $1 }
    }

    private func produce(_ landing: Landing, _ id: Int) throws {
        try landing.broker.produce(
            (0..<20).map { TestMessage(partition: 0, key: nil, bytes: AvroMessage.framed(id, $0)) }, to: landing.topic)
    }

    @Test("where none is configured, the letters, one line of the log and the check say so, with the mend")
    func none() async throws {
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            try produce(landing, 7)
            let check = try await Command.run(["check"], environment(landing, [:]))
            #expect(check.status == 78)
            #expect(check.output.contains("schema_registry.url"), "\(check.output)")
            #expect(check.output.contains("names schema 7 of a registry, and none is configured"))
            let run = try await Command.run(
                ["run", "--until-end"], environment(landing, ["LOADER_DEAD_LETTERS_MAX_SHARE": "1"]))
            #expect(run.status == 0)
            let lines = run.errors.split(separator: "\n").filter { $0.contains("none is configured") }
            #expect(lines.count == 1, "\(run.errors)")
            #expect(lines.first?.contains("schema_registry.url") ?? false)
        }
    }

    @Test("the check names the schemas of the sample with their subjects, and shows what their messages fill")
    func check() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let id = registry.register(AvroMessage.schema, as: "numbers-value")
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            try produce(landing, id)
            let check = try await Command.run(
                ["check", "--json"], environment(landing, ["LOADER_SCHEMA_REGISTRY_URL": registry.url]))
            #expect(check.status == 0, "\(check.output)")
            let route = try #require((try check.json()["routes"] as? [[String: Any]])?.first)
            let sample = try #require(route["sample"] as? [String: Any])
            #expect(sample["schemas"] as? [String] == ["\(id) (numbers-value, version 1)"])
            #expect(sample["rows"] as? Int == 20)
            let columns = try #require(route["columns"] as? [[String: Any]])
            let number = try #require(columns.first { $0["name"] as? String == "n" })
            #expect(number["filled"] as? Int == 20)
            #expect(number["schema_type"] as? String == "long")
            #expect((route["problems"] as? [Any])?.isEmpty ?? true, "\(check.output)")
            #expect((route["unused_fields"] as? [Any])?.isEmpty ?? true)
        }
    }

    @Test("a registry that does not let it in, is none, or is not trusted stops the start, and says what to do")
    func refused() async throws {
        let registry = try RegistryMock(user: "me", password: "right")
        defer { registry.stop() }
        let page = try MockHTTPServer { _ in .said(status: 200, body: Array("<html>".utf8)) }
        defer { page.stop() }
        let certificates = try TestCertificates()
        let gate = try TLSGate(to: registry.port, try certificates.make("registry"))
        let ways: [([String: String], String)] = [
            (["URL": registry.url, "USER": "me", "PASSWORD": "wrong-one"], "schema_registry.user and .password"),
            (["URL": registry.url], "schema_registry.user"), (["URL": page.url], "the registry's API"),
            (["URL": gate.url, "USER": "me", "PASSWORD": "right"], "schema_registry.ca"),
            (["URL": gate.url, "CA": "/no/such/file"], "schema_registry.ca"),
        ]
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            for (settings, mend) in ways {
                let keys = settings.map { ("LOADER_SCHEMA_REGISTRY_\($0.key)", $0.value) }
                let all = environment(landing, Dictionary(keys) { $1 })
                for command in [["run", "--until-end"], ["check"]] {
                    let run = try await Command.run(command, all)
                    #expect(run.status == 78, "\(settings): \(run.errors) \(run.output)")
                    #expect((run.errors + run.output).contains(mend), "\(settings): \(run.errors) \(run.output)")
                    #expect(!(run.errors + run.output).contains("wrong-one"))
                }
            }
        }
    }

    @Test("a registry behind TLS that wants a certificate is asked with it")
    func certificates() async throws {
        let registry = try RegistryMock(token: "to.k.en")
        defer { registry.stop() }
        let id = registry.register(AvroMessage.schema, as: "numbers-value")
        let certificates = try TestCertificates()
        let gate = try TLSGate(to: registry.port, try certificates.make("registry"), clients: certificates.authority)
        let client = try certificates.make("client")
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            try produce(landing, id)
            let run = try await Command.run(
                ["run", "--until-end"],
                environment(
                    landing,
                    [
                        "LOADER_SCHEMA_REGISTRY_URL": gate.url, "LOADER_SCHEMA_REGISTRY_TOKEN": "to.k.en",
                        "LOADER_SCHEMA_REGISTRY_CA": certificates.authority.file,
                        "LOADER_SCHEMA_REGISTRY_CERTIFICATE": client.file, "LOADER_SCHEMA_REGISTRY_KEY": client.key,
                    ]))
            #expect(run.status == 0, "\(run.errors)")
            #expect(try landing.rowCount() == 20)
            #expect(!run.errors.contains("to.k.en"))
        }
    }
}
