import Foundation

/// The zone of timestamps that name none.
enum LocalZone: Sendable {
    /// Seconds east of Greenwich.
    case fixed(Int32)
    case named(ZoneOffsets)

    /// Nil if `name` is neither an offset nor a zone of the IANA database.
    init?(_ name: String) {
        var name = name
        let offset = name.withUTF8 { CalendarTime.readOffset(UnsafeRawBufferPointer($0)) }
        if let offset {
            self = .fixed(offset)
        } else if let offsets = ZoneOffsets(name) {
            self = .named(offsets)
        } else {
            return nil
        }
    }

    /// The offset in force at a local time, given in microseconds from 2000-01-01.
    func offset(atLocal microseconds: Int64) -> Int32 {
        switch self {
        case .fixed(let offset): offset
        case .named(let offsets): offsets.offset(atLocal: microseconds)
        }
    }

    /// The offset in force at a moment, given in microseconds from 2000-01-01 UTC.
    func offset(at microseconds: Int64) -> Int32 {
        switch self {
        case .fixed(let offset): offset
        case .named(let offsets): offsets.offset(at: ZoneOffsets.unixSeconds(microseconds))
        }
    }

    /// The offset where it is the same in every season; nil if only a date could tell it.
    var constantOffset: Int32? {
        switch self {
        case .fixed(let offset): offset
        case .named(let offsets): offsets.constantOffset
        }
    }
}

/// A zone's offsets, looked up once, so that no timestamp has to ask for its rules.
final class ZoneOffsets: Sendable {
    /// Where the machine keeps its copy of the IANA database.
    static let directory = "/usr/share/zoneinfo"

    /// The machine's, or Swift's where it has none of that name.
    private enum Rules: Sendable {
        case file(ZoneRules)
        case swift(TimeZone)

        func offset(at seconds: Int64) -> Int32 {
            switch self {
            case .file(let rules): rules.offset(at: seconds)
            case .swift(let zone): Int32(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds))))
            }
        }

        init?(_ name: String, in directory: String) {
            if let file = Self.file(name, in: directory), let rules = ZoneRules(file) {
                self = .file(rules)
            } else if !name.isEmpty, let zone = TimeZone(identifier: name) {
                self = .swift(zone)
            } else {
                return nil
            }
        }

        /// - Parameter name: may be of a message, so it must not lead anywhere else.
        private static func file(_ name: String, in directory: String) -> [UInt8]? {
            let isName = name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "-"),
                    UInt8(ascii: "/"):
                    true
                default: false
                }
            }
            // `posix/` and `right/` have the same zones again, and `posixrules` is none.
            guard isName, let letter = name.utf8.first, letter >= UInt8(ascii: "A"), letter <= UInt8(ascii: "Z"),
                let handle = FileHandle(forReadingAtPath: directory + "/" + name)
            else { return nil }
            defer { try? handle.close() }
            return (try? handle.read(upToCount: 1 << 17)).map { Array($0) }
        }
    }

    private let rules: Rules
    /// Seconds from 1970, ascending: from `starts[i]` on `offsets[i]` is in force, until `starts[i + 1]`.
    private let starts: [Int64]
    private let offsets: [Int32]
    /// The table's end; before its beginning and from here on the rules are asked.
    private let end: Int64

    init?(_ name: String, in directory: String = ZoneOffsets.directory) {
        guard let rules = Rules(name, in: directory) else { return nil }
        self.rules = rules
        // 1970 to 2100, a week at a time: nowhere does an offset last for less.
        let week: Int64 = 7 * 86400
        end = 4_102_444_800
        var starts: [Int64] = [0]
        var offsets = [rules.offset(at: 0)]
        var instant: Int64 = 0
        while instant < end {
            let next = min(instant + week, end)
            let offset = rules.offset(at: next)
            if let last = offsets.last, offset != last {
                var before = instant
                var after = next
                while after - before > 1 {
                    let middle = (before + after) / 2
                    if rules.offset(at: middle) == last { before = middle } else { after = middle }
                }
                starts.append(after)
                offsets.append(offset)
            }
            instant = next
        }
        self.starts = starts
        self.offsets = offsets
    }

    /// The one that has been in force since 2000 at the latest, and will be.
    var constantOffset: Int32? {
        let lastChange = starts.last ?? 0
        return lastChange < CalendarTime.unixEpochDays * 86400 ? offsets.last : nil
    }

    static func unixSeconds(_ microseconds: Int64) -> Int64 {
        let (day, rest) = CalendarTime.split(microseconds)
        return (day + CalendarTime.unixEpochDays) * 86400 + rest / 1_000_000
    }

    /// The offset in force at a moment, in seconds from 1970.
    func offset(at seconds: Int64) -> Int32 {
        guard seconds >= 0, seconds < end else { return rules.offset(at: seconds) }
        return offsets[starts.lastPlace(notAfter: seconds)]
    }

    /// A local time that a spring change skips is read with the offset before the change, one that an autumn change
    /// repeats with the offset after it: both as PostgreSQL does.
    func offset(atLocal microseconds: Int64) -> Int32 {
        let local = Self.unixSeconds(microseconds)
        let before = offset(at: local - 86400)
        let after = offset(at: local + 86400)
        if before == after { return before }
        if offset(at: local - Int64(after)) == after { return after }
        return before
    }
}
