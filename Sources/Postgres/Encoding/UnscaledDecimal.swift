/// A decimal as binary formats carry it: an integer in two's complement, the highest byte first, of any length.
enum UnscaledDecimal {
    /// 2466 digits: more than twice what the precision of any column can be. To write a number in another base takes
    /// the square of its length, and no message may cost more than its bytes are worth.
    static let greatestByteCount = 1024

    /// Hands over the number as text in JSON's grammar, `-12345e-2`.
    ///
    /// - Throws: what `body` throws, and `outOfRange` for more bytes than that.
    static func withText<Result>(
        of bytes: UnsafeRawBufferPointer, scale: Int,
        _ body: (UnsafeRawBufferPointer) throws(EncodingFailure) -> Result
    ) throws(EncodingFailure) -> Result {
        let bytes = withoutSignExtension(bytes)
        guard bytes.count <= greatestByteCount else { throw EncodingFailure(.outOfRange, found: .decimal) }
        // Nine digits take 30 bits, and the rest of a limb what is not filled.
        let limbCount = bytes.count / 3 + 2
        // A sign, all digits, and an exponent of 32 bits.
        let size = 9 * limbCount + 16
        // A typed error cannot be thrown through, so the failure is carried out by hand.
        let result: Swift.Result<Result, EncodingFailure> = withUnsafeTemporaryAllocation(
            byteCount: 4 * limbCount + size, alignment: MemoryLayout<UInt32>.alignment
        ) { memory in
            let limbs = UnsafeMutableRawBufferPointer(rebasing: memory[..<(4 * limbCount)])
                .bindMemory(to: UInt32.self)
            let text = UnsafeMutableRawBufferPointer(rebasing: memory[(4 * limbCount)...])
            let length = write(bytes, scale: scale, by: limbs, into: text)
            do throws(EncodingFailure) {
                return .success(try body(UnsafeRawBufferPointer(rebasing: text[..<length])))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// The number itself.
    ///
    /// - Parameter bytes: at most eight.
    @inline(__always)
    static func number(of bytes: UnsafeRawBufferPointer) -> Int64 {
        var number: Int64 = bytes.first.map { $0 & 0x80 != 0 } ?? false ? -1 : 0
        for byte in bytes { number = number << 8 | Int64(byte) }
        return number
    }

    /// Without the leading bytes that only repeat the sign.
    private static func withoutSignExtension(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var start = 0
        while start + 1 < bytes.count, bytes[start] == 0 || bytes[start] == 0xFF,
            (bytes[start] ^ bytes[start + 1]) & 0x80 == 0
        {
            start += 1
        }
        return UnsafeRawBufferPointer(rebasing: bytes[start...])
    }

    private static func write(
        _ bytes: UnsafeRawBufferPointer, scale: Int, by limbs: UnsafeMutableBufferPointer<UInt32>,
        into text: UnsafeMutableRawBufferPointer
    ) -> Int {
        let isNegative = bytes.first.map { $0 & 0x80 != 0 } ?? false
        let count = read(bytes, isNegative, into: limbs)
        var writer = TextWriter(text)
        if isNegative { writer.put(UInt8(ascii: "-")) }
        writer.put(number: count == 0 ? 0 : Int64(limbs[count - 1]))
        for index in stride(from: count - 2, through: 0, by: -1) {
            var unit: UInt32 = 100_000_000
            while unit > 0 {
                writer.put(UInt8(truncatingIfNeeded: 0x30 + limbs[index] / unit % 10))
                unit /= 10
            }
        }
        writer.put(UInt8(ascii: "e"))
        writer.put(number: Int64(-scale))
        return writer.count
    }

    /// Reads the magnitude in base 10⁹, the lowest limb first.
    ///
    /// - Returns: how many limbs it has, none for zero.
    private static func read(
        _ bytes: UnsafeRawBufferPointer, _ isNegative: Bool, into limbs: UnsafeMutableBufferPointer<UInt32>
    ) -> Int {
        var count = 0
        var index = 0
        while index < bytes.count {
            // Four bytes a step, and at first what is left over of that.
            let end = index + (bytes.count - index - 1) % 4 + 1
            var word: UInt64 = 0
            for byte in bytes[index..<end] { word = word << 8 | UInt64(isNegative ? ~byte : byte) }
            shift(limbs, &count, by: UInt64(8 * (end - index)), adding: word)
            index = end
        }
        // The magnitude of a negative number is its complement, and one.
        if isNegative { shift(limbs, &count, by: 0, adding: 1) }
        return count
    }

    /// Multiplies by two so many times, at most 32, and adds a number of 32 bits.
    private static func shift(
        _ limbs: UnsafeMutableBufferPointer<UInt32>, _ count: inout Int, by bits: UInt64, adding low: UInt64
    ) {
        let base: UInt64 = 1_000_000_000
        var carry = low
        for index in 0..<count {
            let value = UInt64(limbs[index]) << bits + carry
            limbs[index] = UInt32(truncatingIfNeeded: value % base)
            carry = value / base
        }
        while carry > 0 {
            limbs[count] = UInt32(truncatingIfNeeded: carry % base)
            count += 1
            carry /= base
        }
    }
}
