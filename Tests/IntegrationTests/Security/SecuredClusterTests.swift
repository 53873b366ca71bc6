import Foundation
import Kafka
import Loading
import TestSupport
import Testing

/// Refusals and rotation on a real cluster, which lets nobody in by default: that of `KAFKA_BROKERS`, whose clients need what
/// `KAFKA_CLIENT_PROPERTIES` has. What can be wrong follows from what is right.
@Suite(
    "A secured cluster", .serialized,
    .enabled(if: Broker.hasExternalProperties, "KAFKA_CLIENT_PROPERTIES names no properties of a secured cluster")
)
struct SecuredClusterTests {
    /// Properties that differ from the right ones, and what brokers may have against them.
    private struct Mistake {
        var name: String
        /// Nil: without it.
        var changes: [String: String?]
        var refusals: [BrokerRefusal]
    }

    private let right = Broker.externalProperties
    /// Whether something of what is right stands in a file, or could.
    private static let hasSecrets =
        ["sasl.password", "ssl.certificate.location"].contains { Broker.externalProperties[$0] != nil }

    private var transport: String { right["security.protocol"]?.uppercased() ?? "PLAINTEXT" }
    private var hasTLS: Bool { transport.hasSuffix("SSL") }
    private var mechanism: String {
        (right["sasl.mechanism"] ?? right["sasl.mechanisms"] ?? "").uppercased()
    }

    private func mistakes(_ others: TestCertificates) throws -> [Mistake] {
        var mistakes: [Mistake] = []
        if transport.hasPrefix("SASL"), mechanism == "PLAIN" || mechanism.hasPrefix("SCRAM") {
            mistakes += [
                Mistake(name: "a wrong password", changes: ["sasl.password": "wrong-one"], refusals: [.credentials]),
                Mistake(name: "no such user", changes: ["sasl.username": "nobody-here"], refusals: [.credentials]),
                // Some brokers have several, and this user in each with the same password.
                Mistake(
                    name: "another mechanism",
                    changes: [
                        "sasl.mechanism": nil, "sasl.mechanisms": mechanism == "PLAIN" ? "SCRAM-SHA-512" : "PLAIN",
                        "sasl.password": "wrong-one",
                    ],
                    refusals: [.mechanism, .credentials]),
            ]
        }
        if transport.hasPrefix("SASL") {
            mistakes.append(
                Mistake(
                    name: "no user",
                    changes: [
                        "security.protocol": hasTLS ? "SSL" : "PLAINTEXT", "sasl.mechanism": nil,
                        "sasl.mechanisms": nil,
                        "sasl.username": nil, "sasl.password": nil,
                    ],
                    refusals: [.wantsSASL]))
        }
        let plain = transport.hasPrefix("SASL") ? "SASL_PLAINTEXT" : "PLAINTEXT"
        if hasTLS {
            mistakes += [
                Mistake(name: "plain to TLS", changes: ["security.protocol": plain], refusals: [.wantsTLS]),
                Mistake(
                    name: "another authority", changes: ["ssl.ca.location": others.authority.file],
                    refusals: [.unknownAuthority]),
            ]
        } else {
            let secure = transport.hasPrefix("SASL") ? "SASL_SSL" : "SSL"
            mistakes.append(
                Mistake(name: "TLS to plain", changes: ["security.protocol": secure], refusals: [.speaksNoTLS]))
        }
        if right["ssl.certificate.location"] != nil {
            let stranger = try others.make("stranger")
            mistakes += [
                Mistake(
                    name: "no certificate", changes: ["ssl.certificate.location": nil, "ssl.key.location": nil],
                    refusals: [.ownCertificateMissing, .ownCertificate]),
                Mistake(
                    name: "a stranger's certificate",
                    changes: ["ssl.certificate.location": stranger.file, "ssl.key.location": stranger.key],
                    refusals: [.ownCertificate, .ownCertificateMissing]),
            ]
        }
        return mistakes
    }

