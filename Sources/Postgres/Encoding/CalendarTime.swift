/// A date and time as text says it, and as PostgreSQL stores it: days or microseconds from 2000-01-01, without leap
/// seconds, in the Gregorian calendar extended both ways.
struct CalendarTime {
    enum Bound: Int8 { case finite, infinity, negativeInfinity }

    var bound = Bound.finite
    /// Days from 2000-01-01.
    var day: Int64 = 0
    /// Microseconds since midnight, 0…86400000000 both included.
    var microsecondOfDay: Int64 = 0
    /// Seconds east of Greenwich; nil if the text has no offset.
    var offset: Int32?
    /// The text is a day with an offset, and no time of it.
    var isDay = false

    /// 1970-01-01 to 2000-01-01.
    static let unixEpochDays: Int64 = 10957
    static let unixEpochMicroseconds = unixEpochDays * microsecondsPerDay
    static let microsecondsPerDay: Int64 = 86_400_000_000
    /// 4714-11-24 BC, the first day of the Julian day count, as PostgreSQL's first.
    static let firstDay: Int64 = -2_451_545
    /// 5874897-12-31 is the last day of a `date`.
    static let lastDay: Int64 = 2_145_031_948
    /// 294276-12-31 23:59:59.999999.
    static let lastMicrosecond: Int64 = 9_223_371_331_199_999_999
    static let firstMicrosecond = firstDay * microsecondsPerDay

    enum Failure { case badSyntax, outOfRange }

    enum Result {
        case value(CalendarTime)
        case failure(Failure)
    }

    /// Microseconds from 2000-01-01, read as if the text had no offset; nil if that is out of range.
    var localMicroseconds: Int64? {
        let (midnight, overflowed) = day.multipliedReportingOverflow(by: Self.microsecondsPerDay)
        let (sum, carried) = midnight.addingReportingOverflow(microsecondOfDay)
        return overflowed || carried ? nil : sum
    }

    static func isValidTimestamp(_ microseconds: Int64) -> Bool {
        firstMicrosecond <= microseconds && microseconds <= lastMicrosecond
    }

    /// Reads RFC 3339, ISO 8601's extended form and PostgreSQL's own output, and what `TimeSpelling` adds.
    static func read(_ bytes: UnsafeRawBufferPointer) -> Result {
        let result = readStandard(bytes)
        if case .failure(.badSyntax) = result { return TimeSpelling.read(bytes) }
        return result
    }

    /// `YYYY-MM-DD[Z|(T| )HH:MM[:SS[.f…]][ ][Z|UTC|±HH[[:]MM[:SS]]]][ BC]`, `infinity`, `-infinity`.
    private static func readStandard(_ bytes: UnsafeRawBufferPointer) -> Result {
        var scanner = TimeScanner(bytes.trimmingWhitespace())
        guard let first = scanner.peek else { return .failure(.badSyntax) }
        guard first.isDigit else {
            if scanner.rest.equalsIgnoringCase("infinity") || scanner.rest.equalsIgnoringCase("+infinity") {
                return .value(CalendarTime(bound: .infinity))
            }
            if scanner.rest.equalsIgnoringCase("-infinity") {
                return .value(CalendarTime(bound: .negativeInfinity))
            }
            return .failure(.badSyntax)
        }
        guard var year = scanner.number(digits: 4...7), scanner.skip("-"),
            let month = scanner.number(digits: 2...2), scanner.skip("-"), let dayOfMonth = scanner.number(digits: 2...2)
        else { return .failure(.badSyntax) }
        var result = CalendarTime()
        if let separator = scanner.peek, separator | 0x20 == UInt8(ascii: "t") || separator == UInt8(ascii: " "),
            scanner.peekSecond?.isDigit == true
        {
            scanner.advance()
            guard let time = scanner.timeOfDay(), scanner.offset(into: &result.offset) else {
                return .failure(.badSyntax)
            }
            result.microsecondOfDay = time
        } else if scanner.skip("Z") {
            // A day in UTC, as Java's ISO_OFFSET_DATE writes it, and so Debezium's IsoDate.
            result.offset = 0
            result.isDay = true
        }
        var isBeforeChrist = false
        if !scanner.isAtEnd {
            guard scanner.skip(" "), scanner.rest.equalsIgnoringCase("bc") else { return .failure(.badSyntax) }
            isBeforeChrist = true
        }
        guard year > 0 else { return .failure(.outOfRange) }
        if isBeforeChrist { year = 1 - year }
        guard 1...12 ~= month, dayOfMonth >= 1, dayOfMonth <= length(ofMonth: month, year: year) else {
            return .failure(.badSyntax)
        }
        result.day = days(year: year, month: month, day: dayOfMonth)
        return .value(result)
    }

    /// Reads `HH:MM[:SS[.f…]]` to microseconds since midnight, and the offset that may follow.
    static func readTimeOfDay(_ bytes: UnsafeRawBufferPointer) -> (microseconds: Int64, offset: Int32?)? {
        var scanner = TimeScanner(bytes.trimmingWhitespace())
        var offset: Int32?
        guard let time = scanner.timeOfDay(), scanner.offset(into: &offset), scanner.isAtEnd else { return nil }
        return (time, offset)
    }

