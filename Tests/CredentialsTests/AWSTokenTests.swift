import Foundation
import TestSupport
import Testing

@testable import Credentials

@Suite("Tokens and passwords that are signed for AWS")
struct AWSTokenTests {
    private static let key = AWSCredentials(
        accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    private static let session = AWSCredentials(
        accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        sessionToken: "FwoGZXIvYXdzEXAMPLE/+==")
    private let date = Date(timeIntervalSince1970: 1_767_323_045)  // 2026-01-02T03:04:05Z

    private func decoded(_ token: String) throws -> String {
        String(decoding: try #require(Data(base64URL: token)), as: UTF8.self)
    }

    @Test(
        "a token for MSK is to the byte what AWS's own signer makes, with a session's token and without",
        arguments: [
            (key, 516, "", "7cc178453342e479def8e0e69cbff443ca929b5b0426af0f4b64554172c7195d"),
            (
                session, 587, "&X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE%2F%2B%3D%3D",
                "8046d5f5b06a6cdcd09f6be5ea7cbac6f3d4ed21410441ee0d3331b665ef9e73"
            ),
        ])
    func msk(credentials: AWSCredentials, length: Int, token: String, signature: String) throws {
        let made = AWSSignature.tokenForMSK(
            credentials, region: "eu-west-1", at: date, userAgent: "aws-msk-iam-sasl-signer-python/1.0.2")
        #expect(made.count == length)
        #expect(
            try decoded(made) == "https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect"
                + "&X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Fkafka-cluster%2Faws4_request"
                + "&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\(token)"
                + "&X-Amz-Signature=\(signature)&User-Agent=aws-msk-iam-sasl-signer-python%2F1.0.2")
    }

    @Test(
        "a password for RDS is to the byte what botocore makes, with a session's token and without",
        arguments: [
            (key, "", "898299db39ec36810bfbac8440110b6a35dbaf292afb59262bb484dc91e7aa52"),
            (
                session, "&X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE%2F%2B%3D%3D",
                "1d6373615a7b1ee08199b5d89ff42d0e84cab8096cd62519ed58c06636380e85"
            ),
        ])
    func rds(credentials: AWSCredentials, token: String, signature: String) {
        let host = "db.abc.eu-west-1.rds.amazonaws.com"
        let made = AWSSignature.passwordForRDS(
            credentials, region: "eu-west-1", host: host, port: 5432, user: "loader", at: date)
        #expect(
            made == "\(host):5432/?Action=connect&DBUser=loader&X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Frds-db%2Faws4_request"
                + "&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\(token)"
                + "&X-Amz-Signature=\(signature)")
    }

    private struct Case: Decodable {
        var time: Date
        var key: String
        var secret: String
        var session: String?
        var region: String
        var host: String
        var port: Int
        var user: String
        var cluster: String
        var userAgent: String
        var msk: String
        var rds: String
        var dsql: String
        var dsqlAdmin: String
    }

    @Test(
        "a hundred random ones are to the byte what AWS's signer and botocore make",
        .enabled(if: PythonScript.has("aws_msk_iam_sasl_signer, botocore"), "scripts/test installs AWS's signers"))
    func random() throws {
        let seed = UInt32.random(in: 0...UInt32.max)
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let lines = try PythonScript.lines(of: "aws-tokens", [String(seed), "100"])
        #expect(lines.count == 100)
        for line in lines {
            let one = try decoder.decode(Case.self, from: line)
            let credentials = AWSCredentials(
                accessKeyID: one.key, secretAccessKey: one.secret, sessionToken: one.session)
            func password(_ host: String, _ user: String) -> String {
                AWSSignature.passwordForRDS(
                    credentials, region: one.region, host: host, port: one.port, user: user, at: one.time)
            }
            let token = AWSSignature.tokenForMSK(
                credentials, region: one.region, at: one.time, userAgent: one.userAgent)
            #expect(token == one.msk, "seed \(seed)")
            #expect(password(one.host, one.user) == one.rds, "seed \(seed)")
            #expect(password(one.cluster, one.user == "admin" ? "loader" : one.user) == one.dsql, "seed \(seed)")
            #expect(password(one.cluster, "admin") == one.dsqlAdmin, "seed \(seed)")
        }
    }
}
