import CLibPQ

/// One session with a PostgreSQL server. Every call blocks, but none for longer than the server may be silent.
///
/// A connection belongs to one thread: it is not `Sendable`, and only its `Canceller` may be used from another.
/// Nothing here needs session state, so a pooler in transaction mode may stand between.
public final class Connection {
    public enum TransactionStatus: Sendable {
        case idle
        /// A statement is under way.
        case active
        case inTransaction
        /// In a transaction that an error has aborted: only ROLLBACK helps.
        case failed
        /// The connection is gone.
        case unknown
    }

    /// Nil once closed.
    private(set) var handle: OpaquePointer?
    private let socket: SharedSocket
    /// How long the server may be silent while it is waited for.
    let answerTimeout: Duration
    /// Asked on the connection's own thread while the server is waited for; once true, nobody needs its answer any more.
    public var isGivenUp: (() -> Bool)?
    /// Told on the connection's own thread, while a call waits, that the server has been silent for so long: after
    /// `silence`, and again each time as much has passed. It may ask over another connection why that is.
    public var whileSilent: ((Connection, Duration) -> Void)?
    /// How long the server is silent before that is worth a look.
    public var silence: Duration = .seconds(5)
    var nextLook: ContinuousClock.Instant?
    /// How long a `query` outside of a transaction waits for a lock; nil: as long as the server lets it.
    public var lockPatience: Duration?

    /// Connects and authenticates.
    ///
    /// - Parameter isGivenUp: asked on this thread, several times a second, while a call waits. Once true, the call ends
    ///   with `.connectionLost`.
    /// - Throws: `.invalidOptions`, or `.connectionFailed` with the SQLSTATE if a server answered: without one nobody
    ///   did, and it is worth waiting.
    public init(_ options: ConnectionOptions, isGivenUp: (() -> Bool)? = nil) throws(PostgresError) {
        try options.validate()
        let handle = try ConnectionAttempt.connect(options, isGivenUp: isGivenUp)
        self.handle = handle
        answerTimeout = options.answerTimeout
        self.isGivenUp = isGivenUp
        PQsetnonblocking(handle, 1)
        socket = SharedSocket(duplicating: PQsocket(handle))
        // The default receiver prints to stderr, where a NOTICE of somebody's trigger could show a row's values.
        PQsetNoticeReceiver(handle, { _, _ in }, nil)
    }

    deinit { close() }

    /// Ends the session. Further calls throw `.connectionLost`.
    public func close() {
        socket.close()
        PQfinish(handle)
        handle = nil
    }

    public var isOpen: Bool { handle != nil && PQstatus(handle) == CONNECTION_OK }

    /// As libpq counts: 150020 for 15.20.
    public var serverVersion: Int { Int(PQserverVersion(handle)) }

    /// The database and the server that it is connected to: `shop on db1:5432`.
    public var place: String {
        func text(_ value: UnsafeMutablePointer<CChar>?) -> String { value.map { String(cString: $0) } ?? "" }
        return ConnectionOptions.place(
            database: text(PQdb(handle)), hosts: text(PQhost(handle)), ports: text(PQport(handle)))
    }

    /// What the server reports unasked: `server_encoding`, `TimeZone`, `in_hot_standby` (14+), …
    public func parameter(_ name: String) -> String? {
        PQparameterStatus(handle, name).map { String(cString: $0) }
    }

    public var transactionStatus: TransactionStatus {
        switch PQtransactionStatus(handle) {
        case PQTRANS_IDLE: .idle
        case PQTRANS_ACTIVE: .active
        case PQTRANS_INTRANS: .inTransaction
        case PQTRANS_INERROR: .failed
        default: .unknown
        }
    }

    /// Carries out one or several statements by the simple protocol; several make one implicit transaction.
    ///
    /// - Returns: the rows that the last statement has touched.
    @discardableResult
    public func execute(_ sql: String) throws(PostgresError) -> Int {
        try checkStatement(sql)
        return try complete(collect(wasSent: PQsendQuery(handle, sql))).affectedRows
    }

