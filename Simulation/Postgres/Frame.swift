/// The rows that expressions are evaluated for, one of each source, and those of the queries around.
final class Frame {
    let execution: Execution
    let outer: Frame?
    var rows: [[SQLValue]]
    /// Of those that are a table's.
    var versions: [RowVersion?]
    var aggregates: [SQLValue] = []
    var windows: [SQLValue] = []

    init(_ execution: Execution, in outer: Frame?, sources: Int) {
        (self.execution, self.outer) = (execution, outer)
        rows = Array(repeating: [], count: sources)
        versions = Array(repeating: nil, count: sources)
    }

    /// The same rows, for later.
    var kept: Frame {
        let frame = Frame(execution, in: outer, sources: 0)
        (frame.rows, frame.versions, frame.aggregates, frame.windows) = (rows, versions, aggregates, windows)
        return frame
    }
}

typealias Evaluator = (Frame) throws -> SQLValue

/// What names mean at a place of a statement.
final class Scope {
    struct Relation {
        var name: String
        var columns: [String]
        var slot: Int
    }

    let outer: Scope?
    var relations: [Relation] = []
    /// Aggregates and windows that expressions here ask for; nil where none may stand.
    var collected: Collected?

    init(in outer: Scope?) { self.outer = outer }

    final class Collected {
        var aggregates: [(call: SQLCall, compute: ([Frame]) throws -> SQLValue)] = []
        var windows: [([Frame]) throws -> [SQLValue]] = []
    }

    /// How many scopes out, and where there.
    func find(_ qualifier: String?, _ name: String) -> (depth: Int, slot: Int, column: Int?)? {
        for relation in relations where qualifier == nil || relation.name == qualifier {
            if let column = relation.columns.firstIndex(of: name) { return (0, relation.slot, column) }
            if name == "ctid", qualifier != nil || relations.count == 1 { return (0, relation.slot, nil) }
        }
        // A source by its own name: the value of a function's only column.
        if qualifier == nil, let relation = relations.first(where: { $0.name == name && $0.columns.count == 1 }) {
            return (0, relation.slot, 0)
        }
        return outer?.find(qualifier, name).map { ($0.depth + 1, $0.slot, $0.column) }
    }
}

/// The running of a statement, which may have to begin again behind a lock: what it has done by then is kept in a journal and
/// not done twice, and what it sees stays what it saw.
final class Execution {
    enum Outcome {
        case nothing
        case number(Int)
        case row(RowVersion?)
        case snapshot(Snapshot)
        case checks([PendingCheck])
    }

    let session: Session
    let transaction: Transaction
    let parameters: [SQLValue]
    /// Those of the plan, in its order.
    var tables: [SimulatedTable] = []
    var commons: [Int: [[SQLValue]]] = [:]
    var commonPlans: [Int: CommonPlan] = [:]
    /// Results of subqueries that depend on no row.
    var constants: [Int: Set<SQLValue>] = [:]
    /// The rows that `RowByRowBlock` has at hand.
    var taken: [SQLValue] = []
    private(set) var snapshot: Snapshot
    private var journal: [Result<Outcome, SQLFailure>] = []
    private var position = 0

    init(_ session: Session, _ transaction: Transaction, _ parameters: [SQLValue]) {
        (self.session, self.transaction, self.parameters) = (session, transaction, parameters)
        snapshot = session.database.snapshot(of: transaction)
    }

    var database: SimulatedDatabase { session.database }

    /// From the beginning again.
    func rewind() {
        position = 0
        commons = [:]
        constants = [:]
        taken = []
    }

    /// One step that changes or asks what changes. Not done again when the statement is run again behind a lock.
    @discardableResult
    func step(_ body: () throws -> Outcome) throws -> Outcome {
        if position < journal.count {
            position += 1
            return try journal[position - 1].get()
        }
        do {
            let outcome = try body()
            journal.append(.success(outcome))
            position += 1
            return outcome
        } catch let failure as SQLFailure {
            journal.append(.failure(failure))
            position += 1
            throw failure
        }
    }

    /// Goes on as the next statement of a block, which sees what was committed meanwhile.
    func nextStatement() throws {
        let outcome = try step {
            transaction.statement += 1
            return .snapshot(database.snapshot(of: transaction))
        }
        if case .snapshot(let snapshot) = outcome { self.snapshot = snapshot }
        commons = [:]
        constants = [:]
    }
}
