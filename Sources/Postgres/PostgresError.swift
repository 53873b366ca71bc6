import CLibPQ

/// What went wrong between the loader and PostgreSQL.
///
/// `description` is fit for logs: it leaves out everything that can hold the row's data, which the server puts into
/// DETAIL, CONTEXT, HINT and the message itself as soon as a row was there to be quoted. Those stay in the properties, for
/// the dead letters.
public struct PostgresError: Error, Sendable, Equatable {
    public enum Code: String, Sendable {
        /// The URL or the key=value string is none that libpq understands.
        case invalidOptions
        /// No connection came about. `sqlState` is there if a server answered.
        case connectionFailed
        /// The connection is gone; whether the statement under way took effect is unknown.
        case connectionLost
        /// The server was silent for longer than it may be, so the connection was given up; the outcome is as unknown.
        case noAnswer
        /// The server refused the statement.
        case server
        /// The statement was cancelled, by a `statement_timeout` or an administrator.
        case cancelled
        /// No connection came about, because whoever gives its password or its URL is away; `message` says who was asked.
        case secretAway
        /// The same, where somebody has to mend something before there is one.
        case secretMissing
        /// A call that does not fit the connection's state, or a parameter that no protocol message can carry.
        case misuse
    }

    public var code: Code
    public var sqlState: SQLState?
    /// The server's primary message. May hold a value; see `description`.
    public var message: String
    /// May hold row data.
    public var detail: String?
    public var hint: String?
    /// May hold row data.
    public var context: String?
    public var schema: String?
    public var table: String?
    public var column: String?
    public var dataType: String?
    public var constraint: String?
    /// Where in the statement, in characters from 1.
    public var statementPosition: Int?
    /// The 1-based row within the COPY that the server stumbled over; nil for errors that name none, such as those of
    /// deferred constraints. Rows are inserted in groups, so for triggers and indexes it may be a later row: verify.
    public var copyLine: Int?
    /// The words come from `RAISE` in somebody's function, so they may say anything.
    public var isRaisedByFunction: Bool
    /// The statement that failed carried rows, so whatever the server says may quote them: input functions of class 42,
    /// 22 and XX do in the message itself, and every kind of error in DETAIL, HINT and CONTEXT.
    public var cameWithRows: Bool

    public init(
        _ code: Code, sqlState: SQLState? = nil, message: String, detail: String? = nil, hint: String? = nil,
        context: String? = nil, schema: String? = nil, table: String? = nil, column: String? = nil,
        dataType: String? = nil, constraint: String? = nil, statementPosition: Int? = nil, copyLine: Int? = nil,
        isRaisedByFunction: Bool = false, cameWithRows: Bool = false
    ) {
        self.code = code
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
        self.context = context
        self.schema = schema
        self.table = table
        self.column = column
        self.dataType = dataType
        self.constraint = constraint
        self.statementPosition = statementPosition
        self.copyLine = copyLine
        self.isRaisedByFunction = isRaisedByFunction
        self.cameWithRows = cameWithRows
    }

    /// The column whose value COPY could not read; nil where the server names none of `columns`.
    public func copyColumn(among columns: [String]) -> String? {
        guard let context, let copyLine else { return nil }
        return CopyErrorContext.column(in: context, line: copyLine, among: columns)
    }

    /// The connection is gone, so the outcome of what was under way is unknown.
    public var isConnectionLoss: Bool { code == .connectionLost || code == .noAnswer }

    /// The same, once the connection has ended behind it: the server's own reason comes first.
    var lost: PostgresError {
        var error = self
        if !isConnectionLoss { error.code = .connectionLost }
        return error
    }

    /// The same, of a statement that carried rows.
    public var withRows: PostgresError {
        var error = self
        error.cameWithRows = true
        return error
    }

    /// Everything that the server said, for the dead letter, which holds the row anyway.
    public var everything: String {
        var text = message
        if let detail { text += "; detail: " + detail }
        if let hint { text += "; hint: " + hint }
        // COPY's own is a line of the stage and the value; the letter has the message.
        if let context, copyLine == nil { text += "; context: " + context }
        return text
    }

