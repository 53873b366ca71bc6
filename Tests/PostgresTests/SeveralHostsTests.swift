import Foundation
import Postgres
import TestSupport
import Testing

/// A URL that names a primary and its standbys.
@Suite("Several hosts")
struct SeveralHostsTests {
    private func servers() throws -> (readOnly: PostgresServer, writable: PostgresServer, url: String) {
        let (readOnly, writable) = (try PostgresServer(), try PostgresServer())
        let connection = try readOnly.connect()
        try connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        try connection.execute("SELECT pg_reload_conf()")
        let ports = try [readOnly, writable].map { server in
            try #require(URLComponents(string: server.url)?.port.map(String.init))
        }
        let address = "127.0.0.1:\(ports[0])/"
        #expect(readOnly.url.contains(address))
        return (
            readOnly, writable, readOnly.url.replacing(address, with: "127.0.0.1:\(ports[0]),127.0.0.1:\(ports[1])/")
        )
    }

    private func port(_ url: String) throws -> Int64 {
        try #require(try Connection(ConnectionOptions(url: url)).query("SELECT inet_server_port()").int(0, 0))
    }

    @Test("the one that takes writes is used, whichever stands first, unless the URL wants another")
    func writable() async throws {
        let (readOnly, writable, url) = try servers()
        try await eventually("the setting is read") {
            try readOnly.connect().query("SHOW default_transaction_read_only").string(0, 0) == "on"
        }
        #expect(try port(url) == port(writable.url))
        let any = url + (url.contains("?") ? "&" : "?") + "target_session_attrs=any"
        #expect(try port(any) == port(readOnly.url))

        try writable.stop()
        let error = #expect(throws: PostgresError.self) { try Connection(ConnectionOptions(url: url)) }
        #expect(error?.sqlState == .readOnlyTransaction)
        #expect(error?.description.contains("standby or read-only") == true)
        try readOnly.stop()
        let gone = #expect(throws: PostgresError.self) { try Connection(ConnectionOptions(url: url)) }
        #expect(gone?.code == .connectionFailed && gone?.sqlState == nil)
    }
}
