/// How rows change: by new versions, behind the locks that the server would take.
extension Execution {
    /// The latest version of a row that nobody else holds a lock on; nil where it is gone.
    ///
    /// - Throws: `Blocked` while somebody does.
    func lockable(_ version: RowVersion, _ mode: RowLock) throws -> RowVersion? {
        var version = version
        while true {
            if let ended = version.ended, ended.isAborted {
                version.ended = nil
                version.next = nil
            }
            guard let ended = version.ended else { break }
            if ended.transaction === transaction { return nil }
            if ended.isUnderWay {
                // A change of no key leaves those alone who only hold on to the key.
                let other: RowLock = version.next.map { keepsKey(version, $0) } ?? false ? .noKeyUpdate : .update
                guard mode.conflicts(with: other) else { return version }
                throw Blocked(on: [ended.transaction])
            }
            guard let next = version.next else { return nil }
            version = next
        }
        version.locks.removeAll { !$0.by.isUnderWay }
        let others = version.locks.filter { $0.by.transaction !== transaction && mode.conflicts(with: $0.mode) }
        guard others.isEmpty else { throw Blocked(on: others.map(\.by.transaction)) }
        return version
    }

    private func keepsKey(_ old: RowVersion, _ new: RowVersion) -> Bool { old.keepsKey(in: new) }

    // MARK: Insert

    enum Arbiter {
        case any
        case index(Int)
    }

    enum Insertion {
        case inserted(RowVersion)
        /// It is there already, in this version.
        case conflict(RowVersion)
    }

    /// - Parameter arbiter: what is no failure but a conflict; nil: each is a failure.
    func insert(_ values: [SQLValue], into table: SimulatedTable, _ arbiter: Arbiter? = nil) throws -> Insertion {
        for (number, index) in table.indexes.enumerated() {
            guard let key = index.key(values), let other = try live(key, index) else { continue }
            switch arbiter {
            case .any?: return .conflict(other)
            case .index(number)?: return .conflict(other)
            default: throw violation(of: index, key, table)
            }
        }
        try database.charge(transaction, values)
        let version = table.add(values, transaction.current, transaction.statement)
        noteReferences(of: version, in: table, since: nil)
        return .inserted(version)
    }

    /// Who has a key now; waits for who is about to have it, or about to give it up.
    private func live(_ key: [SQLValue], _ index: UniqueIndex, but own: RowVersion? = nil) throws -> RowVersion? {
        for version in index.entries[key] ?? [] where version !== own {
            if version.made.isAborted { continue }
            // Also where it has been deleted again by who made it: that may still be taken back.
            if version.made.transaction !== transaction, version.made.isUnderWay {
                throw Blocked(on: [version.made.transaction])
            }
            guard let ended = version.ended, !ended.isAborted else { return version }
            if ended.transaction === transaction { continue }
            if ended.isUnderWay { throw Blocked(on: [ended.transaction]) }
        }
        return nil
    }

    private func violation(of index: UniqueIndex, _ key: [SQLValue], _ table: SimulatedTable) -> SQLFailure {
        let names = index.columns.map { table.definition.columns[$0].name }.joined(separator: ", ")
        let values = key.map { $0.text ?? "null" }.joined(separator: ", ")
        return SQLFailure("23505", "duplicate key value violates unique constraint \"\(index.name)\"").with {
            $0.detail = "Key (\(names))=(\(values)) already exists."
            ($0.schema, $0.table, $0.constraint) = (table.definition.schema, table.definition.name, index.name)
        }
    }

    // MARK: Update and delete

    /// - Parameter version: the latest, lockable.
    func update(_ version: RowVersion, to values: [SQLValue], in table: SimulatedTable) throws -> RowVersion {
        for index in table.indexes {
            guard let key = index.key(values), index.key(version.values) != key else { continue }
            if try live(key, index, but: version) != nil { throw violation(of: index, key, table) }
        }
        try database.charge(transaction, values)
        version.ended = transaction.current
        version.endedBy = transaction.statement
        let new = table.add(values, transaction.current, transaction.statement)
        version.next = new
        noteReferences(of: new, in: table, since: version)
        for link in table.referredBy where link.parentColumns.contains(where: { version.values[$0] != values[$0] }) {
            transaction.pending.append(PendingCheck(link: link, row: version, isOfParent: true))
        }
        return new
    }

