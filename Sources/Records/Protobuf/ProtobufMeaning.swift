/// What messages of well-known types stand for.
enum ProtobufMeaning: UInt8, Sendable {
    case none
    case timestamp, duration, wrapper
    /// Values of JSON: one of them, an object, an array.
    case value, structure, listValue
    case date, timeOfDay
    /// A decimal in a string, of `google.type`; one in bytes with a scale, of Confluent.
    case decimalText, decimal
    /// An instant or a local time; a zone by its name, which is all that is taken of it.
    case dateTime, timeZone
    /// Paths, as one text with commas.
    case fieldMask
    /// A message whose type is told with it: the record that it is.
    case any
    /// A record, which is a number where only that will do.
    case money

    /// What it stands for is made of its fields alone, whatever they are.
    var isDirect: Bool {
        switch self {
        case .timestamp, .duration, .wrapper, .decimalText, .decimal: true
        default: false
        }
    }

    /// What it stands for has names in it.
    var hasMembers: Bool {
        switch self {
        case .none, .any, .money: true
        default: false
        }
    }

    /// Names are other people's, too: what has not the fields of the type is no such thing.
    init(_ message: ProtobufSchema.Message) {
        let shape = message.fields.map { ($0.number, $0.kind, $0.isRepeated) }
        func has(_ wanted: (UInt32, ProtobufSchema.Kind, Bool)...) -> Bool {
            shape.count == wanted.count && zip(shape, wanted).allSatisfy { $0 == $1 }
        }
        switch message.name {
        case "google.protobuf.Timestamp" where has((1, .int64, false), (2, .int32, false)): self = .timestamp
        case "google.protobuf.Duration" where has((1, .int64, false), (2, .int32, false)): self = .duration
        case "google.protobuf.DoubleValue" where has((1, .double, false)),
            "google.protobuf.FloatValue" where has((1, .float, false)),
            "google.protobuf.Int64Value" where has((1, .int64, false)),
            "google.protobuf.UInt64Value" where has((1, .uint64, false)),
            "google.protobuf.Int32Value" where has((1, .int32, false)),
            "google.protobuf.UInt32Value" where has((1, .uint32, false)),
            "google.protobuf.BoolValue" where has((1, .bool, false)),
            "google.protobuf.StringValue" where has((1, .string, false)),
            "google.protobuf.BytesValue" where has((1, .bytes, false)):
            self = .wrapper
        case "google.protobuf.Value"
        where has(
            (1, .symbol, false), (2, .double, false), (3, .string, false), (4, .bool, false), (5, .message, false),
            (6, .message, false)):
            self = .value
        case "google.protobuf.Struct" where has((1, .message, true)): self = .structure
        case "google.protobuf.ListValue" where has((1, .message, true)): self = .listValue
        case "google.type.Date" where has((1, .int32, false), (2, .int32, false), (3, .int32, false)): self = .date
        case "google.type.TimeOfDay"
        where has((1, .int32, false), (2, .int32, false), (3, .int32, false), (4, .int32, false)):
            self = .timeOfDay
        case "google.type.Decimal" where has((1, .string, false)): self = .decimalText
        case "confluent.type.Decimal" where has((1, .bytes, false), (2, .uint32, false), (3, .int32, false)):
            self = .decimal
        case "google.type.DateTime"
        where has(
            (1, .int32, false), (2, .int32, false), (3, .int32, false), (4, .int32, false), (5, .int32, false),
            (6, .int32, false), (7, .int32, false), (8, .message, false), (9, .message, false)):
            self = .dateTime
        case "google.type.TimeZone" where has((1, .string, false), (2, .string, false)): self = .timeZone
        case "google.type.Money" where has((1, .string, false), (2, .int64, false), (3, .int32, false)): self = .money
        case "google.protobuf.FieldMask" where has((1, .string, true)): self = .fieldMask
        case "google.protobuf.Any" where has((1, .string, false), (2, .bytes, false)): self = .any
        default: self = .none
        }
    }
}

