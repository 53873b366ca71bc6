import Foundation

/// Something to ask a port on a connection of its own: by what answers, one knows who listens there.
public struct PortQuestion: Sendable {
    private let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// A ClientHello of TLS 1.2 with two ciphers and no extensions (RFC 5246, 7.4.1.2). Whether a server takes it or sends an
    /// alert, it is TLS that it answers in.
    public static let tls = PortQuestion(
        [22, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 4, 0xc0, 0x2f, 0, 0x9c, 1, 0])

    /// Content type 21 (alert) or 22 (handshake), then the version's major number (RFC 8446, 5.1).
    public static func isTLS(_ answer: [UInt8]) -> Bool {
        answer.count >= 2 && [21, 22].contains(answer[0]) && answer[1] == 3
    }

    /// Connects, asks, and waits for what comes.
    ///
    /// - Parameters:
    ///   - host: a name, which is looked up without a deadline, or an address.
    ///   - count: of bytes that are enough to know.
    /// - Returns: what has come by then, which may be more; nothing where nobody answers.
    public func answer(
        from host: String, port: UInt16, atLeast count: Int, until deadline: ContinuousClock.Instant
    ) -> [UInt8] {
        guard let socket = Self.connected(to: host, port, until: deadline) else { return [] }
        defer { close(socket) }
        guard send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return [] }
        var answer: [UInt8] = []
        while answer.count < count, Self.wait(for: socket, POLLIN, until: deadline) {
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = recv(socket, &bytes, bytes.count, 0)
            guard count > 0 else { break }
            answer += bytes[..<count]
        }
        return answer
    }

    /// To the first of its addresses that takes a connection.
    private static func connected(to host: String, _ port: UInt16, until deadline: ContinuousClock.Instant) -> Int32? {
        var hints = addrinfo()
        hints.ai_socktype = stream
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &found) == 0 else { return nil }
        defer { freeaddrinfo(found) }
        var next = found
        while let address = next?.pointee {
            let descriptor = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
            guard descriptor >= 0 else { return nil }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            if connect(descriptor, address.ai_addr, address.ai_addrlen) == 0
                || (errno == EINPROGRESS && wait(for: descriptor, POLLOUT, until: deadline) && !hasFailed(descriptor))
            {
                return descriptor
            }
            close(descriptor)
            next = address.ai_next
        }
        return nil
    }

    private static func hasFailed(_ descriptor: Int32) -> Bool {
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0
    }

    private static func wait(for descriptor: Int32, _ event: Int32, until deadline: ContinuousClock.Instant) -> Bool {
        let rest = max(.zero, deadline - .now).components
        var state = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        return poll(&state, 1, Int32(clamping: rest.seconds * 1000 + rest.attoseconds / 1_000_000_000_000_000)) == 1
    }

    #if canImport(Darwin)
        private static let stream = SOCK_STREAM
    #else
        private static let stream = Int32(SOCK_STREAM.rawValue)
    #endif
}