    /// Carries out one statement with parameters, unnamed, so that no prepared statement stays behind.
    public func query(_ sql: String, _ parameters: [QueryParameter] = []) throws(PostgresError) -> QueryResult {
        try checkStatement(sql)
        if lockPatience != nil, transactionStatus == .idle { return try query(Statement(sql, parameters), with: []) }
        return try complete(collect(wasSent: send(sql, parameters)))
    }

    /// Carries out one statement with settings of its own. In a transaction they hold until its end; outside of one it gets
    /// one, since behind a pooler a setting of the session is somebody else's a moment later.
    func query(
        _ statement: Statement, with settings: [(name: String, value: String)]
    ) throws(PostgresError) -> QueryResult {
        var settings = settings.map { "set_config('\($0.name)', '\($0.value)', true)" }
        guard transactionStatus == .idle else {
            _ = try query("SELECT " + settings.joined(separator: ", "))
            return try query(statement.sql, statement.parameters)
        }
        if let lockPatience {
            settings.append("set_config('lock_timeout', '\(lockPatience.inMilliseconds)ms', true)")
        }
        let answer = try pipeline([
            Statement("BEGIN ISOLATION LEVEL READ COMMITTED"),
            Statement("SELECT " + settings.joined(separator: ", ")), statement, Statement("COMMIT"),
        ])
        if let failure = answer.failure {
            if isOpen, transactionStatus != .idle { try execute("ROLLBACK") }
            throw failure
        }
        guard answer.results.count == 4 else { throw lost() }
        return answer.results[2]
    }

    /// How the server lists this session, as far as libpq knows.
    public var name: SessionName {
        SessionName(application: parameter("application_name") ?? "", pid: PQbackendPID(handle))
    }

    /// Begins a transaction that is what the loader takes it for, whatever the role's or the database's defaults are. In
    /// another isolation level a look at the catalog would see the tables of before.
    public static let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE"

    /// What a refused `begin` means. A server in recovery refuses it as something that it cannot do (0A000); asked, it says
    /// what it is, and the error becomes that of a server that takes no writes (25006), as during a failover.
    public func asStandby(_ error: PostgresError) -> PostgresError {
        guard error.sqlState == .featureNotSupported else { return error }
        // What cannot be asked now is no mistake of anybody's setup: the next try asks again.
        guard isOpen else { return lost() }
        _ = try? execute("ROLLBACK")
        let answer: QueryResult
        do throws(PostgresError) { answer = try query("SELECT pg_is_in_recovery()") } catch { return error }
        guard answer.string(0, 0) == "t" else { return error }
        var standby = error
        (standby.code, standby.sqlState) = (.connectionFailed, .readOnlyTransaction)
        return standby
    }

    /// `begin`, and settings of the transaction.
    public func beginWriting(_ settings: String = "") throws(PostgresError) {
        do { try execute("\(Self.begin); \(settings)") } catch { throw asStandby(error) }
    }

    /// A statement of a `pipeline`.
    public struct Statement: Sendable {
        public var sql: String
        public var parameters: [QueryParameter]

        public init(_ sql: String, _ parameters: [QueryParameter] = []) {
            self.sql = sql
            self.parameters = parameters
        }
    }

    /// Carries out statements one after another in a single round trip: libpq's pipeline mode. COPY is none of them, and
    /// together they must be short, for nothing is read before all are sent.
    ///
    /// - Returns: the results in their order. If there are fewer than statements, the next one has failed with `failure`,
    ///   and none behind it was carried out.
    /// - Throws: when nothing could be sent.
    public func pipeline(
        _ statements: [Statement]
    ) throws(PostgresError) -> (results: [QueryResult], failure: PostgresError?) {
        for statement in statements { try checkStatement(statement.sql) }
        do throws(PostgresError) {
            guard PQenterPipelineMode(handle) == 1 else { throw lost() }
            for statement in statements {
                guard try send(statement.sql, statement.parameters) == 1 else { throw lost() }
            }
            guard PQpipelineSync(handle) == 1 else { throw lost() }
        } catch {
            // Nobody knows what of it has been sent.
            close()
            throw error
        }
        var results: [QueryResult] = []
        var failure: PostgresError?
        // Each statement's results end with a null, all of them with the answer to the sync.
        while isOpen {
            let next: OpaquePointer?
            do throws(PostgresError) { next = try nextResult() } catch { return (results, failure?.lost ?? error) }
            guard let result = next else { continue }
            switch PQresultStatus(result) {
            case PGRES_PIPELINE_SYNC:
                PQclear(result)
                PQexitPipelineMode(handle)
                return (results, failure)
            case PGRES_PIPELINE_ABORTED:
                PQclear(result)
            default:
                do throws(PostgresError) { results.append(try complete(result)) } catch { failure = failure ?? error }
            }
        }
        return (results, (failure ?? lost()).lost)
    }

