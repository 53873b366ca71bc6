/// A five-character SQLSTATE, the one part of a server error that neither language nor version changes.
///
/// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public var rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    /// The first two characters: `23` for every integrity violation.
    public var classCode: String { String(rawValue.prefix(2)) }

    public var description: String { rawValue }

    /// 08006: the connection failed under the statement.
    public static let connectionFailure = SQLState(rawValue: "08006")
    /// 08P01: client and server disagree about the protocol; a malformed COPY is one.
    public static let protocolViolation = SQLState(rawValue: "08P01")
    /// 0A000
    public static let featureNotSupported = SQLState(rawValue: "0A000")
    /// 21000: two rows of one INSERT … ON CONFLICT have the same key.
    public static let cardinalityViolation = SQLState(rawValue: "21000")
    /// 22001
    public static let stringTooLong = SQLState(rawValue: "22001")
    /// 22003
    public static let numericOutOfRange = SQLState(rawValue: "22003")
    /// 22007
    public static let invalidDatetimeFormat = SQLState(rawValue: "22007")
    /// 22008
    public static let datetimeOverflow = SQLState(rawValue: "22008")
    /// 22012
    public static let divisionByZero = SQLState(rawValue: "22012")
    /// 22021: bytes that the encoding does not know, U+0000 in text among them.
    public static let characterNotInRepertoire = SQLState(rawValue: "22021")
    /// 22P02: text that is not one of the type's forms; an unknown enum label among them.
    public static let invalidTextRepresentation = SQLState(rawValue: "22P02")
    /// 22P03: a binary COPY's field does not fit its type.
    public static let invalidBinaryRepresentation = SQLState(rawValue: "22P03")
    /// 22P04: COPY's data does not have the format's shape.
    public static let badCopyFileFormat = SQLState(rawValue: "22P04")
    /// 22P05: U+0000 in jsonb.
    public static let untranslatableCharacter = SQLState(rawValue: "22P05")
    /// 23502
    public static let notNullViolation = SQLState(rawValue: "23502")
    /// 23503
    public static let foreignKeyViolation = SQLState(rawValue: "23503")
    /// 23505
    public static let uniqueViolation = SQLState(rawValue: "23505")
    /// 23514: also a row for which a partitioned table has no partition.
    public static let checkViolation = SQLState(rawValue: "23514")
    /// 23P01
    public static let exclusionViolation = SQLState(rawValue: "23P01")
    /// 25006: the server is a standby or read-only.
    public static let readOnlyTransaction = SQLState(rawValue: "25006")
    /// 25P02: a statement after an error, in the same transaction.
    public static let inFailedTransaction = SQLState(rawValue: "25P02")
    /// 28000
    public static let invalidAuthorization = SQLState(rawValue: "28000")
    /// 28P01
    public static let invalidPassword = SQLState(rawValue: "28P01")
    /// 3D000: there is no such database.
    public static let invalidCatalogName = SQLState(rawValue: "3D000")
    /// 3F000: there is no such schema.
    public static let invalidSchemaName = SQLState(rawValue: "3F000")
    /// 40001
    public static let serializationFailure = SQLState(rawValue: "40001")
    /// 40P01
    public static let deadlockDetected = SQLState(rawValue: "40P01")
    /// 42501
    public static let insufficientPrivilege = SQLState(rawValue: "42501")
    /// 42601
    public static let syntaxError = SQLState(rawValue: "42601")
    /// 42703
    public static let undefinedColumn = SQLState(rawValue: "42703")
    /// 42P01
    public static let undefinedTable = SQLState(rawValue: "42P01")
    /// 42P10: no unique index fits ON CONFLICT's columns.
    public static let invalidColumnReference = SQLState(rawValue: "42P10")
    /// 53100
    public static let diskFull = SQLState(rawValue: "53100")
    /// 53300
    public static let tooManyConnections = SQLState(rawValue: "53300")
    /// 55P03: `lock_timeout` passed.
    public static let lockNotAvailable = SQLState(rawValue: "55P03")
    /// 57014: cancelled, by a user or by `statement_timeout`.
    public static let queryCanceled = SQLState(rawValue: "57014")
    /// 57P01: the server shuts down, or somebody ended this session.
    public static let adminShutdown = SQLState(rawValue: "57P01")
    /// 57P03: the server starts up or recovers.
    public static let cannotConnectNow = SQLState(rawValue: "57P03")
}
