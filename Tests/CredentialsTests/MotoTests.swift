import Foundation
import TestSupport
import Testing
import Web

@testable import Credentials

/// Another's server that answers as AWS does, where Python has it.
@Suite(
    "AWS as moto has it", .enabled(if: PythonScript.has("moto.server, flask"), "scripts/test installs moto"))
struct MotoTests {
    private final class Moto {
        let port: UInt16
        private let process = Process()

        init() throws {
            port = try freeLoopbackPort()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = ["python3", "-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.runWithoutBlockedSignals()
        }

        var url: String { "http://127.0.0.1:\(port)" }

        var answers: Bool {
            let answer = try? HTTPClient(HTTPOptions(timeout: .seconds(1))).send(HTTPRequest(.get, url + "/moto-api/"))
            return answer?.status == 200
        }

        deinit {
            process.terminate()
            process.waitUntilExit()
        }
    }

    @Test("an instance's metadata, roles by a web identity and by keys, and an instance's region are got from it")
    func all() async throws {
        let moto = try Moto()
        try await eventually("moto answers") { moto.answers }
        let token = FileManager.default.temporaryDirectory.appending(path: "token-\(UUID().uuidString)")
        try Data("identity".utf8).write(to: token)
        defer { try? FileManager.default.removeItem(at: token) }
        let common = [
            "HOME": "/nonexistent", "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": moto.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": moto.url,
        ]
        func key(_ more: [String: String], _ identity: AWSIdentity = AWSIdentity()) throws -> AWSCredentials {
            try AWSCredentialChain(identity, environment: common.merging(more) { $1 }).credentials()
        }
        let instance = try key([:])
        #expect(instance.sessionToken != nil && instance.expires != nil)
        let role = "arn:aws:iam::123456789012:role/loader"
        let pod = try key(["AWS_WEB_IDENTITY_TOKEN_FILE": token.path(), "AWS_ROLE_ARN": role])
        #expect(pod.accessKeyID.hasPrefix("ASIA") && (pod.expires ?? .distantPast) > Date())
        let keys = ["AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s"]
        let assumed = try key(keys, AWSIdentity(roleARN: role, externalID: "e"))
        #expect(assumed.accessKeyID.hasPrefix("ASIA") && (assumed.expires ?? .distantPast) > Date())
    }
}
