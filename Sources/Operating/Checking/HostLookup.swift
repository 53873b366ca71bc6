import Foundation
import Kafka
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

    /// The names in a list of brokers.
    public static func hosts(ofBrokers list: String) -> [String] { BrokerAddress.all(in: list).map(\.host) }
}
