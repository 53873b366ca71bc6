import Foundation

/// Where the HTTP server listens: a numeric host, so that no name server is asked at start.
struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    enum Host: Sendable, Hashable {
        case ip4(String)
        case ip6(String)

        /// Without brackets.
        var name: String {
            switch self {
            case .ip4(let name), .ip6(let name): name
            }
        }
    }

    var host: Host
    /// 0: any free port.
    var port: UInt16

    /// Reads `127.0.0.1:9464`, `[::1]:9464`, or `:9464` for every IPv4 address; nil if it is none of these.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        self.port = port
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            var address = in6_addr()
            guard inet_pton(AF_INET6, host, &address) == 1 else { return nil }
            self.host = .ip6(host)
        } else {
            if host.isEmpty { host = "0.0.0.0" }
            if host == "localhost" { host = "127.0.0.1" }
            var address = in_addr()
            guard inet_pton(AF_INET, host, &address) == 1 else { return nil }
            self.host = .ip4(host)
        }
    }

    var description: String {
        switch host {
        case .ip4(let host): "\(host):\(port)"
        case .ip6(let host): "[\(host)]:\(port)"
        }
    }
}
