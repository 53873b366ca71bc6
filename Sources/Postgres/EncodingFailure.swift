/// Why a value cannot go into a column. It carries no value, so it may be logged.
public struct EncodingFailure: Error, Equatable, Sendable {
    public enum Reason: UInt8, Sendable {
        /// The value is of a kind that the column's type does not take.
        case wrongType
        /// A number or a time beyond what the column's type can hold.
        case outOfRange
        /// More characters than `varchar(n)` or `char(n)` allows.
        case tooLong
        /// The text is not one of the type's forms: `"abc"` for an integer, a month 13.
        case badSyntax
        /// U+0000 in text or jsonb, which PostgreSQL cannot store.
        case nul
        /// Bytes that are not UTF-8.
        case invalidUTF8
        /// A timestamp without an offset for `timestamptz`, and the route names no zone.
        case missingZone
        /// A time of day with an offset, and a zone whose offset depends on a date that there is none of.
        case movingZone
        /// A bare number for a date, a time or an interval, and the route names no unit.
        case missingUnit
        /// The bytes of a number, and nothing says where its point is.
        case missingScale
        /// A string that is one number as it is, and another as the bytes of one.
        case ambiguous
        /// A string that is to be base64 or hexadecimal, and is not.
        case undecodable
        /// A string, key, value or header that is to be a JSON document, and is not.
        case noDocument
        /// Null for a column that is NOT NULL.
        case null
    }

    public var reason: Reason
    public var found: InputValue.Kind

    @inlinable
    public init(_ reason: Reason, found: InputValue.Kind) {
        self.reason = reason
        self.found = found
    }
}
