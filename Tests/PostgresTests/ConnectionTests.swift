import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct ConnectionTests {
    let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    @Test("execute tells the rows that the last statement touched")
    func execute() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            #expect(try connection.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3)") == 3)
            #expect(try connection.execute("UPDATE t SET a = 0 WHERE a > 1") == 2)
            #expect(try connection.execute("") == 0)
        }
    }

    @Test("the session speaks UTF-8 and tells the server's version and parameters")
    func session() throws {
        let connection = try server.connect(applicationName: "ünïcode")
        #expect(connection.serverVersion >= 130000)
        #expect(connection.parameter("client_encoding") == "UTF8")
        #expect(connection.parameter("server_encoding") == "UTF8")
        #expect(connection.parameter("no such parameter") == nil)
        #expect(connection.isOpen)
    }

    @Test("a pipeline answers every statement, and stops behind one that fails")
    func pipeline() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TABLE t (a int)")
            let all = try connection.pipeline([
                .init("BEGIN"), .init("INSERT INTO t VALUES ($1), ($2)", [.int32(1), .int32(2)]),
                .init("SELECT count(*) FROM t"), .init("COMMIT"),
            ])
            #expect(all.failure == nil)
            #expect(all.results.count == 4)
            #expect(all.results[1].affectedRows == 2)
            #expect(all.results[2].int(0, 0) == 2)
            let half = try connection.pipeline([
                .init("BEGIN"), .init("INSERT INTO t VALUES (3)"), .init("SELECT 1 / 0"), .init("COMMIT"),
            ])
            #expect(half.results.count == 2)
            #expect(half.failure?.sqlState == .divisionByZero)
            #expect(connection.transactionStatus == .failed)
            try connection.execute("ROLLBACK")
            #expect(try connection.query("SELECT count(*) FROM t").int(0, 0) == 2)
        }
    }

    @Test("a pipeline on a connection that is cut tells the server's reason, and that the connection is lost")
    func pipelineCut() throws {
        let connection = try server.connect()
        let answer = try connection.pipeline([
            .init("SELECT 1"), .init("SELECT pg_terminate_backend(pg_backend_pid())"), .init("SELECT 2"),
        ])
        #expect(answer.results.count == 1)
        #expect(answer.failure?.sqlState == .adminShutdown)
        #expect(answer.failure?.isConnectionLoss == true)
        #expect(!connection.isOpen)
        #expect(throws: PostgresError.self) { try connection.pipeline([.init("SELECT 1")]) }
    }

    @Test("each kind of parameter arrives as it was sent")
    func parameters() throws {
        let connection = try server.connect()
        let all: [UInt8] = Array(0...255)
        let result = try connection.query(
            """
            SELECT $1::text, $2::bigint, $3::int, $4::bytea, $5::text, $6, $7, $8, $9::text[], $10::bytea[], $11,
                   $12::text, $13::bytea
            """,
            [
                .text("naïve 'quote' \\ 🦣"), .int64(.min), .int32(.max), .bytea(all), .null, .bool(true),
                .array([1, .max, -1] as [Int64]), .array([Int32]()),
                .array(["a,b", nil, "\"", "NULL", ""]), .array([[0, 255], nil, []]), .array([7] as [Int32]),
                .text(""), .bytea([]),
            ])
        #expect(result.rowCount == 1)
        #expect(result.string(0, 0) == "naïve 'quote' \\ 🦣")
        #expect(result.int(0, 1) == .min)
        #expect(result.int(0, 2) == Int64(Int32.max))
        #expect(result.bytes(0, 3) == all)
        #expect(result.isNull(0, 4))
        #expect(result.string(0, 4) == nil)
        #expect(result.bool(0, 5) == true)
        #expect(result.string(0, 6) == "{1,9223372036854775807,-1}")
        #expect(result.string(0, 7) == "{}")
        #expect(result.string(0, 8) == #"{"a,b",NULL,"\"","NULL",""}"#)
        #expect(result.string(0, 9) == #"{"\\x00ff",NULL,"\\x"}"#)
        #expect(result.string(0, 10) == "{7}")
        #expect(result.string(0, 11) == "")
        #expect(result.bytes(0, 12) == [])
    }

    @Test("text with U+0000 is refused, never cut")
    func nulInParameter() throws {
        let connection = try server.connect()
        let error = #expect(throws: PostgresError.self) { try connection.query("SELECT $1::text", [.text("a\0b")]) }
        #expect(error?.sqlState == .characterNotInRepertoire)
        #expect(throws: PostgresError.self) { try connection.execute("SELECT 1\0; SELECT 2") }
        #expect(try connection.query("SELECT 1").int(0, 0) == 1)
    }

    @Test("an error carries the server's fields, and its description none of the row's values")
    func errorFields() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TABLE t (a int CONSTRAINT small CHECK (a < 10), b text NOT NULL)")
            let check = #expect(throws: PostgresError.self) {
                try connection.execute("INSERT INTO t VALUES (4711, 'x')")
            }
            #expect(check?.code == .server)
            #expect(check?.sqlState == .checkViolation)
            #expect(check?.constraint == "small")
            #expect(check?.table == "t")
            #expect(check?.schema == schema.name)
            #expect(check?.detail?.contains("4711") == true)
            #expect(check?.description.contains("4711") == false)
            #expect(check?.description.contains("small") == true)

            let null = #expect(throws: PostgresError.self) { try connection.execute("INSERT INTO t VALUES (1, NULL)") }
            #expect(null?.sqlState == .notNullViolation)
            #expect(null?.column == "b")

            let value = #expect(throws: PostgresError.self) { try connection.execute("SELECT 'secret'::int") }
            #expect(value?.sqlState == .invalidTextRepresentation)
            #expect(value?.message.contains("secret") == true)
            #expect(value?.description.contains("secret") == false)

            let raised = #expect(throws: PostgresError.self) {
                try connection.execute("DO $$ BEGIN RAISE 'secret' USING ERRCODE = '23514'; END $$")
            }
            #expect(raised?.sqlState == .checkViolation)
            #expect(raised?.isRaisedByFunction == true)
            #expect(raised?.description.contains("secret") == false)

            let typo = #expect(throws: PostgresError.self) { try connection.execute("SELECT nonsense FROM t") }
            #expect(typo?.sqlState == .undefinedColumn)
            #expect(typo?.statementPosition == 8)
            #expect(typo?.description.contains("nonsense") == true)
        }
    }

    @Test("the transaction's status follows its statements")
    func transactionStatus() throws {
        let connection = try server.connect()
        #expect(connection.transactionStatus == .idle)
        try connection.execute("BEGIN")
        #expect(connection.transactionStatus == .inTransaction)
        #expect(throws: PostgresError.self) { try connection.execute("SELECT 1/0") }
        #expect(connection.transactionStatus == .failed)
        try connection.execute("ROLLBACK")
        #expect(connection.transactionStatus == .idle)
        connection.close()
        #expect(connection.transactionStatus == .unknown)
    }

    @Test("a notice stays silent")
    func notices() throws {
        let connection = try server.connect()
        try connection.execute("DO $$ BEGIN RAISE NOTICE 'this must not reach stderr'; END $$")
    }

    @Test("a session ended by an administrator is a lost connection with the server's SQLSTATE")
    func terminated() throws {
        let victim = try server.connect()
        let pid = try #require(try victim.query("SELECT pg_backend_pid()").int(0, 0))
        let other = try server.connect()
        #expect(try other.query("SELECT pg_terminate_backend($1)", [.int32(Int32(pid))]).bool(0, 0) == true)
        let error = #expect(throws: PostgresError.self) { try victim.execute("SELECT 1") }
        #expect(error?.isConnectionLoss == true)
        #expect(error?.sqlState == .adminShutdown)
        #expect(!victim.isOpen)
        #expect(victim.transactionStatus == .unknown)
        let again = #expect(throws: PostgresError.self) { try victim.query("SELECT 1") }
        #expect(again?.isConnectionLoss == true)
    }

    @Test("a closed connection throws and does not crash")
    func closed() throws {
        let connection = try server.connect()
        connection.close()
        connection.close()
        #expect(!connection.isOpen)
        #expect(connection.parameter("TimeZone") == nil)
        for _ in 1...2 {
            let error = #expect(throws: PostgresError.self) { try connection.execute("SELECT 1") }
            #expect(error?.isConnectionLoss == true)
        }
        let copy = #expect(throws: PostgresError.self) { try connection.copyIn("COPY t FROM STDIN") { _ in } }
        #expect(copy?.isConnectionLoss == true)
        connection.makeCanceller().breakConnection()
    }

    @Test("COPY outside copyIn is refused and leaves no half-open session")
    func strayCopy() throws {
        let connection = try server.connect()
        let error = #expect(throws: PostgresError.self) { try connection.execute("COPY (SELECT 1) TO STDOUT") }
        #expect(error?.code == .misuse)
        #expect(!connection.isOpen)
    }
}

