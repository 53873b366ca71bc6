import Foundation

/// Asks a listener what it speaks. A broker that is not spoken to in its own way closes the connection without a
/// word, and so does a load balancer that has no broker behind it.
public enum ListenerProbe {
    public enum Speech: Sendable {
        case plain
        case tls
    }

    /// Asks in plain for the versions of Kafka's calls, and then begins with TLS, each on a connection of its own.
    ///
    /// - Returns: nil if nobody answers, or neither so.
    public static func speech(of host: String, port: UInt16, timeout: Duration) -> Speech? {
        let deadline = ContinuousClock.now + timeout
        // ApiVersions (18) in version 0, with 1 to know the answer by.
        let question: [UInt8] = [0, 0, 0, 16, 0, 18, 0, 0, 0, 0, 0, 1, 0, 6] + Array("loader".utf8)
        let answer = self.answer(to: question, of: host, port, until: deadline)
        if answer.count >= 8, answer[4..<8].elementsEqual([0, 0, 0, 1]) { return .plain }
        // Some send TLS's alert to whatever is no TLS, others need to be greeted.
        return isTLS(answer) || isTLS(self.answer(to: greeting, of: host, port, until: deadline)) ? .tls : nil
    }

    /// A ClientHello of TLS 1.2 with two ciphers and no extensions (RFC 5246, 7.4.1.2). Whether a server takes it or sends an
    /// alert, it is TLS that it answers in.
    private static let greeting: [UInt8] =
        [22, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 4, 0xc0, 0x2f, 0, 0x9c, 1, 0]

    /// Content type 21 (alert) or 22 (handshake), then the version's major number (RFC 8446, 5.1).
    private static func isTLS(_ answer: [UInt8]) -> Bool {
        answer.count >= 2 && [21, 22].contains(answer[0]) && answer[1] == 3
    }

    private static func answer(
        to question: [UInt8], of host: String, _ port: UInt16, until deadline: ContinuousClock.Instant
    ) -> [UInt8] {
        guard let socket = connected(to: host, port, until: deadline) else { return [] }
        defer { close(socket) }
        guard send(socket, question, question.count, Int32(MSG_NOSIGNAL)) == question.count else { return [] }
        var answer: [UInt8] = []
        while answer.count < 8, wait(for: socket, POLLIN, until: deadline) {
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = recv(socket, &bytes, bytes.count, 0)
            guard count > 0 else { break }
            answer += bytes[..<count]
        }
        return answer
    }

    private static func connected(to host: String, _ port: UInt16, until deadline: ContinuousClock.Instant) -> Int32? {
        var hints = addrinfo()
        hints.ai_socktype = stream
        var found: UnsafeMutablePointer<addrinfo>?
        // Without a deadline of its own: librdkafka has just had the same name from the same server.
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
