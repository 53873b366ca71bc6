/// A table that changes at random, and the events of its changes as a connector sends them, transaction by transaction.
///
/// A connector that restarts sends some of them again, in order; a snapshot reads rows between changes; values out of line that an
/// update leaves alone are not told.
public struct ChangeStream: Sendable {
    public let table: SourceTable
    public let modes: ChangeModes
    /// The table as it is now, by its keys.
    public private(set) var rows: [[SourceValue]: [SourceValue]] = [:]
    /// How many changes of rows there were, without what was sent again.
    public private(set) var changes = 0
    /// How often each of the rarer things has happened.
    public private(set) var counts: [String: Int] = [:]

    private var generator: SeededGenerator
    /// In any order, to choose from.
    private var keys: [[SourceValue]] = []
    private var places: [[SourceValue]: Int] = [:]
    /// Keys whose rows are there for one who has read what was sent so far.
    private var told: Set<[SourceValue]> = []
    /// The last that were sent.
    private var log: [ChangeEvent] = []
    private var position: Int64 = 23_000_000
    private var transaction: Int64 = 500

    /// - Parameter rows: how many the table has before the first change: a snapshot's.
    public init(_ table: SourceTable, _ modes: ChangeModes, generator: SeededGenerator) {
        self.table = table
        self.modes = modes
        self.generator = generator
    }

    /// What is sent next: a transaction's events, a part of a snapshot, or what comes without a change.
    public mutating func next() -> [ChangeEvent] {
        var events: [ChangeEvent] = []
        switch random(200) {
        case 0 where !log.isEmpty:
            note("restarts")
            events = Array(log.suffix(1 + random(80)))
        case 1..<5: events = snapshot()
        case 5..<9 where modes.hasOtherEvents: events = [other()]
        case 9 where modes.hasTruncates:
            note("truncates")
            transaction += 1
            events = [event(.truncate)]
            changes += 1
            rows.removeAll()
            keys.removeAll()
            places.removeAll()
        default: events = transact()
        }
        for index in events.indices { follow(&events[index]) }
        log += events
        if log.count > 200 { log.removeFirst(log.count - 100) }
        return events
    }

    // MARK: Kinds of events

    private mutating func transact() -> [ChangeEvent] {
        transaction += 1
        let isTold = modes.hasOtherEvents && random(4) == 0
        var events = isTold ? [event(.begin)] : []
        for _ in 0..<(1 + random(4)) { events += change() }
        if isTold { events.append(event(.end)) }
        return events
    }

    private mutating func change() -> [ChangeEvent] {
        changes += 1
        // The table fills at first, and then keeps about as many rows as keys have room for.
        let choice = keys.count < 50 ? random(40) : random(100)
        guard choice >= 30, let key = keys.randomElement(using: &generator), let row = rows[key] else {
            return insert()
        }
        switch choice {
        case 30..<80: return update(key, row)
        case 80..<88: return changeKey(key, row)
        default:
            note("deletes")
            remove(key)
            return deletion(key, row)
        }
    }

    private mutating func insert() -> [ChangeEvent] {
        guard let key = newKey() else { return [] }
        let row = table.row(key, using: &generator, modes)
        put(key, row)
        return [event(.create, key, after: row)]
    }

    private mutating func update(_ key: [SourceValue], _ row: [SourceValue]) -> [ChangeEvent] {
        note("updates")
        var new = row
        if table.columns.count > table.keyCount {
            for _ in 0..<(1 + random(3)) {
                let column = table.keyCount + random(table.columns.count - table.keyCount)
                new[column] = table.value(column, using: &generator, modes)
            }
        }
        rows[key] = new
        var after = new
        if !modes.isIdentityFull {
            for (column, value) in new.enumerated() where value == row[column] && isOutOfLine(column, value) {
                after[column] = .unavailable
                note("unavailable values")
            }
        }
        return [event(.update, key, before: modes.isIdentityFull ? row : nil, after: after)]
    }

    private mutating func changeKey(_ key: [SourceValue], _ row: [SourceValue]) -> [ChangeEvent] {
        guard let other = newKey() else { return [] }
        note("changes of keys")
        remove(key)
        var new = row
        for column in 0..<table.keyCount { new[column] = other[column] }
        put(other, new)
        var events = deletion(key, row)
        events[0].otherKey = other
        // With all of its values: what is out of line would be told nowhere else under the new key.
        var creation = event(.create, other, after: new)
        creation.otherKey = key
        events.append(creation)
        return events
    }

    private mutating func deletion(_ key: [SourceValue], _ row: [SourceValue]) -> [ChangeEvent] {
        var before = row
        if !modes.isIdentityFull {
            for column in table.keyCount..<row.count { before[column] = .null }
        }
        return [event(.delete, key, before: before)] + (modes.hasTombstones ? [event(.tombstone, key)] : [])
    }

    private mutating func snapshot() -> [ChangeEvent] {
        note("parts of snapshots")
        return (0..<(1 + random(8))).compactMap { _ in
            guard let key = keys.randomElement(using: &generator), let row = rows[key] else { return nil }
            return event(.read, key, after: row)
        }
    }

    private mutating func other() -> ChangeEvent {
        note("events of no row")
        let kinds: [ChangeEvent.Kind] = [.heartbeat, .message, .schemaChange]
        return event(kinds[random(kinds.count)])
    }

    // MARK: Parts

    private mutating func random(_ count: Int) -> Int { .random(in: 0..<count, using: &generator) }

    private mutating func note(_ what: String) { counts[what, default: 0] += 1 }

    private mutating func event(
        _ kind: ChangeEvent.Kind, _ key: [SourceValue]? = nil, before: [SourceValue]? = nil, after: [SourceValue]? = nil
    ) -> ChangeEvent {
        // A tombstone has no position of its own, and what a snapshot reads has the log's at that time.
        if kind != .tombstone { position += 8 }
        return ChangeEvent(
            kind, key: key, before: before, after: after, position: position, transaction: transaction)
    }

    private func isOutOfLine(_ column: Int, _ value: SourceValue) -> Bool {
        column >= table.keyCount && table.columns[column].type.isOutOfLine(modes)
            && value.size > SourceType.outOfLineSize
    }

    private mutating func newKey() -> [SourceValue]? {
        for _ in 0..<20 {
            let key = table.key(using: &generator, modes)
            if rows[key] == nil { return key }
        }
        return nil
    }

    private mutating func put(_ key: [SourceValue], _ row: [SourceValue]) {
        rows[key] = row
        places[key] = keys.count
        keys.append(key)
    }

    private mutating func remove(_ key: [SourceValue]) {
        rows[key] = nil
        guard let place = places.removeValue(forKey: key) else { return }
        let last = keys.removeLast()
        guard place < keys.count else { return }
        keys[place] = last
        places[last] = place
    }

    /// What one who reads the events has afterwards.
    private mutating func follow(_ event: inout ChangeEvent) {
        event.mayLackItsRow = false
        guard event.kind != .truncate else { return told.removeAll() }
        guard let key = event.key else { return }
        switch event.kind {
        case .create, .read: told.insert(key)
        case .update:
            if event.after?.contains(.unavailable) ?? false {
                event.mayLackItsRow = !told.contains(key)
            } else {
                told.insert(key)
            }
        case .delete, .tombstone: told.remove(key)
        default: break
        }
    }
}
