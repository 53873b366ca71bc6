/// One value on its way into a column, borrowed from the message it came in.
///
/// `Postgres` knows no format of messages; a value is what all of them can say. Like a decoder's field it is a kind and
/// two words, in which numbers, times and a UUID lie themselves, and everything else by its place.
public struct InputValue {
    public enum Kind: UInt8, Sendable, CaseIterable {
        case null, `false`, `true`
        /// `bytes` are the number as written: `-12.50`, `1e3`.
        case number
        /// `bytes` are the string's UTF-8, escapes already resolved.
        case string
        /// `bytes` are the array's or object's JSON text, as it came.
        case array, object
        /// An `Int64`, a `UInt64`.
        case integer, unsigned
        case double, float
        /// An integer of any length in two's complement, the highest byte first, and how many of its decimal digits
        /// stand behind the point.
        case decimal
        /// `bytes` are no text.
        case bytes
        /// A day of the calendar, from 1970-01-01.
        case day
        /// Microseconds since midnight.
        case timeOfDay
        /// Microseconds from 1970-01-01 UTC. The extremes stand for what is beyond them.
        case instant
        /// Microseconds from 1970-01-01, as a clock shows them in a zone that is not told. The extremes likewise.
        case localTime
        /// Months, days and microseconds.
        case interval
        case uuid
        /// The name of an enum's value, and its number.
        case symbol
        /// Values in a row, and values with names, that a `ContainerReader` opens.
        case list, record
    }

    public var kind: Kind
    /// The payload of a kind without bytes, and the bytes' address of the others. Of an interval the months and, 32
    /// bits further up, the days; of a UUID the eight bytes that come first.
    public let first: UInt64
    /// The bytes' count, a decimal's with its scale and a symbol's with its number 32 bits further up; an interval's microseconds; a UUID's last eight
    /// bytes.
    public let second: UInt64

    /// - Parameter kind: one without a value, or whose value is `bytes`.
    @inlinable
    public init(_ kind: Kind, _ bytes: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)) {
        self.init(kind, UInt64(UInt(bitPattern: bytes.baseAddress)), UInt64(truncatingIfNeeded: bytes.count))
    }

    @inlinable
    public init(_ kind: Kind, _ first: UInt64, _ second: UInt64) {
        self.kind = kind
        self.first = first
        self.second = second
    }

    public static func integer(_ value: Int64) -> InputValue { InputValue(.integer, UInt64(bitPattern: value), 0) }

    /// - Parameter microseconds: from 1970-01-01 UTC.
    public static func instant(microseconds: Int64) -> InputValue {
        InputValue(.instant, UInt64(bitPattern: microseconds), 0)
    }

    /// Of a kind that has bytes, but for a decimal and a symbol, and of a null, which has none.
    @inlinable
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: UnsafeRawPointer(bitPattern: UInt(truncatingIfNeeded: first)), count: Int(truncatingIfNeeded: second)
        )
    }
}

extension InputValue {
    /// An integer's value; what a day, a time of day, an instant or a local time counts.
    var count: Int64 { Int64(bitPattern: first) }
    var double: Double { Double(bitPattern: first) }
    var float: Float { Float(bitPattern: UInt32(truncatingIfNeeded: first)) }
    /// A decimal's integer.
    var unscaled: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: UnsafeRawPointer(bitPattern: UInt(truncatingIfNeeded: first)), count: Int(second & 0xFFFF_FFFF))
    }
    /// A decimal's digits behind the point; negative where zeros stand before it.
    var scale: Int { Int(Int32(truncatingIfNeeded: Int64(bitPattern: second) >> 32)) }
    var months: Int32 { Int32(truncatingIfNeeded: Int64(bitPattern: first)) }
    var days: Int32 { Int32(truncatingIfNeeded: Int64(bitPattern: first) >> 32) }
    /// Of an interval.
    var microseconds: Int64 { Int64(bitPattern: second) }
    /// Of a symbol.
    var symbolName: UnsafeRawBufferPointer { unscaled }
    var symbolNumber: Int32 { Int32(truncatingIfNeeded: Int64(bitPattern: second) >> 32) }
    /// A UUID's bytes.
    var halves: (high: UInt64, low: UInt64) { (first, second) }
}

extension InputValue.Kind {
    /// Values in a row, as JSON text or behind a reader.
    var isList: Bool { self == .array || self == .list }
    /// Values with names.
    var isRecord: Bool { self == .object || self == .record }
}

/// Opens what encoders look inside: lists and records for SQL arrays, composite types and JSON. Reads what a string
/// stands for, where a route says so.
///
/// What it returns stays valid until the row it belongs to is finished.
public protocol ContainerReader: AnyObject {
    /// - Parameter list: an `array` or `list`.
    func elements(of list: InputValue) throws(EncodingFailure) -> [InputValue]

    /// - Parameter record: an `object` or `record`.
    func members(of record: InputValue) throws(EncodingFailure) -> [(name: String, value: InputValue)]

    /// Hands over what is in a `list` or `record`, in the order it came: each value, with its name if it is a record's.
    /// Nothing is collected for it.
    func visit(
        _ container: InputValue,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: InputValue) throws(EncodingFailure) -> Void
    ) throws(EncodingFailure)

    /// The number that a `record` stands for where only a number will do; nil if it stands for none.
    func number(of record: InputValue) -> InputValue?

    /// Whether strings are what a schema says that they are, and no bytes that only look like one.
    var saysTypes: Bool { get }

    /// Reads a JSON text, all of which is checked. What it returns, and what is opened from that, stays valid until the
    /// next call.
    func document(_ text: UnsafeRawBufferPointer) throws(EncodingFailure) -> InputValue

    /// The bytes that a text stands for, valid until the next call.
    func bytes(
        of text: UnsafeRawBufferPointer, decodedBy decoding: Decoding
    ) throws(EncodingFailure) -> UnsafeRawBufferPointer
}

extension ContainerReader {
    public func number(of record: InputValue) -> InputValue? { nil }

    public var saysTypes: Bool { false }
}
