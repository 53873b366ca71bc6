/// A decimal number as written, taken apart without being given a binary form, so that no digit is lost.
///
/// Its value is `0.d₀d₁d₂… × 10^point`, the digits being those before and after the decimal point in one row.
struct DecimalText {
    private let base: UnsafePointer<UInt8>
    private let integerDigits: Int
    private let fractionStart: Int
    let isNegative: Bool
    /// Digits in all, leading and trailing zeros included.
    let count: Int
    let fractionDigits: Int
    /// Saturates at ±`exponentLimit`.
    let exponent: Int
    /// Digits and perhaps a sign, nothing else: how PostgreSQL wants an integer in text.
    let isPlainInteger: Bool

    /// PostgreSQL's numeric refuses exponents from here on.
    static let exponentLimit = Int(Int32.max) / 2

    var point: Int { integerDigits + exponent }

    /// Reads `[sign] digits [. digits] [e [sign] digits]`, one of the two groups of digits being optional, with white
    /// space around it; nil if the bytes are anything else.
    init?(_ bytes: UnsafeRawBufferPointer) {
        let bytes = bytes.trimmingWhitespace()
        guard let start = bytes.baseAddress, bytes.count > 0 else { return nil }
        let text = start.assumingMemoryBound(to: UInt8.self)
        let end = bytes.count
        var index = 0
        var isNegative = false
        if text[0] == UInt8(ascii: "-") || text[0] == UInt8(ascii: "+") {
            isNegative = text[0] == UInt8(ascii: "-")
            index = 1
        }
        let integerStart = index
        while index < end, text[index].isDigit { index &+= 1 }
        integerDigits = index - integerStart
        var fractionStart = index
        if index < end, text[index] == UInt8(ascii: ".") {
            index &+= 1
            fractionStart = index
            while index < end, text[index].isDigit { index &+= 1 }
        }
        fractionDigits = index - fractionStart
        guard integerDigits + fractionDigits > 0 else { return nil }
        var exponent = 0
        if index < end {
            guard text[index] | 0x20 == UInt8(ascii: "e") else { return nil }
            index &+= 1
            var isExponentNegative = false
            if index < end, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") {
                isExponentNegative = text[index] == UInt8(ascii: "-")
                index &+= 1
            }
            guard index < end else { return nil }
            while index < end {
                guard text[index].isDigit else { return nil }
                exponent = min(exponent &* 10 &+ Int(text[index] &- 0x30), Self.exponentLimit)
                index &+= 1
            }
            if isExponentNegative { exponent = -exponent }
        }
        base = text + integerStart
        self.fractionStart = fractionStart - integerStart
        self.isNegative = isNegative
        self.exponent = exponent
        count = integerDigits + fractionDigits
        isPlainInteger = integerDigits == end - integerStart
    }

    /// The digit at `index`, 0…9.
    @inline(__always)
    subscript(index: Int) -> UInt8 {
        (index < integerDigits ? base[index] : base[fractionStart &+ index &- integerDigits]) &- 0x30
    }

    /// The index of the first digit that is not zero; `count` if there is none.
    var firstSignificant: Int {
        var index = 0
        while index < count, self[index] == 0 { index &+= 1 }
        return index
    }

    enum IntegerPart {
        /// Rounded towards negative infinity; `isExact` if nothing was cut off.
        case value(Int64, isExact: Bool)
        case overflow
    }

    /// The number times `10^shift`, as an integer.
    func floor(shiftedBy shift: Int = 0) -> IntegerPart {
        let first = firstSignificant
        if first == count { return .value(0, isExact: true) }
        let end = point + shift
        var isExact = true
        var index = max(end, first)
        while index < count {
            if self[index] != 0 {
                isExact = false
                break
            }
            index &+= 1
        }
        if end - first > 19 { return .overflow }
        var magnitude: UInt64 = 0
        index = first
        while index < end {
            let (product, overflowed) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(index < count ? UInt64(self[index]) : 0)
            if overflowed || carried { return .overflow }
            magnitude = sum
            index &+= 1
        }
        if isNegative {
            if !isExact { magnitude &+= 1 }
            guard magnitude <= UInt64(Int64.max) + 1 else { return .overflow }
            return .value(Int64(truncatingIfNeeded: 0 &- magnitude), isExact: isExact)
        }
        guard magnitude <= UInt64(Int64.max) else { return .overflow }
        return .value(Int64(magnitude), isExact: isExact)
    }

    /// All digits as one integer, if they fit 53 bits, which both `Double` and the tables of powers hold exactly.
    var mantissa: UInt64? {
        var mantissa: UInt64 = 0
        var index = firstSignificant
        guard count - index <= 15 else { return nil }
        while index < count {
            mantissa = mantissa &* 10 &+ UInt64(self[index])
            index &+= 1
        }
        return mantissa
    }
}

extension UInt8 {
    @inline(__always)
    var isDigit: Bool { self &- 0x30 < 10 }

    /// What C's `isspace` says of it.
    @inline(__always)
    var isWhitespace: Bool { self == 0x20 || self &- 0x09 < 5 }

    /// 0…15, or 255 if it is no hexadecimal digit.
    @inline(__always)
    var hexValue: UInt8 {
        if isDigit { return self &- 0x30 }
        let letter = (self | 0x20) &- UInt8(ascii: "a")
        return letter < 6 ? letter &+ 10 : 255
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    func trimmingWhitespace() -> UnsafeRawBufferPointer {
        guard let baseAddress, count > 0 else { return self }
        if !self[0].isWhitespace, !self[count &- 1].isWhitespace { return self }
        var start = 0
        var end = count
        while start < end, self[start].isWhitespace { start &+= 1 }
        while end > start, self[end &- 1].isWhitespace { end &-= 1 }
        return UnsafeRawBufferPointer(start: baseAddress + start, count: end - start)
    }

    /// Whether the bytes are `lowercase`, their own case disregarded.
    func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        guard count == lowercase.utf8CodeUnitCount else { return false }
        for index in 0..<count where Self.lowercased(self[index]) != lowercase.utf8Start[index] { return false }
        return true
    }

    /// Whether the bytes begin `lowercase`, their own case disregarded.
    func isPrefixIgnoringCase(of lowercase: StaticString) -> Bool {
        guard count <= lowercase.utf8CodeUnitCount else { return false }
        for index in 0..<count where Self.lowercased(self[index]) != lowercase.utf8Start[index] { return false }
        return true
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}
