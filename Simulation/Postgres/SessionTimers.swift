/// What the server ends by the clock.
extension SimulatedDatabase {
    /// `deadlock_timeout`, in microseconds.
    private static let deadlockTimeout: Int64 = 1_000_000
    /// `client_connection_check_interval`, as the loader sets it.
    private static let connectionCheck: Int64 = 10_000_000

    /// When somebody has to be looked at again, in microseconds since 2000; nil: nobody.
    package var nextTimer: Int64? { sessions.compactMap { nextTimer($0) }.min() }

    private func nextTimer(_ session: Session) -> Int64? {
        var times: [Int64] = []
        if let since = session.blockedSince {
            if !session.hasLookedForDeadlock { times.append(since + Self.deadlockTimeout) }
            if let most = session.timeout("lock_timeout") { times.append(since + most) }
        }
        if let began = session.statementBegan, session.isInStatement, !session.isInCopy,
            let most = session.timeout("statement_timeout")
        {
            times.append(began + most)
        }
        if session.status != .idle, !session.isInStatement,
            let most = session.timeout("idle_in_transaction_session_timeout")
        {
            times.append(session.idleSince + most)
        }
        if let gone = session.clientGoneAt {
            times.append(session.isBlocked ? gone + Self.connectionCheck : gone)
        }
        return times.min()
    }

    /// Ends what is over its time.
    package func advance() {
        for session in sessions {
            guard let due = nextTimer(session), due <= time else { continue }
            if let gone = session.clientGoneAt, gone + (session.isBlocked ? Self.connectionCheck : 0) <= time {
                session.end()
            } else if let since = session.blockedSince {
                lookAfter(session, blockedSince: since)
            } else if session.isInStatement {
                session.fail(SQLFailure("57014", "canceling statement due to statement timeout"))
            } else {
                session.fail(
                    SQLFailure("25P03", "terminating connection due to idle-in-transaction timeout").fatal)
            }
        }
        settle()
    }

    private func lookAfter(_ session: Session, blockedSince since: Int64) {
        if let most = session.timeout("lock_timeout"), since + most <= time {
            session.fail(SQLFailure("55P03", "canceling statement due to lock timeout"))
        } else if let began = session.statementBegan, let most = session.timeout("statement_timeout"),
            began + most <= time
        {
            session.fail(SQLFailure("57014", "canceling statement due to statement timeout"))
        } else if !session.hasLookedForDeadlock, since + Self.deadlockTimeout <= time {
            session.hasLookedForDeadlock = true
            if waitsForItself(session) { session.fail(SQLFailure("40P01", "deadlock detected")) }
        }
        // It may go on with what its client has sent meanwhile.
        if !session.isBlocked { makeReady(session) }
    }

    private func waitsForItself(_ session: Session) -> Bool {
        var seen: Set<Int32> = []
        var level = session.blockers.map(\.session)
        while !level.isEmpty {
            if level.contains(where: { $0 === session }) { return true }
            level = level.filter { seen.insert($0.pid).inserted }.flatMap { $0.blockers.map(\.session) }
        }
        return false
    }
}

extension Session {
    /// One of the loader's settings, in microseconds; nil where there is no such limit.
    package func timeout(_ name: String) -> Int64? {
        guard let text = settings[name], text.hasSuffix("ms"), let milliseconds = Int64(text.dropLast(2)),
            milliseconds > 0
        else { return nil }
        return milliseconds * 1000
    }
}
