/// What values that are no text become, by the column's type. Only asked where a value is none of those that JSON has,
/// so that JSON pays nothing for it.
extension ColumnForm {
    func boolean(ofNumber value: InputValue) throws(EncodingFailure) -> Bool {
        if value.kind == .symbol { return try boolean(InputValue(.string, value.symbolName)) }
        guard value.kind.isNumber else { throw EncodingFailure(.wrongType, found: value.kind) }
        return try integer(ofBinary: value, in: 0...1) == 1
    }

    func integer(ofBinary value: InputValue, in range: ClosedRange<Int64>) throws(EncodingFailure) -> Int64 {
        let number: Int64
        switch value.kind {
        case .integer: number = value.count
        case .unsigned:
            guard let narrow = Int64(exactly: value.first) else { throw EncodingFailure(.outOfRange, found: .unsigned) }
            number = narrow
        case .symbol: number = Int64(value.symbolNumber)
        case .double: number = try Self.whole(value.double, .double)
        case .float: number = try Self.whole(Double(value.float), .float)
        case .decimal:
            return try value.withText { (number) throws(EncodingFailure) in try integer(number, in: range) }
        // Milliseconds, as all the world counts them.
        case .instant where kind == .int8:
            _ = try value.microsecondsFrom2000()
            number = value.count.flooredMilliseconds
        default: throw EncodingFailure(.wrongType, found: value.kind)
        }
        guard range ~= number else { throw EncodingFailure(.outOfRange, found: value.kind) }
        return number
    }

    private static func whole(_ number: Double, _ found: InputValue.Kind) throws(EncodingFailure) -> Int64 {
        guard number.isFinite else { throw EncodingFailure(.outOfRange, found: found) }
        guard number == number.rounded(.towardZero) else { throw EncodingFailure(.wrongType, found: found) }
        guard let integer = Int64(exactly: number) else { throw EncodingFailure(.outOfRange, found: found) }
        return integer
    }

    func double(ofBinary value: InputValue) throws(EncodingFailure) -> Double {
        switch value.kind {
        case .integer: return Double(value.count)
        case .unsigned: return Double(value.first)
        case .double: return value.double
        case .float: return Double(value.float)
        default: return try value.withText { (number) throws(EncodingFailure) in try double(number) }
        }
    }

    func float(ofBinary value: InputValue) throws(EncodingFailure) -> Float {
        switch value.kind {
        case .integer: return Float(value.count)
        case .unsigned: return Float(value.first)
        case .float: return value.float
        case .double:
            let narrow = Float(value.double)
            // Too large, or not zero and too small: refused as in text.
            let fits = narrow.isFinite == value.double.isFinite && (narrow != 0 || value.double == 0)
            guard fits else { throw EncodingFailure(.outOfRange, found: .double) }
            return narrow
        default: return try value.withText { (number) throws(EncodingFailure) in try float(number) }
        }
    }

    /// A UUID, or its sixteen bytes.
    func uuid(ofBinary value: InputValue) throws(EncodingFailure) -> (high: UInt64, low: UInt64) {
        switch value.kind {
        case .uuid: return value.halves
        case .bytes:
            guard value.bytes.count == 16 else { throw EncodingFailure(.badSyntax, found: .bytes) }
            return (
                UInt64(bigEndian: value.bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: value.bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        default: throw EncodingFailure(.wrongType, found: value.kind)
        }
    }

    /// Appends what a `bytea` takes beside strings: bytes, and those of a UUID.
    func appendBytes(ofBinary value: InputValue, to buffer: inout CopyBuffer) throws(EncodingFailure) {
        switch value.kind {
        case .bytes: buffer.append(value.bytes)
        case .symbol: buffer.append(value.symbolName)
        case .uuid:
            buffer.append(Int64(bitPattern: value.halves.high))
            buffer.append(Int64(bitPattern: value.halves.low))
        default: throw EncodingFailure(.wrongType, found: value.kind)
        }
    }

    /// Appends what text types hold of it, bytes if they are UTF-8.
    func appendText(ofBinary value: InputValue, to buffer: inout CopyBuffer) throws(EncodingFailure) {
        if value.kind == .symbol { return try appendText(InputValue(.string, value.symbolName), to: &buffer) }
        guard value.kind == .bytes else { return try buffer.append(textOf: value) }
        guard isValidUTF8(value.bytes) else { throw EncodingFailure(.invalidUTF8, found: .bytes) }
        guard buffer.append(text: value.bytes, onNul: options.onNul) else { throw EncodingFailure(.nul, found: .bytes) }
    }

    // MARK: JSON

    /// Numbers as JSON's, but for those that it has not; bytes in base64, all other scalars as the strings that they
    /// are in text; what is nested by what it holds.
    func appendJSON(
        ofBinary value: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        switch value.kind {
        case .list, .record: try appendJSON(container: value, to: &buffer, containers)
        case .symbol: try appendJSON(string: InputValue(.string, value.symbolName), to: &buffer)
        case .bytes:
            buffer.append(byte: UInt8(ascii: "\""))
            buffer.append(base64Of: value.bytes)
            buffer.append(byte: UInt8(ascii: "\""))
        case .integer, .unsigned, .decimal: try buffer.append(textOf: value)
        case .double where value.double.isFinite, .float where value.float.isFinite: try buffer.append(textOf: value)
        default:
            buffer.append(byte: UInt8(ascii: "\""))
            try buffer.append(textOf: value)
            buffer.append(byte: UInt8(ascii: "\""))
        }
    }

    private func appendJSON(
        container: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        let isRecord = container.kind == .record
        buffer.append(byte: UInt8(ascii: isRecord ? "{" : "["))
        let start = buffer.count
        try containers.visit(container) { (name, value) throws(EncodingFailure) in
            if buffer.count > start { buffer.append(byte: UInt8(ascii: ",")) }
            if isRecord {
                try appendJSON(string: InputValue(.string, name), to: &buffer)
                buffer.append(byte: UInt8(ascii: ":"))
            }
            try appendJSON(value, to: &buffer, containers)
        }
        buffer.append(byte: UInt8(ascii: isRecord ? "}" : "]"))
    }
}

extension InputValue.Kind {
    /// A number that is no text.
    var isNumber: Bool {
        switch self {
        case .integer, .unsigned, .double, .float, .decimal, .symbol: true
        default: false
        }
    }
}

extension InputValue {
    /// A day as one from 2000-01-01.
    func dayFrom2000() throws(EncodingFailure) -> Int64 {
        let (day, overflowed) = count.subtractingReportingOverflow(CalendarTime.unixEpochDays)
        guard !overflowed else { throw EncodingFailure(.outOfRange, found: kind) }
        return day
    }

    /// An instant or a local time as microseconds from 2000-01-01 that PostgreSQL can hold.
    func microsecondsFrom2000() throws(EncodingFailure) -> Int64 {
        let (shifted, overflowed) = count.subtractingReportingOverflow(CalendarTime.unixEpochMicroseconds)
        guard !overflowed, count < .max, CalendarTime.isValidTimestamp(shifted) else {
            throw EncodingFailure(.outOfRange, found: kind)
        }
        return shifted
    }
}

extension Int64 {
    /// Microseconds to milliseconds, rounded towards the past.
    fileprivate var flooredMilliseconds: Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: 1000)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