@Suite struct ConnectionFailureTests {
    @Test("nobody listening is a failed connection without a SQLSTATE")
    func refused() throws {
        let error = #expect(throws: PostgresError.self) {
            try Connection(ConnectionOptions(url: "postgresql://u:hunter2@127.0.0.1:1/x"))
        }
        #expect(error?.code == .connectionFailed)
        #expect(error?.sqlState == nil)
        #expect(error?.isConnectionLoss == false)
        #expect(error.map { "\($0)" }?.contains("hunter2") == false)
    }

    @Test(
        "a server's refusal carries its SQLSTATE",
        arguments: [
            ("dbname", "no_such_database", SQLState.invalidCatalogName),
            ("user", "no_such_role", .invalidAuthorization),
        ])
    func refusedByServer(key: String, value: String, expected: SQLState) throws {
        let server = try PostgresServer.shared()
        guard server.isPrivate else { return }
        let error = #expect(throws: PostgresError.self) {
            try Connection(ConnectionOptions(url: server.url(adding: [key: value])))
        }
        #expect(error?.code == .connectionFailed)
        #expect(error?.sqlState == expected)
        #expect(error?.message.contains(value) == true)
    }

    @Test(
        "a URL that libpq cannot read is refused, its password unsaid",
        arguments: [
            "postgresql://user:hunter2@[::1", "postgresql://user:hunter2@host:port%zz/db",
            "mysql://user:hunter2@host/db",
            "password=a hunter2 host=x", "host='hunter2", "postgresql://user:hunter2@host/db?nonsense=1", "host=x\0y",
        ])
    func invalid(url: String) throws {
        let error = #expect(throws: PostgresError.self) { try Connection(ConnectionOptions(url: url)) }
        #expect(error?.code == .invalidOptions)
        #expect(error.map { "\($0)" }?.contains("hunter2") == false)
    }

    @Test("an unknown option in the URL is named")
    func unknownOption() throws {
        let error = #expect(throws: PostgresError.self) {
            try Connection(ConnectionOptions(url: "postgresql://h/db?nonsense=1"))
        }
        #expect(error?.message.contains("nonsense") == true)
    }

    @Test("what the URL says wins over the loader's defaults")
    func precedence() throws {
        let server = try PostgresServer.shared()
        let connection = try Connection(
            ConnectionOptions(
                url: server.url(adding: ["application_name": "mine", "client_encoding": "LATIN1"]),
                applicationName: "default"))
        #expect(connection.parameter("application_name") == "mine")
        #expect(connection.parameter("client_encoding") == "UTF8")
        let other = try server.connect(applicationName: "default")
        #expect(other.parameter("application_name") == "default")
    }
}
