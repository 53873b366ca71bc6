import Foundation

/// Hosts that no other network than this machine's own has.
public enum LocalHost {
    /// Whether a host, as a URL has it, is this machine itself.
    public static func isLoopback(_ host: String) -> Bool {
        if host.lowercased() == "localhost" { return true }
        if let bytes = v4(host) { return bytes[0] == 127 }
        return v6(host).map { $0 == Array(repeating: 0, count: 15) + [1] } ?? false
    }

    /// Whether a host, as a URL has it, is an address that no router passes on, as those of clouds' metadata: `169.254.169.254`.
    public static func isLinkLocal(_ host: String) -> Bool {
        if let bytes = v4(host) { return bytes[0] == 169 && bytes[1] == 254 }
        return v6(host).map { $0[0] == 0xFE && $0[1] & 0xC0 == 0x80 } ?? false
    }

    private static func v4(_ host: String) -> [UInt8]? { address(host, AF_INET, 4) }

    private static func v6(_ host: String) -> [UInt8]? {
        address(host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host, AF_INET6, 16)
    }

    /// Only as addresses are written today: `127.1` and `0x7f.1` are names here, and so are none.
    private static func address(_ host: String, _ family: Int32, _ size: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: size)
        return inet_pton(family, host, &bytes) == 1 ? bytes : nil
    }
}
