import Kafka
import Postgres

/// Which dead letters have been overtaken: their topic holds a later message of the same key that is loaded already, so
/// that loading them now would set a row back, or bring a deleted one back.
///
/// It reads what was loaded behind the letters once more and compares keys as they go into the table. Only mode `upsert`
/// needs it: appended rows have no order, and `ignore` keeps what is there.
final class LaterMessages {
    private struct Key: Hashable {
        var target: Int
        var bytes: [UInt8]
    }

    private let reader: PartitionReader
    private let targets: [Target]
    private let builders: ReplayBuilders
    private let scratch = Batch()
    /// The keys that are looked for, with the last offset that was found of them.
    private var last: [TopicPartition: [Key: Int64]] = [:]
    /// How far each partition has been read.
    private var read: [TopicPartition: Int64] = [:]
    /// Where what Kafka still holds begins.
    private var low: [TopicPartition: Int64] = [:]
    /// Messages that are dead letters themselves: they are in no row.
    private var dead: [TopicPartition: Set<DeadLetterTable.Place>] = [:]

    init(_ reader: PartitionReader, _ targets: [Target], _ builders: ReplayBuilders) {
        self.reader = reader
        self.targets = targets
        self.builders = builders
    }

    /// Looks for these entries' keys from now on.
    ///
    /// - Parameter known: asked for what is in no row, of partitions and from where on.
    func look(
        for entries: [ReplayEntry],
        dead known: ([TopicPartition: Int64]) throws -> [TopicPartition: Set<DeadLetterTable.Place>]
    ) throws {
        (last, read, dead) = ([:], [:], [:])
        for entry in entries where entry.routes.contains(where: { targets[$0].isOrderedByArrival }) {
            let message = entry.message
            for key in keys(of: message, routes: entry.routes) { last[message.partition, default: [:]][key] = -1 }
            if last[message.partition] != nil {
                read[message.partition] = min(read[message.partition] ?? .max, message.offset + 1)
            }
        }
        guard !read.isEmpty else { return }
        for (place, marks) in try reader.watermarks(Array(read.keys), timeout: DeadLetterReplay.timeout) {
            low[place] = marks.low
        }
        dead = try known(read)
        for entry in entries {
            for route in entry.routes {
                dead[entry.message.partition, default: []].insert(
                    DeadLetterTable.Place(offset: entry.message.offset, table: targets[route].name.description))
            }
        }
    }

    /// Where the letters looked for stand.
    var partitions: [TopicPartition] { read.keys.sorted() }

    /// How many offsets it would have to read to get to these positions.
    func distance(to positions: [TopicPartition: Int64]) -> Int64 {
        read.reduce(0) { sum, entry in
            sum + max(0, (positions[entry.key] ?? 0) - max(entry.value, low[entry.key] ?? 0))
        }
    }

    /// Reads on to these positions.
    func read(to positions: [TopicPartition: Int64]) throws {
        var stretches: [PartitionReader.Stretch] = []
        for (place, from) in read {
            guard let end = positions[place] else { continue }
            let start = max(from, low[place] ?? from)
            stretches.append(.init(partition: place, start: start, end: end))
            read[place] = max(from, end)
        }
        let reading = try reader.read(stretches)
        while let message = try reading.next() {
            let kept = KeptMessage(message)
            let routes = builders.upserts(of: kept.partition.topic)
            for key in keys(of: kept, routes: routes, isLater: true) where last[kept.partition]?[key] != nil {
                if !isDead(kept, key.target) { last[kept.partition]?[key] = kept.offset }
            }
        }
    }

    /// Where its route chooses, a letter may stand under what tells all tables together.
    private func isDead(_ message: KeptMessage, _ target: Int) -> Bool {
        guard let dead = dead[message.partition] else { return false }
        return [target, targets[target].place].contains {
            dead.contains(DeadLetterTable.Place(offset: message.offset, table: targets[$0].name.description))
        }
    }

    enum Verdict { case latest, overtaken, unknown }

