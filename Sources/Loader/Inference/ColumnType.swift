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

    /// What a field's profile speaks for.
    init(_ field: FieldProfile, now: Date) {
        switch field.kinds {
        case []: self.init(.text, "never a value in the sample: the type is a guess")
        case [.boolean]: self.init(.boolean)
        case [.number]: self = Self.number(field, now: now)
        case [.string]: self = Self.string(field)
        case [.array], [.object]: self.init(.jsonb)
        case let kinds where kinds.isDisjoint(with: [.array, .object]):
            self.init(.text, "mixed: " + Self.words(field))
        default: self.init(.jsonb, "mixed: " + Self.words(field))
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
        // A decimal that was written exactly is kept exactly.
        guard field.areAllIntegers, let range = field.integers else {
            let isRare = field.integers != nil && field.others * 20 <= field.values
            return TypeProposal(.numeric, isRare ? "bigint but for \(field.others) of \(field.values) values" : nil)
        }
        if let unit = epochUnit(of: field, range, now: now) {
            return TypeProposal(.timestamptz, unit: unit, "a number of \(unit.words) since 1970")
        }
        // Room to grow: a number that is refused is a dead letter, four bytes are not.
        let isCounted = isIdentifier(field.path.last ?? "")
        let limit: Int64 = 1_000_000
        return TypeProposal(
            !isCounted && (-limit...limit).contains(range.lowerBound) && range.upperBound <= limit ? .integer : .bigint)
    }

    private static func string(_ field: FieldProfile) -> TypeProposal {
        switch field.shapes {
        case [.uuid]: TypeProposal(.uuid)
        case [.date]: TypeProposal(.date)
        case [.zonedTime]: TypeProposal(.timestamptz)
        case [.localTime]: TypeProposal(.timestamp, "times without a zone; for timestamptz the route needs a `zone`")
        case let shapes where shapes.count > 1 && !shapes.contains(.other):
            TypeProposal(.text, "mixed: dates, times with and without a zone or UUIDs")
        default: TypeProposal(.text)
        }
    }

    /// A number is a time only if its name says so and all of them fall between 2001 and ten years from now in one unit.
    static func epochUnit(of field: FieldProfile, _ range: ClosedRange<Int64>, now: Date) -> EpochUnit? {
        let words = snakeCased(field.path.last ?? "").split(separator: "_").map(String.init)
        let names: Set<String> = [
            "at", "time", "timestamp", "ts", "date", "datetime", "epoch", "created", "updated", "modified", "changed",
            "deleted", "expires", "expiry", "since", "until", "ms", "millis", "us", "micros", "ns", "nanos", "seconds",
        ]
        guard !names.isDisjoint(with: words) else { return nil }
        let last = Int64(now.timeIntervalSince1970) + 10 * 366 * 86_400
        let units: [(EpochUnit, Int64)] = [
            (.seconds, 1), (.milliseconds, 1000), (.microseconds, 1_000_000), (.nanoseconds, 1_000_000_000),
        ]
        return units.first { _, factor in
            let (upper, overflow) = last.multipliedReportingOverflow(by: factor)
            return range.lowerBound >= 1_000_000_000 * factor && range.upperBound <= (overflow ? .max : upper)
        }?.0
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
    func refusal(_ field: Field) -> EncodingFailure.Reason? {
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
            return error.reason
        }
    }

    /// None of the proposed types looks inside arrays or objects.
    private final class NoContainers: ContainerReader {
        func elements(of array: InputValue) throws(EncodingFailure) -> [InputValue] { [] }
        func members(of object: InputValue) throws(EncodingFailure) -> [(name: String, value: InputValue)] { [] }
    }
}
