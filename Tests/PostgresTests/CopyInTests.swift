import Postgres
import TestSupport
import Testing

private func send(_ text: String, to stream: borrowing CopyInStream) throws(PostgresError) {
    let bytes = Array(text.utf8)
    var failure: PostgresError?
    bytes.withUnsafeBytes { buffer in
        do throws(PostgresError) { try stream.send(buffer) } catch { failure = error }
    }
    if let failure { throw failure }
}

@Suite struct CopyInTests {
    let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    @Test("rows arrive, however the data is cut")
    func rows() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TABLE t (a int, b text)")
            let rows = try connection.copyIn("COPY t FROM STDIN") { stream throws(PostgresError) in
                for piece in ["1\tone\n2\t", "tw", "o\n", "", "3\t\\N\n"] { try send(piece, to: stream) }
            }
            #expect(rows == 3)
            #expect(try connection.query("SELECT string_agg(b, ',') FROM t").string(0, 0) == "one,two")
            #expect(try connection.copyIn("COPY t FROM STDIN") { _ in } == 0)
        }
    }

    @Test(
        "what goes before and after is carried out with it; the rows are COPY's, and behind a failure nothing follows")
    func around() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TABLE t (a int PRIMARY KEY, b text)")
            func copy(_ data: String, after: [String] = []) throws(PostgresError) -> Int {
                try connection.copyIn(
                    "COPY t FROM STDIN", before: ["SAVEPOINT here"],
                    after: ["RELEASE SAVEPOINT here", "UPDATE t SET b = 'after'"] + after
                ) { stream throws(PostgresError) in try send(data, to: stream) }
            }
            try connection.execute("BEGIN; INSERT INTO t VALUES (7, 'seven')")
            #expect(try copy("1\tone\n2\ttwo\n") == 2)
            #expect(try connection.query("SELECT count(*) FROM t WHERE b = 'after'").int(0, 0) == 3)
            let doubled = #expect(throws: PostgresError.self) { _ = try copy("3\tthree\n1\tone\n") }
            #expect(doubled?.sqlState == .uniqueViolation && doubled?.copyLine == 2)
            try connection.execute("ROLLBACK TO SAVEPOINT here")
            let behind = #expect(throws: PostgresError.self) {
                _ = try copy("3\tthree\n", after: ["SELECT 1 / 0", "DELETE FROM t"])
            }
            #expect(behind?.sqlState == .divisionByZero && behind?.copyLine == nil)
            try connection.execute("ROLLBACK")
            #expect(try connection.query("SELECT count(*) FROM t").int(0, 0) == 0)
            #expect(throws: PostgresError.self) { _ = try copy("3\tthree\n") }
            #expect(connection.isOpen && connection.transactionStatus == .idle)
        }
    }

    @Test("a piece larger than a slice arrives whole")
    func large() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TABLE t (a text)")
            let value = String(repeating: "0123456789abcdef", count: 100_000)
            let rows = try connection.copyIn("COPY t FROM STDIN") { stream throws(PostgresError) in
                try send("\(value)\n\(value)\n", to: stream)
            }
            #expect(rows == 2)
            #expect(try connection.query("SELECT count(DISTINCT a), max(length(a)) FROM t").int(0, 1) == 1_600_000)
        }
    }

    @Test(
        "an error names the row, in text and in quoted tables alike",
        arguments: [
            ("t", "1\n2\nzz\n4\n", SQLState.invalidTextRepresentation, 3),
            ("odd, line 7", "1\n\\N\n", .notNullViolation, 2),
            ("Quoted\"Name", "1\n1\n", .uniqueViolation, 2),
            ("9", "99999999999\n", .numericOutOfRange, 1),
        ])
    func line(table: String, data: String, state: SQLState, line: Int) throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            let name = TableName(schema: schema.name, name: table).quoted
            try connection.execute("CREATE TABLE \(name) (a int PRIMARY KEY)")
            let error = #expect(throws: PostgresError.self) {
                try connection.copyIn("COPY \(name) (a) FROM STDIN") { stream throws(PostgresError) in
                    try send(data, to: stream)
                }
            }
            #expect(error?.code == .server)
            #expect(error?.sqlState == state)
            #expect(error?.copyLine == line)
            #expect(connection.transactionStatus == .idle)
            #expect(try connection.query("SELECT count(*) FROM \(name)").int(0, 0) == 0)
        }
    }

    @Test("a function's own context stands before COPY's and does not hide the row")
    func triggerContext() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute(
                """
                CREATE TABLE t (a int);
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN IF NEW.a = 3 THEN RAISE 'no threes'; END IF; RETURN NEW; END $$;
                CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse();
                """)
            let error = #expect(throws: PostgresError.self) {
                try connection.copyIn("COPY t FROM STDIN") { stream throws(PostgresError) in
                    try send("1\n2\n3\n4\n", to: stream)
                }
            }
            #expect(error?.copyLine == 3)
            #expect(error?.isRaisedByFunction == true)
        }
    }

    @Test("an error in the first of many megabytes surfaces at the end, and nothing hangs")
    func earlyError() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TABLE t (a int)")
            let block = String(repeating: "1\n", count: 500_000)
            let error = #expect(throws: PostgresError.self) {
                try connection.copyIn("COPY t FROM STDIN") { stream throws(PostgresError) in
                    try send("zz\n", to: stream)
                    for _ in 1...20 { try send(block, to: stream) }
                }
            }
            #expect(error?.copyLine == 1)
            #expect(try connection.query("SELECT count(*) FROM t").int(0, 0) == 0)
        }
    }

    @Test("an error of the body aborts the COPY, keeps the transaction's savepoint usable, and is passed on")
    func bodyThrows() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TABLE t (a int); BEGIN; SAVEPOINT s")
            let mine = PostgresError(.misuse, message: "mine")
            let error = #expect(throws: PostgresError.self) {
                try connection.copyIn("COPY t FROM STDIN") { stream throws(PostgresError) in
                    try send("1\n", to: stream)
                    throw mine
                }
            }
            #expect(error == mine)
            #expect(connection.transactionStatus == .failed)
            try connection.execute("ROLLBACK TO s; COMMIT")
            #expect(try connection.query("SELECT count(*) FROM t").int(0, 0) == 0)
        }
    }

    @Test("a session ended in the middle of a COPY is a lost connection")
    func terminated() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            let other = try schema.connect()
            try connection.execute("CREATE TABLE t (a int)")
            let pid = try #require(try connection.query("SELECT pg_backend_pid()").int(0, 0))
            let block = String(repeating: "1\n", count: 100_000)
            let error = #expect(throws: PostgresError.self) {
                try connection.copyIn("COPY t FROM STDIN") { stream throws(PostgresError) in
                    try send(block, to: stream)
                    _ = try other.query("SELECT pg_terminate_backend($1)", [.int32(Int32(pid))])
                    for _ in 1...100 { try send(block, to: stream) }
                }
            }
            #expect(error?.isConnectionLoss == true)
            #expect(!connection.isOpen)
        }
    }

    @Test("a statement that is no COPY FROM STDIN is refused")
    func noCopy() throws {
        let connection = try server.connect()
        let error = #expect(throws: PostgresError.self) { try connection.copyIn("SELECT 1") { _ in } }
        #expect(error?.code == .misuse)
        let missing = #expect(throws: PostgresError.self) {
            try connection.copyIn("COPY no_such_table FROM STDIN") { _ in }
        }
        #expect(missing?.sqlState == .undefinedTable)
    }
}
