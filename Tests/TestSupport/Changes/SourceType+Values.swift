extension SourceType {
    /// From how many bytes on a value is stored out of line, here.
    static let outOfLineSize = 150

    /// A random value, often a small or an extreme one, that the modes tell without loss.
    func value(using generator: inout SeededGenerator, _ modes: ChangeModes) -> SourceValue {
        switch self {
        case .bool: .bool(.random(using: &generator))
        case .int2: .int(Self.integer(Int16.self, &generator))
        case .int4: .int(Self.integer(Int32.self, &generator))
        case .int8: .int(Self.integer(Int64.self, &generator))
        case .float4:
            .float(
                Self.rare(&generator)
                    ? [.nan, .infinity, -0.0, .greatestFiniteMagnitude][pick(4, &generator)]
                    : Float.random(in: -1e6...1e6, using: &generator))
        case .float8:
            .double(
                Self.rare(&generator)
                    ? [.nan, -.infinity, -0.0, 1e-300][pick(4, &generator)]
                    : Double.random(in: -1e12...1e12, using: &generator))
        case .numeric(let precision, let scale): .decimal(Self.decimal(precision, scale, &generator, modes))
        case .anyNumeric: .decimal(Self.decimal(30, pick(12, &generator), &generator, modes))
        case .text: .text(Self.text(&generator))
        case .varchar(let length):
            .text(String(String.UnicodeScalarView(Self.text(&generator).unicodeScalars.prefix(length))))
        case .mood: .text(Self.moods[pick(3, &generator)])
        case .inet:
            .text("10.\(pick(256, &generator)).0.\(pick(256, &generator))" + (pick(2, &generator) == 0 ? "/8" : ""))
        case .json: .text(#"{"a":\#(pick(1000, &generator)), "b" : [null, "\#(Self.plainText(&generator))"]}"#)
        case .jsonb: .text(#"{"a": \#(pick(1000, &generator)), "b": ["\#(Self.plainText(&generator))"]}"#)
        case .xml: .text("<a b=\"\(pick(1000, &generator))\">\(Self.plainText(&generator))</a>")
        case .bytea: .bytes((0..<Self.length(&generator)).map { _ in .random(in: 0...255, using: &generator) })
        case .uuid: .uuid(Self.uuid(&generator))
        case .bit(let count): .bits((0..<count).map { _ in .random(using: &generator) })
        case .point: .point(Double(pick(2000, &generator)) / 8 - 100, Double(pick(2000, &generator)) / 4)
        case .date, .time, .timestamp, .timestamptz, .timetz, .interval: timeValue(using: &generator, modes)
        case .texts, .ints, .bigints, .uuids, .hstore: listValue(using: &generator)
        }
    }

    private func timeValue(using generator: inout SeededGenerator, _ modes: ChangeModes) -> SourceValue {
        // Nanoseconds since 1970 in 64 bits reach from 1677 to 2262.
        let isWide = modes.time != .nanoseconds && Self.rare(&generator)
        let day =
            isWide
            ? [-719_162, 2_932_896][pick(2, &generator)] : Int64.random(in: -90_000...100_000, using: &generator)
        switch self {
        case .date: return .day(day)
        case .time(let digits):
            // Where a time of the day is text or one of Connect's, there is no 24:00.
            let isWhole = modes.time != .connect && modes.time != .isostring && Self.rare(&generator)
            if isWhole { return .clock(SourceTime.microsecondsOfDay) }
            return .clock(Self.clock(modes.time == .connect ? min(digits, 3) : digits, &generator))
        case .timestamp(let digits):
            let clock = Self.clock(modes.time == .connect ? min(digits, 3) : digits, &generator)
            return .local(day * SourceTime.microsecondsOfDay + clock)
        case .timestamptz: return .instant(day * SourceTime.microsecondsOfDay + Self.clock(6, &generator))
        case .timetz: return .text(SourceTime.clock(Self.clock(6, &generator)) + "+00")
        default:
            let time = Int64.random(in: -200_000_000_000...200_000_000_000, using: &generator)
            // As a number of microseconds an interval has lost its months and days.
            guard modes.intervals == .string else { return .interval(months: 0, days: 0, microseconds: time) }
            return .interval(
                months: pick(60, &generator) - 20, days: pick(90, &generator) - 30, microseconds: time)
        }
    }

    private func listValue(using generator: inout SeededGenerator) -> SourceValue {
        let count =
            Self.rare(&generator) ? 0 : pick(5, &generator) == 0 ? 12 + pick(40, &generator) : 1 + pick(3, &generator)
        switch self {
        case .texts:
            return .texts((0..<count).map { _ in Self.rare(&generator) ? nil : Self.text(&generator) })
        case .ints:
            return .ints((0..<count).map { _ in Self.rare(&generator) ? nil : Self.integer(Int32.self, &generator) })
        case .bigints:
            return .ints((0..<count).map { _ in Self.rare(&generator) ? nil : Self.integer(Int64.self, &generator) })
        case .uuids: return .uuids((0..<count).map { _ in Self.rare(&generator) ? nil : Self.uuid(&generator) })
        default:
            return .pairs(
                (0..<count).map { .init("k\($0)", Self.rare(&generator) ? nil : Self.text(&generator)) })
        }
    }

    // MARK: Parts of values

    private func pick(_ count: Int, _ generator: inout SeededGenerator) -> Int {
        .random(in: 0..<count, using: &generator)
    }

    private static func rare(_ generator: inout SeededGenerator) -> Bool {
        Int.random(in: 0..<12, using: &generator) == 0
    }

    private static func integer<Integer: FixedWidthInteger & SignedInteger>(
        _: Integer.Type, _ generator: inout SeededGenerator
    ) -> Int64 {
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: Int64([Integer.min, Integer.max, 0, -1].randomElement(using: &generator) ?? 0)
        case 1: Int64(Integer.random(in: .min ... .max, using: &generator))
        default: Int64.random(in: 0..<1000, using: &generator)
        }
    }

    private static func decimal(
        _ precision: Int, _ scale: Int, _ generator: inout SeededGenerator, _ modes: ChangeModes
    ) -> SourceDecimal {
        // Any number of 15 digits goes through a double unharmed.
        let most = modes.decimals == .double ? min(precision, 15) : precision
        let count = Int.random(in: 1...most, using: &generator)
        let digits = (0..<count).map { _ in String(Int.random(in: 0...9, using: &generator)) }.joined()
        return SourceDecimal((Bool.random(using: &generator) ? "-" : "") + digits, scale: scale)
    }

    /// Short mostly, else so long that it is out of line.
    private static func length(_ generator: inout SeededGenerator) -> Int {
        Int.random(in: 0..<5, using: &generator) == 0
            ? outOfLineSize + Int.random(in: 1..<200, using: &generator) : Int.random(in: 0..<20, using: &generator)
    }

    private static let pieces = [
        "a", "b", "Z", " ", "\"", "\\", "\n", "\t", "'", "ß", "é", "漢", "😀", ",", "{", "}", "\\N",
    ]

    private static func text(_ generator: inout SeededGenerator) -> String {
        if Int.random(in: 0..<60, using: &generator) == 0 {
            // What only looks like a placeholder.
            return ["__debezium_unavailable_value ", "__debezium_unavailable_valu", "null", "true", "0"]
                .randomElement(using: &generator) ?? ""
        }
        return (0..<length(&generator)).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
    }

    private static func plainText(_ generator: inout SeededGenerator) -> String {
        (0..<length(&generator)).map { _ in ["a", "ö", "漢", "z", " "].randomElement(using: &generator) ?? "" }.joined()
    }

    private static func clock(_ digits: Int, _ generator: inout SeededGenerator) -> Int64 {
        let time = Int64.random(in: 0..<SourceTime.microsecondsOfDay, using: &generator)
        // Often whole seconds: a fraction that is not written is a case of its own.
        let unit: Int64 = Int.random(in: 0..<4, using: &generator) == 0 ? 1_000_000 : digits <= 3 ? 1000 : 1
        return time / unit * unit
    }

    private static func uuid(_ generator: inout SeededGenerator) -> [UInt8] {
        (0..<16).map { _ in .random(in: 0...255, using: &generator) }
    }
}
