import Postgres

/// A transaction that has a batch's rows before the batch's turn: while the one before it is still to be committed. What is
/// left is the fence and COMMIT, in one round trip, so that PostgreSQL is at rows all the time, however far away it is and
/// however small the batches are. Where what becomes of a row depends on the rows before it, as in an upsert, it has
/// asked which keys are there, and has in temporary tables what will not go by COPY; the rows go in at their turn.
///
/// It decides nothing and tells nothing. Whatever goes wrong is taken back, and the batch goes its ordinary way, where it
/// is found out what is to be done; nothing of it is ever committed but behind the fence, in its turn.
///
/// Unchecked: it has one owner at a time, as the batch that carries it.
final class HeadStart: @unchecked Sendable {
    let connection: Connection
    /// Nil where the rows are still to go in, behind what is done of it.
    let loaded: BatchTransaction.Loaded?
    let ahead: [Int: TargetLoading.Ahead]
    /// Of which tables the rows were, and how many the batch had.
    let tables: Int
    let rowCount: Int
    /// How long it took.
    let duration: Duration

    private init(
        _ connection: Connection, of batch: Batch, _ loaded: BatchTransaction.Loaded?,
        _ ahead: [Int: TargetLoading.Ahead], since began: ContinuousClock.Instant
    ) {
        (tables, rowCount) = (batch.tables.number, batch.rowCount)
        (self.connection, self.loaded, self.ahead, duration) = (connection, loaded, ahead, .now - began)
    }

    /// Copies a batch's rows, or prepares for it.
    ///
    /// - Parameters:
    ///   - prints: of this batch, and of the one before; nil if the rows are to go in.
    ///   - connection: is closed where that did not go.
    /// - Returns: nil if the batch has to go its ordinary way.
    static func take(
        _ batch: Batch, _ prints: (own: KeyPrints, behind: KeyPrints)?, _ database: LoadingOptions.Database,
        over connection: Connection
    ) -> HeadStart? {
        let began = ContinuousClock.now
        let selections = batch.tables.targets.map { RowSelection(batch: batch, target: $0) }.filter { !$0.rows.isEmpty }
        var loading = TargetLoading(batch: batch, connection: connection)
        do {
            _ = try connection.execute("\(Connection.begin); \(database.settings(connection.serverVersion))")
            guard let prints else {
                return HeadStart(connection, of: batch, try loading.loadAll(selections), [:], since: began)
            }
            return HeadStart(connection, of: batch, nil, try loading.getReady(selections, prints), since: began)
        } catch {
            connection.close()
            return nil
        }
    }

    /// Takes its rows back.
    ///
    /// - Returns: its connection, if that is good for another transaction.
    func takeBack() -> Connection? {
        if (try? connection.execute("ROLLBACK")) == nil { connection.close() }
        return connection.isOpen ? connection : nil
    }
}

extension HeadStart {
    enum Kind {
        /// The rows go in, beside those of the batch before.
        case rows
        /// The rows go in, once those of the batch before are in.
        case rowsBehind
        /// The rows are prepared, beside those of the batch before.
        case keys
    }
}

extension RoutedTables.Version {
    /// What may be done for a batch while the one before is not committed; nil: nothing.
    var headStarts: HeadStart.Kind? {
        if allowRows { return allowParallelCopies ? .rows : .rowsBehind }
        return targets.contains(where: \.tellsKeysEarly) ? .keys : nil
    }

    /// Whether rows may go in while those of the batch before are not committed: what becomes of them must depend on nothing
    /// that those bring about. A trigger may look at anything, and a foreign key at rows that nobody sees yet.
    private var allowRows: Bool {
        targets.allSatisfy { target in
            target.mode == .insert && [.table, .partitioned].contains(target.table.kind)
                && !target.table.hasDeferredConstraints && target.foreignKeys.isEmpty
        }
    }

    /// Whether rows may even go in beside those of the batch before. With a unique index that one might have to wait for a row
    /// of the batch that waits for it; with two tables, for somebody who locks one of them in between; and what the server
    /// counts for each row, as an identity does, would not follow the order of the messages.
    private var allowParallelCopies: Bool {
        guard targets.count == 1, let target = targets.first else { return false }
        let given = Set(target.columns.lazy.filter { $0.omissionBit == nil || $0.defaultField != nil }.map(\.name))
        let isFilledIn = target.table.columns.contains { column in
            !given.contains(column.name) && (column.defaultExpression != nil || column.identity != .none)
        }
        return !target.table.hasConflicts && !isFilledIn
    }
}

/// The builder's thread's part in head starts: the connection for them.
struct HeadStarts {
    private let index: Int
    private let options: LoadingOptions
    /// No earlier is another connection asked for, where the server had none to give.
    private var nextAttempt = ContinuousClock.now
    /// Of the batch that was built last, and of the one before it.
    private var prints: (behind: KeyPrints?, last: KeyPrints?)

    private static let pause = Duration.seconds(30)

    init(_ index: Int, _ options: LoadingOptions) { (self.index, self.options) = (index, options) }

    /// Takes note of a batch that has its rows.
    mutating func built(_ batch: Batch) {
        prints = (prints.last, batch.tables.headStarts == .keys ? KeyPrints(batch, batch.tables.targets) : nil)
    }

    /// - Parameters:
    ///   - batch: the one that was built last.
    ///   - spare: a connection that nobody uses, if there is one.
    ///   - isGivenUp: asked while the server is waited for.
    mutating func take(
        _ batch: Batch, spare: () -> Connection?, isGivenUp: @escaping () -> Bool
    ) -> HeadStart? {
        var both: (own: KeyPrints, behind: KeyPrints)?
        if batch.tables.headStarts == .keys {
            // Else the tables have changed between the two batches.
            guard let own = prints.last, let behind = prints.behind, own.tables == behind.tables else { return nil }
            both = (own, behind)
        }
        // A table is emptied in its turn, and with it what is there.
        guard batch.truncations.isEmpty else { return nil }
        guard batch.rowByteCount > 0, let connection = spare() ?? connect(isGivenUp) else { return nil }
        var isSilent = false
        connection.isGivenUp = { isSilent || isGivenUp() }
        connection.silence = options.database.lockSilence
        // Whose lock it is the loader says, when it comes to wait for the same.
        connection.whileSilent = { _, _ in isSilent = true }
        let headStart = HeadStart.take(
            batch, both, options.database, over: connection)
        if headStart == nil { nextAttempt = .now + Self.pause }
        return headStart
    }

    private func connect(_ isGivenUp: @escaping () -> Bool) -> Connection? {
        guard ContinuousClock.now >= nextAttempt else { return nil }
        return try? Connection(options.connectionOptions("writer \(index)"), isGivenUp: isGivenUp)
    }
}
