import Foundation
import Loading
import Postgres

extension ConnectionSecurity {
    /// Who is on the other side, and how that is known: `TLSv1.3, the server is CN=db1 of CN=An Authority, until 2027-03-01`.
    ///
    /// - Parameters:
    ///   - role: as whom.
    ///   - method: how the server has known that, in its own words; nil: it does not tell.
    package func words(role: String, method: String?) -> String {
        var parts = [version ?? (isLocal ? "without TLS, on this machine" : "without TLS")]
        if let certificate {
            let knowledge =
                switch check {
                case .host: "the server is"
                case .authority: "somebody trusted is"
                case .nothing: "somebody says to be"
                }
            parts.append("\(knowledge) \(certificate.words)")
        }
        if let ownCertificate { parts.append("shown was \(ownCertificate.words)") }
        let way =
            if let method { method } else if usedPassword { "a password" } else if ownCertificate != nil {
                "the certificate, or nothing"
            } else { "nothing" }
        parts.append("\(role) by \(way)")
        return parts.joined(separator: ", ")
    }

    /// What works, and should not stay as it is.
    package func warnings(now: Date = Date()) -> [SetupProblem] {
        var found: [SetupProblem] = []
        func warn(_ problem: String, _ mend: String) {
            found.append(SetupProblem(.database, at: "postgres.url", problem, mend: .said(mend), isWarning: true))
        }
        if isOpenToOthers {
            let how =
                version == nil
                ? "without TLS, so that whoever is in between reads and changes what he likes, the password too"
                : check == .authority
                    ? "by TLS, but for which host the server's certificate is, nobody checks"
                    : "by TLS, but nobody checks the server's certificate, so that whoever is in between may be the server"
            warn(
                "the connection to the database leaves this machine \(how)",
                "add sslmode=verify-full&sslrootcert=/path/ca.pem to postgres.url, the authority of the server's certificate (on "
                    + "RDS its global-bundle.pem), or sslrootcert=system for those that this machine trusts")
        }
        for (certificate, whose) in [(certificate, "the database's"), (ownCertificate, "the loader's")] {
            guard let certificate, certificate.ends.timeIntervalSince(now) < ShownCertificate.notice else { continue }
            warn(
                "\(whose) certificate \(certificate.words): then no connection comes about any more",
                ShownCertificate.Role(.database, whose == "the loader's" ? .loader : .server).renewal)
        }
        return found
    }
}

extension ConnectionSecurity.Certificate {
    fileprivate var words: String {
        "\(subject) of \(issuer), until \(ends.formatted(.iso8601.year().month().day()))"
    }
}
