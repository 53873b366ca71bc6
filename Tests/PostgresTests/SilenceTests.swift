import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

/// A server that is silent: what waits for it ends, says so, and never waits for libpq.
@Suite("A silent server")
struct SilenceTests {
    let server: PostgresServer
    let proxy: TCPProxy

    init() throws {
        server = try PostgresServer()
        proxy = try TCPProxy(to: server)
        // Over a connection that is as patient as a busy machine may need.
        try Connection(ConnectionOptions(url: server.url)).execute("CREATE TABLE t (a text)")
    }

    /// - Parameter answerTimeout: also what a statement that is answered may take.
    private func connect(
        connectTimeout: Duration = .seconds(30), answerTimeout: Duration = .seconds(1),
        isGivenUp: (() -> Bool)? = nil
    ) throws -> Connection {
        try Connection(
            ConnectionOptions(
                url: proxy.url(server.url), connectTimeout: connectTimeout, answerTimeout: answerTimeout),
            isGivenUp: isGivenUp)
    }

    enum Kind: CaseIterable, Sendable { case simple, extended, pipeline, copy }

    private func run(_ kind: Kind, _ connection: Connection) throws {
        switch kind {
        case .simple: try connection.execute("SELECT 1")
        case .extended: _ = try connection.query("SELECT $1::int", [.int32(1)])
        case .pipeline:
            let answer = try connection.pipeline([.init("SELECT 1"), .init("SELECT 2")])
            if let failure = answer.failure { throw failure }
        case .copy: try copy("1\n", connection)
        }
    }

    private func copy(_ text: String, _ connection: Connection, _ afterStart: () -> Void = {}) throws {
        var text = text
        var buffer = CopyBuffer(capacity: text.utf8.count)
        text.withUTF8 { buffer.append(UnsafeRawBufferPointer($0)) }
        _ = try connection.copyIn("COPY t FROM STDIN") { stream throws(PostgresError) in
            afterStart()
            try stream.send(buffer.bytes)
        }
    }

    private func expectSilence(_ connection: Connection, _ body: () throws -> Void) {
        let error = #expect(throws: PostgresError.self) { try body() }
        #expect(error?.code == .noAnswer && error?.isConnectionLoss == true, "\(String(describing: error))")
        #expect(!connection.isOpen)
    }

    @Test(
        "a statement, a pipeline and a COPY that are not answered end", arguments: TCPProxy.Direction.allCases,
        Kind.allCases)
    func statements(direction: TCPProxy.Direction, kind: Kind) throws {
        let connection = try connect()
        proxy.forgetConnection(direction)
        expectSilence(connection) { try run(kind, connection) }
        #expect(proxy.forgottenCount == 1)
    }

    @Test("a COPY whose data nobody reads any more ends, with a megabyte unsent, and so does closing it")
    func unread() throws {
        let connection = try connect()
        let text = String(repeating: "x", count: 64 << 20)
        expectSilence(connection) { try copy(text, connection) { proxy.isStalled = true } }
        proxy.isStalled = false
    }

    @Test("a statement that the server is at for longer than the bound ends; one that keeps sending does not")
    func slow() throws {
        let rows = try connect().query("SELECT repeat('x', 9000), pg_sleep(0.02) FROM generate_series(1, 50)").rowCount
        #expect(rows == 50)
        let connection = try connect()
        expectSilence(connection) { try connection.execute("SELECT pg_sleep(3600)") }
    }

    @Test("a server that takes the connection and says nothing is given up as one that is not there")
    func connecting() throws {
        proxy.isStalled = true
        defer { proxy.isStalled = false }
        let error = #expect(throws: PostgresError.self) { try connect(connectTimeout: .seconds(2)) }
        #expect(error?.code == .connectionFailed && error?.sqlState == nil)
    }

    @Test("whoever is no longer needed waits for no server, neither for its answer nor for a connection")
    func givenUp() throws {
        let isGivenUp = Atomic<Bool>(false)
        let connection = try connect(answerTimeout: .seconds(3600)) { isGivenUp.load(ordering: .relaxed) }
        proxy.forgetConnection(.toClient)
        isGivenUp.store(true, ordering: .relaxed)
        #expect(throws: PostgresError.self) { try connection.execute("SELECT 1") }
        #expect(!connection.isOpen)
        proxy.isStalled = true
        defer { proxy.isStalled = false }
        #expect(throws: PostgresError.self) {
            try Connection(
                ConnectionOptions(url: proxy.url(server.url), connectTimeout: .seconds(3600)),
                isGivenUp: { true })
        }
    }
}
