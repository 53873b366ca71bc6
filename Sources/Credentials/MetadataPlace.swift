import Foundation
import Web

/// Where a cloud tells its own machines who they are.
enum MetadataPlace {
    /// A variable's word for it is taken only if no other machine could answer there: whoever does gets to know nothing, but
    /// what he says becomes our credentials.
    ///
    /// - Parameter url: `http://169.254.169.254`, without a path.
    static func isOwn(_ url: String) -> Bool {
        guard let parts = URLComponents(string: url), ["http", "https"].contains(parts.scheme?.lowercased()),
            parts.user == nil, let host = parts.host
        else { return false }
        return LocalHost.isLoopback(host) || LocalHost.isLinkLocal(host)
    }

    /// Nobody is asked for it but the machine's own network, and that is near.
    static func http(_ userAgent: String) -> HTTPOptions {
        HTTPOptions(connectTimeout: .seconds(2), timeout: .seconds(5), userAgent: userAgent, isDirect: true)
    }
}

/// Where secrets go: over TLS, or to this machine itself.
enum SecretPlace {
    static func isSafe(_ url: String) -> Bool {
        guard let parts = URLComponents(string: url), parts.user == nil, let host = parts.host, !host.isEmpty else {
            return false
        }
        switch parts.scheme?.lowercased() {
        case "https": return true
        case "http": return LocalHost.isLoopback(host)
        default: return false
        }
    }
}
