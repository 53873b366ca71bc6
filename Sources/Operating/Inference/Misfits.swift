import Loading
import Postgres
import Records

/// The values of a field that its proposed column would refuse, by kind, none of them itself.
package struct Misfits {
    struct Kind: Hashable {
        var reason: EncodingFailure.Reason
        var found: Field.Kind
    }

    private(set) var counts: [Kind: Int] = [:]
    /// The first message with one: `orders[0]@17`.
    package private(set) var first: String?

    package var count: Int { counts.values.reduce(0, +) }

    mutating func add(_ kind: Kind, at place: @autoclosure () -> String) {
        counts[kind, default: 0] += 1
        if first == nil { first = place() }
    }

    /// `2 objects, 1 string that is no date`.
    package func words(_ type: ColumnType) -> String {
        counts.map { kind, count in (count: count, words: "\(count) \(Self.words(kind, type, isOne: count == 1))") }
            .sorted { ($1.count, $0.words) < ($0.count, $1.words) }.map(\.words).joined(separator: ", ")
    }

    private static func words(_ kind: Kind, _ type: ColumnType, isOne: Bool) -> String {
        let noun = InputValue.Kind(kind.found).name
        let nouns = isOne ? noun : noun + "s"
        return switch kind.reason {
        case .wrongType: nouns
        case .badSyntax, .undecodable, .noDocument: nouns + (isOne ? " that is no " : " that are no ") + type.rawValue
        case .missingScale: nouns + " of a number without its scale"
        case .ambiguous: nouns + " that are numbers in two ways"
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

    init(_ proposal: TypeProposal) {
        encoder = BinaryEncoder(
            proposal.postgres,
            options: EncodingOptions(
                epochUnit: proposal.unit, onNul: proposal.replacesNul ? .replace : .deadLetter,
                decoding: proposal.decoding))
    }

    /// Why the column would refuse the field; nil if it takes it.
    ///
    /// - Parameter containers: looks into lists and records.
    func refusal(_ field: Field, _ containers: any ContainerReader) -> Misfits.Kind? {
        let value = InputValue(field)
        if value.kind == .null { return nil }
        buffer.removeAll()
        do throws(EncodingFailure) {
            try encoder?.encode(value, into: &buffer, containers: containers)
            return nil
        } catch {
            return Misfits.Kind(reason: error.reason, found: field.kind)
        }
    }
}

extension TypeProposal {
    /// As the catalog has it.
    fileprivate var postgres: PostgresType {
        var single = type.postgres
        if let precision { single.modifier = Int32(precision.digits << 16 | precision.scale) + 4 }
        guard isArray else { return single }
        // Its own number is not looked at; that of its elements stands in what is copied.
        return PostgresType(oid: 0, name: "_\(single.name)", formatted: sql, shape: .array(of: single))
    }
}

extension ColumnType {
    /// The numbers of built-in types are fixed.
    fileprivate var postgres: PostgresType {
        let oid: UInt32 =
            switch self {
            case .boolean: 16
            case .smallint: 21
            case .real: 700
            case .double: 701
            case .bytea: 17
            case .time: 1083
            case .interval: 1186
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
