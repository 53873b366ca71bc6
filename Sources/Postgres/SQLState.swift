/// A five-character SQLSTATE, the one part of a server error that neither language nor version changes.
///
/// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public var rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    /// The first two characters: `23` for every integrity violation.
    public var classCode: String { String(rawValue.prefix(2)) }

    public var description: String { rawValue }

    /// 0A000
    public static let featureNotSupported = SQLState(rawValue: "0A000")
    /// 22003
    public static let numericOutOfRange = SQLState(rawValue: "22003")
    /// 22012
    public static let divisionByZero = SQLState(rawValue: "22012")
    /// 22021: bytes that the encoding does not know, U+0000 in text among them.
    public static let characterNotInRepertoire = SQLState(rawValue: "22021")
    /// 22P02: text that is not one of the type's forms; an unknown enum label among them.
    public static let invalidTextRepresentation = SQLState(rawValue: "22P02")
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
    /// 28000
    public static let invalidAuthorization = SQLState(rawValue: "28000")
    /// 3D000: there is no such database.
    public static let invalidCatalogName = SQLState(rawValue: "3D000")
    /// 42501
    public static let insufficientPrivilege = SQLState(rawValue: "42501")
    /// 42601
    public static let syntaxError = SQLState(rawValue: "42601")
    /// 42703
    public static let undefinedColumn = SQLState(rawValue: "42703")
    /// 42P01
    public static let undefinedTable = SQLState(rawValue: "42P01")
    /// 55P03: `lock_timeout` passed.
    public static let lockNotAvailable = SQLState(rawValue: "55P03")
    /// 57014: cancelled, by a user or by `statement_timeout`.
    public static let queryCanceled = SQLState(rawValue: "57014")
    /// 57P01: the server shuts down, or somebody ended this session.
    public static let adminShutdown = SQLState(rawValue: "57P01")
}