extension ProtobufMeaning {
    /// What a message of the type stands for.
    ///
    /// - Parameter frame: its fields, in the order of their numbers.
    /// - Returns: nil for what the type cannot stand for, as a day without a month.
    func value(_ frame: UnsafeMutablePointer<Field>) -> Field? {
        func number(_ slot: Int) -> Int64 { Int64(bitPattern: frame[slot].first) }
        switch self {
        case .timestamp: return .instant(microseconds: Self.micros(number(0), number(1), roundsDown: true))
        case .duration:
            return .interval(months: 0, days: 0, microseconds: Self.micros(number(0), number(1), roundsDown: false))
        case .wrapper, .decimalText, .timeZone: return frame[0]
        case .dateTime: return Self.dateTime(frame)
        // The first of its kinds is null, which is also what one of no kind is.
        case .value: return (1..<6).lazy.map { frame[$0] }.first { $0.kind != .absent } ?? Field(.null)
        case .date: return Self.day(number(0), number(1), number(2)).map { .day(sinceUnixEpoch: $0) }
        case .timeOfDay:
            let seconds = number(0) * 3600 + number(1) * 60 + number(2)
            let micros = seconds * 1_000_000 + number(3) / 1000
            return (0...86_400_000_000).contains(micros) ? .timeOfDay(microseconds: micros) : nil
        case .decimal: return .decimal(frame[0].bytes, scale: Int32(truncatingIfNeeded: number(2)))
        case .none, .structure, .listValue, .fieldMask, .any, .money: return nil
        }
    }

    /// With an offset, or in the zone UTC, it is a moment; in others only their rules would tell which.
    ///
    /// - Returns: nil for what is no time of the calendar, as one without a year.
    private static func dateTime(_ frame: UnsafeMutablePointer<Field>) -> Field? {
        func number(_ slot: Int) -> Int64 { Int64(bitPattern: frame[slot].first) }
        guard let day = day(number(0), number(1), number(2)), (0...24).contains(number(3)),
            (0...59).contains(number(4)),
            (0...60).contains(number(5)), (0..<1_000_000_000).contains(number(6))
        else { return nil }
        let seconds = day * 86400 + number(3) * 3600 + number(4) * 60 + number(5)
        let micros = seconds * 1_000_000 + number(6) / 1000
        if frame[7].kind == .interval {
            let (moment, isBeyond) = micros.subtractingReportingOverflow(Int64(bitPattern: frame[7].second))
            return isBeyond ? nil : .instant(microseconds: moment)
        }
        let utc: [StaticString] = ["UTC", "Etc/UTC", "Z"]
        let isUTC =
            frame[8].kind == .string
            && utc.contains { name in
                name.withUTF8Buffer { frame[8].bytes.elementsEqual($0) }
            }
        return isUTC ? .instant(microseconds: micros) : .localTime(microseconds: micros)
    }

    /// Extremes for what is beyond, as of `Field.instant(microseconds:)`.
    private static func micros(_ seconds: Int64, _ nanos: Int64, roundsDown: Bool) -> Int64 {
        let (micros, isBeyond) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let rest = roundsDown ? nanos.fromNanos : nanos / 1000
        let (sum, isBeyondToo) = micros.addingReportingOverflow(rest)
        return isBeyond || isBeyondToo ? (seconds < 0 ? .min : .max) : sum
    }

    /// The day of a date of the Gregorian calendar, from 1970-01-01.
    private static func day(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64? {
        let lengths: [Int64] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1...9999).contains(year), (1...12).contains(month), (1...lengths[Int(month) - 1]).contains(day) else {
            return nil
        }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        guard month != 2 || day < 29 || isLeap else { return nil }
        // Years that begin in March, so that the day that is not always there is the last.
        let shifted = month > 2 ? year : year - 1
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let era = shifted / 400
        let yearOfEra = shifted % 400
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
