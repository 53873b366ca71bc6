extension CopyBuffer {
    /// Appends a value as a text column holds it. The one text of each kind: what `null_if` compares, and what JSON
    /// quotes.
    ///
    /// Numbers have the fewest digits that tell them from all others, decimals all that they came with. Times are ISO
    /// 8601, an instant in UTC. Bytes are taken as they are.
    ///
    /// - Throws: `outOfRange`, and `wrongType` for what is nested or null; there may be some of it in the buffer then.
    package mutating func append(textOf value: InputValue) throws(EncodingFailure) {
        switch value.kind {
        case .null, .array, .object, .list, .record: throw EncodingFailure(.wrongType, found: value.kind)
        case .number, .string, .bytes: append(value.bytes)
        case .symbol: append(value.symbolName)
        case .true: append("true")
        case .false: append("false")
        case .integer: append(decimal: value.count)
        case .unsigned: append(decimal: value.first)
        case .double: append(shortest: value.double)
        case .float: append(shortest: value.float)
        case .decimal: try append(plain: value)
        case .day:
            let day = try value.dayFrom2000()
            guard CalendarTime.firstDay...CalendarTime.lastDay ~= day else {
                throw EncodingFailure(.outOfRange, found: .day)
            }
            if CalendarTime.append(day: day, to: &self) { append(" BC") }
        case .timeOfDay:
            guard 0...CalendarTime.microsecondsPerDay ~= value.count else {
                throw EncodingFailure(.outOfRange, found: .timeOfDay)
            }
            CalendarTime.append(timeOfDay: value.count, to: &self)
        case .instant, .localTime:
            CalendarTime.append(
                microseconds: try value.microsecondsFrom2000(), separator: UInt8(ascii: "T"),
                zone: value.kind == .instant ? "Z" : "", to: &self)
        case .interval: try append(interval: value)
        case .uuid: append(uuid: value.halves)
        }
    }

    /// Zeros that are written between the point and the first digit: enough for all decimals of 38 digits. The scale of
    /// a decimal may be anything, and a message of a few bytes must not become a megabyte.
    private static var mostZeros: Int { 40 }

    /// A decimal with its point where it belongs; with an exponent where that would take more zeros.
    private mutating func append(plain value: InputValue) throws(EncodingFailure) {
        if value.unscaled.count <= 8, 0...18 ~= value.scale {
            append(unscaled: value.unscaled, scale: value.scale)
            return
        }
        let text = count
        try value.withText { (number) throws(EncodingFailure) in append(number.bytes) }
        guard let exponent = bytes.firstIndex(of: UInt8(ascii: "e"), from: text), value.scale >= 0 else { return }
        let start = bytes[text] == UInt8(ascii: "-") ? text + 1 : text
        let digits = exponent - start
        guard value.scale <= digits + Self.mostZeros else { return }
        truncate(to: exponent)
        if value.scale == 0 { return }
        let missing = max(0, value.scale + 1 - digits)
        let point = max(1, digits - value.scale)
        // Zeros before the digits, and a point among them, make the rest move.
        let target = reserve(missing + 1) - digits
        advance(by: missing + 1)
        (target + missing).copyMemory(from: target, byteCount: digits)
        for place in 0..<missing { target.storeBytes(of: 0x30, toByteOffset: place, as: UInt8.self) }
        let fraction = missing + digits - point
        (target + point + 1).copyMemory(from: target + point, byteCount: fraction)
        target.storeBytes(of: UInt8(ascii: "."), toByteOffset: point, as: UInt8.self)
    }

    /// The same for one of at most 64 bits and 18 digits behind the point, as most are.
    private mutating func append(unscaled bytes: UnsafeRawBufferPointer, scale: Int) {
        let number = UnscaledDecimal.number(of: bytes)
        if scale == 0 { return append(decimal: number) }
        var unit: UInt64 = 1
        for _ in 0..<scale { unit &*= 10 }
        let (whole, fraction) = number.magnitude.quotientAndRemainder(dividingBy: unit)
        if number < 0 { append(byte: UInt8(ascii: "-")) }
        append(decimal: whole)
        append(byte: UInt8(ascii: "."))
        let target = reserve(scale)
        var rest = fraction
        for place in stride(from: scale &- 1, through: 0, by: -1) {
            target.storeBytes(of: UInt8(truncatingIfNeeded: 0x30 + rest % 10), toByteOffset: place, as: UInt8.self)
            rest /= 10
        }
        advance(by: scale)
    }

    mutating func append(uuid halves: (high: UInt64, low: UInt64)) {
        let target = reserve(36)
        var place = 0
        for digit in 0..<32 {
            if digit == 8 || digit == 12 || digit == 16 || digit == 20 {
                target.storeBytes(of: UInt8(ascii: "-"), toByteOffset: place, as: UInt8.self)
                place += 1
            }
            let half = digit < 16 ? halves.high : halves.low
            let value = UInt8(truncatingIfNeeded: half >> UInt64(60 - 4 * (digit & 15)) & 0xF)
            target.storeBytes(of: value.hexDigit, toByteOffset: place, as: UInt8.self)
            place += 1
        }
        advance(by: 36)
    }

    /// ISO 8601's form with designators, as PostgreSQL writes it in its style `iso_8601`: `P1Y2M-3DT4H5M6.7S`.
    private mutating func append(interval value: InputValue) throws(EncodingFailure) {
        let time = value.microseconds
        let (hours, rest) = time.quotientAndRemainder(dividingBy: 3_600_000_000)
        // Version 14 and older count hours in 32 bits.
        guard Int64(Int32.min)...Int64(Int32.max) ~= hours else { throw EncodingFailure(.outOfRange, found: .interval) }
        append("P")
        append(Int64(value.months / 12), "Y")
        append(Int64(value.months % 12), "M")
        append(Int64(value.days), "D")
        guard time != 0 || (value.months == 0 && value.days == 0) else { return }
        append("T")
        append(hours, "H")
        append(rest / 60_000_000, "M")
        let seconds = rest % 60_000_000
        guard seconds != 0 || time == 0 else { return }
        if seconds < 0 { append("-") }
        append(decimal: abs(seconds) / 1_000_000)
        CalendarTime.append(fraction: abs(seconds) % 1_000_000, to: &self)
        append("S")
    }

    private mutating func append(_ number: Int64, _ designator: StaticString) {
        if number == 0 { return }
        append(decimal: number)
        append(designator)
    }

    /// Appends the bytes in base64 (RFC 4648, section 4), with padding.
    mutating func append(base64Of bytes: UnsafeRawBufferPointer) {
        let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        let target = reserve((bytes.count + 2) / 3 * 4)
        var length = 0
        var index = 0
        while index < bytes.count {
            var bits = UInt32(bytes[index]) << 16
            if index + 1 < bytes.count { bits |= UInt32(bytes[index + 1]) << 8 }
            if index + 2 < bytes.count { bits |= UInt32(bytes[index + 2]) }
            for place in 0..<4 {
                let digit =
                    index + place > bytes.count
                    ? UInt8(ascii: "=") : alphabet.utf8Start[Int(bits >> UInt32(18 - 6 * place) & 63)]
                target.storeBytes(of: digit, toByteOffset: length + place, as: UInt8.self)
            }
            index += 3
            length += 4
        }
        advance(by: length)
    }

    mutating func append(shortest number: Double) {
        advance(by: FloatText.write(number, into: UnsafeMutableRawBufferPointer(start: reserve(32), count: 32)))
    }

    mutating func append(shortest number: Float) {
        advance(by: FloatText.write(number, into: UnsafeMutableRawBufferPointer(start: reserve(32), count: 32)))
    }
}

