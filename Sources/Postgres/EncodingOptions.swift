/// What a number means in a column of a date, a time or an interval: how many of what, counted from 1970-01-01 UTC, from
/// midnight, or from nothing.
public enum EpochUnit: String, Sendable, CaseIterable {
    case seconds = "s"
    case milliseconds = "ms"
    case microseconds = "us"
    case nanoseconds = "ns"
    /// Whole days: a calendar's, which no zone moves.
    case days = "d"
}

/// What becomes of U+0000, which neither text nor jsonb can hold.
public enum OnNul: String, Sendable, CaseIterable {
    case deadLetter = "dead_letter"
    case strip
    /// U+FFFD takes its place.
    case replace
}

/// What a string stands for, where it is not itself.
public enum Decoding: String, Sendable, CaseIterable {
    /// RFC 4648, section 4. Padding may be left out, and white space is passed over.
    case base64
    /// RFC 4648, section 5, likewise.
    case base64url
    /// Two digits a byte, `\x` or `0x` before them or not.
    case hex
    /// A character each byte, U+0000 to U+00FF: ISO 8859-1.
    case latin1
    /// A JSON document within the string.
    case json
    case none
}

/// How a route wants one column's values read.
public struct EncodingOptions: Sendable, Hashable {
    /// Nil: a bare number is no time. Else a string that is a number is one as well.
    public var epochUnit: EpochUnit?
    /// An IANA name or an offset such as `+02:00`. Timestamps without an offset are read in it for `timestamptz` (nil: they
    /// are refused), and moments are turned into it for the types without one (nil: UTC).
    public var timeZone: String?
    public var onNul: OnNul
    public var decoding: Decoding
    /// The strings are the bytes of a key, value or header, not a decoder's: text types check that they are UTF-8, `bytea`
    /// takes them as they are, a leading `\x` included, and for json and jsonb they are JSON.
    public var isRaw: Bool
    /// Whether `numeric` knows infinity, as it does from PostgreSQL 14 on.
    public var numericHasInfinity: Bool
    /// How the producer writes values of a database; nil: as anybody may.
    public var writing: SourceWriting?

    public init(
        epochUnit: EpochUnit? = nil, timeZone: String? = nil, onNul: OnNul = .deadLetter, decoding: Decoding = .none,
        isRaw: Bool = false, numericHasInfinity: Bool = true, writing: SourceWriting? = nil
    ) {
        self.epochUnit = epochUnit
        self.timeZone = timeZone
        self.onNul = onNul
        self.decoding = decoding
        self.isRaw = isRaw
        self.numericHasInfinity = numericHasInfinity
        self.writing = writing
    }
}
