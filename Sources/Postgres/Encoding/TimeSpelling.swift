import Synchronization

/// The spellings of a moment that PostgreSQL reads beside those of RFC 3339: ISO 8601's basic form and its day of the
/// year, single digits, the dates of HTTP and mail, and zones by name.
///
/// Only asked where `CalendarTime.read` found none of its own, so that nothing pays for them who does not write them.
/// What depends on settings of the server stays out: the order of day and month, and abbreviations that mean another
/// offset in another part of the world.
enum TimeSpelling {
    /// `[Www,] date[(T| )time[[ ]zone]][ BC]`.
    static func read(_ bytes: UnsafeRawBufferPointer) -> CalendarTime.Result {
        var scanner = TimeScanner(bytes.trimmingWhitespace())
        if scanner.skipWeekday() { scanner.skipSpaces() }
        guard let date = scanner.anyDate() else { return .failure(.badSyntax) }
        var result = CalendarTime()
        var zone: LocalZone?
        if scanner.skipSeparator() {
            guard let time = scanner.anyTimeOfDay() else { return .failure(.badSyntax) }
            result.microsecondOfDay = time.microseconds
            // PostgreSQL takes `120000-05:30` for no time at all.
            let hasColon =
                time.isBareDigits && scanner.peek == UInt8(ascii: "-") && scanner.rest.contains(UInt8(ascii: ":"))
            guard !hasColon, scanner.anyOffset(into: &result.offset, orZone: &zone) else {
                return .failure(.badSyntax)
            }
        }
        var year = date.year
        if !scanner.isAtEnd {
            guard scanner.skip(" "), scanner.rest.equalsIgnoringCase("bc") else { return .failure(.badSyntax) }
            year = 1 - year
        }
        guard date.year > 0 else { return .failure(.outOfRange) }
        guard let day = CalendarTime.day(year: year, date.month, date.day) else { return .failure(.badSyntax) }
        result.day = day
        if let zone {
            guard let local = result.localMicroseconds else { return .failure(.outOfRange) }
            result.offset = zone.offset(atLocal: local)
        }
        return .value(result)
    }
}

/// A date as it is written, before it is known whether there is such a day.
struct WrittenDate {
    var year: Int
    /// 0: `day` is the day of the year.
    var month: Int
    var day: Int
}

extension CalendarTime {
    /// Days from 2000-01-01; nil if the calendar has no such day. In `month` 0 the day is that of the year.
    fileprivate static func day(year: Int, _ month: Int, _ day: Int) -> Int64? {
        if month == 0 {
            let first = days(year: year, month: 1, day: 1)
            let length = days(year: year + 1, month: 1, day: 1) - first
            return 1...length ~= Int64(day) ? first + Int64(day) - 1 : nil
        }
        guard 1...12 ~= month, day >= 1, day <= length(ofMonth: month, year: year) else { return nil }
        return days(year: year, month: month, day: day)
    }
}

extension TimeScanner {
    fileprivate mutating func skipSpaces() { while skip(" ") {} }

    /// `T`, or spaces, before a digit.
    fileprivate mutating func skipSeparator() -> Bool {
        var ahead = self
        if ahead.peek.map({ $0 | 0x20 == UInt8(ascii: "t") }) == true {
            ahead.advance()
        } else {
            guard ahead.skip(" ") else { return false }
            ahead.skipSpaces()
        }
        guard ahead.peek?.isDigit == true else { return false }
        self = ahead
        return true
    }

    /// The letters from here on, lower case, at most eight of them.
    private func word() -> (text: UInt64, length: Int) {
        var text: UInt64 = 0
        var ahead = self
        var length = 0
        while let byte = ahead.peek, byte | 0x20 >= UInt8(ascii: "a"), byte | 0x20 <= UInt8(ascii: "z"), length < 8 {
            text = text << 8 | UInt64(byte | 0x20)
            length += 1
            ahead.advance()
        }
        return (text, length)
    }

    private static func packed(_ name: StaticString) -> UInt64 {
        name.withUTF8Buffer { $0.reduce(0) { $0 << 8 | UInt64($1) } }
    }

