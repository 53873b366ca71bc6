/// An option of a column, to be asked whether it can matter to a type.
public enum ColumnOption: Sendable, Hashable {
    case unit(EpochUnit)
    case zone
    case onNul
    case decode(Decoding)
    /// What its producer writes numbers of times by.
    case temporal
    /// How its producer writes decimals.
    case decimals
}

extension PostgresType {
    /// Whether the option changes what becomes of any value of this type.
    public func takes(_ option: ColumnOption) -> Bool {
        switch shape {
        case .domain(let base): return base.takes(option)
        case .array(let element): return option == .decode(.json) || element.takes(option)
        case .composite(let attributes):
            if case .decode(let decoding) = option { return decoding == .json }
            return attributes.contains { $0.type.takes(option) }
        case .enumeration: return option == .decode(.none)
        case .base: break
        }
        let kind = ColumnForm.kind(ofBase: self)
        switch (option, kind) {
        case (.unit(.days), .date), (.unit(.days), .timestamp), (.unit(.days), .timestamptz), (.unit(.days), .interval):
            return true
        case (.unit(.days), _): return false
        case (.unit, .date), (.unit, .time), (.unit, .timetz), (.unit, .timestamp), (.unit, .timestamptz),
            (.unit, .interval):
            return true
        case (.zone, .date), (.zone, .time), (.zone, .timestamp), (.zone, .timestamptz): return true
        case (.onNul, .text), (.onNul, .jsonb), (.onNul, .hstore), (.onNul, .other): return true
        case (.temporal, .time), (.temporal, .timestamp), (.temporal, .timestamptz), (.decimals, .numeric): return true
        case (.decode(.none), _): return true
        case (.decode(.json), .json), (.decode(.json), .jsonb), (.decode(.json), .text), (.decode(.json), .hstore):
            return true
        // An extension's type may take what is nested as the JSON it is.
        case (.decode(.json), .other): return oid >= 16384
        case (.decode, .bytea), (.decode, .text), (.decode, .json), (.decode, .jsonb): return option != .decode(.json)
        default: return false
        }
    }

    /// Whether an integer that is no field, such as an offset, goes into it.
    public var takesIntegers: Bool {
        switch shape {
        case .domain(let base): return base.takesIntegers
        case .base: break
        default: return false
        }
        switch ColumnForm.kind(ofBase: self) {
        case .int2, .int4, .int8, .float4, .float8, .numeric, .text, .json, .jsonb, .other: return true
        default: return false
        }
    }

    /// Whether a moment that is no field, such as a message's own time, goes into it.
    public var takesMoments: Bool {
        switch shape {
        case .domain(let base): return base.takesMoments
        case .base: break
        default: return false
        }
        switch ColumnForm.kind(ofBase: self) {
        case .timestamp, .timestamptz, .date, .int8, .text: return true
        default: return false
        }
    }
}
