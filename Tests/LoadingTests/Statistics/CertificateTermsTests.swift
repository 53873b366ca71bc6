import Foundation
import Testing

@testable import Loading

@Suite("Certificates that end")
struct CertificateTermsTests {
    private let now = Date(timeIntervalSince1970: 1_800_000_000)
    private let role = ShownCertificate.Role(.brokers, .loader)

    private func certificate(days: Double) -> ShownCertificate {
        ShownCertificate(subject: "CN=loader", end: now + days * 86_400)
    }

    @Test("one that ends within two weeks is told once, and once a day, until another is shown in its place")
    func told() {
        var terms = CertificateTerms()
        let (old, soon) = (certificate(days: 15), certificate(days: 13))
        #expect(terms.take([role: old], at: now).isEmpty)
        #expect(terms.take([role: soon], at: now) == [.ends(role, soon)])
        #expect(terms.take([role: soon], at: now + 3600).isEmpty)
        #expect(terms.take([role: soon], at: now + 86_400) == [.ends(role, soon)])
        // Another, that ends as soon.
        let other = ShownCertificate(subject: "CN=other", end: soon.end)
        #expect(terms.take([role: other], at: now + 86_401) == [.ends(role, other)])
        #expect(terms.take([role: certificate(days: 300)], at: now + 86_402) == [.over(role)])
        #expect(terms.take([role: certificate(days: 300)], at: now + 86_403).isEmpty)
        #expect(terms.take([role: old], at: now + 2 * 86_400) == [.ends(role, old)])
        #expect(terms.take([:], at: now + 2 * 86_400) == [.over(role)])
    }

    @Test("each is told by whose it is, with its subject and its end, and for as long as it is so")
    func incidents() {
        let words = ShownCertificate.Role.all.map { $0.incident(certificate(days: 1), at: now).summary }
        #expect(Set(words).count == ShownCertificate.Role.all.count)
        let incident = role.incident(certificate(days: 1), at: now)
        #expect(incident.error == "CN=loader ends on 2027-01-16" && incident.goesOn)
        #expect(role.incident(certificate(days: -1), at: now).error == "CN=loader has ended on 2027-01-14")
    }
}
