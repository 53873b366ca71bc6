import CLibPQ
import Foundation

/// How to reach a database. What a URL says itself wins over the defaults here.
public struct ConnectionOptions: Sendable {
    /// A `postgresql://` URL or a key=value string as libpq defines them; empty: libpq's own `PG*` variables.
    public var url: String
    /// What is asked before each connection; nil: the URL says all, or libpq finds it.
    public var secrets: (any ConnectionSecrets)?
    /// Shown in `pg_stat_activity`, unless the URL or `PGAPPNAME` says another.
    public var applicationName: String
    /// For each address of each host that the URL names, in whole seconds, 2 at least.
    public var connectTimeout: Duration
    /// How long the server may be silent while it is waited for, before the connection counts as lost. Longer than the longest
    /// statement.
    public var answerTimeout: Duration
    /// How long sent data may stay unacknowledged before the kernel gives the connection up.
    public var tcpUserTimeout: Duration
    /// The idle time after which the kernel asks whether the other side is still there.
    public var keepalivesIdle: Duration

    public init(
        url: String = "", secrets: (any ConnectionSecrets)? = nil, applicationName: String = "loader",
        connectTimeout: Duration = .seconds(10), answerTimeout: Duration = .seconds(130),
        tcpUserTimeout: Duration = .seconds(30), keepalivesIdle: Duration = .seconds(30)
    ) {
        self.url = url
        self.secrets = secrets
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
        self.answerTimeout = answerTimeout
        self.tcpUserTimeout = tcpUserTimeout
        self.keepalivesIdle = keepalivesIdle
    }

    /// libpq's keywords in the order in which it reads them: a later one overrides an earlier one, so what stands
    /// before the URL is a default and what stands after it is forced.
    var keywords: [(key: String, value: String)] { keywords(writable: wantsWritable) }

    /// - Parameter writable: pass over hosts that take no writes.
    func keywords(writable: Bool) -> [(key: String, value: String)] {
        var keywords = [
            ("fallback_application_name", applicationName),
            ("connect_timeout", String(max(2, connectTimeout.components.seconds))),
            ("keepalives", "1"),
            ("keepalives_idle", String(max(1, keepalivesIdle.components.seconds))),
            ("keepalives_interval", "10"),
            ("keepalives_count", "3"),
            ("tcp_user_timeout", String(max(1, tcpUserTimeout.components.seconds) * 1000)),
        ]
        if writable { keywords.append(("target_session_attrs", "read-write")) }
        if !url.isEmpty { keywords.append(("dbname", url)) }
        keywords.append(("client_encoding", "UTF8"))
        return keywords
    }

    /// The database and its hosts as they are asked for, `shop on db1:5432,db2:5432`; without a user or a password.
    public var place: String {
        let environment = ProcessInfo.processInfo.environment
        let hosts =
            said("host") ?? said("hostaddr") ?? environment["PGHOST"] ?? environment["PGHOSTADDR"] ?? "localhost"
        let user = said("user") ?? environment["PGUSER"]
        return Self.place(
            database: said("dbname") ?? environment["PGDATABASE"] ?? user ?? "", hosts: hosts,
            ports: said("port") ?? environment["PGPORT"] ?? "5432")
    }

    /// - Parameter ports: one for each host, or one for all.
    static func place(database: String, hosts: String, ports: String) -> String {
        let ports = ports.split(separator: ",", omittingEmptySubsequences: false)
        let places = hosts.split(separator: ",", omittingEmptySubsequences: false).enumerated().map { index, host in
            let port = ports.count > index ? ports[index] : ports.last ?? ""
            return "\(host.contains(":") ? "[\(host)]" : host):\(port.isEmpty ? "5432" : port)"
        }
        return (database.isEmpty ? "" : database + " on ") + places.joined(separator: ",")
    }

    /// Several hosts are a primary and its standbys, and which of them is the primary changes: the first that answers will
    /// not do, unless the URL or `PGTARGETSESSIONATTRS` says so.
    var wantsWritable: Bool {
        hosts > 1 && said("target_session_attrs") == nil
            && ProcessInfo.processInfo.environment["PGTARGETSESSIONATTRS"] == nil
    }

    /// The longest that connecting may take as a whole. One host more than there are, for a name with two addresses, and
    /// as much again where each host wants a password.
    var longestAttempt: Duration {
        max(connectTimeout, .seconds(2)) * (hosts + 1) * (secrets?.givesPasswords == true ? 2 : 1)
    }

    /// The names of hosts that a name server is asked for; none where an address or a socket's directory is given.
    public var hostNames: [String] {
        guard said("hostaddr") == nil, ProcessInfo.processInfo.environment["PGHOSTADDR"] == nil,
            said("service") == nil, ProcessInfo.processInfo.environment["PGSERVICE"] == nil
        else { return [] }
        let list = said("host") ?? ProcessInfo.processInfo.environment["PGHOST"] ?? ""
        return list.split(separator: ",").map(String.init).filter { !$0.hasPrefix("/") && !$0.hasPrefix("@") }
    }

    private var hosts: Int {
        let environment = ProcessInfo.processInfo.environment
        let list = said("hostaddr") ?? said("host") ?? environment["PGHOSTADDR"] ?? environment["PGHOST"]
        return (list ?? "").utf8.count { $0 == UInt8(ascii: ",") } + 1
    }

    /// Whether the URL itself has a password in it.
    public var namesPassword: Bool { said("password") != nil }

    /// What the URL itself says of one of libpq's options.
    private func said(_ keyword: String) -> String? {
        guard url.contains("=") || url.contains("://"), let options = PQconninfoParse(url, nil) else { return nil }
        defer { PQconninfoFree(options) }
        var option = options
        while let name = option.pointee.keyword {
            if String(cString: name) == keyword { return option.pointee.val.map { String(cString: $0) } }
            option += 1
        }
        return nil
    }

    /// Refuses what libpq cannot read, without repeating any of it: a URL holds a password.
    func validate() throws(PostgresError) {
        guard !url.utf8.contains(0) else {
            throw PostgresError(.invalidOptions, message: "the connection URL holds a NUL byte")
        }
        if let scheme = url.firstRange(of: "://"), !url.hasPrefix("postgresql://"), !url.hasPrefix("postgres://"),
            url[..<scheme.lowerBound].allSatisfy(\.isLetter)
        {
            throw PostgresError(
                .invalidOptions,
                message: "the connection URL begins with \(url[..<scheme.upperBound]), expected postgresql://")
        }
        guard url.contains("=") || url.contains("://") else { return }
        var complaint: UnsafeMutablePointer<CChar>?
        let options = PQconninfoParse(url, &complaint)
        defer {
            PQconninfoFree(options)
            PQfreemem(complaint)
        }
        guard options == nil else { return }
        let words = complaint.map { String(cString: $0) } ?? "out of memory"
        throw PostgresError(
            .invalidOptions, message: "libpq cannot read the connection URL: " + Self.withoutSecrets(words))
    }

    /// Keeps what libpq quotes only where that is the name of an option.
    static func withoutSecrets(_ complaint: String) -> String {
        let complaint = complaint.split(separator: "\n").joined(separator: " ")
        for harmless in ["invalid connection option", "invalid URI query parameter"]
        where complaint.hasPrefix(harmless) {
            return complaint
        }
        guard let first = complaint.firstIndex(of: "\""), let last = complaint.lastIndex(of: "\"") else {
            return complaint
        }
        return complaint[..<first] + "\"…\"" + complaint[complaint.index(after: last)...]
    }
}
