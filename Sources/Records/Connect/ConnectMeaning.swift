/// What the semantic names of Kafka Connect and Debezium say of a type, for both encodings that carry them: Avro's
/// `connect.name` and the `name` in the schema of Connect's JSON. They say more than a logical type, which often is left out.
enum ConnectMeaning: Equatable, Sendable {
    /// What the name stands on.
    enum Base { case int32, int64, bytes, structure }

    /// Days; a time of day; a moment.
    case date
    case timeMillis, timeMicros, timeNanos
    case instantMillis
    /// A time in a zone that is not told, with numbers that stand for the infinities.
    case boundedMillis, boundedMicros, boundedNanos
    case durationMicros, durationNanos
    /// Bytes of an integer.
    case decimal(scale: Int32)
    /// A number of such bytes that brings its scale along.
    case variableDecimal
    /// So many bits, the lowest first; negative: as many as there are.
    case bits(length: Int32)

    /// - Parameter parameters: what goes with the name.
    /// - Returns: nil for a name that says nothing of its base but what that is.
    init?(_ name: String, _ base: Base, parameters: [String: String]) {
        switch (name, base) {
        case ("org.apache.kafka.connect.data.Date", .int32), ("io.debezium.time.Date", .int32): self = .date
        case ("org.apache.kafka.connect.data.Time", .int32), ("io.debezium.time.Time", .int32): self = .timeMillis
        case ("io.debezium.time.MicroTime", .int64): self = .timeMicros
        case ("io.debezium.time.NanoTime", .int64): self = .timeNanos
        case ("org.apache.kafka.connect.data.Timestamp", .int64): self = .instantMillis
        case ("io.debezium.time.Timestamp", .int64): self = .boundedMillis
        case ("io.debezium.time.MicroTimestamp", .int64): self = .boundedMicros
        case ("io.debezium.time.NanoTimestamp", .int64): self = .boundedNanos
        case ("io.debezium.time.MicroDuration", .int64): self = .durationMicros
        case ("io.debezium.time.NanoDuration", .int64): self = .durationNanos
        case ("org.apache.kafka.connect.data.Decimal", .bytes):
            // It may be negative, which Avro's own may not.
            guard let scale = parameters["scale"].flatMap({ Int32($0) }) else { return nil }
            self = .decimal(scale: scale)
        case ("io.debezium.data.VariableScaleDecimal", .structure): self = .variableDecimal
        case ("io.debezium.data.Bits", .bytes):
            self = .bits(length: parameters["length"].flatMap { Int32($0) }.flatMap { $0 < 0 ? nil : $0 } ?? -1)
        default: return nil
        }
    }

    /// What a number means; nil for what no number is.
    func value(of number: Int64) -> Field? {
        switch self {
        case .date: return .day(sinceUnixEpoch: number)
        case .timeMillis: return .timeOfDay(microseconds: number.fromMillis)
        case .timeMicros: return .timeOfDay(microseconds: number)
        case .timeNanos: return .timeOfDay(microseconds: number.fromNanos)
        case .instantMillis: return .instant(microseconds: number.fromMillis)
        case .boundedMillis:
            return Self.infinity(number, Self.infinities) ?? .localTime(microseconds: number.fromMillis)
        case .boundedMicros: return Self.infinity(number, Self.infinities) ?? .localTime(microseconds: number)
        case .boundedNanos: return Self.infinity(number, (.min, .max)) ?? .localTime(microseconds: number.fromNanos)
        case .durationMicros: return .interval(months: 0, days: 0, microseconds: number)
        case .durationNanos: return .interval(months: 0, days: 0, microseconds: number.fromNanos)
        case .decimal, .variableDecimal, .bits: return nil
        }
    }

    /// The digits of bits, the highest first, as PostgreSQL writes them.
    ///
    /// - Parameter length: how many; negative: as many as there are.
    static func digits(
        of bits: UnsafeRawBufferPointer, length: Int32, in memory: SideMemory
    ) -> Field {
        // No column has more, and a schema is other people's.
        let count = length < 0 ? bits.count * 8 : min(Int(length), max(bits.count * 8, 4096))
        let room = memory.room(for: count)
        for place in 0..<count {
            let bit = count - 1 - place
            let isSet = bit >> 3 < bits.count && bits[bit >> 3] >> UInt8(bit & 7) & 1 == 1
            room[place] = isSet ? UInt8(ascii: "1") : UInt8(ascii: "0")
        }
        return Field(.string, UnsafeRawBufferPointer(room))
    }

    // MARK: Infinity

    /// What Debezium writes for them, from the driver that it reads PostgreSQL with.
    private static let infinities: (Int64, Int64) = (-9_223_372_036_832_400_000, 9_223_372_036_825_200_000)
    private static let lowest: StaticString = "-infinity"
    private static let highest: StaticString = "infinity"

    private static func infinity(_ time: Int64, _ infinities: (Int64, Int64)) -> Field? {
        let text: StaticString
        switch time {
        case infinities.0: text = lowest
        case infinities.1: text = highest
        default: return nil
        }
        return Field(.string, UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}

extension SchemaOutline.Content {
    /// What values of Connect's types are that JSON does not tell from others; nil for the others.
    ///
    /// - Parameters:
    ///   - type: as Connect calls it: `int32`, `bytes`, `struct`.
    ///   - name: its semantic name.
    public init?(connectType type: String?, name: String?, parameters: [String: String]) {
        let base: ConnectMeaning.Base? =
            switch type {
            case "int32": .int32
            case "int64": .int64
            case "bytes": .bytes
            case "struct": .structure
            default: nil
            }
        guard let base else { return nil }
        switch name.flatMap({ ConnectMeaning($0, base, parameters: parameters) }) {
        case .date: self = .day
        case .timeMillis, .timeMicros, .timeNanos: self = .timeOfDay
        case .instantMillis: self = .instant
        case .boundedMillis, .boundedMicros, .boundedNanos: self = .localTime
        case .durationMicros, .durationNanos: self = .interval
        case .decimal(let scale):
            let precision = parameters["connect.decimal.precision"].flatMap { Int($0) }
            self = .decimal(precision: precision, scale: precision == nil ? nil : Int(scale))
        case .variableDecimal: self = .decimal(precision: nil, scale: nil)
        case .bits: self = .string
        case nil:
            guard base == .bytes else { return nil }
            self = .bytes
        }
    }
}
