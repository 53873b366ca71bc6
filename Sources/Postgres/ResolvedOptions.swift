import CLibPQ

/// libpq's options as a connection would use them: those of the URL, of a service's file and of libpq's own variables, in
/// libpq's own order.
struct ResolvedOptions: Sendable {
    private var values: [String: String] = [:]

    /// - Parameter keywords: as for a connection.
    init(_ keywords: [(key: String, value: String)]) {
        // libpq resolves them where it begins to connect, and nowhere else. What it cannot take keeps it from going on before
        // it asks a name server or opens a socket.
        let refused = keywords + [("ssl_max_protocol_version", "none")]
        let handle = withKeywords(refused) { PQconnectStartParams($0, $1, 1) }
        defer { PQfinish(handle) }
        self.init(of: handle)
    }

    /// Those of a connection that stands.
    init(of handle: OpaquePointer?) {
        guard let options = PQconninfo(handle) else { return }
        defer { PQconninfoFree(options) }
        var option = options
        while let name = option.pointee.keyword {
            if let value = option.pointee.val, value.pointee != 0 {
                values[String(cString: name)] = String(cString: value)
            }
            option += 1
        }
    }

    subscript(_ keyword: String) -> String? { values[keyword] }

    /// Each host by itself, with the keywords that make libpq ask this one alone.
    var hosts: [(login: Login, keywords: [(key: String, value: String)])] {
        func list(_ keyword: String) -> [String] {
            (values[keyword] ?? "").split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"))
        return (0..<max(names.count, addresses.count)).map { index in
            func item(_ list: [String]) -> String { list.indices.contains(index) ? list[index] : "" }
            let (name, address) = (item(names), item(addresses))
            // One port is that of all hosts.
            let port = ports.count == 1 ? ports[0] : item(ports)
            let host = !name.isEmpty ? name : !address.isEmpty ? address : "localhost"
            return (
                Login(host: host, port: Int(port) ?? 5432, user: values["user"] ?? ""),
                [("host", name), ("hostaddr", address), ("port", port)]
            )
        }
    }
}
