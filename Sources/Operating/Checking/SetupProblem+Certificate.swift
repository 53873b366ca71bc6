import Credentials
import Foundation
import Loading

extension SetupProblem {
    /// A certificate that is about to end, which is a warning, or has ended; nil for any other.
    init?(
        ending certificate: Certificate?, _ role: ShownCertificate.Role, _ whose: String, at place: String, _ now: Date
    ) {
        guard let certificate, certificate.notAfter < now + ShownCertificate.notice else { return nil }
        let isOver = certificate.notAfter < now
        let day = certificate.notAfter.ISO8601Format().prefix(10)
        self.init(
            .certificate, at: place, "\(whose) of \(certificate.subject) \(isOver ? "has expired" : "ends") on \(day)",
            mend: .said(role.renewal), isWarning: !isOver)
    }
}
