import Foundation
import RegistryMock
import TestSupport
import Testing

/// Getting in as Amazon MSK lets in, with everything on the loopback interface in place of AWS.
@Suite("Access to Amazon MSK")
struct MSKAccessTests {
    private static let role = "arn:aws:iam::111122223333:role/loader"

    /// What EKS puts into a pod whose service account has a role.
    private func pod(_ aws: AWSMock, _ token: URL) -> [String: String] {
        [
            "USE_MSK_IAM": "true", "AWS_REGION": "eu-west-1", "AWS_ROLE_ARN": Self.role,
            "AWS_WEB_IDENTITY_TOKEN_FILE": token.path(percentEncoded: false), "AWS_ENDPOINT_URL_STS": aws.url,
            "HOME": "/nonexistent",
        ]
    }

    private func request(_ token: String) throws -> String {
        var base64 = token.replacing("-", with: "+").replacing("_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.count % 4) % 4)
        return String(decoding: try #require(Data(base64Encoded: base64)), as: UTF8.self)
    }

    @Test("in a pod with a role, USE_MSK_IAM alone loads every row once, and nothing printed shows a secret")
    func letsIn() async throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let token = FileManager.default.temporaryDirectory.appending(path: "token-\(UUID().uuidString)")
        try Data("id3ntity".utf8).write(to: token)
        defer { try? FileManager.default.removeItem(at: token) }
        let certificates = try TestCertificates()
        let broker = try Broker.sharedReal()
        let gate = try KafkaGate(to: broker, .init(try certificates.make("broker"), mechanisms: ["OAUTHBEARER"]))
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 2) { landing in
            try landing.produce(0..<100)
            let all = landing.environment(gate, ["ssl.ca.location": certificates.authority.file])
                .merging(pod(aws, token)) { $1 }
            let check = try await Command.run(["check"], all)
            #expect(check.status == 0, "\(check.output)")
            #expect(check.output.contains("OAUTHBEARER") && check.output.contains(Self.role), "\(check.output)")
            let run = try await Command.run(["run", "--until-end"], all)
            #expect(run.status == 0, "\(run.errors)")
            try landing.expectExactlyOnce()
            let tokens = try gate.count().tokens
            #expect(!tokens.isEmpty)
            for token in tokens {
                let request = try request(token)
                #expect(request.hasPrefix("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect&"))
                #expect(request.contains("X-Amz-Credential=loader.web.id3ntity%2F"))
                #expect(request.contains("X-Amz-Security-Token=t0ken%2F%2B%3D%3D"))
            }
            // Once for each process, whatever its clients are.
            #expect(aws.requests.count == 2)
            let said = [check.output, check.errors, run.output, run.errors].joined()
            for secret in ["id3ntity", "s3cret", "t0ken"] + Set(tokens) { #expect(!said.contains(secret)) }
        }
    }

    @Test("a role that may not be taken on stops the start, and what is said names the role and the mend")
    func refused() async throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        aws.with { $0.faults = Array(repeating: AWSMock.refusal("AccessDenied"), count: 50) }
        let token = FileManager.default.temporaryDirectory.appending(path: "token-\(UUID().uuidString)")
        try Data("id3ntity".utf8).write(to: token)
        defer { try? FileManager.default.removeItem(at: token) }
        let certificates = try TestCertificates()
        let broker = try Broker.sharedReal()
        let gate = try KafkaGate(to: broker, .init(try certificates.make("broker"), mechanisms: ["OAUTHBEARER"]))
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            let all = landing.environment(gate, ["ssl.ca.location": certificates.authority.file])
                .merging(pod(aws, token)) { $1 }
            let run = try await Command.run(["run", "--until-end"], all)
            #expect(run.status == 78, "\(run.errors)")
            #expect(run.errors.contains(Self.role) && run.errors.contains("AccessDenied"), "\(run.errors)")
            #expect(run.errors.contains("sts:AssumeRoleWithWebIdentity"), "\(run.errors)")
            #expect(!run.errors.contains("id3ntity") && !run.errors.contains("s3cret"))
        }
    }
}
