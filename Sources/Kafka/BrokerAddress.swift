/// Where a broker is said to be.
public struct BrokerAddress: Sendable, Hashable {
    public var host: String
    public var port: UInt16

    /// Those of a list as `bootstrap.servers` takes it, `SASL_SSL://one:9092,[::1]:9092`; 9092 where no port is named.
    public static func all(in list: String) -> [BrokerAddress] {
        list.split(separator: ",").compactMap { broker in
            var rest = broker.filter { $0 != " " }[...]
            if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
            let isAddress = rest.hasPrefix("[")
            let host = isAddress ? rest.dropFirst().prefix { $0 != "]" } : rest.prefix { $0 != ":" }
            guard !host.isEmpty else { return nil }
            let port = rest[host.endIndex...].drop { $0 == "]" || $0 == ":" }
            return BrokerAddress(host: String(host), port: UInt16(port) ?? 9092)
        }
    }
}
