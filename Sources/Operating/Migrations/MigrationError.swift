import Loading
import Postgres

/// Why a migration cannot be read or run, where, and the next step.
package struct MigrationError: Error, Sendable, Equatable {
    package enum Code: String, Sendable {
        case unreadableDirectory = "unreadable_directory"
        case unreadableFile = "unreadable_file"
        case badFormat = "bad_format"
        case duplicateVersion = "duplicate_version"
        case badName = "bad_name"
        /// The server refused a statement; `cause` says why.
        case refused
        /// Somebody else is migrating, and went on for longer than was to be waited.
        case locked
        /// A file that should be rolled back is not there.
        case missingFile = "missing_file"
        case nothingToRollBack = "nothing_to_roll_back"
        /// A migration would take the loader's own tables away.
        case ledgerStays = "ledger_stays"
        /// The ledger is in use.
        case activeMembers = "active_members"
        /// The database has no ledger, or not the one that this loader needs.
        case ledgerBehind = "ledger_behind"
        case ledgerAhead = "ledger_ahead"
    }

    var code: Code
    var file: String?
    /// Within the file, from 1.
    var line: Int?
    var message: String
    /// The next step, an imperative sentence.
    var mend: String
    var cause: PostgresError?

    package init(
        _ code: Code, file: String? = nil, line: Int? = nil, message: String, mend: String, cause: PostgresError? = nil
    ) {
        self.code = code
        self.file = file
        self.line = line
        self.message = message
        self.mend = mend
        self.cause = cause
    }

    /// For an error of the connection that is about no file.
    package init(_ cause: PostgresError) {
        if cause.refusal != nil || cause.code == .secretAway {
            let notice = OutageNotice(cause)
            self.init(.refused, message: "\(notice.what): \(cause)", mend: "\(notice.remedy).", cause: cause)
            return
        }
        let mend =
            switch cause.sqlState?.classCode {
            case nil: "Check postgres.url, and that the server is up."
            case "42": "Grant the role of postgres.url what it lacks, or migrate as another role."
            default: "See the server's log."
            }
        self.init(.refused, message: "\(cause)", mend: mend, cause: cause)
    }

    /// Nothing has to be mended: something is away, or somebody else is at work.
    package var passes: Bool {
        if code == .locked { return true }
        guard let cause, cause.refusal == nil else { return false }
        let isUnanswered = cause.code == .connectionFailed && cause.sqlState == nil
        let isAway = cause.isConnectionLoss || isUnanswered || cause.code == .secretAway
        // Connection exceptions, resources, operator's intervention, a lock not obtained in time.
        return isAway || ["08", "53", "57", "55"].contains(cause.sqlState?.classCode)
    }
}

extension MigrationError: CustomStringConvertible {
    /// `0003_prices.sql:12: SQLSTATE 42601: syntax error at or near "TABEL". Nothing of … took effect: …`
    package var description: String {
        var place = ""
        if let file { place = file + (line.map { ":\($0)" } ?? "") + ": " }
        return "\(place)\(message). \(mend)"
    }
}
