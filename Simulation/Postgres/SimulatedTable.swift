/// A version of a row. Nothing is overwritten: who may see which, `Snapshot` says.
final class RowVersion {
    let number: Int
    let values: [SQLValue]
    /// Those of the table's unique indexes.
    let keyColumns: Set<Int>
    let made: Subtransaction
    /// Which of its transaction's statements has made it.
    let madeBy: Int
    var ended: Subtransaction?
    var endedBy = 0
    /// What an update has put in its place.
    var next: RowVersion?
    /// Locks that are no changes.
    var locks: [(by: Subtransaction, mode: RowLock)] = []

    init(_ number: Int, _ values: [SQLValue], _ keyColumns: Set<Int>, _ made: Subtransaction, _ madeBy: Int) {
        (self.number, self.values, self.keyColumns, self.made, self.madeBy) =
            (number, values, keyColumns, made, madeBy)
    }
}

/// https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
enum RowLock: Int {
    case keyShare, share, noKeyUpdate, update

    func conflicts(with other: RowLock) -> Bool {
        switch self {
        case .keyShare: other == .update
        case .share: other.rawValue >= RowLock.noKeyUpdate.rawValue
        case .noKeyUpdate: other != .keyShare
        case .update: true
        }
    }
}

final class UniqueIndex {
    let name: String
    let columns: [Int]
    let isPrimary: Bool
    /// A column that counts as the least of times where it is null.
    let coalesced: Int?
    /// By the key; never gone through, so its order is nobody's.
    var entries: [[SQLValue]: [RowVersion]] = [:]

    init(_ name: String, _ columns: [Int], isPrimary: Bool, coalesced: Int? = nil) {
        (self.name, self.columns, self.isPrimary, self.coalesced) = (name, columns, isPrimary, coalesced)
    }

    /// Nil where a null keeps it from being equal to any other.
    func key(_ values: [SQLValue]) -> [SQLValue]? {
        var key: [SQLValue] = []
        key.reserveCapacity(columns.count)
        for column in columns {
            if values[column].isNull {
                guard column == coalesced else { return nil }
                key.append(.time(.min))
            } else {
                key.append(values[column])
            }
        }
        return key
    }
}

final class ForeignKeyLink {
    let definition: TableDefinition.Reference
    let columns: [Int]
    unowned let child: SimulatedTable
    unowned let parent: SimulatedTable
    let parentColumns: [Int]
    let parentIndex: UniqueIndex

    init?(_ definition: TableDefinition.Reference, _ child: SimulatedTable, _ parent: SimulatedTable) {
        let columns = definition.columns.compactMap { child.place($0) }
        let parentColumns = definition.parentColumns.compactMap { parent.place($0) }
        guard let index = parent.indexes.first(where: { $0.columns == parentColumns }) else { return nil }
        (self.definition, self.child, self.parent) = (definition, child, parent)
        (self.columns, self.parentColumns, parentIndex) = (columns, parentColumns, index)
    }
}

final class SimulatedTable {
    let definition: TableDefinition
    let oid: UInt32
    let isTemporary: Bool
    let indexes: [UniqueIndex]
    /// Tables of the same columns have the same, so that what was prepared for the one does for the other.
    let shape: Int
    let places: [String: Int]
    let keyColumns: Set<Int>
    /// The transaction that has written each column's row in the catalog: what changes with the table.
    var changedBy = 700
    var rows: [RowVersion] = []
    var references: [ForeignKeyLink] = []
    var referredBy: [ForeignKeyLink] = []
    var checks: [(name: String, isMet: ([SQLValue]) throws -> SQLValue)] = []
    var defaults: [((Frame) throws -> SQLValue)?] = []
    var locks: [(by: Transaction, mode: TableLock)] = []
    var nextIdentity: Int64 = 1
    private var nextNumber = 0

    init(_ definition: TableDefinition, oid: UInt32, shape: Int, isTemporary: Bool = false) {
        (self.definition, self.oid, self.shape, self.isTemporary) = (definition, oid, shape, isTemporary)
        places = Dictionary(definition.columns.enumerated().map { ($1.name, $0) }) { first, _ in first }
        var indexes: [UniqueIndex] = []
        func place(_ name: String) -> Int { definition.columns.firstIndex { $0.name == name } ?? 0 }
        if !definition.primaryKey.isEmpty {
            indexes.append(
                UniqueIndex("\(definition.name)_pkey", definition.primaryKey.map(place), isPrimary: true))
        }
        for unique in definition.uniques {
            let coalesced = unique.first { $0.hasPrefix("coalesce ") }.map { place(String($0.dropFirst(9))) }
            let columns = unique.map { $0.hasPrefix("coalesce ") ? place(String($0.dropFirst(9))) : place($0) }
            let name =
                coalesced == nil
                ? "\(definition.name)_\(unique.joined(separator: "_"))_key" : "\(definition.name)_message"
            indexes.append(UniqueIndex(name, columns, isPrimary: false, coalesced: coalesced))
        }
        self.indexes = indexes
        keyColumns = Set(indexes.filter { $0.coalesced == nil }.flatMap(\.columns))
    }

    func place(_ column: String) -> Int? { places[column] }

    var description: String { "\(definition.schema).\(definition.name)" }

    func add(_ values: [SQLValue], _ made: Subtransaction, _ madeBy: Int) -> RowVersion {
        let version = RowVersion(nextNumber, values, keyColumns, made, madeBy)
        nextNumber += 1
        rows.append(version)
        for index in indexes {
            if let key = index.key(values) { index.entries[key, default: []].append(version) }
        }
        return version
    }

    /// Rows, the forgotten ones among them, from which on a look for those pays.
    private var mostRows = 64

    /// Forgets the versions that nobody can see any more. Only while no statement runs.
    func vacuum() {
        guard rows.count > mostRows else { return }
        rows = rows.filter { version in !version.made.isAborted && !(version.ended?.isCommitted ?? false) }
        mostRows = max(64, rows.count * 3)
        for index in indexes {
            index.entries = [:]
            for version in rows {
                if let key = index.key(version.values) { index.entries[key, default: []].append(version) }
            }
        }
    }

    func empty() {
        rows = []
        for index in indexes { index.entries = [:] }
    }
}

/// Those modes of table locks that the loader's statements take.
///
/// https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
enum TableLock {
    case accessShare, rowShare, rowExclusive, accessExclusive

    func conflicts(with other: TableLock) -> Bool { self == .accessExclusive || other == .accessExclusive }
}
