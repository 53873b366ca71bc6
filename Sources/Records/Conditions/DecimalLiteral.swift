/// A number as it is written in a condition: exact, whatever its size.
struct DecimalLiteral: Sendable, Hashable {
    var isNegative: Bool
    /// From 0 to 9, without zeros at either end; none for zero.
    var digits: [UInt8]
    /// The number is `0.digits` times 10 so many times.
    var exponent: Int
    /// As a `Double` reads it.
    var double: Double
    var float: Float

    /// Digits that a number may have, and that it may be moved by.
    static let most = 1000

    /// - Returns: nil for what is no number, or too long.
    init?(_ text: String) {
        let isPlus = text.hasPrefix("+")
        let written = Array((isPlus ? text.dropFirst() : text[...]).utf8)
        // Beyond what these hold they are infinite, and compared as that.
        guard written.allSatisfy({ "0123456789.eE+-".utf8.contains($0) }), let double = Double(text),
            let float = Float(text)
        else { return nil }
        var found: DecimalLiteral?
        written.withUnsafeBytes { bytes in
            let digits = DecimalDigits(text: bytes)
            guard digits.count <= Self.most, abs(digits.exponent) <= Self.most else { return }
            var values: [UInt8] = []
            func take(_ digit: UInt8) { values.append(digit) }
            digits.forEach(take)
            while values.last == 0 { values.removeLast() }
            found = DecimalLiteral(
                isNegative: digits.isNegative && !values.isEmpty, digits: values,
                exponent: values.isEmpty ? 0 : digits.exponent,
                double: double, float: float)
        }
        guard let found else { return nil }
        self = found
    }

    private init(isNegative: Bool, digits: [UInt8], exponent: Int, double: Double, float: Float) {
        self.isNegative = isNegative
        self.digits = digits
        self.exponent = exponent
        self.double = double
        self.float = float
    }

    /// Where it is a whole number that fits.
    func integer<Integer: FixedWidthInteger>(_: Integer.Type) -> Integer? {
        guard digits.count <= exponent, exponent <= 20 else { return digits.isEmpty ? 0 : nil }
        let written = digits + Array(repeating: 0, count: exponent - digits.count)
        return Integer((isNegative ? "-" : "") + written.map(String.init).joined())
    }
}

/// The digits of a number where they lie, without a copy: behind a `-`, perhaps with a point among them and an exponent behind.
struct DecimalDigits {
    private(set) var isNegative = false
    /// From the first digit that is not zero to the last one; with the point, if it stands among them.
    private var written = UnsafeRawBufferPointer(start: nil, count: 0)
    /// The number is `0.digits` times 10 so many times.
    private(set) var exponent = 0
    private var base: UInt8 = UInt8(ascii: "0")

    var isZero: Bool { written.isEmpty }
    /// Not less than there are.
    var count: Int { written.count }

    /// - Parameter text: a number in JSON's grammar; zeros before it and a missing digit at the point do no harm.
    init(text: UnsafeRawBufferPointer) {
        var end = text.count
        var shift = 0
        if let sign = text.firstIndex(where: { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") }) {
            end = sign
            shift = Self.exponent(UnsafeRawBufferPointer(rebasing: text[(sign + 1)...]))
        }
        var start = 0
        if end > 0, text[0] == UInt8(ascii: "-") {
            isNegative = true
            start = 1
        }
        var point = start
        while point < end, text[point] != UInt8(ascii: ".") { point += 1 }
        var first = start
        while first < end, text[first] == UInt8(ascii: "0") || text[first] == UInt8(ascii: ".") { first += 1 }
        guard first < end else { return }
        written = UnsafeRawBufferPointer(rebasing: text[first..<end])
        // Zeros between the point and the first digit count as well, and so does not the point.
        exponent = (first <= point ? point - first : point - first + 1) + shift
    }

    /// - Parameters:
    ///   - digits: from 0 to 9, the highest first, which is not 0.
    init(isNegative: Bool, digits: UnsafeRawBufferPointer, exponent: Int) {
        (self.isNegative, self.written, self.exponent, base) = (isNegative, digits, exponent, 0)
    }

    /// Beyond what any number compared here has it is only large.
    private static func exponent(_ text: UnsafeRawBufferPointer) -> Int {
        var value = 0
        for byte in text where byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") {
            value = min(value * 10 + Int(byte - UInt8(ascii: "0")), 1 << 50)
        }
        return text.first == UInt8(ascii: "-") ? -value : value
    }

    func forEach(_ body: (UInt8) -> Void) {
        for byte in written where byte != UInt8(ascii: ".") || base == 0 { body(byte - base) }
    }

    /// - Returns: negative if this number is less than the other, 0 if they are the same.
    func compare(_ other: DecimalDigits) -> Int {
        if isZero || other.isZero {
            if isZero, other.isZero { return 0 }
            return isZero ? (other.isNegative ? 1 : -1) : (isNegative ? -1 : 1)
        }
        guard isNegative == other.isNegative else { return isNegative ? -1 : 1 }
        let order = compareSize(other)
        return isNegative ? -order : order
    }

    private func compareSize(_ other: DecimalDigits) -> Int {
        guard exponent == other.exponent else { return exponent < other.exponent ? -1 : 1 }
        var (mine, theirs) = (0, 0)
        while true {
            let (one, two) = (digit(&mine), other.digit(&theirs))
            if one == nil, two == nil { return 0 }
            // What has no more digits has zeros.
            let difference = Int(one ?? 0) - Int(two ?? 0)
            if difference != 0 { return difference }
        }
    }

    private func digit(_ place: inout Int) -> UInt8? {
        if base != 0, place < written.count, written[place] == UInt8(ascii: ".") { place += 1 }
        guard place < written.count else { return nil }
        defer { place += 1 }
        return written[place] - base
    }
}
