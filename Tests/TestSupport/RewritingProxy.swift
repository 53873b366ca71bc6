import Foundation
import Synchronization

/// Stands between a Kafka client and one broker on loopback, and changes what the broker answers.
///
/// The broker's answers name its own address; the proxy puts its own in its place, so that clients stay with it.
public final class RewritingProxy: Sendable {
    public let port: UInt16
    private let target: UInt16
    private let listener: Int32
    private let shared = Mutex(State())

    private struct State {
        var damaged: [UInt8]?
        var count = 0
        var sockets: [Int32] = []
    }

    /// - Parameter bootstrap: one broker's `host:port`.
    public init(to bootstrap: String) throws {
        guard let target = bootstrap.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            throw POSIXError(.EADDRNOTAVAIL)
        }
        self.target = target
        let listener = socket(AF_INET, Self.stream, 0)
        _ = fcntl(listener, F_SETFD, FD_CLOEXEC)
        var address = Self.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, length) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, pointer, &length) == 0
            }
        }
        guard isListening else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EADDRINUSE) }
        self.listener = listener
        port = UInt16(bigEndian: address.sin_port)
        Thread { [weak self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0, let self else {
                    if client >= 0 { close(client) }
                    break
                }
                self.forward(client)
            }
            close(listener)
        }.start()
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        for descriptor in shared.withLock({ $0.sockets }) { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    public var bootstrapServers: String { "127.0.0.1:\(port)" }

    /// Whatever has these bytes in it is damaged on its way, until this is nil again.
    public var damaged: [UInt8]? {
        get { shared.withLock { $0.damaged } }
        set { shared.withLock { $0.damaged = newValue } }
    }

    /// How often that has happened.
    public var damageCount: Int { shared.withLock { $0.count } }

    private func forward(_ client: Int32) {
        let server = socket(AF_INET, Self.stream, 0)
        _ = fcntl(server, F_SETFD, FD_CLOEXEC)
        var address = Self.loopback(target)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                connect(server, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else {
            close(client)
            close(server)
            return
        }
        shared.withLock { $0.sockets += [client, server] }
        // The descriptors are left open: a test has few connections, and none may be closed twice.
        let end: @Sendable () -> Void = {
            shutdown(client, Int32(SHUT_RDWR))
            shutdown(server, Int32(SHUT_RDWR))
        }
        Thread {
            Self.copy(from: client, to: server) { _ in }
            end()
        }.start()
        Thread { [weak self] in
            Self.copy(from: server, to: client) { bytes in self?.rewrite(&bytes) }
            end()
        }.start()
    }

    private func rewrite(_ bytes: inout [UInt8]) {
        func address(_ port: UInt16) -> [UInt8] {
            Array("127.0.0.1".utf8) + [0, 0, UInt8(port >> 8), UInt8(port & 0xff)]
        }
        Self.replace(address(target), with: address(port), in: &bytes)
        shared.withLock { state in
            guard let damaged = state.damaged else { return }
            state.count += Self.replace(damaged, with: damaged.map { $0 ^ 1 }, in: &bytes)
        }
    }

    @discardableResult
    private static func replace(_ old: [UInt8], with new: [UInt8], in bytes: inout [UInt8]) -> Int {
        var (start, count) = (0, 0)
        while start + old.count <= bytes.count {
            if bytes[start] == old[0], bytes[start..<start + old.count].elementsEqual(old) {
                bytes.replaceSubrange(start..<start + old.count, with: new)
                start += old.count
                count += 1
            } else {
                start += 1
            }
        }
        return count
    }

    private static func copy(from: Int32, to: Int32, change: (inout [UInt8]) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(from, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            var bytes = Array(buffer[..<count])
            change(&bytes)
            var start = 0
            while start < count {
                let sent = bytes[start...].withUnsafeBytes { send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard sent > 0 else { return }
                start += sent
            }
        }
    }

    #if canImport(Darwin)
        private static let stream = SOCK_STREAM
    #else
        private static let stream = Int32(SOCK_STREAM.rawValue)
    #endif

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }
}
