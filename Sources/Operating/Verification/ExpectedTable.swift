import Kafka
import Loading
import Postgres

/// What a topic makes of a table: rows as the loader would write them, in a table of the session that is written the way that
/// the loader writes. So whatever a route says of keys, deletions, patches, sets, versions and marks has its say.
final class ExpectedTable {
    let target: Target
    let way: VerificationReport.Way
    /// Nil where only counts are compared, or nothing.
    let query: DifferenceQuery?
    /// The same rows, for the table of the session.
    let twin: Target
    /// Rows so far, where only counts are compared.
    private(set) var rowCount = 0
    /// Messages that are dead letters.
    private(set) var deadLetters = 0
    /// Rows that the server could not read; they are dead letters where those are kept.
    private(set) var refused = 0
    /// Messages that are neither rows nor dead letters any more.
    private(set) var lettersGone = 0
    private let sample: Sample
    /// The keys that the table of the session may have; nil where the server alone can compare them, or there are none.
    private let seen: SeenKeys?

    /// Rows that go in together once one was refused.
    private static let chunk = 1000

    init(_ target: Target, _ scope: VerificationScope) {
        self.target = target
        sample = Sample(share: scope.share)
        let places = [.insert, .history].contains(target.route.mode) ? target.places : nil
        if target.choosesTable {
            way = .none
        } else if places != nil {
            way = .places
        } else if target.keyCount > 0 {
            way = scope.to == nil ? .keys : .none
        } else {
            way = target.mode == .insert && scope.isWhole ? .counts : .none
        }
        let identity = places ?? Array(0..<target.keyCount)
        let hasTable = way == .keys || way == .places
        let ends = target.validity.map { scope.isWhole ? [$0.to] : [] } ?? []
        query =
            hasTable
            ? DifferenceQuery(
                target: target, identity: identity,
                place: way == .places ? DifferenceQuery.Place(target, identity) : nil, isWhole: scope.isWhole,
                takesAll: scope.share >= 1,
                showsValues: scope.showsValues, extraColumns: ends) : nil
        var twin = target
        if let query { twin = target.landing(in: query.twin) }
        // The ends of versions are looked for only where all versions are there.
        if ends.isEmpty { twin.validity = nil }
        self.twin = twin
        seen = query != nil && twin.tellsKeysEarly ? SeenKeys() : nil
    }

    /// Whether only a part of the keys can be told apart from the others, so that all of them are taken.
    private(set) var isSampled = true

    // MARK: Rows

    /// Takes what a batch's messages do to the table.
    ///
    /// - Parameters:
    ///   - isLetter: whether a message of the batch is a dead letter for this table.
    ///   - connection: in a transaction.
    func take(_ batch: Batch, isLetter: (Int) -> Bool, over connection: Connection) throws(PostgresError) {
        guard way != .none else { return }
        let selection = RowSelection(
            batch, twin,
            emptiedBy: batch.lastTruncation(of: twin.index, in: batch.messages.indices, except: isLetter))
        // What a message does under two keys goes in as one, as the loader has it.
        let units = (selection.units ?? selection.rows.indices.map { $0..<$0 + 1 }).filter { unit in
            !isLetter(Int(selection.rows[unit.lowerBound].message))
        }
        guard let query else {
            rowCount += units.reduce(0) { $0 + $1.count }
            return
        }
        if selection.truncates { try connection.execute("DELETE FROM \(query.twin.quoted)") }
        let taken = sample.takesAll ? units : sampled(units, selection, of: batch)
        guard !taken.isEmpty else { return }
        var loading = TargetLoading(batch: batch, connection: connection, seen: seen)
        try loading.prepare(selection)
        try connection.execute("SAVEPOINT loader_expected")
        do throws(Refusal) {
            try loading.load(selection, taken.flatMap(\.self), isLast: true)
        } catch {
            guard connection.isOpen else { throw error.error }
            try connection.execute("ROLLBACK TO SAVEPOINT loader_expected")
            try loadCarefully(taken, selection, &loading, over: connection)
        }
        try connection.execute("RELEASE SAVEPOINT loader_expected")
        guard !query.isWhole, query.extras != nil, query.place == nil else { return }
        let deletions = taken.joined().map { selection.rows[$0] }.filter(selection.isTombstone)
        guard !deletions.isEmpty else { return }
        do throws(Refusal) {
            try loading.keepKeys(of: deletions, in: selection, table: query.gone.quoted)
        } catch { throw error.error }
    }

    /// What the server cannot read is a dead letter, or would be.
    private func loadCarefully(
        _ units: [Range<Int>], _ selection: RowSelection, _ loading: inout TargetLoading, over connection: Connection
    ) throws(PostgresError) {
        var search = RefusalSearch(count: units.count)
        while !search.isDone {
            let part = search.part(upTo: Self.chunk)
            try connection.execute("SAVEPOINT loader_part")
            do throws(Refusal) {
                try loading.load(selection, units[part].flatMap(\.self), isLast: false)
                search.loaded(part)
            } catch {
                guard connection.isOpen else { throw error.error }
                try connection.execute("ROLLBACK TO SAVEPOINT loader_part")
                let rows = units[part.lowerBound].lowerBound..<units[part.upperBound - 1].upperBound
                if !selection.setNull(error, rows) {
                    let named = error.row.flatMap { row in
                        units[part].firstIndex { selection.rows[$0.lowerBound].message == row.message }
                    }
                    if search.refused(part, naming: named) != nil { refused += 1 }
                }
            }
            try connection.execute("RELEASE SAVEPOINT loader_part")
        }
    }

    private func sampled(_ units: [Range<Int>], _ selection: RowSelection, of batch: Batch) -> [Range<Int>] {
        guard way == .keys else {
            return units.filter { unit in
                let (place, offset) = batch.coordinates(of: Int(selection.rows[unit.lowerBound].message))
                return sample.takes(place, offset)
            }
        }
        guard let prints = selection.keyPrints(of: selection.rows) else {
            isSampled = false
            return units
        }
        return units.flatMap { unit in unit.filter { sample.takes(prints[$0]) }.map { $0..<$0 + 1 } }
    }

    // MARK: Dead letters

    func note(deadLetters count: Int, gone: Int) {
        deadLetters += count
        lettersGone += gone
    }
}

extension DifferenceQuery.Place {
    init?(_ target: Target, _ identity: [Int]) {
        func column(_ source: ColumnSource) -> Int? { identity.first { target.columns[$0].source == source } }
        guard let partition = column(.partition), let offset = column(.offset) else { return nil }
        self.init(topic: column(.topic), partition: partition, offset: offset)
    }
}

/// Which keys or messages are taken: the same ones each time.
private struct Sample {
    private let bound: UInt64?

    var takesAll: Bool { bound == nil }

    /// - Parameter share: 0…1.
    init(share: Double) { bound = share < 1 ? UInt64(share * 0x1p32) : nil }

    func takes(_ print: UInt64) -> Bool { bound.map { (print ^ print >> 32) & 0xFFFF_FFFF < $0 } ?? true }

    func takes(_ partition: TopicPartition, _ offset: Int64) -> Bool {
        let seed = UInt64(bitPattern: offset) ^ UInt64(UInt32(bitPattern: partition.partition)) << 40
        let product = (seed ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        return takes(product.high ^ product.low)
    }
}
