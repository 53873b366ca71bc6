/// A column's `numeric(precision, scale)`, or numeric without limits.
struct NumericLimits: Sendable {
    let precision: Int
    /// Negative where the column rounds before the decimal point.
    let scale: Int

    /// Nil for a modifier of -1: no limits but the type's own.
    init?(modifier: Int32) {
        guard modifier >= 4 else { return nil }
        let packed = modifier - 4
        precision = Int(packed >> 16) & 0xFFFF
        scale = (Int(packed & 0x7FF) ^ 1024) - 1024
    }
}

/// A value that a numeric column takes, checked but not yet written.
///
/// Binary form: `Int16` number of digits, weight of the first, sign, display scale, then digits to the base 10000.
/// Source: `numeric_send` in PostgreSQL's numeric.c.
enum NumericValue {
    case finite(DecimalText, limits: NumericLimits?)
    case nan
    case infinity
    case negativeInfinity

    var isInfinite: Bool {
        switch self {
        case .infinity, .negativeInfinity: true
        case .finite, .nan: false
        }
    }

    private static let greatestScale = 16383
    private static let greatestDigitsBeforePoint = 131072

    enum Failure { case badSyntax, outOfRange }

    static func read(_ bytes: UnsafeRawBufferPointer, limits: NumericLimits?) -> Result {
        let bytes = bytes.trimmingWhitespace()
        guard let decimal = DecimalText(bytes) else {
            if bytes.equalsIgnoringCase("nan") { return .value(.nan) }
            let value: NumericValue
            if bytes.equalsIgnoringCase("infinity") || bytes.equalsIgnoringCase("inf")
                || bytes.equalsIgnoringCase("+infinity") || bytes.equalsIgnoringCase("+inf")
            {
                value = .infinity
            } else if bytes.equalsIgnoringCase("-infinity") || bytes.equalsIgnoringCase("-inf") {
                value = .negativeInfinity
            } else {
                return .failure(.badSyntax)
            }
            return limits == nil ? .value(value) : .failure(.outOfRange)
        }
        guard abs(decimal.exponent) < DecimalText.exponentLimit else { return .failure(.outOfRange) }
        let first = decimal.firstSignificant
        if let limits {
            if first < decimal.count,
                leadingDigit(of: decimal, first: first, roundedTo: limits) > limits.precision - limits.scale
            {
                return .failure(.outOfRange)
            }
        } else {
            guard decimal.fractionDigits - decimal.exponent <= greatestScale else { return .failure(.outOfRange) }
            guard first == decimal.count || decimal.point - first <= greatestDigitsBeforePoint else {
                return .failure(.outOfRange)
            }
        }
        return .value(.finite(decimal, limits: limits))
    }

    enum Result {
        case value(NumericValue)
        case failure(Failure)
    }

    /// The decimal places before the point that the number takes once rounded to the scale, negative for a fraction
    /// with zeros behind the point; `Int.min` where it rounds to zero.
    private static func leadingDigit(of decimal: DecimalText, first: Int, roundedTo limits: NumericLimits) -> Int {
        let digitsBeforePoint = decimal.point - first
        let kept = digitsBeforePoint + limits.scale
        if kept < 0 { return .min }
        let roundsUp = first + kept < decimal.count && decimal[first + kept] >= 5
        guard roundsUp else { return kept == 0 ? .min : digitsBeforePoint }
        for index in first..<(first + kept) where decimal[index] != 9 { return digitsBeforePoint }
        return digitsBeforePoint + 1
    }

    /// Appends the length word and the payload.
    func append(to buffer: inout CopyBuffer) {
        switch self {
        case .nan: Self.appendSpecial(0xC000, to: &buffer)
        case .infinity: Self.appendSpecial(0xD000, to: &buffer)
        case .negativeInfinity: Self.appendSpecial(0xF000, to: &buffer)
        case .finite(let decimal, let limits): Self.append(decimal, limits, to: &buffer)
        }
    }

    private static func appendSpecial(_ sign: UInt16, to buffer: inout CopyBuffer) {
        buffer.append(8 as Int32)
        buffer.append(0 as Int32)
        buffer.append(Int16(bitPattern: sign))
        buffer.append(0 as Int16)
    }

    /// Appends a number as nearly all are written: a minus or none, up to 16 digits, and up to 8 behind a point, with which the
    /// column holds it as it is.
    ///
    /// - Returns: false if it is another; nothing is appended then.
    @inline(__always)
    static func append(short bytes: UnsafeRawBufferPointer, _ limits: NumericLimits?, to buffer: inout CopyBuffer)
        -> Bool
    {
        guard bytes.count > 0, bytes.count <= 26 else { return false }
        let isNegative = bytes[0] == UInt8(ascii: "-")
        var index = isNegative ? 1 : 0
        var whole: UInt64 = 0
        let wholeDigits = digits(of: bytes, &index, into: &whole)
        guard wholeDigits > 0, wholeDigits <= 16 else { return false }
        var fraction: UInt64 = 0
        var fractionDigits = 0
        if index < bytes.count {
            guard bytes[index] == UInt8(ascii: ".") else { return false }
            index &+= 1
            fractionDigits = digits(of: bytes, &index, into: &fraction)
            guard fractionDigits > 0, fractionDigits <= 8, index == bytes.count else { return false }
            for _ in fractionDigits..<8 { fraction &*= 10 }
        }
        if let limits {
            guard fractionDigits <= limits.scale, wholeDigits <= limits.precision - limits.scale else { return false }
        }
        appendGroups(whole, fraction, isNegative, scale: fractionDigits, to: &buffer)
        return true
    }