    private static let weekdays: [UInt64] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(packed)
    private static let months: [UInt64] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ].map(packed)

    /// `Wed,` and `Wed`. PostgreSQL does not look whether it was one.
    fileprivate mutating func skipWeekday() -> Bool {
        let (text, length) = word()
        guard length == 3, Self.weekdays.contains(text) else { return false }
        for _ in 0..<3 { advance() }
        _ = skip(",")
        return true
    }

    /// `YYYY-M-D`, `YYYY-DDD`, `YYYYMMDD` or `D Mon YYYY`.
    fileprivate mutating func anyDate() -> WrittenDate? {
        let start = self
        if let compact = number(digits: 8...8) {
            return WrittenDate(year: compact / 10_000, month: compact / 100 % 100, day: compact % 100)
        }
        self = start
        if let year = number(digits: 4...7), skip("-") {
            let afterYear = self
            // `2024-031` is the day of the year, `2024-1-31` has a month.
            if let dayOfYear = number(digits: 3...3) { return WrittenDate(year: year, month: 0, day: dayOfYear) }
            self = afterYear
            guard let month = number(digits: 1...2), month > 0, skip("-"), let day = number(digits: 1...2) else {
                return nil
            }
            return WrittenDate(year: year, month: month, day: day)
        }
        self = start
        guard let day = number(digits: 1...2), skip(" ") else { return nil }
        let (text, length) = word()
        guard length == 3, let month = Self.months.firstIndex(of: text) else { return nil }
        for _ in 0..<3 { advance() }
        guard skip(" "), let year = number(digits: 4...4) else { return nil }
        return WrittenDate(year: year, month: month + 1, day: day)
    }

    /// `H:M[:S[.f…]]`, `HHMM` or `HHMMSS[.f…]`.
    fileprivate mutating func anyTimeOfDay() -> (microseconds: Int64, isBareDigits: Bool)? {
        let start = self
        guard let microseconds = anyMicroseconds() else { return nil }
        let written = start.rest.prefix(start.rest.count - rest.count)
        return (microseconds, written.allSatisfy(\.isDigit))
    }

    private mutating func anyMicroseconds() -> Int64? {
        let start = self
        if let compact = number(digits: 6...6) {
            let fraction = fraction()
            return fraction.flatMap {
                Self.timeOfDay(compact / 10_000, compact / 100 % 100, compact % 100, $0)
            }
        }
        self = start
        if let compact = number(digits: 4...4) { return Self.timeOfDay(compact / 100, compact % 100, 0, 0) }
        self = start
        guard let hour = number(digits: 1...2), skip(":"), let minute = number(digits: 1...2) else { return nil }
        guard skip(":") else { return Self.timeOfDay(hour, minute, 0, 0) }
        guard let second = number(digits: 1...2), let fraction = fraction() else { return nil }
        return Self.timeOfDay(hour, minute, second, fraction)
    }

    /// An offset, a zone's name or abbreviation, perhaps after spaces; nothing at all is fine as well. False if what stands
    /// here is none of them. What may be the `BC` of an era is left.
    fileprivate mutating func anyOffset(into offset: inout Int32?, orZone zone: inout LocalZone?) -> Bool {
        let start = self
        skipSpaces()
        guard let first = peek else { return true }
        if first == UInt8(ascii: "+") || first == UInt8(ascii: "-") {
            return anyNumericOffset(isNegative: first == UInt8(ascii: "-"), into: &offset)
        }
        let name = rest.prefix { $0 != UInt8(ascii: " ") }
        let text = UnsafeRawBufferPointer(rebasing: name)
        if text.equalsIgnoringCase("bc") {
            self = start
            return true
        }
        for _ in name { advance() }
        if let seconds = ZoneNames.offset(ofAbbreviation: text) {
            offset = seconds
            return true
        }
        zone = ZoneNames.zone(named: text)
        return zone != nil
    }

    /// `±H[H][:M[M][:S[S]]]` or `±HHMM`.
    private mutating func anyNumericOffset(isNegative: Bool, into offset: inout Int32?) -> Bool {
        advance()
        let start = self
        var parts = (hour: 0, minute: 0, second: 0)
        if let compact = number(digits: 4...4) {
            (parts.hour, parts.minute) = compact.quotientAndRemainder(dividingBy: 100)
        } else {
            self = start
            guard let hour = number(digits: 1...2) else { return false }
            parts.hour = hour
            if skip(":") {
                guard let minute = number(digits: 1...2) else { return false }
                parts.minute = minute
                if skip(":") {
                    guard let second = number(digits: 1...2) else { return false }
                    parts.second = second
                }
            }
        }
        guard parts.hour <= 15, parts.minute <= 59, parts.second <= 59 else { return false }
        let total = Int32((parts.hour * 60 + parts.minute) * 60 + parts.second)
        offset = isNegative ? -total : total
        return true
    }
}

/// Zones as messages name them.
private enum ZoneNames {
    /// Those of PostgreSQL's default set whose offset never was another and that are no other zone's elsewhere: `IST` and
    /// `MSK` are not among them.
    private static let abbreviations: [(name: StaticString, hours: Double)] = [
        ("utc", 0), ("gmt", 0), ("ut", 0), ("uct", 0), ("z", 0), ("zulu", 0), ("wet", 0), ("cet", 1), ("cest", 2),
        ("mez", 1), ("mesz", 2), ("met", 1), ("mest", 2), ("bst", 1), ("eet", 2), ("eest", 3), ("sast", 2),
        ("est", -5), ("edt", -4), ("cst", -6), ("cdt", -5), ("mst", -7), ("mdt", -6), ("pst", -8), ("pdt", -7),
        ("akst", -9), ("akdt", -8), ("hst", -10), ("ast", -4), ("adt", -3), ("nst", -3.5), ("ndt", -2.5),
        ("jst", 9), ("kst", 9), ("hkt", 8), ("awst", 8), ("acst", 9.5), ("acdt", 10.5), ("aest", 10), ("aedt", 11),
        ("nzst", 12), ("nzdt", 13),
    ]

    static func offset(ofAbbreviation text: UnsafeRawBufferPointer) -> Int32? {
        guard text.count <= 4 else { return nil }
        return abbreviations.first { text.equalsIgnoringCase($0.name) }.map { Int32($0.hours * 3600) }
    }

    /// To make a zone's table takes milliseconds. There are some 600 zones.
    private static let known = Mutex<[String: LocalZone]>([:])

    /// Names of the IANA database in their own letters and with a slash: without one, `GMT+2` means the opposite in POSIX.
    static func zone(named text: UnsafeRawBufferPointer) -> LocalZone? {
        guard text.count <= 40, text.contains(UInt8(ascii: "/")) else { return nil }
        let name = String(decoding: text, as: UTF8.self)
        return known.withLock { known in
            if let zone = known[name] { return zone }
            guard let zone = LocalZone(name) else { return nil }
            if known.count < 1000 { known[name] = zone }
            return zone
        }
    }
}
