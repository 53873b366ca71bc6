/// Takes what the standard library writes of a floating-point number, which has the fewest digits that are read as it,
/// and spells it as PostgreSQL does. It allocates nothing.
struct FloatDigits: TextOutputStream {
    private var room: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    private var count = 0

    mutating func write(_ string: String) {
        for byte in string.utf8 { append(byte) }
    }

    /// What the standard library calls in place of `write` where it has the bytes, so that it makes no string of them.
    mutating func _writeASCII(_ buffer: UnsafeBufferPointer<UInt8>) {
        for byte in buffer { append(byte) }
    }

    private mutating func append(_ byte: UInt8) {
        guard count < 32 else { return }
        let place = count
        withUnsafeMutableBytes(of: &room) { $0[place] = byte }
        count += 1
    }

    /// Plain where the first digit stands behind 10⁻⁵ and before 10 to the power of `limit`, else with an exponent of
    /// at least two digits.
    ///
    /// - Returns: how many bytes of `target` it is, at most 32.
    mutating func respell(plainBelow limit: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        let count = count
        return withUnsafeBytes(of: &room) { text in
            Self.respell(UnsafeRawBufferPointer(rebasing: text[..<count]), limit, into: target)
        }
    }

    private static func respell(
        _ text: UnsafeRawBufferPointer, _ limit: Int, into target: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard let decimal = DecimalText(text) else {
            // A name.
            target.copyMemory(from: text)
            return text.count
        }
        var writer = TextWriter(target)
        if decimal.isNegative { writer.put(UInt8(ascii: "-")) }
        let first = decimal.firstSignificant
        var end = decimal.count
        while end > first, decimal[end - 1] == 0 { end -= 1 }
        guard end > first else {
            writer.put(0x30)
            return writer.count
        }
        // Of the first digit.
        let exponent = decimal.point - first - 1
        let isPlain = -4..<limit ~= exponent
        // Where the point stands, counted in digits from the first.
        let point = isPlain ? exponent + 1 : 1
        if point <= 0 {
            writer.put(0x30)
            writer.put(UInt8(ascii: "."))
            for _ in point..<0 { writer.put(0x30) }
        }
        for index in first..<max(end, first + point) {
            if index == first + point, point > 0 { writer.put(UInt8(ascii: ".")) }
            writer.put(index < end ? 0x30 + decimal[index] : 0x30)
        }
        if !isPlain { writer.put(exponent: exponent) }
        return writer.count
    }
}

/// Writes digits one behind the other.
struct TextWriter {
    private let target: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    /// - Parameter target: has room for all that is put.
    init(_ target: UnsafeMutableRawBufferPointer) { self.target = target }

    mutating func put(_ byte: UInt8) {
        target[count] = byte
        count += 1
    }

    mutating func put(number: Int64) {
        count += number.write(decimalInto: UnsafeMutableRawBufferPointer(rebasing: target[count...]))
    }

    /// With a sign, and at least two digits.
    fileprivate mutating func put(exponent: Int) {
        put(UInt8(ascii: "e"))
        put(UInt8(ascii: exponent < 0 ? "-" : "+"))
        if abs(exponent) < 10 { put(0x30) }
        put(number: Int64(abs(exponent)))
    }
}