    /// Loads data by `COPY … FROM STDIN`.
    ///
    /// - Parameters:
    ///   - copy: the COPY statement.
    ///   - before: statements that go before it in the same round trip.
    ///   - after: statements that follow the end of the data in the same round trip, if it was taken.
    ///   - body: sends the data in COPY's format. If it throws, the COPY is aborted and the error passed on.
    /// - Returns: the rows loaded.
    /// - Throws: the server's error, with `copyLine` where it named a row, even if it came while data was being sent.
    public func copyIn(
        _ copy: String, before: [String] = [], after: [String] = [],
        _ body: (borrowing CopyInStream) throws(PostgresError) -> Void
    ) throws(PostgresError) -> Int {
        let sql = (before + [copy] + after).joined(separator: "; ")
        try checkStatement(sql)
        let relation = CopyErrorContext.relation(ofCopy: copy)
        let start = try collect(wasSent: PQsendQuery(handle, sql))
        guard PQresultStatus(start) == PGRES_COPY_IN else {
            try complete(start)
            throw PostgresError(.misuse, message: "the statement is no COPY … FROM STDIN")
        }
        PQclear(start)
        do throws(PostgresError) {
            try body(CopyInStream(connection: self))
        } catch {
            do throws(PostgresError) {
                _ = try endCopy(into: relation, abortingWith: "the loader takes its data back")
            } catch let answer where answer.isConnectionLoss {
                throw answer
            } catch {
                // The server confirms an abort with an error of its own.
            }
            throw error
        }
        return try endCopy(into: relation, abortingWith: nil)
    }

    /// A handle for other threads, good for this session alone.
    public func makeCanceller() -> Canceller { Canceller(socket: socket) }

    // MARK: - libpq

    private func checkStatement(_ sql: String) throws(PostgresError) {
        guard handle != nil else { throw lost() }
        guard !sql.utf8.contains(0) else { throw PostgresError(.misuse, message: "a NUL byte in the statement") }
    }

    private func lost() -> PostgresError {
        PostgresError(
            .connectionLost, message: handle == nil ? "the connection is closed" : connectionMessage(handle))
    }

