import Foundation
import Testing

@testable import Credentials

@Suite("AWS's signature")
struct AWSSignatureTests {
    private static let vectors = AWSCredentials(
        accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    private static let glue = "{\"SchemaVersionId\":\"2e36e02e-e435-4ed2-af73-a90dd1e9b8ef\"}"

    private func date(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    private func authorization(
        _ request: AWSSignature.Request, _ signature: AWSSignature, at time: String
    ) throws -> String? {
        signature.headers(request, at: try date(time)).first { $0.name == "Authorization" }?.value
    }

    @Test(
        "is that of AWS's published vectors",
        arguments: [
            ("GET", [], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", [], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "GET", ["Param2", "Param1"], "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
            ),
            (
                "POST", [], "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
            ),
        ])
    func vectors(method: String, parameters: [String], body: String, expected: String) throws {
        let type = [("Content-Type", "application/x-www-form-urlencoded")]
        let request = AWSSignature.Request(
            method, host: "example.amazonaws.com", query: parameters.map { ($0, "value" + $0.suffix(1)) },
            headers: body.isEmpty ? [] : type, body: Array(body.utf8))
        let signature = AWSSignature(Self.vectors, region: "us-east-1", service: "service")
        let names = body.isEmpty ? "host;x-amz-date" : "content-type;host;x-amz-date"
        #expect(
            try authorization(request, signature, at: "2015-08-30T12:36:00Z")
                == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                + "SignedHeaders=\(names), Signature=\(expected)")
    }

    @Test(
        "of a request to Glue is what botocore signs it with, with a session's token and without",
        arguments: [
            (
                "glue.eu-west-1.amazonaws.com", nil, "content-type;host;x-amz-date;x-amz-target",
                "9fa7416563992d65716f1771ec7838752dd83b3bab4a8b52594133fa6eb918e0"
            ),
            (
                "127.0.0.1:4566", "FwoGZXIvYXdzEXAMPLETOKEN==",
                "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
                "2b46c06dba0605c28ca6c21052023493ed4a25d7079c543fd771a9a94cb9f60c"
            ),
        ])
    func glue(host: String, token: String?, names: String, expected: String) throws {
        let credentials = AWSCredentials(
            accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            sessionToken: token)
        let request = AWSSignature.Request(
            "POST", host: host,
            headers: [
                ("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "AWSGlue.GetSchemaVersion"),
            ], body: Array(Self.glue.utf8))
        let signature = AWSSignature(credentials, region: "eu-west-1", service: "glue")
        #expect(
            try authorization(request, signature, at: "2026-11-26T17:00:05Z")
                == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261126/eu-west-1/glue/aws4_request, "
                + "SignedHeaders=\(names), Signature=\(expected)")
        let added = signature.headers(request, at: try date("2026-11-26T17:00:05Z"))
        #expect(added.first { $0.name == "X-Amz-Security-Token" }?.value == token)
        #expect(added.first { $0.name == "X-Amz-Date" }?.value == "20261126T170005Z")
    }

    @Test("nothing that prints credentials shows a secret")
    func secrets() throws {
        let credentials = AWSCredentials(accessKeyID: "AKID", secretAccessKey: "s3cret", sessionToken: "t0ken")
        var dumped = ""
        dump(credentials, to: &dumped)
        let signature = AWSSignature(credentials, region: "r", service: "s")
        for text in ["\(credentials)", String(reflecting: credentials), dumped, "\(signature)"] {
            #expect(!text.contains("s3cret") && !text.contains("t0ken"), "\(text)")
        }
    }
}
