import Foundation

/// A client on the loopback interface that sends and takes what a test wants, and nothing by itself. Nothing blocks.
public final class TCPClient {
    private let socket: Int32
    /// All that has come, as text.
    public private(set) var received = ""
    /// Whether the other side has ended, or cut, the connection.
    public private(set) var isEnded = false

    /// - Parameter receiveBuffer: bytes that the system keeps for it; nil for the system's own choice.
    public init(port: UInt16, receiveBuffer: Int32? = nil) throws {
        #if canImport(Darwin)
            let stream = SOCK_STREAM
        #else
            let stream = Int32(SOCK_STREAM.rawValue)
        #endif
        socket = Foundation.socket(AF_INET, stream, 0)
        guard socket >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EMFILE) }
        _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
        _ = fcntl(socket, F_SETFL, O_NONBLOCK)
        if var receiveBuffer {
            setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                connect(socket, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 || errno == EINPROGRESS else {
            close(socket)
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .ECONNREFUSED)
        }
    }

    deinit { close(socket) }

    /// - Returns: how many bytes the system took; 0 where it takes none now.
    @discardableResult
    public func send(_ text: String) -> Int {
        let count = text.withCString { Foundation.send(socket, $0, text.utf8.count, Int32(MSG_NOSIGNAL)) }
        if count < 0, errno != EAGAIN, errno != ENOTCONN { isEnded = true }
        return max(count, 0)
    }

    /// Takes what has come since the last time.
    public func receive() {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while !isEnded {
            let count = recv(socket, &buffer, buffer.count, 0)
            if count > 0 {
                received += String(decoding: buffer[..<count], as: UTF8.self)
            } else if count == 0 || (errno != EAGAIN && errno != ENOTCONN) {
                isEnded = true
            } else {
                return
            }
        }
    }

    /// Sends all of it, and waits until what has come satisfies a condition.
    public func exchange(_ text: String, _ what: String, until isEnough: (TCPClient) -> Bool) async throws {
        var rest = text[...]
        try await eventually(what) {
            if !rest.isEmpty, !isEnded { rest = rest.dropFirst(send(String(rest))) }
            receive()
            return isEnough(self)
        }
    }
}
