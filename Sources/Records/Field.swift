/// One routed field of a message, borrowed from the decoder until its next message.
///
/// A kind and two words. What fits the words lies in them, and nothing has to be kept for it: numbers, times, a UUID.
/// All else is bytes in the message or in the decoder's own memory. A decoder says what it has read in the kind that
/// loses nothing, and what becomes of it in a column is not its affair.
public struct Field {
    public enum Kind: UInt8, Sendable, CaseIterable {
        /// The message has no such field, which is not the same as null.
        case absent
        case null, `false`, `true`
        /// A number in text: `bytes` are the number as written, in JSON's grammar.
        case number
        /// `bytes` are UTF-8, which has been checked, with escapes resolved.
        case string
        /// `bytes` are the raw JSON text of the array or object, which has been checked, and behind which
        /// `JSONRecordDecoder.padding` bytes can be read.
        case array, object
        /// 64 bits with a sign.
        case integer
        /// 64 bits without one.
        case unsigned
        case double, float
        /// An integer of any length, and how many of its decimal digits stand behind the point.
        case decimal
        /// `bytes` are those of the value, and no text.
        case bytes
        /// A day of the calendar, from 1970-01-01, which no zone moves.
        case day
        /// Microseconds since midnight.
        case timeOfDay
        /// Microseconds from 1970-01-01 UTC: one moment everywhere.
        case instant
        /// Microseconds from 1970-01-01, as a clock shows them in a zone that is not told.
        case localTime
        /// Months, days and microseconds, none of which is a fixed number of another.
        case interval
        case uuid
        /// The name of an enum's value, and its number: which of them counts, the column decides.
        case symbol
        /// What only the decoder opens: values in a row, and values with names (a record, a message, a map).
        case list, record
    }

    // Laid out as the C decoder's field (a kind, a pointer, a count), which so needs no copy; `JSONRecordDecoder`
    // checks it.
    public var kind: Kind
    public let first: UInt64
    public let second: UInt64

    /// - Parameter kind: one without a value, or whose value is `bytes`.
    @inlinable
    public init(_ kind: Kind, _ bytes: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)) {
        self.init(kind, UInt64(UInt(bitPattern: bytes.baseAddress)), UInt64(truncatingIfNeeded: bytes.count))
    }

    @inlinable
    init(_ kind: Kind, _ first: UInt64, _ second: UInt64) {
        self.kind = kind
        self.first = first
        self.second = second
    }

    /// Of a kind that has bytes, and of those without a value, which have none.
    @inlinable
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: UnsafeRawPointer(bitPattern: UInt(truncatingIfNeeded: first)), count: Int(truncatingIfNeeded: second)
        )
    }
}

// What it borrows belongs to its decoder's thread.
@available(*, unavailable)
extension Field: Sendable {}

extension Field {
    public static func integer(_ value: Int64) -> Field { Field(.integer, UInt64(bitPattern: value), 0) }
    public static func unsigned(_ value: UInt64) -> Field { Field(.unsigned, value, 0) }
    public static func double(_ value: Double) -> Field { Field(.double, value.bitPattern, 0) }
    public static func float(_ value: Float) -> Field { Field(.float, UInt64(value.bitPattern), 0) }

    /// - Parameters:
    ///   - unscaled: an integer in two's complement, the highest byte first; no byte is 0. Less than 4 GiB.
    ///   - scale: the number is the integer divided by 10 so many times; negative where it is multiplied.
    public static func decimal(_ unscaled: UnsafeRawBufferPointer, scale: Int32) -> Field {
        precondition(unscaled.count <= UInt32.max, "a message has less than 4 GiB")
        return Field(
            .decimal, UInt64(UInt(bitPattern: unscaled.baseAddress)),
            UInt64(unscaled.count) | UInt64(UInt32(bitPattern: scale)) << 32)
    }

    public static func day(sinceUnixEpoch day: Int64) -> Field { Field(.day, UInt64(bitPattern: day), 0) }

    /// - Parameter microseconds: since midnight; 86,400,000,000 is the end of the day.
    public static func timeOfDay(microseconds: Int64) -> Field {
        Field(.timeOfDay, UInt64(bitPattern: microseconds), 0)
    }

    /// - Parameter microseconds: from 1970-01-01 UTC. The extremes of `Int64` stand for what is beyond them, as where a
    ///   number of milliseconds is too large to be one of microseconds: no column takes them.
    public static func instant(microseconds: Int64) -> Field { Field(.instant, UInt64(bitPattern: microseconds), 0) }

    /// - Parameter microseconds: as of `instant(microseconds:)`, but by the clock of a zone that is not told.
    public static func localTime(microseconds: Int64) -> Field {
        Field(.localTime, UInt64(bitPattern: microseconds), 0)
    }

    public static func interval(months: Int32, days: Int32, microseconds: Int64) -> Field {
        Field(
            .interval, UInt64(UInt32(bitPattern: months)) | UInt64(UInt32(bitPattern: days)) << 32,
            UInt64(bitPattern: microseconds))
    }

    /// - Parameters:
    ///   - high: the first eight bytes as RFC 9562 writes them, the very first as the highest.
    ///   - low: the last eight.
    public static func uuid(high: UInt64, low: UInt64) -> Field { Field(.uuid, high, low) }

    /// - Parameters:
    ///   - name: of an enum's value, in UTF-8. Less than 4 GiB.
    ///   - number: that stands for it on the wire.
    public static func symbol(_ name: UnsafeRawBufferPointer, number: Int32) -> Field {
        Field(
            .symbol, UInt64(UInt(bitPattern: name.baseAddress)),
            UInt64(UInt32(truncatingIfNeeded: name.count)) | UInt64(UInt32(bitPattern: number)) << 32)
    }

    /// The name of a `symbol`.
    public var symbolName: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: UnsafeRawPointer(bitPattern: UInt(truncatingIfNeeded: first)), count: Int(second & 0xFFFF_FFFF))
    }

    /// The number of a `symbol`.
    public var symbolNumber: Int32 { Int32(truncatingIfNeeded: Int64(bitPattern: second) >> 32) }

    /// Values in a row.
    ///
    /// - Parameters:
    ///   - place: where the decoder finds them again until its next message, as an address in the message.
    ///   - node: what they are, as a place in the decoder's plan.
    public static func list(_ place: UInt64, node: UInt32) -> Field { Field(.list, place, UInt64(node)) }

    /// Values with names: a record, a message, a map. Its parameters are those of `list(_:node:)`.
    public static func record(_ place: UInt64, node: UInt32) -> Field { Field(.record, place, UInt64(node)) }

    /// What `list(_:node:)` and `record(_:node:)` were given.
    public var place: UInt64 { first }
    public var node: UInt32 { UInt32(truncatingIfNeeded: second) }
}
