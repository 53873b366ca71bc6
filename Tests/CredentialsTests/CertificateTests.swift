import Foundation
import TestSupport
import Testing

@testable import Credentials

@Suite("Certificates")
struct CertificateTests {
    private func bytes(_ file: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: file))) }

    @Test("a certificate says whose it is, for which hosts, by whom and until when")
    func reads() throws {
        let certificates = try TestCertificates()
        let made = try certificates.make("broker", names: "DNS:kafka-1.example.com,IP:10.0.0.1,email:a@b.c")
        let found = try #require(Certificate(pem: try bytes(made.file)))
        #expect(found.subject == "CN=broker")
        #expect(found.issuer.contains("an authority of the tests"))
        #expect(found.hosts == ["kafka-1.example.com", "10.0.0.1"])
        #expect(found.notBefore == Date(timeIntervalSince1970: 1_577_836_800))
        #expect(found.notAfter == Date(timeIntervalSince1970: 2_524_521_600))
        let text = try String(contentsOfFile: made.file, encoding: .utf8)
        let body = text.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
        #expect(Certificate(der: Array(try #require(Data(base64Encoded: body)))) == found)
    }

    @Test("what is none is nil: a key, an empty file, half a certificate, other bytes")
    func none() throws {
        let certificates = try TestCertificates()
        let made = try certificates.make("one")
        #expect(Certificate(pem: try bytes(made.key)) == nil)
        #expect(Certificate(pem: []) == nil)
        let whole = try bytes(made.file)
        #expect(Certificate(pem: Array(whole[..<(whole.count / 2)])) == nil)
        #expect(Certificate(der: Array("nothing".utf8)) == nil)
        #expect(Certificate(der: []) == nil)
    }
}
