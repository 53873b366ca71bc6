import Foundation
import Postgres
import Records

/// The types that are proposed.
package enum ColumnType: String, Sendable, CaseIterable {
    case boolean, smallint, integer, bigint, real
    case double = "double precision"
    case numeric, text, bytea, uuid, date, time, timestamptz, timestamp, interval, jsonb
}

/// A type for a field, with what the route has to say for it, and why.
package struct TypeProposal: Sendable {
    package var type: ColumnType
    package var unit: EpochUnit?
    /// What its strings stand for.
    package var decoding = Decoding.none
    /// Values hold U+0000, which the route has to replace.
    package var replacesNul = false
    /// For the comment, where the type is not obvious.
    package var reason: String?
    /// A few values speak against a narrower type, which the reason names: somebody should know before there is data in it.
    package var isWidened = false
    /// Precision and scale of a `numeric`, where the schema has them.
    package var precision: (digits: Int, scale: Int)?
    /// An array of the type.
    package var isArray = false

    /// As SQL names it.
    package var sql: String {
        type.rawValue + (precision.map { "(\($0.digits),\($0.scale))" } ?? "") + (isArray ? "[]" : "")
    }

    package init(_ type: ColumnType, unit: EpochUnit? = nil, _ reason: String? = nil) {
        self.type = type
        self.unit = unit
        self.reason = reason
    }

    /// A type with room for the few values that a narrower one, which most fit, would refuse.
    package static func widened(_ type: ColumnType, _ reason: String) -> TypeProposal {
        var proposal = TypeProposal(type, reason)
        proposal.isWidened = true
        return proposal
    }

    /// What nearly all of a field's values speak for; the few others become dead letters where the type has no room for them.
    package init(_ field: FieldProfile, now: Date) {
        if let declared = field.declared {
            self.init(declared: declared.content)
            return
        }
        if let kind = field.exactKind, let type = ColumnType(kind) {
            self.init(type)
            return
        }
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
        default:
            self.init(containers == 0 ? .text : .jsonb, "mixed: " + Self.words(field))
            isWidened = (field.values - (most?.value ?? 0)) * 10 <= field.values
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
        if let (unit, others) = likelyUnit(of: field) {
            let which = others > 0 ? "\(others) of \(field.values) values" : "some that lie beyond ten years from now"
            return .widened(
                field.areAllIntegers ? .bigint : .numeric, "a number of \(unit.words) since 1970, but for \(which)")
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
        if most == nil, let (type, count) = shaped(field), (strings - count) * 10 <= strings {
            // Whoever reads this may know that the few are no reason.
            return .widened(.text, "\(type.rawValue) but for \(strings - count) of \(field.values) values")
        }
        return switch most {
        case .uuid: TypeProposal(.uuid)
        case .date: TypeProposal(.date)
        case .zonedTime: TypeProposal(.timestamptz)
        case .localTime: TypeProposal(.timestamp, "times without a zone; for timestamptz the route needs a zone")
        case nil where !field.shapes.contains(.other):
            TypeProposal(.text, "mixed: dates, times with and without a zone or UUIDs")
        case .other, nil: TypeProposal(.text)
        }
    }

    /// What most strings look like, if they look like anything.
    private static func shaped(_ field: FieldProfile) -> (type: ColumnType, count: Int)? {
        guard let most = field.shapeCounts.max(by: { $0.value < $1.value }) else { return nil }
        switch most.key {
        case .uuid: return (.uuid, most.value)
        case .date: return (.date, most.value)
        case .zonedTime: return (.timestamptz, most.value)
        case .localTime: return (.timestamp, most.value)
        case .other: return nil
        }
    }

    /// A number is a time only if its name says so and nearly all of them fall between 2001 and ten years from now in one unit.
    ///
    /// - Returns: the unit, and how many do not.
    package static func epochUnit(of field: FieldProfile, now: Date) -> (unit: EpochUnit, others: Int)? {
        guard isNamedLikeTime(field) else { return nil }
        let last = Int64(now.timeIntervalSince1970) + 10 * 366 * 86_400
        for (unit, factor, digits) in units {
            guard let (count, range) = field.magnitudes[digits] else { continue }
            let (upper, overflow) = last.multipliedReportingOverflow(by: factor)
            let others = field.values - count
            if others <= field.tolerated, range.upperBound <= (overflow ? .max : upper) { return (unit, others) }
        }
        return nil
    }

    /// Units, and the digits of their numbers: from 2001 until 2286 seconds have ten.
    private static let units: [(EpochUnit, factor: Int64, digits: Int)] = [
        (.seconds, 1, 10), (.milliseconds, 1000, 13), (.microseconds, 1_000_000, 16), (.nanoseconds, 1_000_000_000, 19),
    ]

    /// The unit that most numbers of a field named like a time have, and how many have not.
    private static func likelyUnit(of field: FieldProfile) -> (unit: EpochUnit, others: Int)? {
        guard isNamedLikeTime(field) else { return nil }
        return units.compactMap { unit, _, digits in
            field.magnitudes[digits].flatMap { known in
                (field.values - known.count) * 10 <= field.values ? (unit, field.values - known.count) : nil
            }
        }.first
    }

    private static func isNamedLikeTime(_ field: FieldProfile) -> Bool {
        let words = snakeCased(field.path.last ?? "").split(separator: "_").map(String.init)
        let names: Set<String> = [
            "at", "time", "timestamp", "ts", "date", "datetime", "epoch", "created", "updated", "modified", "changed",
            "deleted", "expires", "expiry", "since", "until", "ms", "millis", "us", "micros", "ns", "nanos", "seconds",
        ]
        return !names.isDisjoint(with: words)
    }

    /// Whether a name is one of an identifier: `id`, `order_id`, `uuid`, `sku_key`.
    package static func isIdentifier(_ name: String) -> Bool {
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
