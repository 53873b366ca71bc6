import Foundation

extension SourceType {
    /// What the connector makes of a column of this type.
    func schema(_ modes: ChangeModes) -> ConnectSchema {
        func named(_ kind: ConnectKind, _ name: String, _ parameters: [(String, String)] = []) -> ConnectSchema {
            ConnectSchema(kind, name, parameters: parameters)
        }
        switch self {
        case .bool, .bit(1): return ConnectSchema(.boolean)
        case .int2: return ConnectSchema(.int16)
        case .int4: return ConnectSchema(.int32)
        case .int8: return ConnectSchema(.int64)
        case .float4: return ConnectSchema(.float)
        case .float8: return ConnectSchema(.double)
        case .numeric, .anyNumeric: return decimalSchema(modes)
        case .text, .varchar, .inet: return ConnectSchema(.string)
        case .date, .time, .timestamp: return timeSchema(modes)
        case .timestamptz: return named(.string, "io.debezium.time.ZonedTimestamp")
        case .timetz: return named(.string, "io.debezium.time.ZonedTime")
        case .interval:
            return modes.intervals == .numeric
                ? named(.int64, "io.debezium.time.MicroDuration") : named(.string, "io.debezium.time.Interval")
        case .uuid: return named(.string, "io.debezium.data.Uuid")
        case .bytea: return ConnectSchema(modes.binary == .bytes ? .bytes : .string)
        case .json, .jsonb: return named(.string, "io.debezium.data.Json")
        case .xml: return named(.string, "io.debezium.data.Xml")
        case .hstore:
            return modes.hstore == .map
                ? ConnectSchema(.map(ConnectSchema(.string, isOptional: true)))
                : named(.string, "io.debezium.data.Json")
        case .point: return Self.pointSchema
        case .texts: return ConnectSchema(.array(ConnectSchema(.string, isOptional: true)))
        case .ints: return ConnectSchema(.array(ConnectSchema(.int32, isOptional: true)))
        case .bigints: return ConnectSchema(.array(ConnectSchema(.int64, isOptional: true)))
        case .uuids:
            return ConnectSchema(.array(ConnectSchema(.string, "io.debezium.data.Uuid", isOptional: true)))
        case .bit(let count): return named(.bytes, "io.debezium.data.Bits", [("length", "\(count)")])
        case .mood: return named(.string, "io.debezium.data.Enum", [("allowed", Self.moods.joined(separator: ","))])
        }
    }

    private static let pointSchema = ConnectSchema(
        .record([
            ConnectField("x", ConnectSchema(.double)), ConnectField("y", ConnectSchema(.double)),
            ConnectField("wkb", ConnectSchema(.bytes, isOptional: true)),
            ConnectField("srid", ConnectSchema(.int32, isOptional: true)),
        ]), "io.debezium.data.geometry.Point")

    private static let variableDecimal = ConnectSchema(
        .record([ConnectField("scale", ConnectSchema(.int32)), ConnectField("value", ConnectSchema(.bytes))]),
        "io.debezium.data.VariableScaleDecimal")

    private func decimalSchema(_ modes: ChangeModes) -> ConnectSchema {
        switch modes.decimals {
        case .double: return ConnectSchema(.double)
        case .string: return ConnectSchema(.string)
        case .precise:
            guard case .numeric(let precision, let scale) = self else { return Self.variableDecimal }
            return ConnectSchema(
                .bytes, "org.apache.kafka.connect.data.Decimal",
                parameters: [("scale", "\(scale)"), ("connect.decimal.precision", "\(precision)")])
        }
    }

    private func timeSchema(_ modes: ChangeModes) -> ConnectSchema {
        let (day, time, timestamp): (String, String, String) =
            switch self {
            case .time(let digits), .timestamp(let digits): names(modes, isShort: digits <= 3)
            default: names(modes, isShort: true)
            }
        switch self {
        case .date: return ConnectSchema(modes.time == .isostring ? .string : .int32, day)
        case .time:
            let kind: ConnectKind = time.hasSuffix(".Time") ? .int32 : modes.time == .isostring ? .string : .int64
            return ConnectSchema(kind, time)
        default: return ConnectSchema(modes.time == .isostring ? .string : .int64, timestamp)
        }
    }

    /// - Parameter isShort: at most milliseconds.
    private func names(_ modes: ChangeModes, isShort: Bool) -> (day: String, time: String, timestamp: String) {
        let debezium = "io.debezium.time."
        let connect = "org.apache.kafka.connect.data."
        return switch modes.time {
        case .adaptive:
            (
                debezium + "Date", debezium + (isShort ? "Time" : "MicroTime"),
                debezium + (isShort ? "Timestamp" : "MicroTimestamp")
            )
        case .adaptiveTimeMicroseconds:
            (debezium + "Date", debezium + "MicroTime", debezium + (isShort ? "Timestamp" : "MicroTimestamp"))
        case .connect: (connect + "Date", connect + "Time", connect + "Timestamp")
        case .isostring: (debezium + "IsoDate", debezium + "IsoTime", debezium + "IsoTimestamp")
        case .microseconds: (debezium + "Date", debezium + "MicroTime", debezium + "MicroTimestamp")
        case .nanoseconds: (debezium + "Date", debezium + "NanoTime", debezium + "NanoTimestamp")
        }
    }

    // MARK: Values

