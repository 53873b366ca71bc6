#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Text to the nearest binary floating-point number.
enum FloatText {
    enum Result<Value> {
        case value(Value)
        case badSyntax
        /// Too large, or not zero and too small, for the type: PostgreSQL refuses both.
        case outOfRange
    }

    static func double(_ bytes: UnsafeRawBufferPointer) -> Result<Double> {
        let bytes = bytes.trimmingWhitespace()
        guard let decimal = DecimalText(bytes) else {
            return special(bytes).map { .value($0) } ?? .badSyntax
        }
        // A mantissa and a power of ten that are both exact give the nearest number in one operation.
        if let mantissa = decimal.mantissa {
            let exponent = decimal.exponent - decimal.fractionDigits
            if mantissa == 0 { return .value(decimal.isNegative ? -0.0 : 0) }
            if let magnitude = scaled(Double(mantissa), by: exponent) {
                return .value(decimal.isNegative ? -magnitude : magnitude)
            }
        }
        let value = withTerminated(bytes) { strtod($0, nil) }
        return value.isFinite && (value != 0 || decimal.firstSignificant == decimal.count) ? .value(value) : .outOfRange
    }

    static func float(_ bytes: UnsafeRawBufferPointer) -> Result<Float> {
        let bytes = bytes.trimmingWhitespace()
        guard let decimal = DecimalText(bytes) else {
            return special(bytes).map { .value(Float($0)) } ?? .badSyntax
        }
        if let mantissa = decimal.mantissa, mantissa <= 1 << 24 {
            let exponent = decimal.exponent - decimal.fractionDigits
            if mantissa == 0 { return .value(decimal.isNegative ? -0.0 : 0) }
            // Both operands are exact in `Double`, and 53 bits are more than twice 24 and 2: rounding twice is
            // harmless.
            if -10...10 ~= exponent, let magnitude = scaled(Double(mantissa), by: exponent) {
                return .value(Float(decimal.isNegative ? -magnitude : magnitude))
            }
        }
        let value = withTerminated(bytes) { strtof($0, nil) }
        return value.isFinite && (value != 0 || decimal.firstSignificant == decimal.count) ? .value(value) : .outOfRange
    }

    /// Writes a number with the fewest digits that are read as it, in PostgreSQL's spelling: `0.1`, `1e+15`, `NaN`.
    /// PostgreSQL itself writes one digit more where these lie in the middle between two numbers, which is read as the
    /// even one.
    ///
    /// - Parameter target: has room for 32 bytes.
    /// - Returns: how many bytes it is.
    static func write(_ number: Double, into target: UnsafeMutableRawBufferPointer) -> Int {
        write(number, plainBelow: 15, into: target)
    }

    static func write(_ number: Float, into target: UnsafeMutableRawBufferPointer) -> Int {
        write(number, plainBelow: 6, into: target)
    }

    private static func write(
        _ number: some BinaryFloatingPoint & TextOutputStreamable, plainBelow limit: Int,
        into target: UnsafeMutableRawBufferPointer
    ) -> Int {
        var text = FloatDigits()
        if number.isFinite {
            number.write(to: &text)
        } else {
            text.write(number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity")
        }
        return text.respell(plainBelow: limit, into: target)
    }

    /// `0.digits`, as C's `strtod` reads it. `digits` are decimal digits and nothing else.
    static func fraction(_ digits: UnsafeRawBufferPointer) -> Double {
        if digits.count <= 15 {
            var mantissa: UInt64 = 0
            for digit in digits { mantissa = mantissa &* 10 &+ UInt64(digit &- 0x30) }
            if let value = scaled(Double(mantissa), by: -digits.count) { return value }
        }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: digits.count + 2) { text in
            text[0] = CChar(UInt8(ascii: "."))
            for index in 0..<digits.count { text[index + 1] = CChar(bitPattern: digits[index]) }
            text[digits.count + 1] = 0
            return text.baseAddress.map { strtod($0, nil) } ?? 0
        }
    }

    private static func special(_ bytes: UnsafeRawBufferPointer) -> Double? {
        guard let first = bytes.first else { return nil }
        let isSigned = first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
        let name = UnsafeRawBufferPointer(rebasing: bytes[(isSigned ? 1 : 0)...])
        if name.equalsIgnoringCase("nan") { return .nan }
        guard name.equalsIgnoringCase("infinity") || name.equalsIgnoringCase("inf") else { return nil }
        return first == UInt8(ascii: "-") ? -.infinity : .infinity
    }

    private static func scaled(_ mantissa: Double, by exponent: Int) -> Double? {
        switch exponent {
        case 0: mantissa
        case 1...22: mantissa * powerOfTen(exponent)
        case -22 ... -1: mantissa / powerOfTen(-exponent)
        default: nil
        }
    }

    /// `10^exponent` for 0…22, all of which `Double` holds exactly.
    private static func powerOfTen(_ exponent: Int) -> Double {
        var power = 1.0
        for _ in 0..<exponent { power *= 10 }
        return power
    }

    private static func withTerminated<Value>(
        _ bytes: UnsafeRawBufferPointer, _ body: (UnsafePointer<CChar>) -> Value
    ) -> Value {
        withUnsafeTemporaryAllocation(byteCount: bytes.count + 1, alignment: 1) { text in
            text.copyMemory(from: bytes)
            text[bytes.count] = 0
            return text.withMemoryRebound(to: CChar.self) { characters in
                // The buffer holds at least the terminator, so it has an address.
                body(UnsafePointer(characters.baseAddress.unsafelyUnwrapped))
            }
        }
    }
}
