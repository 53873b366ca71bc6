/// What texts in a condition stand for where they are compared with something that is no text: the one form of it that needs no
/// zone, no locale and no guess.
enum CanonicalText {
    /// `2026-01-31`: days from 1970-01-01.
    static func day(_ text: Substring) -> Int64? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard text.utf8.count == 10, parts.count == 3, let year = number(parts[0], digits: 4),
            let month = number(parts[1], digits: 2), let day = number(parts[2], digits: 2), year > 0,
            (1...12).contains(month), day >= 1, day <= daysOf(month, in: year)
        else { return nil }
        return daysBefore(year, month) + day - 1
    }

    /// `09:30:00` or `09:30:00.123456`: microseconds since midnight. `24:00:00` is the end of the day.
    static func timeOfDay(_ text: Substring) -> Int64? {
        let halves = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = halves[0].split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let hour = number(parts[0], digits: 2), let minute = number(parts[1], digits: 2),
            let second = number(parts[2], digits: 2), minute < 60, second < 60,
            hour < 24 || hour == 24 && minute + second == 0
        else { return nil }
        var fraction: Int64 = 0
        if halves.count == 2 {
            guard (1...6).contains(halves[1].utf8.count), let digits = number(halves[1], digits: halves[1].utf8.count)
            else {
                return nil
            }
            fraction = digits
            for _ in halves[1].utf8.count..<6 { fraction *= 10 }
            guard hour < 24 || fraction == 0 else { return nil }
        }
        return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
    }

    /// `2026-01-31T09:30:00`, or with a space for the T: microseconds from 1970-01-01 by the clock. A day alone is its midnight.
    static func localTime(_ text: Substring) -> Int64? {
        if let day = day(text) { return day * microsecondsOfDay }
        guard text.utf8.count > 11, let separator = text.dropFirst(10).first, separator == "T" || separator == " ",
            let day = day(text.prefix(10)), let time = timeOfDay(text.dropFirst(11))
        else { return nil }
        return day * microsecondsOfDay + time
    }

    /// The same with an offset behind it, `Z` or `+02:00`: microseconds from 1970-01-01 UTC.
    static func instant(_ text: Substring) -> Int64? {
        if text.hasSuffix("Z") { return text.utf8.count > 11 ? localTime(text.dropLast()) : nil }
        guard text.utf8.count > 17 else { return nil }
        let offset = text.suffix(6)
        let parts = offset.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
        guard let sign = offset.first, sign == "+" || sign == "-", parts.count == 2,
            let hours = number(parts[0], digits: 2), let minutes = number(parts[1], digits: 2), hours < 16,
            minutes < 60,
            let local = localTime(text.dropLast(6))
        else { return nil }
        let microseconds = (hours * 60 + minutes) * 60_000_000
        return sign == "+" ? local - microseconds : local + microseconds
    }

    /// `b68a35a7-17ad-35b3-af2a-ae46edb4545a`, in either case.
    static func uuid(_ text: Substring) -> (high: UInt64, low: UInt64)? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [8, 4, 4, 4, 12],
            parts.joined().utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
            let high = UInt64(parts[..<3].joined(), radix: 16), let low = UInt64(parts[3...].joined(), radix: 16)
        else { return nil }
        return (high, low)
    }

    private static let microsecondsOfDay: Int64 = 86_400_000_000

    private static func number(_ text: Substring, digits: Int) -> Int64? {
        guard text.utf8.count == digits, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return Int64(text)
    }

    private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func daysOf(_ month: Int64, in year: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01 to the first of a month.
    private static func daysBefore(_ year: Int64, _ month: Int64) -> Int64 {
        let years = year - 1
        var days = years * 365 + years / 4 - years / 100 + years / 400 - 719_162
        for earlier in 1..<max(1, month) { days += daysOf(earlier, in: year) }
        return days
    }
}
