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

    /// Plain where the first digit stands behind 10⁻⁵ and before 10 to the power of `limit`, else with an exponent of at least two
    /// digits.
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
        var length = 0
        func put(_ byte: UInt8) {
            target[length] = byte
            length += 1
        }
        func putDigits(_ range: Range<Int>) {
            for index in range { put(index < decimal.count ? 0x30 + decimal[index] : 0x30) }
        }
        if decimal.isNegative { put(UInt8(ascii: "-")) }
        let first = decimal.firstSignificant
        var end = decimal.count
        while end > first, decimal[end - 1] == 0 { end -= 1 }
        guard end > first else {
            put(0x30)
            return length
        }
        // Of the first digit.
        let exponent = decimal.point - first - 1
        if -4..<limit ~= exponent {
            if exponent < 0 {
                put(0x30)
                put(UInt8(ascii: "."))
                for _ in exponent + 1..<0 { put(0x30) }
                putDigits(first..<end)
            } else {
                putDigits(first..<first + exponent + 1)
                if end > first + exponent + 1 {
                    put(UInt8(ascii: "."))
                    putDigits(first + exponent + 1..<end)
                }
            }
            return length
        }
        putDigits(first..<first + 1)
        if end > first + 1 {
            put(UInt8(ascii: "."))
            putDigits(first + 1..<end)
        }
        put(UInt8(ascii: "e"))
        put(UInt8(ascii: exponent < 0 ? "-" : "+"))
        let magnitude = abs(exponent)
        if magnitude > 99 { put(0x30 + UInt8(magnitude / 100)) }
        put(0x30 + UInt8(magnitude / 10 % 10))
        put(0x30 + UInt8(magnitude % 10))
        return length
    }
}