    /// The same for a decimal of at most 64 bits. Not inlined: numbers in text, which come by the same way, must not pay for it.
    @inline(never)
    static func append(
        short unscaled: UnsafeRawBufferPointer, scale: Int, _ limits: NumericLimits?, to buffer: inout CopyBuffer
    ) -> Bool {
        guard unscaled.count > 0, unscaled.count <= 8, 0...8 ~= scale else { return false }
        let number = UnscaledDecimal.number(of: unscaled)
        let (unit, rest) = (powerOfTen(scale), powerOfTen(8 &- scale))
        let (whole, fraction) = number.magnitude.quotientAndRemainder(dividingBy: unit)
        var digits = 16
        if let limits {
            guard scale <= limits.scale else { return false }
            digits = min(digits, limits.precision - limits.scale)
        }
        guard digits >= 0, whole < powerOfTen(digits) else { return false }
        appendGroups(whole, fraction &* rest, number < 0, scale: scale, to: &buffer)
        return true
    }

    @inline(__always)
    private static func powerOfTen(_ exponent: Int) -> UInt64 {
        var power: UInt64 = 1
        for _ in 0..<exponent { power &*= 10 }
        return power
    }

    @inline(__always)
    private static func digits(
        of bytes: UnsafeRawBufferPointer, _ index: inout Int, into value: inout UInt64
    ) -> Int {
        let start = index
        while index < bytes.count {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { break }
            value = value &* 10 &+ UInt64(digit)
            index &+= 1
        }
        return index &- start
    }

    /// - Parameters:
    ///   - whole: below 10^16.
    ///   - fraction: behind the point, in units of 10^-8.
    @inline(__always)
    private static func appendGroups(
        _ whole: UInt64, _ fraction: UInt64, _ isNegative: Bool, scale: Int, to buffer: inout CopyBuffer
    ) {
        let (high, low) = whole.quotientAndRemainder(dividingBy: 100_000_000)
        let groups = SIMD8<UInt16>(
            UInt16(truncatingIfNeeded: high / 10_000), UInt16(truncatingIfNeeded: high % 10_000),
            UInt16(truncatingIfNeeded: low / 10_000), UInt16(truncatingIfNeeded: low % 10_000),
            UInt16(truncatingIfNeeded: fraction / 10_000), UInt16(truncatingIfNeeded: fraction % 10_000), 0, 0)
        var (first, end) = (0, 6)
        while first < 6, groups[first] == 0 { first &+= 1 }
        while end > first, groups[end &- 1] == 0 { end &-= 1 }
        let count = end &- first
        buffer.append(Int32(truncatingIfNeeded: 8 &+ 2 &* count))
        buffer.append(Int16(truncatingIfNeeded: count))
        buffer.append(count == 0 ? 0 : Int16(truncatingIfNeeded: 3 &- first))
        buffer.append(isNegative && count > 0 ? 0x4000 : 0 as Int16)
        buffer.append(Int16(truncatingIfNeeded: scale))
        for index in first..<end { buffer.append(Int16(truncatingIfNeeded: groups[index])) }
    }

    private static func append(_ decimal: DecimalText, _ limits: NumericLimits?, to buffer: inout CopyBuffer) {
        var scale = max(0, decimal.fractionDigits - decimal.exponent)
        // The server rounds to the column's scale, for which it needs one digit more and no other.
        if let limits { scale = min(scale, max(0, limits.scale) + 1) }
        let first = decimal.firstSignificant
        var end = min(decimal.count, max(first, decimal.point + scale))
        while end > first, decimal[end - 1] == 0 { end -= 1 }
        guard end > first else {
            buffer.append(8 as Int32)
            buffer.append(0 as Int32)
            buffer.append(0 as Int16)
            buffer.append(Int16(scale))
            return
        }
        let digitsBeforePoint = decimal.point - first
        // Groups of four are aligned at the decimal point; an arithmetic shift divides towards negative infinity.
        let weight = (digitsBeforePoint - 1) >> 2
        let padding = (weight + 1) * 4 - digitsBeforePoint
        let groups = (end - first + padding + 3) / 4
        buffer.append(Int32(8 + 2 * groups))
        buffer.append(Int16(truncatingIfNeeded: groups))
        buffer.append(Int16(weight))
        buffer.append(decimal.isNegative ? 0x4000 : 0 as Int16)
        buffer.append(Int16(scale))
        let target = buffer.reserve(2 * groups)
        var offset = 0
        var group: UInt16 = 0
        var filled = padding
        for index in first..<end {
            group = group &* 10 &+ UInt16(decimal[index])
            filled &+= 1
            if filled == 4 {
                target.storeBytes(of: group.bigEndian, toByteOffset: offset, as: UInt16.self)
                offset &+= 2
                group = 0
                filled = 0
            }
        }
        if filled > 0 {
            while filled < 4 {
                group = group &* 10
                filled &+= 1
            }
            target.storeBytes(of: group.bigEndian, toByteOffset: offset, as: UInt16.self)
        }
        buffer.advance(by: 2 * groups)
    }
}
