import Postgres
import Records
import Schemas

/// A route compiled against its table's catalog: what is copied, in which order and format, and what a key does.
package struct Target: Sendable {
    package struct Column: Sendable {
        package var name: String
        package var source: ColumnSource
        var encoder: ColumnEncoder
        package var type: PostgresType
        package var isRequired: Bool
        package var isNotNull: Bool
        /// Nil where the route takes values as they come.
        package var mending: ColumnMending?
        /// The default or constant as the type's input function reads it; nil where there is none.
        package var fixedInput: String?
        /// `json` or `jsonb`, where a whole key or value goes in as the JSON text it is.
        var isJSON: Bool
        /// `bytea`, where a whole key or value goes in byte for byte.
        var takesBytes = false
        /// The bit of this column in a row's set of those left out, for one that a row need not give.
        package var omissionBit: Int?
        /// A message without the column's field leaves it out.
        package var isLeftOutIfAbsent = false
        /// The default as SQL; nil for an identity, whose next value only the server can take.
        package var defaultExpression: String?
        /// The default as a field of COPY in the target's format, where it is the same for each row.
        var defaultField: [UInt8]?
        package var isIdentity = false
        /// GENERATED ALWAYS AS IDENTITY: what is given is inserted, but nobody may update it.
        package var isAlwaysIdentity = false
        /// A row that is there keeps what a message leaves out, though there is no default for a new one.
        var isKept = false

        var refusesNull: Bool { isRequired || isNotNull }
        /// Whether a new row that leaves it out has the same there as every other: its constant default, or NULL.
        var isFilledAlike: Bool { defaultField != nil || omissionBit != nil && defaultExpression == nil && !isIdentity }
    }

    package enum Format: Sendable { case binary, text }

    package var route: Route
    package var table: Table
    /// Its number among all targets: the position of the route in the configuration, but for tables that a route chooses among.
    package var index: Int
    package var format: Format
    /// In the order of the COPY: the key's columns first, so that a row's key is a prefix of its bytes.
    package var columns: [Column]
    /// How many of `columns` are the key; 0 in mode `insert`, and in mode `ignore` without a key.
    package var keyCount: Int
    package var onTombstone: Route.OnTombstone
    /// What the elements' rows of one message have in common; nil where that is nothing, or does not matter.
    package var parent: ElementParent?
    /// How it is told that two rows have the same key, for each of its columns.
    var keyForms: [KeyForm] = []
    /// How the key's index compares, for each of its columns.
    var keyComparisons: [Table.Comparison] = []
    /// What the columns of the table were when the route was compiled; see `Catalog.versions`.
    var version = Catalog.Version()
    /// What its rows refer to.
    var foreignKeys: [ForeignKey] = []
    /// How its messages are read, and their keys.
    package var messageFormat = MessageFormat.json
    var keyMessageFormat = MessageFormat.json
    /// Which of its refused rows are dead letters only once nothing has come that they refer to.
    var wait = ParentWait()

    /// What becomes of its rows in the table. A history is what ignores messages that are there already.
    package var mode: Route.Mode { route.mode == .history ? .ignore : route.mode }
    /// One of the tables that a route chooses among: the route's position in the configuration. `index` is behind all routes then.
    package var routePlace: Int?
    /// The position of its route in the configuration.
    package var place: Int { routePlace ?? index }
    /// It stands for all tables of a route that chooses, and no row goes into it.
    package var choosesTable: Bool { route.template != nil && routePlace == nil }
    package var name: TableName { choosesTable ? route.table : table.name }
    /// Whether a message without any of the routed fields is a dead letter.
    var wantsField: Bool { route.onNoFields == .deadLetter && columns.contains { $0.source.isField } }
    package var keyColumns: ArraySlice<Column> { columns[..<keyCount] }
    /// How many columns behind the key's say which of two messages is newer; none of them is ever left out.
    package var versionCount = 0
    /// The places of those columns.
    var versions: Range<Int> { keyCount..<keyCount + versionCount }
    /// How many columns a deletion that can be compared has: the key's and those.
    package var deletionCount: Int { keyCount + versionCount }
    /// All that is looked at of a message.
    var sources: [ColumnSource] {
        columns.map(\.source) + (route.condition?.sources ?? []) + (route.template?.sources ?? [])
    }
    /// Elements that are rows together are loaded together, or not at all.
    package var isOfElements: Bool { route.elements != nil }
    /// Deletions are carried out, or mark rows.
    var takesDeletions: Bool { onTombstone == .delete || onTombstone == .mark }
    /// One message may delete a row under one key and bring it under another.
    var changesKeys: Bool { mode == .upsert && route.envelope?.changesKeys == true && route.envelope?.before != nil }
    /// Columns that a message leaves out if it has no field for them.
    var omissible: [Int] { columns.indices.filter { columns[$0].isLeftOutIfAbsent } }
    /// The column that says of a row that it is deleted; nil where deleted rows go.
    package var mark: Mark?

    package struct Mark: Sendable {
        /// Its place.
        var column: Int
        /// What it says of a deleted row, as a field of COPY in the target's format; nil: when that was.
        var field: [UInt8]?
    }

    /// When its rows hold; nil where nothing says it.
    package var validity: Validity?
    /// The bit, behind those of the columns, of a row that leaves out what its source has and did not send: it can only change
    /// a row that is there. Of several rows of a key that are made one, that one has it only if all of them have it. Nil where no
    /// message can lack values in this way.
    package var needsRowBit: Int?
    /// How many bits a row's set of columns left out has, and what it needs.
    var omissionCount: Int { columns.count { $0.omissionBit != nil } + (needsRowBit == nil ? 0 : 1) }
    /// Whether a row may leave out something that only the server can fill in.
    var leavesToServer: Bool { columns.contains { $0.omissionBit != nil && !$0.isFilledAlike } }
    /// Whether rows are looked for in the table before they are inserted: what gives only some of its columns may be no row that
    /// can be inserted. All rows of the route are, so that what becomes of one does not depend on those beside it.
    var updatesFirst: Bool { columns.contains { $0.isKept } }
    /// Whether keys are equal exactly when their encoded bytes are.
    var isKeyBytewise: Bool { keyForms.allSatisfy { $0 == .bytes } }
    /// Whether only the server can tell which rows share a key, as with `citext`.
    var asksForSameKeys: Bool { keyForms.contains(.server) }
    /// Whether what a message does to its row depends on it coming behind all earlier ones of its key, and nothing in the row says
    /// that it does.
    package var isOrderedByArrival: Bool {
        guard mode == .upsert else { return false }
        // What deletes whatever is there counts by its place alone.
        return versionCount == 0
            || onTombstone == .delete && !passesTombstones && !columns[versions].allSatisfy(\.source.isOfTombstones)
    }
    /// Whether messages that are loaded once more leave no more rows than before. Without a key, mode `ignore` rests on
    /// any unique index, and one with a column that the server fills anew each time tells nothing.
    package var isReplaySafe: Bool {
        switch mode {
        case .upsert: true
        case .insert: false
        case .ignore, .history:
            keyCount > 0
                || table.uniqueIndexes.contains { index in
                    index.isArbiter && index.columns.allSatisfy { name in columns.contains { $0.name == name } }
                }
        }
    }
}

extension Target {
    /// Compiles a route, or says everything that is wrong with it.
    ///
    /// - Parameter role: the one that loads, for the GRANTs that are proposed.
    package static func compile(
        _ route: Route, index: Int, table: Table, role: String? = nil
    ) -> Result<Target, SetupProblems> {
        var compilation = TargetCompilation(route, index: index, table: table, role: role)
        return compilation.compile().map { $0.reading(with: nil) }
    }
}

extension Target {
    /// The same, with what is known of schemas.
    func reading(with schemas: SchemaSource?) -> Target {
        var target = self
        target.messageFormat = MessageFormat(valuesOf: route, schemas)
        target.keyMessageFormat = MessageFormat(keysOf: route, schemas)
        return target
    }
}