    /// What the connector makes of a value.
    func converted(_ value: SourceValue, _ modes: ChangeModes) -> ConnectValue {
        switch value {
        case .null: .null
        case .unavailable: placeholder(modes)
        case .bool(let flag): .bool(flag)
        case .int(let number): .int(number)
        case .float(let number): .float(number)
        case .double(let number): .double(number)
        case .decimal(let number): Self.converted(number, schema(modes))
        case .text(let text): .text(self == .timetz ? text.replacing("+00", with: "Z") : text)
        case .bytes(let bytes): Self.converted(bytes, modes)
        case .day, .clock, .local: Self.convertedTime(value, schema(modes))
        case .instant(let time): .text(SourceTime.timestamp(time, separator: "T") + "Z")
        case .interval(let months, let days, let time):
            modes.intervals == .numeric ? .int(time) : .text(Self.period(months, days, time))
        case .uuid(let bytes): .text(SourceValue.uuidText(bytes))
        case .bits(let bits): self == .bit(1) ? .bool(bits[0]) : .bytes(Self.packed(bits))
        case .texts(let texts): .list(texts.map { $0.map { .text($0) } ?? .null })
        case .ints(let numbers): .list(numbers.map { $0.map { .int($0) } ?? .null })
        case .uuids(let uuids): .list(uuids.map { $0.map { .text(SourceValue.uuidText($0)) } ?? .null })
        case .pairs(let pairs): Self.converted(pairs, modes)
        case .point(let x, let y): .record([.double(x), .double(y), .bytes(Self.wellKnownBinary(x, y)), .null])
        }
    }

    private static let unavailable = "__debezium_unavailable_value"

    private func placeholder(_ modes: ChangeModes) -> ConnectValue {
        switch self {
        case .bytea where modes.binary == .bytes: .bytes(Array(Self.unavailable.utf8))
        case .texts: .list([.text(Self.unavailable)])
        case .ints, .bigints: .list(Self.unavailable.utf8.map { .int(Int64($0)) })
        // The name-based UUID of the text: Java's `UUID.nameUUIDFromBytes`.
        case .uuids: .list([.text("b68a35a7-17ad-35b3-af2a-ae46edb4545a")])
        case .hstore: Self.converted([.init(Self.unavailable, Self.unavailable)], modes)
        default: .text(Self.unavailable)
        }
    }

    private static func converted(_ number: SourceDecimal, _ schema: ConnectSchema) -> ConnectValue {
        switch schema.kind {
        case .double: .double(Double(number.description) ?? .nan)
        case .string: .text(number.description)
        case .record: .record([.int(Int64(number.scale)), .bytes(number.unscaled)])
        default: .bytes(number.unscaled)
        }
    }

    private static func converted(_ bytes: [UInt8], _ modes: ChangeModes) -> ConnectValue {
        let base64 = Data(bytes).base64EncodedString()
        return switch modes.binary {
        case .bytes: .bytes(bytes)
        case .base64: .text(base64)
        case .base64URLSafe: .text(base64.replacing("+", with: "-").replacing("/", with: "_"))
        case .hex: .text(Hex.text(bytes))
        }
    }

    private static func converted(_ pairs: [SourceValue.Pair], _ modes: ChangeModes) -> ConnectValue {
        let values = pairs.map { ($0.name, $0.value.map { ConnectValue.text($0) } ?? .null) }
        guard modes.hstore == .json else { return .map(values) }
        let members = pairs.map { ConnectJSON.text($0.name) + ":" + ($0.value.map(ConnectJSON.text) ?? "null") }
        return .text("{" + members.joined(separator: ",") + "}")
    }

    private static func convertedTime(_ value: SourceValue, _ schema: ConnectSchema) -> ConnectValue {
        let name = schema.name ?? ""
        switch value {
        case .day(let day): return name.hasSuffix("IsoDate") ? .text(SourceTime.day(day) + "Z") : .int(day)
        case .clock(let time), .local(let time):
            if name.hasSuffix("IsoTime") { return .text(SourceTime.clock(time) + "Z") }
            if name.hasSuffix("IsoTimestamp") { return .text(SourceTime.timestamp(time, separator: "T") + "Z") }
            // Only whole milliseconds are told as such.
            return .int(name.contains(".Micro") ? time : name.contains(".Nano") ? time * 1000 : time / 1000)
        default: return .null
        }
    }

    /// As Debezium's `Interval` writes it: each part with its own sign.
    private static func period(_ months: Int, _ days: Int, _ microseconds: Int64) -> String {
        let seconds = microseconds % 60_000_000
        let fraction = SourceDecimal("\(seconds)", scale: 6).description
        let short = fraction.contains(".") ? String(fraction.reversed().drop { $0 == "0" }.reversed()) : fraction
        let plain = short.hasSuffix(".") ? String(short.dropLast()) : short
        let minutes = microseconds / 60_000_000
        return "P\(months / 12)Y\(months % 12)M\(days)DT\(minutes / 60)H\(minutes % 60)M\(plain)S"
    }

    /// The lowest bit, which is the last, in the first byte; no bytes for zeros in front: the connector for PostgreSQL does so.
    private static func packed(_ bits: [Bool]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: (bits.count + 7) / 8)
        for (index, bit) in bits.reversed().enumerated() where bit { bytes[index / 8] |= 1 << UInt8(index % 8) }
        while bytes.last == 0 { bytes.removeLast() }
        return bytes
    }

    /// Of a point, little-endian: OGC's simple features.
    private static func wellKnownBinary(_ x: Double, _ y: Double) -> [UInt8] {
        [1, 1, 0, 0, 0] + [x, y].flatMap { part in withUnsafeBytes(of: part.bitPattern.littleEndian) { Array($0) } }
    }
}
