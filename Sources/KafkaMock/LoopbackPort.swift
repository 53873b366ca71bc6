import Foundation

/// Whether a TCP port of the loopback interface is anybody's.
public enum LoopbackPort {
    /// Waits until nobody has a port at which a broker was: the mock's are out of the range that systems give to clients.
    static func isFree(_ port: UInt16, within patience: Duration) -> Bool {
        let end = ContinuousClock.now + patience
        while !isFree(port, evenAfterItsLast: true) {
            guard ContinuousClock.now < end else { return false }
            Thread.sleep(forTimeInterval: 0.1)
        }
        return true
    }

    /// - Parameter evenAfterItsLast: a connection there that has ended of late does not count.
    public static func isFree(_ port: UInt16, evenAfterItsLast: Bool = false) -> Bool {
        #if canImport(Darwin)
            let stream = SOCK_STREAM
        #else
            let stream = Int32(SOCK_STREAM.rawValue)
        #endif
        let socket = socket(AF_INET, stream, 0)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        var isReused: Int32 = evenAfterItsLast ? 1 : 0
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &isReused, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(socket, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
