import Postgres

extension Route {
    /// How the producer of its messages writes values; nil: as anybody may.
    var writing: SourceWriting? {
        guard envelope != nil else { return nil }
        return SourceWriting(
            temporal: temporal, decimals: decimals, isDebezium: envelopeOptions.form == .debezium)
    }

    /// What strings stand for in a column: what the route says of it, or else what the envelope's producer writes.
    func decoding(of column: Column, _ type: PostgresType) -> Decoding {
        guard column.decoding == .none, !column.isNeverDecoded, envelope != nil else { return column.decoding }
        switch source(of: column) {
        case .field, .before, .key(.some): break
        default: return .none
        }
        if type.holdsBytes { return binary?.decoding ?? envelopeOptions.form?.bytes ?? .none }
        return envelopeOptions.form == .debezium && type.holdsDocuments ? .json : .none
    }
}

extension Route.BinaryText {
    fileprivate var decoding: Decoding {
        switch self {
        case .base64: .base64
        case .base64url: .base64url
        case .hex: .hex
        case .latin1: .latin1
        }
    }
}

extension Route.Column {
    /// What the route says that a string stands for; nil: nothing.
    public var saidDecoding: Decoding? {
        get { decoding == .none && !isNeverDecoded ? nil : decoding }
        set {
            decoding = newValue ?? Decoding.none
            isNeverDecoded = newValue == .some(Decoding.none)
        }
    }
}

extension EnvelopeOptions.Form {
    /// What strings for bytes are, unless the route says it.
    fileprivate var bytes: Decoding {
        switch self {
        case .debezium: .base64
        case .canal: .latin1
        case .none, .connect, .maxwell, .goldengate, .dms, .mongodb: .none
        }
    }
}

extension PostgresType {
    /// `bytea`, and arrays of it.
    var holdsBytes: Bool {
        switch shape {
        case .domain(let base): base.holdsBytes
        case .array(let element): element.holdsBytes
        case .base: oid == 17
        default: false
        }
    }

    /// `json`, `jsonb` and `hstore`, which a producer writes as texts of JSON.
    fileprivate var holdsDocuments: Bool {
        switch shape {
        case .domain(let base): base.holdsDocuments
        case .array(let element): element.holdsDocuments
        case .base: isJSON || name == "hstore"
        default: false
        }
    }
}
