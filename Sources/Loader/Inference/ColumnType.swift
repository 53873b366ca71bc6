import Foundation
import Loading
import Postgres
import Records

/// The types that are proposed.
enum ColumnType: String, Sendable, CaseIterable {
    case boolean, integer, bigint, numeric, text, uuid, date, timestamptz, timestamp, jsonb

    /// As the catalog has it; the numbers of built-in types are fixed.
    var postgres: PostgresType {
        let oid: UInt32 =
            switch self {
            case .boolean: 16
            case .integer: 23
            case .bigint: 20
            case .numeric: 1700
            case .text: 25
            case .uuid: 2950
            case .date: 1082
            case .timestamptz: 1184
            case .timestamp: 1114
            case .jsonb: 3802
            }
        return PostgresType(oid: oid, name: rawValue, formatted: rawValue)
    }
}

/// A type for a field, with what the route has to say for it, and why.
struct TypeProposal: Sendable, Equatable {
    var type: ColumnType
    var unit: EpochUnit?
    /// Values hold U+0000, which the route has to replace.
    var replacesNul = false
    /// For the comment, where the type is not obvious.
    var reason: String?

    init(_ type: ColumnType, unit: EpochUnit? = nil, _ reason: String? = nil) {
        self.type = type
        self.unit = unit
        self.reason = reason
    }

    /// What nearly all of a field's values speak for; the few others become dead letters where the type has no room for them.
    init(_ field: FieldProfile, now: Date) {
        let most = field.kindCounts.max { $0.value < $1.value }
        let containers = field.kindCounts[.array, default: 0] + field.kindCounts[.object, default: 0]
        switch most?.key {
        case nil: self.init(.text, "never a value in the sample: the type is a guess")
        case _ where field.values - containers <= field.tolerated: self.init(.jsonb)
        case let kind? where field.values - field.kindCounts[kind, default: 0] <= field.tolerated:
            switch kind {
            case .boolean: self.init(.boolean)
            case .number: self = Self.number(field, now: now)
            case .string: self = Self.string(field)
            case .array, .object: self.init(.jsonb)
            }
        default: self.init(containers == 0 ? .text : .jsonb, "mixed: " + Self.words(field))
        }
    }

    /// `2931 numbers, 3 objects`: whether the few are meant is for the reader to say.
    private static func words(_ field: FieldProfile) -> String {
        field.kindCounts.map { kind, count -> (count: Int, words: String) in
            switch kind {
            case .boolean: (count, "\(count) booleans")
            case .number: (count, "\(count) numbers")
            case .string: (count, "\(count) strings")
            case .array: (count, "\(count) arrays")
            case .object: (count, "\(count) objects")
            }
        }.sorted { ($1.count, $0.words) < ($0.count, $1.words) }.map(\.words).joined(separator: ", ")
    }

    private static func number(_ field: FieldProfile, now: Date) -> TypeProposal {
        if let (unit, others) = epochUnit(of: field, now: now) {
            let rest = others > 0 ? ", but for \(others) of \(field.values)" : ""
            return TypeProposal(.timestamptz, unit: unit, "a number of \(unit.words) since 1970" + rest)
        }
        // A decimal that was written exactly is kept exactly.
        guard field.areAllIntegers, let range = field.integers else {
            let isRare = field.integers != nil && field.others * 20 <= field.values
            return TypeProposal(.numeric, isRare ? "bigint but for \(field.others) of \(field.values) values" : nil)
        }
        // Room to grow: a number that is refused is a dead letter, four bytes are not.
        let isCounted = isIdentifier(field.path.last ?? "")
        let limit: Int64 = 1_000_000
        return TypeProposal(
            !isCounted && (-limit...limit).contains(range.lowerBound) && range.upperBound <= limit ? .integer : .bigint)
    }

    private static func string(_ field: FieldProfile) -> TypeProposal {
        let strings = field.kindCounts[.string, default: 0]
        let most = field.shapeCounts.first { strings - $0.value <= field.tolerated }?.key
        return switch most {
        case .uuid: TypeProposal(.uuid)
        case .date: TypeProposal(.date)
        case .zonedTime: TypeProposal(.timestamptz)
        case .localTime: TypeProposal(.timestamp, "times without a zone; for timestamptz the route needs a `zone`")
        case nil where !field.shapes.contains(.other):
            TypeProposal(.text, "mixed: dates, times with and without a zone or UUIDs")
        case .other, nil: TypeProposal(.text)
        }
    }