    @discardableResult
    private func complete(
        _ result: OpaquePointer?, copyInto relation: String? = nil
    ) throws(PostgresError) -> QueryResult {
        guard let result else {
            guard isOpen else { throw lost() }
            throw PostgresError(.misuse, message: connectionMessage(handle))
        }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
            return QueryResult(owning: result)
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            // Nobody is there to feed or read it, and the session is unusable until it has ended.
            PQclear(result)
            close()
            throw PostgresError(.misuse, message: "COPY outside copyIn; the connection was closed")
        default:
            defer { PQclear(result) }
            throw PostgresError(
                result: result, isConnectionOpen: isOpen, connectionMessage: connectionMessage(handle),
                copyInto: relation)
        }
    }

    /// Waits for the answers to what was sent, and returns the one that counts: the last, or the first error. (PQexec
    /// would return the last error: "the server closed the connection", instead of why.)
    private func collect(wasSent: Int32) throws(PostgresError) -> OpaquePointer? {
        guard wasSent == 1 else {
            guard isOpen else { throw lost() }
            throw PostgresError(.misuse, message: connectionMessage(handle))
        }
        var answer: OpaquePointer?
        while let result = try nextResult() {
            if let earlier = answer {
                if PQresultStatus(earlier) == PGRES_FATAL_ERROR {
                    PQclear(result)
                    continue
                }
                PQclear(earlier)
            }
            answer = result
            switch PQresultStatus(result) {
            // libpq repeats these until the COPY is over.
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH: return answer
            default: break
            }
        }
        return answer
    }

    private func send(_ sql: String, _ parameters: [QueryParameter]) throws(PostgresError) -> Int32 {
        // One block of memory holds every value, each text with a NUL behind it, and libpq gets pointers into it.
        var storage: [CChar] = []
        var starts: [Int?] = []
        var types: [Oid] = []
        var lengths: [Int32] = []
        var formats: [Int32] = []
        for (index, parameter) in parameters.enumerated() {
            switch parameter {
            case .null:
                starts.append(nil)
                types.append(0)
                lengths.append(0)
                formats.append(0)
            case .text(let text):
                guard !text.utf8.contains(0) else {
                    throw PostgresError(
                        .misuse, sqlState: .characterNotInRepertoire, message: "U+0000 in parameter $\(index + 1)")
                }
                starts.append(storage.count)
                storage.append(contentsOf: text.utf8.lazy.map(CChar.init(bitPattern:)))
                storage.append(0)
                types.append(0)
                lengths.append(0)
                formats.append(0)
            case .binary(let bytes, let oid):
                starts.append(storage.count)
                storage.append(contentsOf: bytes.lazy.map(CChar.init(bitPattern:)))
                // So that even an empty last value has an address inside the block.
                storage.append(0)
                types.append(oid)
                lengths.append(Int32(bytes.count))
                formats.append(1)
            }
        }
        return storage.withUnsafeBufferPointer { storage in
            let values = starts.map { start in start.flatMap { start in storage.baseAddress.map { $0 + start } } }
            return PQsendQueryParams(handle, sql, Int32(parameters.count), types, values, lengths, formats, 0)
        }
    }

    /// Ends the COPY under way and reads the server's answers to the last.
    private func endCopy(into relation: String?, abortingWith reason: String?) throws(PostgresError) -> Int {
        var ended = PQputCopyEnd(handle, reason) == 1
        var rows: Int?
        var failure: PostgresError?
        while let result = try nextResult() {
            if PQresultStatus(result) == PGRES_COPY_IN {
                PQclear(result)
                // Only if the end could not be sent; asking on would give the same answer for ever.
                guard !ended else { continue }
                ended = PQputCopyEnd(handle, "the end of the data could not be sent") == 1
                if !ended {
                    let error = lost()
                    close()
                    throw error
                }
                continue
            }
            do throws(PostgresError) {
                // The first is COPY's, and what follows touches rows of its own.
                let touched = try complete(result, copyInto: relation).affectedRows
                rows = rows ?? touched
            } catch {
                failure = failure ?? error
            }
        }
        if let failure {
            throw isOpen ? failure : failure.lost
        }
        return rows ?? 0
    }
}

/// Where a COPY's data goes; see `Connection.copyIn`.
public struct CopyInStream: ~Copyable {
    fileprivate let connection: Connection

    /// Sends a piece of the data, of any length; rows may be cut anywhere. Blocks while the server reads slower.
    public borrowing func send(_ bytes: UnsafeRawBufferPointer) throws(PostgresError) {
        var start = 0
        // libpq keeps the largest message it ever sent as its buffer, so a batch goes in slices.
        while start < bytes.count {
            let count = min(Self.sliceSize, bytes.count - start)
            let slice = bytes.baseAddress.map { ($0 + start).assumingMemoryBound(to: CChar.self) }
            switch PQputCopyData(connection.handle, slice, Int32(count)) {
            case 1: start += count
            case 0: break  // no room: once what it has is sent, there is
            default:
                throw PostgresError(.connectionLost, message: connectionMessage(connection.handle))
            }
            try connection.flush()
        }
    }

    private static let sliceSize = 64 * 1024
}

extension SQLState {
    /// From libpq's verbose text of a failed start, `… FATAL:  28P01: password …`; the last one if several hosts answered.
    init?(inVerboseMessage message: String) {
        var found: Substring?
        var rest = message[...]
        while let marker = rest.firstRange(of: ":  ") {
            rest = rest[marker.upperBound...]
            let code = rest.prefix(5)
            if code.count == 5, code.allSatisfy({ $0.isASCII && ($0.isNumber || $0.isUppercase) }),
                rest.dropFirst(5).hasPrefix(": ")
            {
                found = code
            }
        }
        guard let found else { return nil }
        self.init(rawValue: String(found))
    }
}
