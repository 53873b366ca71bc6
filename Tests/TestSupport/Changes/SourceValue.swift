/// A value of a column of a `SourceTable`.
public enum SourceValue: Hashable, Sendable {
    case null
    /// Stored out of line and not changed: an event has a placeholder for it. No row has it.
    case unavailable
    case bool(Bool)
    case int(Int64)
    case float(Float)
    case double(Double)
    case decimal(SourceDecimal)
    /// Text, and what PostgreSQL shows of types that Debezium sends as they are shown.
    case text(String)
    case bytes([UInt8])
    /// Since 1970.
    case day(Int64)
    /// Microseconds since midnight.
    case clock(Int64)
    /// Microseconds since 1970, without a zone.
    case local(Int64)
    case instant(Int64)
    case interval(months: Int, days: Int, microseconds: Int64)
    case uuid([UInt8])
    /// From left to right.
    case bits([Bool])
    case texts([String?])
    case ints([Int64?])
    case uuids([[UInt8]?])
    case pairs([Pair])
    case point(Double, Double)

    public struct Pair: Hashable, Sendable {
        public var name: String
        public var value: String?

        public init(_ name: String, _ value: String?) { (self.name, self.value) = (name, value) }
    }

    /// What PostgreSQL reads the value from; nil for null.
    public var literal: String? {
        switch self {
        case .null, .unavailable: nil
        case .bool(let flag): flag ? "t" : "f"
        case .int(let number): "\(number)"
        case .float(let number): number.isNaN ? "NaN" : "\(number)"
        case .double(let number): number.isNaN ? "NaN" : "\(number)"
        case .decimal(let number): number.description
        case .text(let text): text
        case .bytes(let bytes): "\\x" + Hex.text(bytes)
        case .day(let day): SourceTime.day(day)
        case .clock(let time): SourceTime.clock(time)
        case .local(let time): SourceTime.timestamp(time, separator: " ")
        case .instant(let time): SourceTime.timestamp(time, separator: " ") + "+00"
        case .interval(let months, let days, let time): "\(months) months \(days) days \(Self.seconds(time)) seconds"
        case .uuid(let bytes): Self.uuidText(bytes)
        case .bits(let bits): bits.map { $0 ? "1" : "0" }.joined()
        case .texts(let texts): Self.array(texts.map { $0.map(Self.quoted) })
        case .ints(let numbers): Self.array(numbers.map { $0.map { "\($0)" } })
        case .uuids(let uuids): Self.array(uuids.map { $0.map(Self.uuidText) })
        case .pairs(let pairs):
            pairs.map { Self.quoted($0.name) + "=>" + ($0.value.map(Self.quoted) ?? "NULL") }.joined(separator: ",")
        case .point(let x, let y): "(\(x),\(y))"
        }
    }

    /// About how many bytes it takes in a row.
    var size: Int {
        switch self {
        case .text(let text): text.utf8.count
        case .bytes(let bytes): bytes.count
        case .texts(let texts): texts.reduce(0) { $0 + ($1?.utf8.count ?? 0) }
        case .ints(let numbers): numbers.count * 8
        case .uuids(let uuids): uuids.count * 16
        case .pairs(let pairs): pairs.reduce(0) { $0 + $1.name.utf8.count + ($1.value?.utf8.count ?? 0) }
        default: 8
        }
    }

    /// Before PostgreSQL 15 no field of an interval was a number beyond 32 bits, which microseconds soon are.
    private static func seconds(_ microseconds: Int64) -> String {
        let (whole, rest) = microseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
        return (microseconds < 0 ? "-" : "") + "\(whole)." + String(1_000_000 + rest).dropFirst()
    }

    static func uuidText(_ bytes: [UInt8]) -> String {
        var text = Hex.text(bytes)
        for place in [20, 16, 12, 8] { text.insert("-", at: text.index(text.startIndex, offsetBy: place)) }
        return text
    }

    private static func array(_ items: [String?]) -> String {
        "{" + items.map { $0 ?? "NULL" }.joined(separator: ",") + "}"
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

/// A number in decimal digits: `unscaled` times ten to the power of `-scale`.
public struct SourceDecimal: Hashable, Sendable, CustomStringConvertible {
    public var isNegative: Bool
    /// Without needless zeros in front.
    public var digits: String
    /// How many of the digits stand behind the point.
    public var scale: Int

    public init(_ digits: String, scale: Int) {
        isNegative = digits.hasPrefix("-") && digits.contains { $0 != "-" && $0 != "0" }
        let rest = digits.drop { $0 == "-" || $0 == "0" }
        self.digits = rest.isEmpty ? "0" : String(rest)
        self.scale = scale
    }

    public var description: String {
        let sign = isNegative ? "-" : ""
        guard scale > 0 else { return sign + digits }
        let padded = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
        return sign + padded.dropLast(scale) + "." + padded.suffix(scale)
    }

    /// In two's complement, the highest byte first, as few as hold it: Java's `BigInteger.toByteArray()`.
    public var unscaled: [UInt8] {
        var bytes: [UInt8] = [0]
        for digit in digits.utf8 {
            var carry = Int(digit) - 0x30
            for place in bytes.indices.reversed() {
                carry += Int(bytes[place]) * 10
                bytes[place] = UInt8(carry & 0xFF)
                carry >>= 8
            }
            if carry > 0 { bytes.insert(UInt8(carry), at: 0) }
        }
        if isNegative {
            bytes.insert(0, at: 0)
            bytes = bytes.map { ~$0 }
            for place in bytes.indices.reversed() {
                bytes[place] &+= 1
                if bytes[place] != 0 { break }
            }
            while bytes.count > 1, bytes[0] == 0xFF, bytes[1] >= 0x80 { bytes.removeFirst() }
        } else if bytes[0] >= 0x80 {
            bytes.insert(0, at: 0)
        }
        return bytes
    }
}

/// Bytes as digits, in small letters.
enum Hex {
    private static let digits = Array("0123456789abcdef".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// Days and times as ISO 8601 writes them.
enum SourceTime {
    static let microsecondsOfDay: Int64 = 86_400_000_000

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// By Howard Hinnant's algorithm for the proleptic Gregorian calendar.
    ///
    /// https://howardhinnant.github.io/date_algorithms.html
    static func day(_ day: Int64) -> String {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let ofEra = shifted - era * 146_097
        let year = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * year + year / 4 - year / 100)
        let shiftedMonth = (5 * ofYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let number = year + era * 400 + (month <= 2 ? 1 : 0)
        return padded(number, 4) + "-" + padded(month, 2) + "-" + padded(ofYear - (153 * shiftedMonth + 2) / 5 + 1, 2)
    }

    /// - Parameter digits: of the fraction: nil for as few as say it, in threes as Java writes them.
    static func clock(_ microseconds: Int64) -> String {
        let seconds = microseconds / 1_000_000
        let text = [seconds / 3600, seconds / 60 % 60, seconds % 60].map { padded($0, 2) }.joined(separator: ":")
        let fraction = microseconds % 1_000_000
        guard fraction != 0 else { return text }
        return text + "." + (fraction % 1000 == 0 ? padded(fraction / 1000, 3) : padded(fraction, 6))
    }

    static func timestamp(_ microseconds: Int64, separator: String) -> String {
        let (day, time) = split(microseconds)
        return self.day(day) + separator + clock(time)
    }

    static func split(_ microseconds: Int64) -> (day: Int64, time: Int64) {
        var (day, time) = microseconds.quotientAndRemainder(dividingBy: microsecondsOfDay)
        if time < 0 { (day, time) = (day - 1, time + microsecondsOfDay) }
        return (day, time)
    }
}
