import Postgres

/// How the rows of targets get into their tables, within one transaction:
///
/// - an append by COPY (`StraightCopy`);
/// - rows with a key by way of a stage (`StageMerge`), but those that a `KeyLookup` finds to be new by COPY;
/// - deletions by their keys (`KeyTable`), before the rows;
/// - rows of nothing but defaults one by one.
package struct TargetLoading {
    private let batch: Batch
    private var connection: RowConnection
    /// By target.
    private var tables: [Int: Tables]
    /// What of the rows loaded since it was emptied has changed nothing, against counting them all.
    var notNewer = OperationCounts()
    /// What was done before the batch's turn, by target; taken by the first who loads the target's rows.
    private var ahead: [Int: Ahead]
    /// What may be in the tables, where nobody else fills them; nil: the server is asked.
    private let seen: SeenKeys?

    /// What a target may need in the transaction: at most three temporary tables, and one more for versions.
    struct Tables {
        let stage: StageMerge
        let keys: KeyTable
        let versions: VersionTable
        let ends: VersionEnds
        let each: RowByRow
        let sets: SetReplacement?

        init(_ target: Target) {
            stage = StageMerge(target)
            keys = KeyTable(target)
            versions = VersionTable(target)
            ends = VersionEnds(target)
            each = RowByRow(target)
            sets = SetReplacement(target)
        }
    }

    /// - Parameter seen: the keys of all rows that the target's table was ever given, by such loadings alone; nil: others fill it.
    package init(batch: Batch, connection: Connection, seen: SeenKeys? = nil) {
        self.init(batch: batch, connection: connection, behind: [:], seen: seen)
    }

    /// - Parameter ahead: what the same transaction has prepared.
    init(batch: Batch, connection: Connection, behind ahead: [Int: Ahead], seen: SeenKeys? = nil) {
        self.batch = batch
        self.seen = seen
        self.connection = RowConnection(plain: connection, batch: batch)
        self.ahead = ahead
        tables = ahead.mapValues(\.tables)
    }

    private mutating func tables(of target: Target) -> Tables {
        if let known = tables[target.index] { return known }
        let new = Tables(target)
        tables[target.index] = new
        return new
    }

    /// Loads all rows of these targets; where it throws, some of them may be in.
    mutating func loadAll(_ selections: [RowSelection]) throws(Refusal) -> BatchTransaction.Loaded {
        var loaded = BatchTransaction.Loaded()
        let references = ReferenceOrder(selections.map(\.target))
        if references.isFree {
            for selection in selections { try load(selection, selection.rows.indices, isLast: true) }
        } else {
            try load(selections, references)
        }
        for selection in selections {
            loaded.rows += selection.rowCount
            loaded.operations.add(selection)
        }
        loaded.operations.add(notNewer)
        return loaded
    }

    /// Deletions go first, so that rows may take the unique values that they held, and those of tables before those that they
    /// refer to; then the rows the other way round. Where a row is still referred to, by one that itself moves to another, the
    /// deletions of its table go last.
    private mutating func load(_ selections: [RowSelection], _ references: ReferenceOrder) throws(Refusal) {
        var parts: [Prepared] = []
        for selection in selections { parts.append(try prepared(selection, selection.rows.indices)) }
        var postponed: [Int] = []
        for place in references.upwards.reversed() where parts[place].order.deletes {
            guard references.isReferred[place] else {
                try delete(parts[place])
                continue
            }
            try makeTables(forDeletions: parts[place])
            try connection.run("SAVEPOINT loader_down")
            do throws(Refusal) {
                try delete(parts[place])
            } catch {
                guard connection.isOpen, error.error.sqlState == .foreignKeyViolation else { throw error }
                try connection.run("ROLLBACK TO SAVEPOINT loader_down")
                postponed.append(place)
            }
            try connection.run("RELEASE SAVEPOINT loader_down")
        }
        for place in references.upwards { try insert(parts[place], isLast: true) }
        for place in postponed { try delete(parts[place]) }
    }

    /// A part of a target's rows, ready to go in.
    private struct Prepared {
        let tables: Tables
        let order: Order
        let ready: Ahead?
        /// The rows around which versions of a history end; none where it has no ends.
        let ended: [RowReference]
    }

    private mutating func prepared(
        _ selection: RowSelection, _ part: some Collection<Int>
    ) throws(Refusal) -> Prepared {
        let tables = tables(of: selection.target)
        let ready = ahead.removeValue(forKey: selection.target.index)
        let order: Order
        if let ready { order = ready.order } else { order = try self.order(selection, part) }
        return Prepared(
            tables: tables, order: order, ready: ready,
            ended: selection.target.validity == nil ? [] : part.map { selection.rows[$0] })
    }

    private mutating func delete(_ part: Prepared) throws(Refusal) {
        if let sets = part.order.sets {
            try part.tables.sets?.carryOut(sets, part.tables.keys, over: connection)
        } else if !part.order.deletions.isEmpty {
            let deletions = part.order.deletions
            for place in try part.tables.keys.delete(deletions, batch.sections, over: connection)
            where deletions.indices.contains(place) {
                note(notNewer: part.order.counted.counts(of: deletions[place], batch.sections), part.order)
            }
        }
    }

    private mutating func note(notNewer counts: ChangeCounts, _ order: Order) {
        notNewer.move(toNotNewer: counts, target: order.source.target.index)
    }

    private mutating func note(_ unchanged: StageMerge.Unchanged, of group: RowGroup, _ order: Order) {
        switch unchanged {
        case .count(0): break
        case .count(let count): note(notNewer: ChangeCounts(rows: count), order)
        case .places(let places):
            for place in places where group.rows.indices.contains(place) {
                note(notNewer: order.counted.counts(of: group.rows[place], order.source.sections), order)
            }
        }
    }

    /// Before a savepoint, so that rolling back to it leaves them.
    private func makeTables(forDeletions part: Prepared) throws(Refusal) {
        do throws(PostgresError) {
            try part.tables.keys.make(on: connection.plain)
            try part.tables.sets?.make(on: connection.plain)
        } catch { throw Refusal(error: error, withRows: false) }
    }

    private mutating func insert(_ part: Prepared, isLast: Bool) throws(Refusal) {
        note(notNewer: part.order.counted.stale, part.order)
        for (number, group) in part.order.groups.enumerated() {
            try load(group, part.order, part.tables, isLast: isLast, ready: number == 0 ? part.ready : nil)
        }
        if !part.ended.isEmpty { try part.tables.ends.end(part.ended, batch.sections, over: connection) }
    }

    /// Loads a part of a target's rows; where it throws, some of them may be in.
    ///
    /// - Parameter isLast: nothing follows for this target in the transaction, so nothing can be in the table by then that
    ///   was not there when it was asked about keys, but by somebody else.
    package mutating func load(
        _ selection: RowSelection, _ part: some Collection<Int>, isLast: Bool
    ) throws(Refusal) {
        let prepared = try prepared(selection, part)
        // Deletions first: the rows that follow may take a unique value that a deleted row held.
        try delete(prepared)
        try insert(prepared, isLast: isLast)
    }

    /// What is left of a part of a target's rows, in the order in which it goes in.
    struct Order {
        let deletions: [RowReference]
        let groups: [RowGroup]
        let source: RowSource
        /// In place of the deletions, where a parent's rows are a set.
        var sets: RowSelection.FinalSets?
        /// Which events they stand for.
        var counted = ChangesCounted()
        /// The rows of all groups.
        var rowCount: Int

        var deletes: Bool { sets.map { !$0.parents.isEmpty } ?? !deletions.isEmpty }

        /// Whether it matters which rows of a group have changed nothing, and not only how many.
        func isNumbered(_ group: RowGroup) -> Bool {
            source.target.versionCount > 0 && (source.target.mark != nil || !counted.areSingle(group.rows))
        }
    }

    private mutating func order(
        _ selection: RowSelection, _ part: some Collection<Int>
    ) throws(Refusal) -> Order {
        let order = try unchecked(selection, part)
        order.check(part.count, selection)
        return order
    }

    private mutating func unchecked(
        _ selection: RowSelection, _ part: some Collection<Int>
    ) throws(Refusal) -> Order {
        let target = selection.target
        if let parent = target.parent {
            let sets = selection.finalSets(part, parent)
            return Order(
                deletions: [],
                groups: RowGroup.groups(
                    of: sets.rows, target, sets.sections, selection.omissions, nulls: selection.nulls),
                source: RowSource(target, sets.sections, selection.omissions), sets: sets, rowCount: sets.rows.count)
        }
        let tables = tables(of: target)
        let (sections, connection) = (batch.sections, connection)
        let states = try selection.finalStates(
            part, sameKeys: { rows throws(Refusal) in try tables.keys.same(rows, sections, over: connection) },
            ranks: { rows throws(Refusal) in try tables.versions.ranks(rows, sections, over: connection) })
        return Order(
            deletions: states.deletions,
            groups: ([states.rows] + states.later).flatMap {
                RowGroup.groups(of: $0, target, states.sections, selection.omissions, nulls: selection.nulls)
            },
            source: RowSource(target, states.sections, selection.omissions), counted: states.counted,
            rowCount: states.later.reduce(states.rows.count) { $0 + $1.count })
    }

    // MARK: Ahead of the turn

    /// What of a target's rows is done before their turn: they are in order, those of the first group are told apart by whether
    /// the table will have their keys, and what has to go by way of the stage is in it.
    struct Ahead {
        fileprivate let tables: Tables
        fileprivate let order: Order
        fileprivate var split: KeyLookup.Split?
        fileprivate var staged: RowGroup?
    }

    /// Does what can be done for these rows while those of the batch before are on their way. The tables are only read.
    ///
    /// - Parameter prints: of this batch, and of the one before.
    mutating func getReady(
        _ selections: [RowSelection], _ prints: (own: KeyPrints, behind: KeyPrints)
    ) throws(Refusal) -> [Int: Ahead] {
        var all: [Int: Ahead] = [:]
        for selection in selections where selection.target.tellsKeysEarly {
            let target = selection.target
            let tables = tables(of: target)
            var ahead = Ahead(tables: tables, order: try order(selection, selection.rows.indices))
            if var left = ahead.order.groups.first, !left.columns.isEmpty {
                let lookup = KeyLookup(target)
                if lookup.pays(for: left) {
                    ahead.split = try lookup.split(
                        left, ahead.order.source, tables.keys, prints: prints, over: connection)
                }
                if let split = ahead.split { left.rows = split.known }
                if !left.rows.isEmpty {
                    try tables.stage.fill(
                        left, ahead.order.source, isNumbered: ahead.order.isNumbered(left), over: connection)
                    ahead.staged = left
                }
            }
            all[target.index] = ahead
        }
        return all
    }

    /// The statements that a row takes, without the row: what fails now is no row's fault. To be rolled back.
    ///
    /// - Parameter leavingOutNothing: as if the row named all columns, so that none is left to its default.
    mutating func loadNothing(
        like row: Int, of selection: RowSelection, leavingOutNothing: Bool = false
    ) throws(Refusal) {
        connection.carriesRows = false
        defer { connection.carriesRows = true }
        let target = selection.target
        let tables = tables(of: target)
        guard target.parent == nil else {
            return try loadNothing(likeElement: row, of: selection, tables, leavingOutNothing)
        }
        let states = try selection.finalStates([row]) { _ throws(Refusal) in [] }
        if !states.deletions.isEmpty { try tables.keys.delete([], batch.sections, over: connection) }
        try loadNothing(states.rows, states.sections, of: selection, tables, leavingOutNothing)
    }

    private mutating func loadNothing(
        likeElement row: Int, of selection: RowSelection, _ tables: Tables, _ leavingOutNothing: Bool
    ) throws(Refusal) {
        guard let parent = selection.target.parent else { return }
        let states = selection.finalSets([row], parent)
        try tables.sets?.carryOutNothing(tables.keys, over: connection)
        try loadNothing(states.rows, states.sections, of: selection, tables, leavingOutNothing)
    }

    private mutating func loadNothing(
        _ rows: [RowReference], _ sections: [Batch.Section], of selection: RowSelection, _ tables: Tables,
        _ leavingOutNothing: Bool
    ) throws(Refusal) {
        let target = selection.target
        guard !rows.isEmpty else { return }
        let groups = RowGroup.groups(of: rows, target, sections, selection.omissions, nulls: selection.nulls)
        let source = RowSource(target, sections, selection.omissions)
        // A row of defaults alone has no statement that could go without it.
        for var group in groups where leavingOutNothing || !group.columns.isEmpty {
            group.rows = []
            if leavingOutNothing { group = RowGroup(rows: [], columns: Array(target.columns.indices)) }
            try load(group, Order(deletions: [], groups: [], source: source, rowCount: 0), tables, isLast: false)
        }
        if target.validity != nil { try tables.ends.end([], batch.sections, over: connection) }
    }

    // MARK: Rows

    private mutating func load(
        _ group: RowGroup, _ order: Order, _ tables: Tables, isLast: Bool, ready: Ahead? = nil
    ) throws(Refusal) {
        let source = order.source
        let target = source.target
        if group.columns.isEmpty { return try insertDefaults(group.rows, target) }
        if target.mode == .insert, group.mixed.isEmpty {
            return try StraightCopy(target).load(group, source, over: connection)
        }
        var left = group
        let lookup = KeyLookup(target)
        // With care, and where a key has a row more, ON CONFLICT does all of it.
        var split = ready?.split
        if let seen {
            // All rows are noted, whichever way they go.
            let found = seen.note(group.rows, target, in: source.sections)
            if isLast, lookup.pays(for: group) { split = lookup.split(group, found) }
        } else if ready == nil, isLast, lookup.pays(for: group) {
            split = try lookup.split(group, source, tables.keys, over: connection)
        }
        let staged = ready?.staged
        if let split {
            // What is not newer is counted by an answer of its own.
            let merging = target.versionCount > 0 ? [] : staged.map { tables.stage.emptying($0) } ?? []
            if try lookup.load(split.new, source, after: merging, over: connection) {
                if split.known.isEmpty { return }
                if let staged {
                    if target.versionCount > 0 { try bringIn(staged, order, tables) }
                    return
                }
                left.rows = split.known
            }
        } else if let staged {
            return try bringIn(staged, order, tables)
        }
        let unchanged = try tables.stage.load(left, source, isNumbered: order.isNumbered(left), over: connection)
        note(unchanged, of: left, order)
    }

    private mutating func bringIn(_ staged: RowGroup, _ order: Order, _ tables: Tables) throws(Refusal) {
        let unchanged = try tables.stage.bringIn(staged, isNumbered: order.isNumbered(staged), over: connection)
        note(unchanged, of: staged, order)
    }

    private func insertDefaults(_ rows: [RowReference], _ target: Target) throws(Refusal) {
        let onConflict = target.mode == .insert ? "" : " ON CONFLICT\(target.arbiter) DO NOTHING"
        for row in rows {
            do throws(Refusal) {
                try connection.run("INSERT INTO \(target.name.quoted) DEFAULT VALUES\(onConflict)")
            } catch {
                throw Refusal(error: error.error, withRows: true, row: row)
            }
        }
    }

    /// Makes the temporary tables that a target may need. Before a savepoint, so that rolling back to it leaves them.
    package mutating func prepare(_ selection: RowSelection) throws(PostgresError) {
        let target = selection.target
        let tables = tables(of: target)
        // A set of columns left out means that some rows may need defaults from the statement.
        let needsStage =
            target.mode != .insert
            || target.leavesToServer && target.table.mayMakeTemporary && (selection.omissions?.count ?? 1) > 1
        if needsStage { try tables.stage.make(on: connection.plain) }
        let needsKeys = target.keyCount > 0 && (target.asksForSameKeys || selection.hasTombstones)
        if needsKeys || target.parent != nil { try tables.keys.make(on: connection.plain) }
        if target.validity != nil { try tables.ends.make(on: connection.plain) }
        if target.versionCount > 0, !target.comparesVersions { try tables.versions.make(on: connection.plain) }
        try tables.sets?.make(on: connection.plain)
    }

    /// Puts the keys of rows into another table, which has the key's columns, beside those that are there.
    package mutating func keepKeys(
        of rows: [RowReference], in selection: RowSelection, table: String
    ) throws(Refusal) {
        try tables(of: selection.target).keys.keep(rows, batch.sections, in: table, over: connection)
    }

    /// Asks for what the target's table has in a column beside the keys of these rows.
    ///
    /// - Parameter column: of integers, as SQL names it.
    /// - Returns: for each row the integer; nil where its key is not there.
    package mutating func numbers(
        _ column: String, of rows: [RowReference], in selection: RowSelection
    ) throws(Refusal) -> [Int64?] {
        try tables(of: selection.target).keys.numbers(column, of: rows, batch.sections, over: connection)
    }

    /// Loads rows one after the other, in their order, by one statement: the others go in, whichever the server refuses.
    ///
    /// - Returns: those that it refuses, in their order; nil where it does not pay, with nothing in.
    mutating func loadEach(
        _ selection: RowSelection, _ part: [Int], nulled: inout Int
    ) throws(Refusal) -> [RowByRow.Refused]? {
        let tables = tables(of: selection.target)
        return try tables.each.load(selection, part, tables.keys, over: connection, nulled: &nulled)
    }

    /// Makes the temporary tables that `loadEach` needs, and what is done about its rows. Before a savepoint, like the others.
    mutating func prepareEach(_ selection: RowSelection) throws(PostgresError) {
        try prepare(selection)
        let tables = tables(of: selection.target)
        try tables.each.make(on: connection.plain)
        if selection.hasTombstones { try tables.keys.make(on: connection.plain) }
    }
}