    /// Reads `Z`, `UTC` or `±HH[[:]MM[:SS]]` to seconds east of Greenwich.
    static func readOffset(_ bytes: UnsafeRawBufferPointer) -> Int32? {
        var scanner = TimeScanner(bytes)
        var offset: Int32?
        guard scanner.offset(into: &offset), scanner.isAtEnd else { return nil }
        return offset
    }

    // MARK: The calendar

    /// Days from 2000-01-01. Year 0 is 1 BC.
    static func days(year: Int, month: Int, day: Int) -> Int64 {
        // Years that begin in March put the leap day at their end; 400 of them have 146097 days.
        let shifted = month > 2 ? year : year - 1
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int64(era * 146_097 + dayOfEra - 730_425)
    }

    /// The reverse of `days(year:month:day:)`.
    static func civil(day: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = Int(day) + 730_425
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        )
    }

    static func length(ofMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: year & 3 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    // MARK: Writing

    /// Appends `YYYY-MM-DD`, and ` BC` by the caller where it returns true.
    static func append(day: Int64, to buffer: inout CopyBuffer) -> Bool {
        let (year, month, dayOfMonth) = civil(day: day)
        let isBeforeChrist = year <= 0
        let shown = isBeforeChrist ? 1 - year : year
        if shown > 9999 {
            buffer.append(decimal: Int64(shown))
        } else {
            buffer.append(twoDigits: shown / 100)
            buffer.append(twoDigits: shown % 100)
        }
        buffer.append(byte: UInt8(ascii: "-"))
        buffer.append(twoDigits: month)
        buffer.append(byte: UInt8(ascii: "-"))
        buffer.append(twoDigits: dayOfMonth)
        return isBeforeChrist
    }

    /// Appends `HH:MM:SS`, and the fraction where there is one, without trailing zeros.
    static func append(timeOfDay microseconds: Int64, to buffer: inout CopyBuffer) {
        buffer.append(twoDigits: Int(microseconds / 3_600_000_000))
        buffer.append(byte: UInt8(ascii: ":"))
        append(minutesAndSeconds: microseconds % 3_600_000_000, to: &buffer)
    }

    /// Appends `MM:SS` and the fraction of less than an hour.
    static func append(minutesAndSeconds microseconds: Int64, to buffer: inout CopyBuffer) {
        let seconds = Int(microseconds / 1_000_000)
        buffer.append(twoDigits: seconds / 60)
        buffer.append(byte: UInt8(ascii: ":"))
        buffer.append(twoDigits: seconds % 60)
        append(fraction: microseconds % 1_000_000, to: &buffer)
    }

    /// Appends a point and the microseconds of a second without trailing zeros; nothing if there are none.
    @inline(__always)
    static func append(fraction: Int64, to buffer: inout CopyBuffer) {
        var fraction = fraction
        guard fraction != 0 else { return }
        buffer.append(byte: UInt8(ascii: "."))
        var unit: Int64 = 100_000
        while fraction != 0 {
            buffer.append(byte: UInt8(truncatingIfNeeded: 0x30 + fraction / unit))
            fraction %= unit
            unit /= 10
        }
    }

    /// Appends a timestamp: `separator` stands between date and time, `zone` behind the time.
    static func append(
        microseconds: Int64, separator: UInt8, zone: StaticString, to buffer: inout CopyBuffer
    ) {
        let (day, timeOfDay) = split(microseconds)
        let isBeforeChrist = append(day: day, to: &buffer)
        buffer.append(byte: separator)
        append(timeOfDay: timeOfDay, to: &buffer)
        buffer.append(zone)
        if isBeforeChrist { buffer.append(" BC") }
    }

    /// Days, rounded towards negative infinity, and the microseconds into the last of them.
    static func split(_ microseconds: Int64) -> (day: Int64, microsecondOfDay: Int64) {
        var (day, rest) = microseconds.quotientAndRemainder(dividingBy: microsecondsPerDay)
        if rest < 0 {
            day -= 1
            rest += microsecondsPerDay
        }
        return (day, rest)
    }
}

