import CLibPQ
import Foundation

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

    /// - Parameter address: numeric.
    static func speaksTLSFirst(_ address: String, _ port: UInt16, within timeout: Duration) -> Bool {
        let deadline = ContinuousClock.now + timeout
        // A server answers this with a letter, or an error in plain, whichever TLS it takes beside it.
        guard firstByte(after: sslRequest, address, port, until: deadline) == nil else { return false }
        guard let byte = firstByte(after: greeting, address, port, until: deadline) else { return false }
        // An alert or a handshake (RFC 8446, 5.1).
        return byte == 21 || byte == 22
    }

    /// Asks PostgreSQL for TLS ("Message Formats": SSLRequest).
    private static let sslRequest: [UInt8] = [0, 0, 0, 8, 4, 210, 22, 47]

    /// A ClientHello of TLS 1.2 with two ciphers and no extensions (RFC 5246, 7.4.1.2). Whoever speaks TLS answers it, if only by
    /// an alert.
    private static let greeting: [UInt8] =
        [22, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 4, 0xc0, 0x2f, 0, 0x9c, 1, 0]

    private static func firstByte(
        after question: [UInt8], _ address: String, _ port: UInt16, until deadline: ContinuousClock.Instant
    ) -> UInt8? {
        guard let socket = connected(address, port, until: deadline) else { return nil }
        defer { close(socket) }
        guard send(socket, question, question.count, Int32(MSG_NOSIGNAL)) == question.count else { return nil }
        guard wait(for: socket, POLLIN, until: deadline) else { return nil }
        var byte: UInt8 = 0
        return recv(socket, &byte, 1, 0) == 1 ? byte : nil
    }

    private static func connected(
        _ address: String, _ port: UInt16, until deadline: ContinuousClock.Instant
    ) -> Int32? {
        var hints = addrinfo()
        hints.ai_socktype = stream
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address, String(port), &hints, &found) == 0, let one = found?.pointee else { return nil }
        defer { freeaddrinfo(found) }
        let descriptor = socket(one.ai_family, one.ai_socktype, one.ai_protocol)
        guard descriptor >= 0 else { return nil }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        if connect(descriptor, one.ai_addr, one.ai_addrlen) == 0
            || (errno == EINPROGRESS && wait(for: descriptor, POLLOUT, until: deadline))
        {
            return descriptor
        }
        close(descriptor)
        return nil
    }

    private static func wait(for socket: Int32, _ event: Int32, until deadline: ContinuousClock.Instant) -> Bool {
        let rest = max(.zero, deadline - .now).components
        var state = pollfd(fd: socket, events: Int16(event), revents: 0)
        return poll(&state, 1, Int32(clamping: rest.seconds * 1000 + rest.attoseconds / 1_000_000_000_000_000)) == 1
    }

    #if canImport(Darwin)
        private static let stream = SOCK_STREAM
    #else
        private static let stream = Int32(SOCK_STREAM.rawValue)
    #endif
}