extension InputValue {
    /// Hands over a number that is no text as a number in text, for the rules that are written for that. NaN and the
    /// infinities have these names.
    ///
    /// - Throws: what `body` throws, with the value's own kind; `outOfRange` for a decimal of more bytes than any
    ///   column's precision needs; `wrongType` for what is no number.
    func withText<Result>(
        _ body: (InputValue) throws(EncodingFailure) -> Result
    ) throws(EncodingFailure) -> Result {
        do throws(EncodingFailure) {
            switch kind {
            case .decimal:
                return try UnscaledDecimal.withText(of: unscaled, scale: scale) { (text) throws(EncodingFailure) in
                    try body(InputValue(.number, text))
                }
            case .integer, .unsigned, .double, .float, .symbol: return try withShortText(body)
            default: throw EncodingFailure(.wrongType, found: kind)
            }
        } catch {
            throw EncodingFailure(error.reason, found: kind)
        }
    }

    private func withShortText<Result>(
        _ body: (InputValue) throws(EncodingFailure) -> Result
    ) throws(EncodingFailure) -> Result {
        var room: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let length = withUnsafeMutableBytes(of: &room) { target in
            switch kind {
            case .integer: count.write(decimalInto: target)
            case .unsigned: first.write(decimalInto: target)
            case .symbol: Int64(symbolNumber).write(decimalInto: target)
            case .double: FloatText.write(double, into: target)
            default: FloatText.write(float, into: target)
            }
        }
        return try withUnsafeBytes(of: &room) { (text) throws(EncodingFailure) in
            try body(InputValue(.number, UnsafeRawBufferPointer(rebasing: text[..<length])))
        }
    }
}

extension UInt8 {
    /// The lower case digit of a value below 16.
    var hexDigit: UInt8 { self < 10 ? 0x30 &+ self : 0x57 &+ self }
}
