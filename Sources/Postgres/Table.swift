/// A table's name with its schema, unquoted.
public struct TableName: Sendable, Hashable, CustomStringConvertible {
    /// Nil where the search path decides.
    public var schema: String?
    public var name: String

    public init(schema: String?, name: String) {
        self.schema = schema
        self.name = name
    }

    /// Both parts quoted as identifiers, fit for SQL text.
    public var quoted: String { (schema.map { quoteIdentifier($0) + "." } ?? "") + quoteIdentifier(name) }

    public var description: String { (schema.map { $0 + "." } ?? "") + name }
}

/// `"name"` with its double quotes doubled: an identifier fit for SQL text.
public func quoteIdentifier(_ name: String) -> String {
    // Batch by batch, and hardly ever with a quote in it.
    "\"" + (name.utf8.contains(UInt8(ascii: "\"")) ? name.replacing("\"", with: "\"\"") : name) + "\""
}

/// What the loader must know of a table to load it, read from the catalog once at start.
public struct Table: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        case table, partitioned, view, foreign
        /// Another `pg_class.relkind`.
        case other(String)
    }

    public struct Column: Sendable, Hashable {
        public enum Identity: Sendable, Hashable { case none, always, byDefault }

        public var name: String
        /// `pg_attribute.attnum`.
        public var number: Int16
        public var type: PostgresType
        /// NOT NULL, by the column itself or by a domain it is of.
        public var isNotNull: Bool
        /// The expression of the column's default, or of its type's; identity and generated columns have none here.
        public var defaultExpression: String?
        /// What it comes to, if that is the same for each row until the column or its type changes.
        public var constantDefault: ConstantDefault?
        public var identity: Identity
        /// GENERATED ALWAYS AS (…) STORED: nobody may write it.
        public var isGenerated: Bool
        /// Whether the connected role may INSERT and UPDATE this column.
        public var mayInsert: Bool
        public var mayUpdate: Bool

        public init(
            name: String, number: Int16, type: PostgresType, isNotNull: Bool = false, defaultExpression: String? = nil,
            constantDefault: ConstantDefault? = nil, identity: Identity = .none, isGenerated: Bool = false,
            mayInsert: Bool = true, mayUpdate: Bool = true
        ) {
            self.name = name
            self.number = number
            self.type = type
            self.isNotNull = isNotNull
            self.defaultExpression = defaultExpression
            self.constantDefault = constantDefault
            self.identity = identity
            self.isGenerated = isGenerated
            self.mayInsert = mayInsert
            self.mayUpdate = mayUpdate
        }
    }

    /// How a unique index compares one of its columns, where that is not the column's own way.
    public struct Comparison: Sendable, Hashable {
        /// The collation's name as SQL, if it is another than the column's.
        public var collation: String?
        /// Whether texts are equal only if their bytes are.
        public var isDeterministic: Bool
        /// The operator as SQL, if it is another than `=`.
        public var equality: String?

        public init(collation: String? = nil, isDeterministic: Bool = true, equality: String? = nil) {
            self.collation = collation
            self.isDeterministic = isDeterministic
            self.equality = equality
        }
    }

    /// A unique index or constraint that `ON CONFLICT (columns)` could name.
    public struct UniqueIndex: Sendable, Hashable {
        public var name: String
        public var columns: [String]
        /// For each of `columns`.
        public var comparisons: [Comparison]
        public var isPrimary: Bool
        /// False for a partial, expression, invalid or deferrable index: ON CONFLICT cannot infer it from its columns.
        public var isArbiter: Bool

        public init(
            name: String, columns: [String], isPrimary: Bool, isArbiter: Bool = true, comparisons: [Comparison]? = nil
        ) {
            self.name = name
            self.columns = columns
            self.comparisons = comparisons ?? columns.map { _ in Comparison() }
            self.isPrimary = isPrimary
            self.isArbiter = isArbiter
        }
    }

    public var oid: UInt32
    /// With the schema it was found in.
    public var name: TableName
    public var kind: Kind
    public var columns: [Column]
    public var uniqueIndexes: [UniqueIndex]
    /// The columns of each other index that finds rows by its first ones, in their order; an expression has no name.
    public var otherIndexes: [[String]] = []
    /// Something may be checked only at COMMIT: a deferred constraint on it or on a table that refers to it, or what lies
    /// behind a view or a trigger.
    public var hasDeferredConstraints: Bool
    /// A row may have to wait for another transaction's: a unique index or an exclusion constraint, on it or on a partition.
    public var hasConflicts: Bool
    /// A trigger sees each row before it is inserted, and may change it.
    public var hasInsertTriggers: Bool
    public var maySelect: Bool
    public var mayDelete: Bool
    /// Whether the role may TRUNCATE it, and no other table refers to it.
    public var mayTruncate: Bool
    /// USAGE on the schema, without which no other right counts.
    public var mayUseSchema: Bool
    /// Whether the role may make temporary tables in this database.
    public var mayMakeTemporary: Bool
    /// Whether its server's `numeric` knows infinity.
    public var numericHasInfinity: Bool

    public init(
        oid: UInt32, name: TableName, kind: Kind = .table, columns: [Column], uniqueIndexes: [UniqueIndex] = [],
        hasDeferredConstraints: Bool = false, hasConflicts: Bool = false, hasInsertTriggers: Bool = false,
        maySelect: Bool = true, mayDelete: Bool = true, mayTruncate: Bool = true, mayUseSchema: Bool = true,
        mayMakeTemporary: Bool = true,
        numericHasInfinity: Bool = true
    ) {
        self.oid = oid
        self.name = name
        self.kind = kind
        self.columns = columns
        self.uniqueIndexes = uniqueIndexes
        self.hasDeferredConstraints = hasDeferredConstraints
        self.hasConflicts = hasConflicts
        self.hasInsertTriggers = hasInsertTriggers
        self.maySelect = maySelect
        self.mayDelete = mayDelete
        self.mayTruncate = mayTruncate
        self.mayUseSchema = mayUseSchema
        self.mayMakeTemporary = mayMakeTemporary
        self.numericHasInfinity = numericHasInfinity
    }

    /// Whether an index begins with these columns, in whatever order, so that rows are found by them alone.
    public func isIndexed(by columns: [String]) -> Bool {
        let all = uniqueIndexes.filter(\.isArbiter).map(\.columns) + otherIndexes
        return all.contains { Set($0.prefix(columns.count)) == Set(columns) }
    }

    public func column(named name: String) -> Column? { columns.first { $0.name == name } }

    public var primaryKey: [String]? { uniqueIndexes.first { $0.isPrimary }?.columns }
}
