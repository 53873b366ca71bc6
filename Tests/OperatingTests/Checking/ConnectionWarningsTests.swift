import Foundation
import Postgres
import Testing

@testable import Operating

@Suite("Warnings of a connection to the database")
struct ConnectionWarningsTests {
    @Test(
        "one that leaves this machine plain or unverified is warned of with what to add, and no other",
        arguments: [
            (nil, ConnectionSecurity.Check.nothing, "without TLS"),
            ("TLSv1.3", .nothing, "nobody checks the server's certificate"),
            ("TLSv1.3", .authority, "for which host the server's certificate is, nobody checks"),
            ("TLSv1.3", .host, nil),
        ] as [(String?, ConnectionSecurity.Check, String?)])
    func open(version: String?, check: ConnectionSecurity.Check, warning: String?) {
        let found = ConnectionSecurity(isLocal: false, version: version, check: check).warnings()
        #expect(found.count == (warning == nil ? 0 : 1))
        for problem in found {
            #expect(problem.isWarning && problem.problem.contains(warning ?? ""))
            #expect(problem.mend.words.contains("sslmode=verify-full"))
        }
        #expect(ConnectionSecurity(isLocal: true, version: version, check: check).warnings().isEmpty)
    }
}
