/// A transaction, with what it holds and has still to look at.
final class Transaction {
    enum State { case underWay, committed, aborted }

    /// As the server numbers them.
    let number: Int
    unowned let session: Session
    let began: Int64
    var state = State.underWay
    /// The how many-th to commit.
    var committedAt = 0
    /// The outermost stands for the transaction itself.
    var levels: [Subtransaction] = []
    var statement = 0
    var lockedTables: [SimulatedTable] = []
    var pending: [PendingCheck] = []
    /// By SET CONSTRAINTS ALL; nil: as declared.
    var defersAll: Bool?
    var isExplicit = false
    var hasFailed = false
    /// What it has undone at its end: settings of before.
    var settings: [(name: String, before: String?, isLocal: Bool)] = []
    var temporary: [String] = []
    /// What `RowByRowBlock` has been refused, as it is asked for.
    var refused: [[SQLValue]] = []
    /// Rows that it has written.
    var written = 0

    init(_ number: Int, _ session: Session, began: Int64) {
        (self.number, self.session, self.began) = (number, session, began)
        levels = [Subtransaction(of: self, in: nil, name: "")]
    }

    /// Never empty.
    var current: Subtransaction { levels[levels.count - 1] }
}

/// A transaction, or what is behind one of its savepoints.
final class Subtransaction {
    let transaction: Transaction
    let parent: Subtransaction?
    let name: String
    var wasRolledBack = false
    /// Checks that waited when it began, settings and temporary tables likewise.
    var pendingBefore: [PendingCheck] = []
    var defersAllBefore: Bool?
    var settingsBefore = 0
    var temporaryBefore = 0

    init(of transaction: Transaction, in parent: Subtransaction?, name: String) {
        (self.transaction, self.parent, self.name) = (transaction, parent, name)
        pendingBefore = transaction.pending
        (defersAllBefore, settingsBefore) = (transaction.defersAll, transaction.settings.count)
        temporaryBefore = transaction.temporary.count
    }

    var isAborted: Bool {
        if transaction.state == .aborted { return true }
        var level: Subtransaction? = self
        while let one = level {
            if one.wasRolledBack { return true }
            level = one.parent
        }
        return false
    }

    var isCommitted: Bool { transaction.state == .committed && !isAborted }

    var isUnderWay: Bool { transaction.state == .underWay && !isAborted }
}

/// A row whose reference, or the rows that refer to it, are still to be looked at.
struct PendingCheck {
    let link: ForeignKeyLink
    let row: RowVersion
    /// The row is of the table that is referred to, and has gone or changed its key.
    let isOfParent: Bool
}

/// What a statement sees: what was committed when it began, and what its transaction has done before it.
struct Snapshot {
    let transaction: Transaction
    let statement: Int
    let committed: Int

    func sees(_ version: RowVersion) -> Bool {
        guard happened(version.made, version.madeBy) else { return false }
        guard let ended = version.ended else { return true }
        return !happened(ended, version.endedBy)
    }

    private func happened(_ change: Subtransaction, _ by: Int) -> Bool {
        if change.transaction === transaction { return by < statement && !change.isAborted }
        return change.transaction.state == .committed && change.transaction.committedAt <= committed
            && !change.isAborted
    }
}

/// A statement has to wait for the end of transactions.
///
/// Unchecked: the server is one thread's at a time.
struct Blocked: Error, @unchecked Sendable {
    var on: [Transaction]
}