    /// A number is a time only if its name says so and nearly all of them fall between 2001 and ten years from now in one unit.
    ///
    /// - Returns: the unit, and how many do not.
    static func epochUnit(of field: FieldProfile, now: Date) -> (unit: EpochUnit, others: Int)? {
        let words = snakeCased(field.path.last ?? "").split(separator: "_").map(String.init)
        let names: Set<String> = [
            "at", "time", "timestamp", "ts", "date", "datetime", "epoch", "created", "updated", "modified", "changed",
            "deleted", "expires", "expiry", "since", "until", "ms", "millis", "us", "micros", "ns", "nanos", "seconds",
        ]
        guard !names.isDisjoint(with: words) else { return nil }
        let last = Int64(now.timeIntervalSince1970) + 10 * 366 * 86_400
        // From 2001 until 2286 seconds have ten digits.
        let units: [(EpochUnit, factor: Int64, digits: Int)] = [
            (.seconds, 1, 10), (.milliseconds, 1000, 13), (.microseconds, 1_000_000, 16),
            (.nanoseconds, 1_000_000_000, 19),
        ]
        for (unit, factor, digits) in units {
            guard let (count, range) = field.magnitudes[digits] else { continue }
            let (upper, overflow) = last.multipliedReportingOverflow(by: factor)
            let others = field.values - count
            if others <= field.tolerated, range.upperBound <= (overflow ? .max : upper) { return (unit, others) }
        }
        return nil
    }

    /// Whether a name is one of an identifier: `id`, `order_id`, `uuid`, `sku_key`.
    static func isIdentifier(_ name: String) -> Bool {
        guard let last = snakeCased(name).split(separator: "_").last else { return false }
        return ["id", "uuid", "guid", "key", "nr", "no", "number", "seq", "sequence", "offset", "version"].contains(
            last)
    }
}

extension EpochUnit {
    fileprivate var words: String {
        switch self {
        case .seconds: "seconds"
        case .milliseconds: "milliseconds"
        case .microseconds: "microseconds"
        case .nanoseconds: "nanoseconds"
        case .days: "days"
        }
    }
}

/// The values of a field that its proposed column would refuse, by kind, none of them itself.
struct Misfits {
    struct Kind: Hashable {
        var reason: EncodingFailure.Reason
        var found: Field.Kind
    }

    private(set) var counts: [Kind: Int] = [:]
    /// The first message with one.
    private(set) var first: SampledMessage.Place?

    var count: Int { counts.values.reduce(0, +) }

    mutating func add(_ kind: Kind, at place: SampledMessage.Place?) {
        counts[kind, default: 0] += 1
        if first == nil { first = place }
    }

    /// `2 objects, 1 string that is no date`.
    func words(_ type: ColumnType) -> String {
        counts.map { kind, count in (count: count, words: "\(count) \(Self.words(kind, type, isOne: count == 1))") }
            .sorted { ($1.count, $0.words) < ($0.count, $1.words) }.map(\.words).joined(separator: ", ")
    }

    private static func words(_ kind: Kind, _ type: ColumnType, isOne: Bool) -> String {
        let noun =
            switch kind.found {
            case .absent, .null: "null"
            case .true, .false: "boolean"
            case .number: "number"
            case .string: "string"
            case .array: "array"
            case .object: "object"
            }
        let nouns = isOne ? noun : noun + "s"
        return switch kind.reason {
        case .wrongType: nouns
        case .badSyntax, .undecodable, .noDocument: nouns + (isOne ? " that is no " : " that are no ") + type.rawValue
        case .missingUnit: nouns + " without a unit"
        case .outOfRange, .tooLong: nouns + " beyond \(type.rawValue)"
        case .missingZone, .movingZone: nouns + " without a zone"
        case .nul: nouns + " with U+0000"
        case .invalidUTF8: nouns + (isOne ? " that is no UTF-8" : " that are no UTF-8")
        case .null: nouns
        }
    }
}

/// Asks the loader's own encoders whether a proposed type takes a value, so that what is proposed loads.
final class TypeTrial {
    private let encoder: BinaryEncoder?
    private var buffer = CopyBuffer()
    private let containers = NoContainers()

    init(_ proposal: TypeProposal) {
        encoder = BinaryEncoder(
            proposal.type.postgres,
            options: EncodingOptions(epochUnit: proposal.unit, onNul: proposal.replacesNul ? .replace : .deadLetter))
    }

    /// Why the column would refuse the field; nil if it takes it.
    func refusal(_ field: Field) -> Misfits.Kind? {
        let kind: InputValue.Kind
        switch field.kind {
        case .absent, .null: return nil
        case .false: kind = .false
        case .true: kind = .true
        case .number: kind = .number
        case .string: kind = .string
        case .array: kind = .array
        case .object: kind = .object
        }
        buffer.removeAll()
        do throws(EncodingFailure) {
            try encoder?.encode(InputValue(kind, field.bytes), into: &buffer, containers: containers)
            return nil
        } catch {
            return Misfits.Kind(reason: error.reason, found: field.kind)
        }
    }

    /// None of the proposed types looks inside arrays or objects, or has its strings decoded.
    private final class NoContainers: ContainerReader {
        func document(_ text: UnsafeRawBufferPointer) throws(EncodingFailure) -> InputValue {
            InputValue(.string, text)
        }
        func bytes(
            of text: UnsafeRawBufferPointer, decodedBy decoding: Decoding
        ) throws(EncodingFailure) -> UnsafeRawBufferPointer { text }
        func elements(of array: InputValue) throws(EncodingFailure) -> [InputValue] { [] }
        func members(of object: InputValue) throws(EncodingFailure) -> [(name: String, value: InputValue)] { [] }
    }
}
