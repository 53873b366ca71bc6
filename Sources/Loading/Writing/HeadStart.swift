import Postgres

/// A transaction that has a batch's rows before the batch's turn: while the one before it is still to be committed. What is
/// left is the fence and COMMIT, in one round trip, so that PostgreSQL is at rows all the time, however far away it is and
/// however small the batches are.
///
/// It decides nothing and tells nothing. Whatever goes wrong is taken back, and the batch goes its ordinary way, where it
/// is found out what is to be done; nothing of it is ever committed but behind the fence, in its turn.
///
/// Unchecked: it has one owner at a time, as the batch that carries it.
final class HeadStart: @unchecked Sendable {
    let connection: Connection
    let loaded: BatchTransaction.Loaded
    /// How long the rows took.
    let duration: Duration

    private init(_ connection: Connection, _ loaded: BatchTransaction.Loaded, _ duration: Duration) {
        (self.connection, self.loaded, self.duration) = (connection, loaded, duration)
    }

    /// Copies a batch's rows.
    ///
    /// - Parameter connection: is closed where that did not go.
    /// - Returns: nil if the batch has to go its ordinary way.
    static func take(_ batch: Batch, _ database: LoadingOptions.Database, over connection: Connection) -> HeadStart? {
        let began = ContinuousClock.now
        let selections = batch.tables.targets.map { RowSelection(batch: batch, target: $0) }.filter { !$0.rows.isEmpty }
        var loading = TargetLoading(batch: batch, connection: connection)
        do {
            _ = try connection.execute("\(Connection.begin); \(database.settings(connection.serverVersion))")
            let loaded = try loading.loadAll(selections)
            return HeadStart(connection, loaded, .now - began)
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

extension RoutedTables.Version {
    /// Whether rows may go in while those of the batch before are not committed: what becomes of them must depend on nothing
    /// that those bring about. A trigger may look at anything, and a foreign key at rows that nobody sees yet.
    var allowHeadStarts: Bool {
        targets.allSatisfy { target in
            target.mode == .insert && [.table, .partitioned].contains(target.table.kind)
                && !target.table.hasDeferredConstraints && target.foreignKeys.isEmpty
        }
    }

    /// Whether rows may even go in beside those of the batch before. With a unique index that one might have to wait for a row
    /// of the batch that waits for it; with two tables, for somebody who locks one of them in between; and what the server
    /// counts for each row, as an identity does, would not follow the order of the messages.
    var allowParallelCopies: Bool {
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

    private static let pause = Duration.seconds(30)

    init(_ index: Int, _ options: LoadingOptions) { (self.index, self.options) = (index, options) }

    /// - Parameters:
    ///   - spare: a connection that nobody uses, if there is one.
    ///   - isGivenUp: asked while the server is waited for.
    mutating func take(
        _ batch: Batch, spare: () -> Connection?, isGivenUp: @escaping () -> Bool
    ) -> HeadStart? {
        guard batch.rowByteCount > 0, let connection = spare() ?? connect(isGivenUp) else { return nil }
        var isSilent = false
        connection.isGivenUp = { isSilent || isGivenUp() }
        connection.silence = options.database.lockSilence
        // Whose lock it is the loader says, when it comes to wait for the same.
        connection.whileSilent = { _, _ in isSilent = true }
        let headStart = HeadStart.take(batch, options.database, over: connection)
        if headStart == nil { nextAttempt = .now + Self.pause }
        return headStart
    }

    private func connect(_ isGivenUp: @escaping () -> Bool) -> Connection? {
        guard ContinuousClock.now >= nextAttempt else { return nil }
        return try? Connection(options.connectionOptions("writer \(index)"), isGivenUp: isGivenUp)
    }
}
