/// A zone's rules as a file of the IANA database has them: https://www.rfc-editor.org/rfc/rfc9636
///
/// The machine's own files, which PostgreSQL reads too and which its package manager keeps new. What Swift brings along is as old as
/// the toolchain that built the loader.
struct ZoneRules: Sendable {
    /// Seconds from 1970, ascending: from `starts[i]` on `offsets[i]` is in force, until `starts[i + 1]`.
    private var starts: [Int64] = []
    private var offsets: [Int32] = []
    /// Before the first start.
    private var first: Int32 = 0
    /// From the last start on; nil: what was in force last stays.
    private var footer: ZoneFooter?

    /// - Parameter file: nil comes of a file that is none of the kind, or that counts leap seconds, which no clock here does.
    init?(_ file: [UInt8]) {
        var reader = BigEndianReader(bytes: file)
        guard var header = Header(&reader) else { return nil }
        var timeLength = 4
        if header.version >= 2 {
            // The same once more, in eight bytes a time, follows what programs before 2005 read.
            reader.skip(header.length(timeLength: 4))
            guard let second = Header(&reader) else { return nil }
            header = second
            timeLength = 8
        }
        guard header.leaps == 0, header.types > 0 else { return nil }
        for _ in 0..<header.times {
            guard let start = reader.integer(timeLength) else { return nil }
            starts.append(start)
        }
        guard zip(starts, starts.dropFirst()).allSatisfy({ $0 < $1 }) else { return nil }
        var types: [Int] = []
        for _ in 0..<header.times {
            guard let type = reader.byte() else { return nil }
            types.append(Int(type))
        }
        var kinds: [Int32] = []
        for _ in 0..<header.types {
            guard let offset = reader.integer(4), abs(offset) < 26 * 3600 else { return nil }
            reader.skip(2)
            kinds.append(Int32(offset))
        }
        guard types.allSatisfy({ $0 < kinds.count }) else { return nil }
        first = kinds[0]
        offsets = types.map { kinds[$0] }
        reader.skip(header.designations + header.standards + header.universals)
        guard timeLength == 8 else { return }
        guard let line = reader.line() else { return nil }
        guard !line.isEmpty else { return }
        guard let footer = ZoneFooter(line) else { return nil }
        self.footer = footer
    }

    /// The offset in force at a moment, in seconds from 1970.
    func offset(at seconds: Int64) -> Int32 {
        guard let start = starts.first, seconds >= start else {
            return starts.isEmpty ? footer?.offset(at: seconds) ?? first : first
        }
        if let footer, let last = starts.last, seconds >= last { return footer.offset(at: seconds) }
        return offsets[starts.lastPlace(notAfter: seconds)]
    }

    private struct Header {
        var version = 1
        var universals = 0
        var standards = 0
        var leaps = 0
        var times = 0
        var types = 0
        var designations = 0

        init?(_ reader: inout BigEndianReader) {
            guard reader.take(4) == Array("TZif".utf8), let version = reader.byte() else { return nil }
            // A digit, or nothing for the first version.
            self.version = version == 0 ? 1 : Int(version) - 0x30
            reader.skip(15)
            // No file of the database has a tenth of it.
            func count() -> Int? { reader.integer(4).flatMap { (0...10_000).contains($0) ? Int($0) : nil } }
            guard
                let universals = count(), let standards = count(), let leaps = count(), let times = count(),
                let types = count(), let designations = count()
            else { return nil }
            self.universals = universals
            self.standards = standards
            self.leaps = leaps
            self.times = times
            self.types = types
            self.designations = designations
        }

        func length(timeLength: Int) -> Int {
            times * (timeLength + 1) + types * 6 + designations + leaps * (timeLength + 4) + standards + universals
        }
    }
}

/// What goes on after a file's last change, each year alike, as POSIX writes it: `CET-1CEST,M3.5.0,M10.5.0/3`.
struct ZoneFooter: Sendable {
    /// When a change comes, each year: a day, and seconds from its midnight.
    enum Day: Sendable {
        /// 1 to 365; the 29th of February is not counted.
        case julian(Int)
        /// 0 to 365.
        case ofYear(Int)
        /// The weekday's so-many-eth in a month; 5 is the last. Sunday is 0.
        case weekday(Int, week: Int, month: Int)
    }

    private var standard: Int32
    private var summer: (offset: Int32, start: (Day, Int64), end: (Day, Int64))?

    init?(_ text: [UInt8]) {
        var scanner = Scanner(text: text[...])
        guard scanner.skipName(), let west = scanner.time() else { return nil }
        standard = Int32(-west)
        guard !scanner.text.isEmpty else { return }
        guard scanner.skipName() else { return nil }
        var offset = Int64(standard) + 3600
        if scanner.text.first != UInt8(ascii: ",") {
            guard let west = scanner.time() else { return nil }
            offset = -west
        }
        guard let start = scanner.rule(), let end = scanner.rule(), scanner.text.isEmpty else { return nil }
        summer = (Int32(offset), start, end)
    }

