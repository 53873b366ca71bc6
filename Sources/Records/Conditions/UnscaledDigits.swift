/// Makes decimal digits of numbers that are none yet. It allocates once.
final class UnscaledDigits {
    /// Bytes of a number that is still made digits of: about 2,400 digits. Its cost grows with the square of that.
    static let most = 1024

    private let digits = UnsafeMutableRawBufferPointer.allocate(byteCount: 2500, alignment: 1)
    private let words = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: most / 4)

    deinit {
        digits.deallocate()
        words.deallocate()
    }

    /// - Parameter scale: the number is divided by 10 so many times.
    func with(
        _ magnitude: UInt64, isNegative: Bool, scale: Int = 0, _ body: (DecimalDigits) -> Int
    ) -> Int {
        var start = digits.count
        var rest = magnitude
        while rest > 0 {
            start -= 1
            digits[start] = UInt8(rest % 10)
            rest /= 10
        }
        return body(number(from: start, isNegative, scale))
    }

    /// - Parameter unscaled: in two's complement, the highest byte first; no byte is 0.
    /// - Returns: nil for one that is too long.
    func with(_ unscaled: UnsafeRawBufferPointer, scale: Int, _ body: (DecimalDigits) -> Int) -> Int? {
        let isNegative = (unscaled.first ?? 0) & 0x80 != 0
        // What only repeats the sign says nothing.
        let sign: UInt8 = isNegative ? 0xFF : 0
        var start = 0
        while start + 1 < unscaled.count, unscaled[start] == sign, unscaled[start + 1] & 0x80 == sign & 0x80 {
            start += 1
        }
        let bytes = UnsafeRawBufferPointer(rebasing: unscaled[start...])
        if bytes.count <= 8 {
            var value = isNegative ? UInt64.max : 0
            for byte in bytes { value = value << 8 | UInt64(byte) }
            return with(
                isNegative ? ~value &+ 1 : value, isNegative: isNegative, scale: scale, body)
        }
        guard bytes.count <= Self.most else { return nil }
        return body(number(from: divide(bytes, isNegative), isNegative, scale))
    }

    private func number(from start: Int, _ isNegative: Bool, _ scale: Int) -> DecimalDigits {
        let written = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(digits)[start...])
        return DecimalDigits(isNegative: isNegative, digits: written, exponent: written.count - scale)
    }

    /// - Returns: where the digits begin.
    private func divide(_ bytes: UnsafeRawBufferPointer, _ isNegative: Bool) -> Int {
        let count = (bytes.count + 3) / 4
        let sign: UInt8 = isNegative ? 0xFF : 0
        // The highest word first. A negative number's size is its complement, and one more.
        for word in 0..<count {
            var value: UInt32 = 0
            for byte in 0..<4 {
                let place = bytes.count - 4 * (count - word) + byte
                value = value << 8 | UInt32((place < 0 ? sign : bytes[place]) ^ sign)
            }
            words[word] = value
        }
        if isNegative {
            for word in (0..<count).reversed() {
                words[word] = words[word] &+ 1
                if words[word] != 0 { break }
            }
        }
        var start = digits.count
        var first = 0
        while first < count {
            var rest: UInt64 = 0
            for word in first..<count {
                let part = rest << 32 | UInt64(words[word])
                words[word] = UInt32(part / 1_000_000_000)
                rest = part % 1_000_000_000
            }
            while first < count, words[first] == 0 { first += 1 }
            for _ in 0..<9 {
                if first == count, rest == 0 { break }
                start -= 1
                digits[start] = UInt8(rest % 10)
                rest /= 10
            }
        }
        return start
    }
}

extension Field {
    /// Of a `decimal`.
    var unscaled: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: UnsafeRawPointer(bitPattern: UInt(truncatingIfNeeded: first)), count: Int(second & 0xFFFF_FFFF))
    }

    /// Of a `decimal`.
    var scale: Int32 { Int32(truncatingIfNeeded: Int64(bitPattern: second) >> 32) }
}