/// Walks over the bytes of a date, a time or an offset.
struct TimeScanner {
    private var bytes: UnsafeRawBufferPointer
    private var index = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { index == bytes.count }
    var peek: UInt8? { index < bytes.count ? bytes[index] : nil }
    var peekSecond: UInt8? { index + 1 < bytes.count ? bytes[index + 1] : nil }
    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[index...]) }

    mutating func advance() { index &+= 1 }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard let byte = peek, byte == UInt8(truncatingIfNeeded: character.value) else { return false }
        index &+= 1
        return true
    }

    /// All digits from here on, if their number is right.
    mutating func number(digits: ClosedRange<Int>) -> Int? {
        let start = index
        var value = 0
        while index < bytes.count, bytes[index].isDigit, index - start < digits.upperBound {
            value = value &* 10 &+ Int(bytes[index] &- 0x30)
            index &+= 1
        }
        guard digits ~= index - start, peek?.isDigit != true else { return nil }
        return value
    }

    /// `HH:MM[:SS[.f…]]` in microseconds.
    mutating func timeOfDay() -> Int64? {
        guard let hour = number(digits: 2...2), skip(":"), let minute = number(digits: 2...2) else { return nil }
        guard skip(":") else { return Self.timeOfDay(hour, minute, 0, 0) }
        guard let second = number(digits: 2...2), let fraction = fraction() else { return nil }
        return Self.timeOfDay(hour, minute, second, fraction)
    }

    /// In microseconds; nil if there is no such time. 24:00:00 and a 60th second are taken, as PostgreSQL takes them.
    static func timeOfDay(_ hour: Int, _ minute: Int, _ second: Int, _ fraction: Int64) -> Int64? {
        guard hour <= 24, minute <= 59, second <= 60 else { return nil }
        let total = Int64((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
        return total <= CalendarTime.microsecondsPerDay ? total : nil
    }

    /// `.f…` in microseconds, 0 where there is none; nil for a point without digits.
    mutating func fraction() -> Int64? {
        guard skip(".") else { return 0 }
        let start = index
        while index < bytes.count, bytes[index].isDigit { index &+= 1 }
        guard index > start else { return nil }
        return microseconds(UnsafeRawBufferPointer(rebasing: bytes[start..<index]))
    }

    /// A fraction of a second, rounded as the server rounds it: by way of a double, half to even.
    private func microseconds(_ digits: UnsafeRawBufferPointer) -> Int64 {
        if digits.count <= 6 {
            var value: Int64 = 0
            for digit in digits { value = value &* 10 &+ Int64(digit &- 0x30) }
            for _ in digits.count..<6 { value = value &* 10 }
            return value
        }
        return Int64((FloatText.fraction(digits) * 1_000_000).rounded(.toNearestOrEven))
    }

    /// An offset, perhaps after one space, into `offset`; nothing at all is fine as well. False if what stands here
    /// begins like an offset and is none.
    mutating func offset(into offset: inout Int32?) -> Bool {
        let start = index
        if peek == UInt8(ascii: " ") { index &+= 1 }
        guard let sign = peek else {
            index = start
            return true
        }
        if sign | 0x20 == UInt8(ascii: "z") {
            index &+= 1
            offset = 0
            return true
        }
        if sign | 0x20 == UInt8(ascii: "u"), index + 3 <= bytes.count,
            UnsafeRawBufferPointer(rebasing: bytes[index..<(index + 3)]).equalsIgnoringCase("utc")
        {
            index &+= 3
            offset = 0
            return true
        }
        guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else {
            index = start
            return true
        }
        index &+= 1
        let digitsStart = index
        guard var hour = number(digits: 2...4) else { return false }
        var minute = 0
        var second = 0
        switch index - digitsStart {
        case 4: (hour, minute) = hour.quotientAndRemainder(dividingBy: 100)
        case 2:
            if skip(":") {
                guard let minutes = number(digits: 2...2) else { return false }
                minute = minutes
                if skip(":") {
                    guard let seconds = number(digits: 2...2) else { return false }
                    second = seconds
                }
            }
        default: return false
        }
        // 15:59:59 is the furthest that PostgreSQL takes.
        guard hour <= 15, minute <= 59, second <= 59 else { return false }
        let total = Int32((hour * 60 + minute) * 60 + second)
        offset = sign == UInt8(ascii: "-") ? -total : total
        return true
    }
}

extension CopyBuffer {
    mutating func append(twoDigits value: Int) {
        let target = reserve(2)
        target.storeBytes(of: UInt8(truncatingIfNeeded: 0x30 + value / 10), as: UInt8.self)
        target.storeBytes(of: UInt8(truncatingIfNeeded: 0x30 + value % 10), toByteOffset: 1, as: UInt8.self)
        advance(by: 2)
    }

    /// Appends the number in decimal digits.
    mutating func append(decimal value: some FixedWidthInteger) {
        let target = UnsafeMutableRawBufferPointer(start: reserve(20), count: 20)
        advance(by: value.write(decimalInto: target))
    }

    mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}

extension FixedWidthInteger {
    /// Writes a number of at most 64 bits in decimal digits, at most 20 bytes of them.
    ///
    /// - Returns: how many bytes those are.
    func write(decimalInto target: UnsafeMutableRawBufferPointer) -> Int {
        var rest = magnitude
        var length = self < 0 ? 2 : 1
        while rest >= 10 {
            rest /= 10
            length &+= 1
        }
        rest = magnitude
        var index = length
        repeat {
            index &-= 1
            target[index] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
            rest /= 10
        } while rest != 0
        if self < 0 { target[0] = UInt8(ascii: "-") }
        return length
    }
}