    /// - Returns: `unknown` where Kafka no longer holds everything behind the letter.
    func verdict(_ entry: ReplayEntry, route: Int) -> Verdict {
        guard targets[route].isOrderedByArrival, let known = last[entry.message.partition] else { return .latest }
        for key in keys(of: entry.message, routes: [route]) where (known[key] ?? -1) > entry.message.offset {
            return .overtaken
        }
        let place = entry.message.partition
        let end = read[place] ?? 0
        return min(low[place] ?? 0, end) > entry.message.offset + 1 ? .unknown : .latest
    }

    /// The keys of a message's rows; none where it does not become a row.
    ///
    /// - Parameter isLater: only those rows that count by their place; of routes that know what is newer, deletions that do not say it.
    private func keys(of message: KeptMessage, routes: [Int], isLater: Bool = false) -> [Key] {
        guard !routes.isEmpty else { return [] }
        scratch.removeAll(keepingAtMost: 1 << 20)
        let range = scratch.addRange(of: message.partition, expected: message.offset)
        builders.add(message, routes, range: range, to: scratch)
        var keys: [Key] = []
        for section in scratch.sections where targets[section.target].isOrderedByArrival {
            let target = targets[section.target]
            // Of elements what holds them is what a later message replaces, whatever is in it.
            if target.parent != nil, section.kind == .rows { continue }
            for (place, row) in section.rows.enumerated() {
                if isLater, target.versionCount > 0,
                    section.kind == .rows || section.versions(of: place, target) != nil
                {
                    continue
                }
                let start = row.start + (targets[section.target].format == .binary ? 2 : 0)
                let bytes = section.buffer.bytes[start..<start + Int(row.keyCount)]
                keys.append(Key(target: section.target, bytes: Array(bytes)))
            }
        }
        return keys
    }
}

/// Today's routes, as replays ask for them.
package final class ReplayBuilders {
    private var builders: RowBuilders
    private var upserts: [String: [Int]] = [:]

    init(_ targets: [Target]) { builders = RowBuilders(forCommand: targets) }

    package var targets: [Target] { builders.targets }

    /// Takes a message in that was kept elsewhere, as if a consumer had brought it.
    func add(_ message: KeptMessage, _ routes: [Int], range: Int32, to batch: Batch) {
        builders.build(batch.keep(message, range: range), routes, in: batch)
    }

    func routes(of topic: String) -> [Int] { builders.routes(of: topic) }

    func upserts(of topic: String) -> [Int] {
        if let known = upserts[topic] { return known }
        let found = routes(of: topic).filter { targets[$0].isOrderedByArrival }
        upserts[topic] = found
        return found
    }

    package enum Way: Equatable {
        case routes([Int])
        /// No route takes the topic today.
        case none
        /// Several routes take the topic to the table, or none of several does: which one failed cannot be told.
        case ambiguous
    }

    /// Where a dead letter goes today.
    ///
    /// - Parameter table: what it was meant for; empty where that is not known.
    package func way(topic: String, table: String) -> Way {
        let candidates = routes(of: topic)
        guard !candidates.isEmpty else { return .none }
        // Where no table is known, nothing of the message is in: it goes wherever the topic goes.
        guard !table.isEmpty else { return .routes(candidates) }
        let same = candidates.filter { route in
            targets.contains { $0.place == route && $0.name.description == table }
        }
        if same.count == 1 { return .routes(same) }
        // The route has got another table since.
        if same.isEmpty, candidates.count == 1 { return .routes(candidates) }
        return .ambiguous
    }
}

/// A dead letter on its way back into a batch.
package struct ReplayEntry {
    var message: KeptMessage
    /// In the order of the configuration.
    var routes: [Int]
    /// What it was meant for; empty where that is not known.
    var table: String
    /// Its row in the table of dead letters.
    package var row: Int64?
    /// How often it was tried before.
    package var attempts: Int32

    package init(message: KeptMessage, routes: [Int], table: String, row: Int64?, attempts: Int32) {
        self.message = message
        self.routes = routes
        self.table = table
        self.row = row
        self.attempts = attempts
    }
}
