/// Where a message's own trace stands: the header `traceparent` of W3C Trace Context.
///
/// https://www.w3.org/TR/trace-context/#traceparent-header
public struct TraceParent: Hashable, Sendable {
    public var traceHigh: UInt64
    public var traceLow: UInt64
    public var span: UInt64
    public var isSampled: Bool

    public init(traceHigh: UInt64, traceLow: UInt64, span: UInt64, isSampled: Bool) {
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.span = span
        self.isSampled = isSampled
    }

    /// Reads the header's value.
    ///
    /// - Returns: nil for anything that the specification tells to ignore.
    public init?(_ text: UnsafeRawBufferPointer) {
        // 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
        guard text.count >= 55, text[2] == Self.dash, text[35] == Self.dash, text[52] == Self.dash,
            let version = Self.number(text, 0..<2), version != 0xff,
            // Later versions may say more behind another dash.
            text.count == 55 || version > 0 && text[55] == Self.dash,
            let high = Self.number(text, 3..<19), let low = Self.number(text, 19..<35), high | low != 0,
            let span = Self.number(text, 36..<52), span != 0, let flags = Self.number(text, 53..<55)
        else { return nil }
        self.init(traceHigh: high, traceLow: low, span: span, isSampled: flags & 1 == 1)
    }

    public init?(_ text: String) {
        var text = text
        guard let parent = text.withUTF8({ TraceParent(UnsafeRawBufferPointer($0)) }) else { return nil }
        self = parent
    }

    /// Looks at the flags alone, of a value that is long enough to have them.
    static func isSampled(_ text: UnsafeRawBufferPointer) -> Bool { number(text, 53..<55).map { $0 & 1 == 1 } ?? false }

    private static let dash = UInt8(ascii: "-")

    /// Lowercase only, as the specification has it.
    @inline(__always)
    private static func number(_ text: UnsafeRawBufferPointer, _ digits: Range<Int>) -> UInt64? {
        var number: UInt64 = 0
        for index in digits {
            let byte = text[index]
            let decimal = byte &- UInt8(ascii: "0")
            let letter = byte &- UInt8(ascii: "a")
            guard decimal < 10 || letter < 6 else { return nil }
            number = number << 4 | UInt64(decimal < 10 ? decimal : letter &+ 10)
        }
        return number
    }
}

extension TraceParent: CustomStringConvertible {
    /// Thirty-two hexadecimal digits.
    public var traceID: String { Self.digits(traceHigh) + Self.digits(traceLow) }
    /// Sixteen hexadecimal digits.
    public var spanID: String { Self.digits(span) }

    /// The header's value, in version 00.
    public var description: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }

    private static func digits(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
