import Postgres
import TestSupport
import Testing

@Suite struct OutageTests {
    @Test(
        "a server that stops ends the connection, refuses others, and is back with its data",
        arguments: [PostgresServer.StopMode.fast, .immediate])
    func stopAndStart(mode: PostgresServer.StopMode) throws {
        let server = try PostgresServer()
        let connection = try server.connect()
        try connection.execute("CREATE TABLE t AS SELECT 1 AS a")

        try server.stop(mode)
        let lost = #expect(throws: PostgresError.self) { try connection.execute("SELECT 1") }
        #expect(lost?.isConnectionLoss == true)
        let refused = #expect(throws: PostgresError.self) { try server.connect() }
        #expect(refused?.code == .connectionFailed)
        #expect(refused?.sqlState == nil)

        try server.start()
        let count = try server.connect().query("SELECT count(*) FROM t").int(0, 0)
        #expect(count == 1)
    }
}