    func delete(_ version: RowVersion, from table: SimulatedTable) throws {
        try database.charge(transaction, [])
        version.ended = transaction.current
        version.endedBy = transaction.statement
        version.next = nil
        for link in table.referredBy {
            transaction.pending.append(PendingCheck(link: link, row: version, isOfParent: true))
        }
    }

    private func noteReferences(of version: RowVersion, in table: SimulatedTable, since old: RowVersion?) {
        for link in table.references {
            if link.columns.contains(where: { version.values[$0].isNull }) { continue }
            // What a transaction has inserted itself is looked at again, for the check of before was of the old version.
            if let old, old.made.transaction !== transaction,
                link.columns.allSatisfy({ old.values[$0] == version.values[$0] })
            {
                continue
            }
            transaction.pending.append(PendingCheck(link: link, row: version, isOfParent: false))
        }
    }

    // MARK: References

    /// Looks at the references that are due.
    ///
    /// - Parameter all: those that were put off, too.
    func checkReferences(all: Bool = false) throws {
        let outcome = try step { .checks(transaction.pending.filter { all || !isPutOff($0.link) }) }
        guard case .checks(let due) = outcome, !due.isEmpty else { return }
        for check in due {
            try step {
                try checkReference(check)
                return .nothing
            }
        }
        try step {
            transaction.pending.removeAll { all || !isPutOff($0.link) }
            return .nothing
        }
    }

    private func isPutOff(_ link: ForeignKeyLink) -> Bool {
        guard link.definition.isDeferrable || link.definition.isDeferred else { return false }
        return transaction.defersAll ?? link.definition.isDeferred
    }

    private func checkReference(_ check: PendingCheck) throws {
        let link = check.link
        let (childName, parentName) = (link.child.definition.name, link.parent.definition.name)
        func failure(_ message: String, _ detail: String) -> SQLFailure {
            SQLFailure("23503", message).with {
                ($0.detail, $0.constraint) = (detail, link.definition.name)
                ($0.schema, $0.table) = (link.child.definition.schema, childName)
            }
        }
        func text(_ values: [SQLValue]) -> String { values.map { $0.text ?? "null" }.joined(separator: ", ") }
        if check.isOfParent {
            let key = link.parentColumns.map { check.row.values[$0] }
            // Somebody may have taken the key's place meanwhile.
            if latest(key, link.parentIndex) != nil { return }
            let child = link.child.rows.first { version in
                !version.made.isAborted && (version.made.transaction === transaction || version.made.isCommitted)
                    && isThere(version) && link.columns.map { version.values[$0] } == key
            }
            guard child != nil else { return }
            throw failure(
                "update or delete on table \"\(parentName)\" violates foreign key constraint "
                    + "\"\(link.definition.name)\" on table \"\(childName)\"",
                "Key (\(link.definition.parentColumns.joined(separator: ", ")))=(\(text(key))) is still referenced "
                    + "from table \"\(childName)\".")
        }
        // A row that is gone again needs nothing.
        guard !check.row.made.isAborted, isThere(check.row) else { return }
        let key = link.columns.map { check.row.values[$0] }
        guard let parent = latest(key, link.parentIndex), let held = try lockable(parent, .keyShare) else {
            throw failure(
                "insert or update on table \"\(childName)\" violates foreign key constraint "
                    + "\"\(link.definition.name)\"",
                "Key (\(link.definition.columns.joined(separator: ", ")))=(\(text(key))) is not present in table "
                    + "\"\(parentName)\".")
        }
        if !held.locks.contains(where: { $0.by === transaction.current }) {
            held.locks.append((transaction.current, .keyShare))
        }
    }

    /// Who has a key, as far as it is committed or of this transaction.
    private func latest(_ key: [SQLValue], _ index: UniqueIndex) -> RowVersion? {
        (index.entries[key] ?? []).first { version in
            !version.made.isAborted && (version.made.transaction === transaction || version.made.isCommitted)
                && isThere(version)
        }
    }

    private func isThere(_ version: RowVersion) -> Bool {
        guard let ended = version.ended, !ended.isAborted else { return true }
        return ended.transaction !== transaction && !ended.isCommitted
    }
}

extension RowVersion {
    /// Whether another version leaves the columns alone that something may refer to.
    func keepsKey(in other: RowVersion) -> Bool { keyColumns.allSatisfy { values[$0] == other.values[$0] } }
}
