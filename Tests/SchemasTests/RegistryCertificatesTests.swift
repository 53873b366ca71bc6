import Foundation
import RegistryMock
import Schemas
import TestSupport
import Testing
import Web

@Suite("Certificates of a registry")
struct RegistryCertificatesTests {
    @Test("the last that either side has shown are known, and are looked at anew where nobody has asked for long")
    func seen() async throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        let certificates = try TestCertificates()
        let (old, new, own) = (
            try certificates.make("old"), try certificates.make("new"), try certificates.make("loader")
        )
        let gate = try TLSGate(to: registry.port, old, clients: certificates.authority)
        let renewed = try TLSGate(to: registry.port, new, clients: certificates.authority)
        // The second URL is the same registry with a renewed certificate.
        let tls = HTTPOptions.TLS(authorities: certificates.authority.file, certificate: own.file, key: own.key)
        let source = SchemaSource(RegistryOptions(urls: [gate.url, renewed.url], http: HTTPOptions(tls: tls)))
        #expect(source.certificates.server == nil && source.certificates.own == nil)
        // Nobody has asked yet, and nobody need be asked for that.
        source.lookAtCertificates(after: .zero)
        #expect(registry.requests.isEmpty)
        try SchemaResolver(source).greet()
        #expect(source.certificates.server?.subject == "CN=old" && source.certificates.own?.subject == "CN=loader")
        source.lookAtCertificates(after: .seconds(3600))
        let asked = registry.requests.count
        gate.stop()
        source.lookAtCertificates(after: .zero)
        try await eventually("the renewed one is seen") { source.certificates.server?.subject == "CN=new" }
        #expect(registry.requests.count == asked + 1)
    }
}
