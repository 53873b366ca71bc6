/// What a bare number means in a date or time column.
public enum EpochUnit: String, Sendable, CaseIterable {
    case seconds = "s"
    case milliseconds = "ms"
    case microseconds = "us"
    case nanoseconds = "ns"
}

/// What becomes of U+0000, which neither text nor jsonb can hold.
public enum OnNul: String, Sendable, CaseIterable {
    case deadLetter = "dead_letter"
    case strip
    /// U+FFFD takes its place.
    case replace
}

/// How a route wants one column's values read.
public struct EncodingOptions: Sendable, Hashable {
    /// Nil: a bare number is no time.
    public var epochUnit: EpochUnit?
    /// An IANA name or an offset such as `+02:00`, for timestamps without an offset; nil: those are refused.
    public var timeZone: String?
    public var onNul: OnNul
    /// The strings are the bytes of a key, value or header, not a decoder's: text types check that they are UTF-8, and
    /// `bytea` takes them as they are, a leading `\x` included.
    public var isRaw: Bool

    public init(
        epochUnit: EpochUnit? = nil, timeZone: String? = nil, onNul: OnNul = .deadLetter, isRaw: Bool = false
    ) {
        self.epochUnit = epochUnit
        self.timeZone = timeZone
        self.onNul = onNul
        self.isRaw = isRaw
    }
}
