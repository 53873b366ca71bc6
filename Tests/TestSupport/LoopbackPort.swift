import Foundation
import KafkaMock

/// A TCP port of the loopback interface that nobody had a moment ago.
///
/// Of those below what systems give to clients (from 32768 on Linux, from 49152 on macOS): a server that is stopped and
/// started again on its port must not find a client's connection there.
public func freeLoopbackPort() throws -> UInt16 {
    for _ in 0..<100 {
        let port = UInt16.random(in: 10_000..<32_768)
        if LoopbackPort.isFree(port) { return port }
    }
    throw POSIXError(.EADDRINUSE)
}

/// Asks a server on this machine for a page.
///
/// - Throws: when nobody answers within two seconds.
public func httpGet(_ path: String, port: UInt16) throws -> String {
    #if canImport(Darwin)
        let stream = SOCK_STREAM
    #else
        let stream = Int32(SOCK_STREAM.rawValue)
    #endif
    let socket = socket(AF_INET, stream, 0)
    defer { close(socket) }
    _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
    var patience = timeval(tv_sec: 2, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
        setsockopt(socket, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    address.sin_port = port.bigEndian
    let isConnected = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
            connect(socket, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
    guard isConnected else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .ECONNREFUSED) }
    let request = "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    guard request.withCString({ send(socket, $0, request.utf8.count, Int32(MSG_NOSIGNAL)) }) > 0 else {
        throw POSIXError(.EPIPE)
    }
    var page: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
        let count = recv(socket, &buffer, buffer.count, 0)
        guard count >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        if count == 0 { return String(decoding: page, as: UTF8.self) }
        page += buffer[..<count]
    }
}