    /// Whether `message` is certain to be the server's own words about names and states, free of any row's values.
    public var isMessageFreeOfData: Bool {
        // Our own words.
        if code == .noAnswer, sqlState == nil { return true }
        guard !isRaisedByFunction, !cameWithRows, copyLine == nil else { return false }
        guard let sqlState else { return true }
        return Self.classesThatNameNoValues.contains(sqlState.classCode)
    }

    /// Messages of the other classes quote what could not be read (22), or come from functions (P0 and user-defined).
    private static let classesThatNameNoValues: Set<String> = [
        "08", "0A", "0B", "21", "23", "25", "26", "28", "2B", "2D", "34", "3B", "3D", "3F", "40", "42", "44", "53",
        "54", "55", "57", "58", "F0", "XX",
    ]
}

extension PostgresError: CustomStringConvertible {
    public var description: String {
        guard isMessageFreeOfData else {
            // The words are libpq's, and little more than the code says.
            if isConnectionLoss, sqlState == nil { return codeAndPlace }
            return "\(codeAndPlace): the server's message may hold the row's values and is not shown here"
        }
        // What to do about a secret is said by whoever says what to do.
        let hint = code == .secretAway || code == .secretMissing ? nil : hint
        return "\(codeAndPlace): \(message)" + (hint.map { " (\($0))" } ?? "")
    }

    /// Which error and where, without a word of the server's own.
    public var codeAndPlace: String {
        var text = sqlState.map { "SQLSTATE \($0)" } ?? Self.words(for: code)
        if let copyLine { text += ", COPY row \(copyLine)" }
        // RAISE sets these, too, to what it likes.
        if !isRaisedByFunction {
            if let table { text += ", table " + (schema.map { $0 + "." } ?? "") + table }
            if let column { text += ", column " + column }
            if let constraint { text += ", constraint " + constraint }
            if let dataType { text += ", type " + dataType }
        }
        return text
    }

    private static func words(for code: Code) -> String {
        switch code {
        case .invalidOptions: "invalid connection options"
        case .connectionFailed: "no connection"
        case .connectionLost: "connection lost"
        case .noAnswer: "no answer"
        case .server: "server error"
        case .cancelled: "cancelled"
        case .secretAway, .secretMissing: "no password for a connection"
        case .misuse: "misuse of a connection"
        }
    }
}

extension PostgresError {
    /// Reads the fields of a result that says `PGRES_FATAL_ERROR`.
    ///
    /// - Parameter isConnectionOpen: what libpq says of the connection after the result has arrived.
    init(result: OpaquePointer?, isConnectionOpen: Bool, connectionMessage: String, copyInto relation: String? = nil) {
        func field(_ code: Character) -> String? {
            guard let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return nil }
            return String(cString: text)
        }
        // PG_DIAG_* in postgres_ext.h, which Swift does not import.
        let sqlState = field("C").map(SQLState.init(rawValue:))
        let severity = field("V")
        let endsSession = severity == "FATAL" || severity == "PANIC"
        let code: Code =
            if endsSession || !isConnectionOpen {
                .connectionLost
            } else if sqlState == .queryCanceled {
                .cancelled
            } else {
                .server
            }
        let context = field("W")
        self.init(
            code, sqlState: sqlState, message: field("M") ?? connectionMessage, detail: field("D"), hint: field("H"),
            context: context, schema: field("s"), table: field("t"), column: field("c"), dataType: field("d"),
            constraint: field("n"), statementPosition: field("P").flatMap { Int($0) },
            copyLine: context.flatMap { context in
                relation.flatMap { CopyErrorContext.line(in: context, relation: $0) }
            },
            // The function in pl_exec.c that carries out PL/pgSQL's RAISE.
            isRaisedByFunction: field("R") == "exec_stmt_raise")
    }
}
