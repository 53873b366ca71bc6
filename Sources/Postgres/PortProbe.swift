import CLibPQ
import Foundation
import Sockets

/// Asks a port that closes without a word whether it speaks TLS from its first byte, as a proxy's does: libpq is told the same
/// by a server that is going down, which comes back, and by a port that will never be PostgreSQL's.
enum PortProbe {
    /// How long it may take in all.
    private static let patience = Duration.seconds(2)

    /// What libpq says where the other side just closes.
    private static let wordless = [
        "server closed the connection unexpectedly", "Connection reset by peer", "SSL SYSCALL error: EOF detected",
    ]

    /// What somebody must know beyond libpq's words; nil where they say enough, or it cannot be found out.
    ///
    /// - Parameter handle: a connection that has not come about.
    static func finding(_ handle: OpaquePointer, _ message: String) -> String? {
        guard wordless.contains(where: { message.contains($0) }) else { return nil }
        // The address that was tried last: nothing has to be looked up. A socket of this machine has none.
        let address = PQhostaddr(handle).map { String(cString: $0) } ?? ""
        guard !address.isEmpty, let port = PQport(handle).flatMap({ UInt16(String(cString: $0)) }) else { return nil }
        return speaksTLSFirst(address, port, within: patience) ? ConnectionRefusal.tlsFirst : nil
    }

    /// Asks PostgreSQL for TLS ("Message Formats": SSLRequest).
    private static let sslRequest = PortQuestion([0, 0, 0, 8, 4, 210, 22, 47])

    /// - Parameter address: numeric, so that nothing is looked up.
    static func speaksTLSFirst(_ address: String, _ port: UInt16, within timeout: Duration) -> Bool {
        let deadline = ContinuousClock.now + timeout
        // A server answers this with a letter, or an error in plain, whichever TLS it takes beside it.
        guard sslRequest.answer(from: address, port: port, atLeast: 1, until: deadline).isEmpty else { return false }
        return PortQuestion.isTLS(PortQuestion.tls.answer(from: address, port: port, atLeast: 2, until: deadline))
    }
}
