import Foundation
import Loading
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Asks the name server for hosts, to tell a mistyped name from a server that is away.
public enum HostLookup {
    /// - Returns: the names that there are not. Of a name server that does not answer in time nothing is concluded.
    public static func unknown(_ hosts: [String], timeout: Duration = .seconds(3)) -> [String] {
        let found = Found()
        let ended = DispatchSemaphore(value: 0)
        for host in hosts {
            // Each on a thread of its own: the call has no deadline.
            let thread = Thread {
                let isUnknown = isUnknown(host)
                found.isUnknown.withLock { $0[host] = isUnknown }
                ended.signal()
            }
            thread.stackSize = 256 << 10
            thread.start()
        }
        let deadline = DispatchTime.now() + .milliseconds(Int(timeout.inMilliseconds))
        for _ in hosts where ended.wait(timeout: deadline) == .timedOut { break }
        return hosts.filter { host in found.isUnknown.withLock { $0[host] ?? false } }
    }

    private final class Found: Sendable {
        let isUnknown = Mutex<[String: Bool]>([:])
    }

    private static func isUnknown(_ host: String) -> Bool {
        var addresses: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, nil, &addresses)
        if let addresses { freeaddrinfo(addresses) }
        return code == EAI_NONAME
    }

    /// The names in a list of brokers, `SASL_SSL://one:9092,[::1]:9092`.
    public static func hosts(ofBrokers list: String) -> [String] { addresses(ofBrokers: list).map(\.host) }

    /// The same with their ports, 9092 where none is named.
    static func addresses(ofBrokers list: String) -> [(host: String, port: UInt16)] {
        list.split(separator: ",").compactMap { broker in
            var rest = broker.filter { $0 != " " }[...]
            if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
            let isAddress = rest.hasPrefix("[")
            let host = isAddress ? rest.dropFirst().prefix { $0 != "]" } : rest.prefix { $0 != ":" }
            guard !host.isEmpty else { return nil }
            let port = rest[host.endIndex...].drop { $0 == "]" || $0 == ":" }
            return (String(host), UInt16(port) ?? 9092)
        }
    }
}
