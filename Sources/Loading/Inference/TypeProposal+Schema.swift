import Records

extension TypeProposal {
    /// What holds all that a schema lets a field have.
    package init(declared content: SchemaOutline.Content) {
        switch content {
        case .boolean: self.init(.boolean)
        case .integer(let bits, true): self.init(bits <= 16 ? .smallint : bits <= 32 ? .integer : .bigint)
        case .integer(let bits, false): self.init(bits <= 32 ? .bigint : .numeric)
        case .float: self.init(.real)
        case .double: self.init(.double)
        case .decimal(let digits?, let scale?) where 1...1000 ~= digits && 0...digits ~= scale:
            self.init(.numeric)
            precision = (digits, scale)
        case .decimal: self.init(.numeric)
        case .string: self.init(.text)
        case .bytes: self.init(.bytea)
        case .uuid: self.init(.uuid)
        case .day: self.init(.date)
        case .timeOfDay: self.init(.time)
        case .instant: self.init(.timestamptz)
        case .localTime: self.init(.timestamp)
        case .interval: self.init(.interval)
        case .list(let items):
            self.init(declared: items)
            // Arrays in arrays have one length in PostgreSQL, and what has no type of its own is jsonb in any case.
            if isArray || type == .jsonb { self.init(.jsonb) } else { isArray = true }
        case .record, .map, .any: self.init(.jsonb)
        }
    }
}

extension ColumnType {
    /// What holds the values of a kind that formats with types have; nil where the values themselves decide.
    init?(_ kind: Field.Kind) {
        switch kind {
        case .double: self = .double
        case .float: self = .real
        case .decimal: self = .numeric
        case .bytes: self = .bytea
        case .day: self = .date
        case .timeOfDay: self = .time
        case .instant: self = .timestamptz
        case .localTime: self = .timestamp
        case .interval: self = .interval
        case .uuid: self = .uuid
        default: return nil
        }
    }
}