    /// The offset in force at a moment, in seconds from 1970.
    func offset(at seconds: Int64) -> Int32 {
        guard let summer else { return standard }
        let (day, _) = CalendarTime.split((seconds + Int64(standard) - CalendarTime.unixEpochDays * 86400) &* 1_000_000)
        let year = CalendarTime.civil(day: day).year
        let start = Self.moment(summer.start, year) - Int64(standard)
        let end = Self.moment(summer.end, year) - Int64(summer.offset)
        let isSummer = start < end ? (start..<end).contains(seconds) : !(end..<start).contains(seconds)
        return isSummer ? summer.offset : standard
    }

    /// In local seconds from 1970.
    private static func moment(_ rule: (Day, Int64), _ year: Int) -> Int64 {
        let newYear = CalendarTime.days(year: year, month: 1, day: 1)
        let day: Int64
        switch rule.0 {
        case .ofYear(let number): day = newYear + Int64(number)
        case .julian(let number):
            let isPastFebruary = number > 59 && CalendarTime.length(ofMonth: 2, year: year) == 29
            day = newYear + Int64(number - 1) + (isPastFebruary ? 1 : 0)
        case .weekday(let weekday, let week, let month):
            let first = CalendarTime.days(year: year, month: month, day: 1)
            // The first of January 2000, day 0, was a Saturday.
            let firstWeekday = ((first + 6) % 7 + 7) % 7
            let length = Int64(CalendarTime.length(ofMonth: month, year: year))
            var inMonth = (Int64(weekday) - firstWeekday + 7) % 7 + Int64(week - 1) * 7
            if inMonth >= length { inMonth -= 7 }
            day = first + inMonth
        }
        return (day + CalendarTime.unixEpochDays) * 86400 + rule.1
    }

    private struct Scanner {
        var text: ArraySlice<UInt8>

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard text.first == UInt8(ascii: character) else { return false }
            text.removeFirst()
            return true
        }

        /// `CEST` or `<+0330>`.
        mutating func skipName() -> Bool {
            if take("<") {
                guard let end = text.firstIndex(of: UInt8(ascii: ">")) else { return false }
                text = text[(end + 1)...]
                return true
            }
            let length = text.prefix { ($0 | 0x20) >= UInt8(ascii: "a") && ($0 | 0x20) <= UInt8(ascii: "z") }.count
            text = text.dropFirst(length)
            return length >= 3
        }

        mutating func number() -> Int64? {
            let digits = text.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
            guard (1...3).contains(digits.count) else { return nil }
            text = text.dropFirst(digits.count)
            return digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
        }

        /// `[+-]hh[:mm[:ss]]`, in seconds.
        mutating func time() -> Int64? {
            let isNegative = take("-")
            if !isNegative { _ = take("+") }
            guard let hours = number() else { return nil }
            var seconds = hours * 3600
            for unit in [Int64(60), 1] where take(":") {
                guard let part = number() else { return nil }
                seconds += part * unit
            }
            return isNegative ? -seconds : seconds
        }

        /// `,M3.5.0/3`
        mutating func rule() -> (Day, Int64)? {
            guard take(",") else { return nil }
            let day: Day
            if take("M") {
                guard let month = number(), take("."), let week = number(), take("."), let weekday = number(),
                    (1...12).contains(month), (1...5).contains(week), (0...6).contains(weekday)
                else { return nil }
                day = .weekday(Int(weekday), week: Int(week), month: Int(month))
            } else if take("J") {
                guard let number = number(), (1...365).contains(number) else { return nil }
                day = .julian(Int(number))
            } else {
                guard let number = number(), number <= 365 else { return nil }
                day = .ofYear(Int(number))
            }
            guard take("/") else { return (day, 2 * 3600) }
            guard let time = time() else { return nil }
            return (day, time)
        }
    }
}

/// Reads what stands in a file one behind the other.
private struct BigEndianReader {
    let bytes: [UInt8]
    private var place = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func skip(_ count: Int) { place = min(place + count, bytes.count) }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard bytes.count - place >= count else { return nil }
        defer { place += count }
        return Array(bytes[place..<place + count])
    }

    mutating func byte() -> UInt8? { take(1)?[0] }

    /// A signed one, of 4 or 8 bytes.
    mutating func integer(_ length: Int) -> Int64? {
        guard let own = take(length) else { return nil }
        let value = own.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return length == 4 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
    }

    /// What stands between two line feeds.
    mutating func line() -> [UInt8]? {
        guard byte() == 0x0a, let end = bytes[place...].firstIndex(of: 0x0a) else { return nil }
        defer { place = end + 1 }
        return Array(bytes[place..<end])
    }
}

extension [Int64] {
    /// Where the last of these moments is, which ascend, that is not after a moment; 0 if all are.
    func lastPlace(notAfter moment: Int64) -> Int {
        var low = 0
        var high = count
        while high - low > 1 {
            let middle = (low + high) / 2
            if self[middle] <= moment { low = middle } else { high = middle }
        }
        return low
    }
}