    /// A configuration's file, because a variable would stand beside those that the tests set.
    private func configuration(_ properties: [String: String], in directory: URL) throws -> String {
        let file = directory.appending(path: "loader.yaml")
        let lines = properties.sorted { $0.key < $1.key }.map { "    \($0): '\($1.replacing("'", with: "''"))'" }
        let brokers = try Broker.sharedReal().bootstrapServers
        try "kafka:\n  brokers: '\(brokers)'\n  properties:\n\(lines.joined(separator: "\n"))\n"
            .write(to: file, atomically: true, encoding: .utf8)
        return file.path()
    }

    private func withDirectory(_ body: (URL) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "secured-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: directory) }
        try await body(directory)
    }

    @Test("what is wrong ends a start with 78 and its cause, and none of it is taken for an outage")
    func refused() async throws {
        try #require(!right.isEmpty, "the file of KAFKA_CLIENT_PROPERTIES cannot be read, or says nothing")
        let others = try TestCertificates()
        try await withDirectory { directory in
            try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
                var environment = landing.environment
                environment["KAFKA_BROKERS"] = nil
                environment["LOADER_WAIT_AT_START"] = "false"
                for mistake in try mistakes(others) {
                    var properties = right
                    for (name, value) in mistake.changes { properties[name] = value }
                    environment["LOADER_CONFIG"] = try configuration(properties, in: directory)
                    let run = try await Command.run(["run", "--until-end"], environment)
                    #expect(run.status == 78, "\(mistake.name): \(run.errors)")
                    #expect(
                        mistake.refusals.contains { run.errors.contains($0.what) }, "\(mistake.name): \(run.errors)")
                    #expect(!run.errors.contains("wrong-one"), "\(mistake.name)")
                }
            }
        }
    }

    @Test(
        "a password, or a certificate, that is wrong for a while in its file is an outage by its name, and over with the right one",
        .enabled(if: hasSecrets, "the properties have neither a password nor a certificate")
    )
    func rotates() async throws {
        let others = try TestCertificates()
        let stranger = try others.make("stranger")
        // What is written where: the right text, and the wrong one.
        var files: [(property: String, right: String, wrong: String)] = []
        if let password = right["sasl.password"] { files.append(("sasl.password", password, "wrong-one")) }
        for (property, wrong) in [("ssl.certificate.location", stranger.file), ("ssl.key.location", stranger.key)] {
            guard files.first?.property != "sasl.password", let file = right[property] else { continue }
            files.append(
                (
                    property, try String(contentsOfFile: file, encoding: .utf8),
                    try String(contentsOfFile: wrong, encoding: .utf8)
                ))
        }
        try await withDirectory { directory in
            func write(wrong: Bool) throws {
                for file in files {
                    let place = directory.appending(path: file.property)
                    try (wrong ? file.wrong : file.right).write(to: place, atomically: true, encoding: .utf8)
                }
            }
            try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 2) { landing in
                try write(wrong: false)
                var properties = right
                for file in files {
                    let place = directory.appending(path: file.property).path()
                    properties[file.property] = file.property == "sasl.password" ? "${file:\(place)}" : place
                }
                var environment = landing.environment
                environment["KAFKA_BROKERS"] = nil
                environment["LOADER_CONFIG"] = try configuration(properties, in: directory)
                try landing.produce(0..<100)
                let loader = try LoaderProcess(environment)
                try await landing.waitForRows(100)
                try write(wrong: true)
                try await loader.wait(for: "the brokers refuse what changed") {
                    loader.metric(#"loader_outage{place="brokers"}"#) == 1
                }
                try landing.produce(100..<200)
                try write(wrong: false)
                try await landing.waitForRows(200, within: .seconds(120))
                #expect(loader.isRunning && !loader.output.contains("wrong-one"))
                loader.kill(SIGTERM)
                #expect(try await loader.waitForExit() == 0)
                try landing.expectExactlyOnce()
            }
        }
    }
}
