/// What a statement says, before anybody has looked at tables.
indirect enum SQLExpression {
    case value(SQLValue)
    /// `$1` is 0.
    case parameter(Int)
    case column(String?, String)
    /// `*`, `v.*`
    case all(String?)
    case not(SQLExpression)
    case binary(String, SQLExpression, SQLExpression)
    case isNull(SQLExpression)
    case isDistinct(SQLExpression, SQLExpression)
    case call(SQLCall)
    case cast(SQLExpression, SQLType)
    case cases(of: SQLExpression?, [(when: SQLExpression, then: SQLExpression)], otherwise: SQLExpression?)
    case inList(SQLExpression, [SQLExpression])
    case inQuery(SQLExpression, SQLQuery)
    case exists(SQLQuery)
    case scalar(SQLQuery)
    case arrayOf(SQLQuery)
    case array([SQLExpression])
    case row([SQLExpression])
    case element(SQLExpression, SQLExpression)
    case any(SQLExpression, SQLExpression)
}

struct SQLCall {
    var name: String
    var arguments: [SQLExpression] = []
    /// `count(*)`
    var isOfAll = false
    var isDistinct = false
    var order: [SQLOrder] = []
    var filter: SQLExpression?
    var window: SQLWindow?
}

struct SQLWindow {
    var partition: [SQLExpression] = []
    var order: [SQLOrder] = []
}

struct SQLOrder {
    var by: SQLExpression
    var isDescending = false
    var nullsFirst: Bool?
}

struct SQLName {
    var schema: String?
    var name: String
}

indirect enum SQLSource {
    case table(SQLName, alias: String?)
    case function(SQLCall, alias: String?, columns: [String], hasOrdinality: Bool)
    case query(SQLQuery, alias: String, columns: [String])
    case join(SQLSource, SQLSource, isLeft: Bool, on: SQLExpression?)
}

struct SQLSelect {
    var isDistinct = false
    var items: [(value: SQLExpression, alias: String?)] = []
    var sources: [SQLSource] = []
    var condition: SQLExpression?
    var groups: [SQLExpression] = []
    var having: SQLExpression?
}

struct SQLQuery {
    var with: [SQLCommon] = []
    /// More than one with UNION ALL between them.
    var selects: [SQLSelect] = []
    var order: [SQLOrder] = []
    var limit: SQLExpression?
    var lock: SQLRowLock?
}

struct SQLRowLock {
    var of: String?
    var mode = RowLock.update
    var skipsLocked = false
}

/// A common table expression.
struct SQLCommon {
    var name: String
    var columns: [String]
    var body: SQLStatement
}

struct SQLAssignment {
    var columns: [String]
    var value: SQLExpression
}

struct SQLConflict {
    /// Nil: any unique index.
    var columns: [String]?
    /// Nil: DO NOTHING.
    var assignments: [SQLAssignment]?
    var condition: SQLExpression?
}

struct SQLInsert {
    var with: [SQLCommon] = []
    var table: SQLName
    var alias: String?
    var columns: [String]?
    /// Nil: DEFAULT VALUES.
    var query: SQLQuery?
    var conflict: SQLConflict?
    var returning: [(value: SQLExpression, alias: String?)] = []
}

struct SQLUpdate {
    var with: [SQLCommon] = []
    var table: SQLName
    var alias: String?
    var assignments: [SQLAssignment]
    var sources: [SQLSource] = []
    var condition: SQLExpression?
    var returning: [(value: SQLExpression, alias: String?)] = []
}

struct SQLDelete {
    var with: [SQLCommon] = []
    var table: SQLName
    var alias: String?
    var sources: [SQLSource] = []
    var condition: SQLExpression?
    var returning: [(value: SQLExpression, alias: String?)] = []
}

struct SQLCopy {
    var table: SQLName
    var columns: [String]?
    var isBinary = false
}

struct SQLTemporary {
    var name: String
    /// Nil: of the query's columns.
    var columns: [TableDefinition.Column]?
    var query: SQLQuery?
}

indirect enum SQLStatement {
    case query(SQLQuery)
    case insert(SQLInsert)
    case update(SQLUpdate)
    case delete(SQLDelete)
    case copy(SQLCopy)
    case begin(writes: Bool)
    case commit
    case rollback
    case savepoint(String)
    case rollbackTo(String)
    case release(String)
    case setConstraints(immediate: Bool)
    case set(String, String, isLocal: Bool)
    case truncate(SQLName)
    /// As strong as it goes: what somebody does who changes the table.
    case lock(SQLName)
    case createTemporary(SQLTemporary)
    /// Of a temporary table, where it changes nothing but the pace.
    case createIndex(SQLName)
    case block(String)
    /// Answered as a whole by `KnownQueries`.
    case known(KnownQuery)
}

extension SQLStatement {
    /// Whether it has rows to do with, and so can meet what happens to those.
    var mayFail: Bool {
        switch self {
        case .query, .insert, .update, .delete, .copy, .truncate, .createTemporary, .block: true
        default: false
        }
    }
}
