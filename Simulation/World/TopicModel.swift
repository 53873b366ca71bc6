import CSimulation
import Kafka
import Loading
import SimulatedPostgres

/// What is in the topic, and so what must be in the table: at any moment exactly what the ledger's positions say.
struct TopicModel {
    enum Effect: Equatable {
        case row(id: Int64, qty: Int64)
        case deletion(id: Int64)
        /// Its text or its types are wrong, so that it never gets to the server.
        case letter
        /// A row that the server refuses.
        case refused(id: Int64)
        /// A transaction that was aborted, or its marker.
        case none
    }

    struct Entry {
        var partition: Int
        var offset: Int64
        var effect: Effect
        /// How often it was to be loaded beyond once, by operators; -1: not at all.
        var again = 0
    }

    let mode: Route.Mode
    private(set) var entries: [[Entry]] = []

    init(mode: Route.Mode) { self.mode = mode }

    /// Puts a message into the topic that the seed draws.
    ///
    /// - Parameter chosen: the partition; nil: the message's key decides.
    mutating func produce(_ plan: WorldPlan, into chosen: Int? = nil) {
        let cluster = SimulatedCluster.current
        var id = Int64(Draw.from(1...plan.keys))
        if let chosen { id = Int64(plan.partitions * 100 + chosen) }
        let partitions = cluster.topics[WorldPlan.topic]?.count ?? 1
        // By the partitions that there were at first, so that a key stays where it is.
        let partition =
            chosen == nil && partitions > plan.partitions && Draw.chance(0.2)
            ? partitions - 1 : Int(id) % plan.partitions
        let isOfNew = partition >= plan.partitions
        let key = isOfNew ? id + 1000 : id
        let qty = Int64(Draw.from(20...1_000_000))
        var value: String? = #"{"id":\#(key),"qty":\#(qty)}"#
        var effect = Effect.row(id: key, qty: qty)
        if Draw.chance(plan.badShare) {
            // No JSON, no number, and what only the server refuses.
            let isRefused = Draw.chance(0.4)
            value = Draw.one(of: isRefused ? [#"{"id":\#(key),"qty":13}"#] : ["{", #"{"id":\#(key),"qty":"x"}"#])
            effect = isRefused ? .refused(id: key) : .letter
        } else if mode == .upsert, Draw.chance(0.15) {
            (value, effect) = (nil, .deletion(id: key))
        }
        let isAborted = Draw.chance(0.03)
        let place = WorldPlan.place(partition)
        let offset = cluster.append(
            place, key: Array("\(key)".utf8), value: value.map { Array($0.utf8) }, kind: isAborted ? .aborted : .data)
        note(partition, offset, isAborted ? .none : effect)
        if isAborted { note(partition, cluster.append(place, key: nil, value: nil, kind: .marker), .none) }
    }

    private mutating func note(_ partition: Int, _ offset: Int64, _ effect: Effect) {
        while entries.count <= partition { entries.append([]) }
        entries[partition].append(Entry(partition: partition, offset: offset, effect: effect))
    }

    /// An operator has set the group's offset: what lies between is loaded again, or never.
    mutating func reset(_ partition: Int, from position: Int64, to offset: Int64) {
        guard entries.indices.contains(partition) else { return }
        for index in entries[partition].indices {
            let entry = entries[partition][index]
            if offset..<max(offset, position) ~= entry.offset { entries[partition][index].again += 1 }
            if position..<max(offset, position) ~= entry.offset { entries[partition][index].again = -1 }
        }
    }

    func high(_ partition: Int) -> Int64 {
        SimulatedCluster.current.partition(WorldPlan.place(partition))?.high ?? 0
    }

    /// Behind the last message that anybody may read: an aborted transaction at the end moves no position.
    func end(_ partition: Int) -> Int64 {
        (entries[partition].last { $0.effect != .none && $0.again >= 0 }?.offset ?? -1) + 1
    }

    // MARK: What must be

    /// A row as the table has it.
    struct Row: Hashable, Comparable {
        var id: Int64
        var qty: Int64
        var partition: Int64
        var offset: Int64

        static func < (a: Row, b: Row) -> Bool { (a.partition, a.offset, a.id) < (b.partition, b.offset, b.id) }
    }

    /// - Parameter positions: the ledger's, of each partition.
    func rows(at positions: [Int: Int64]) -> [Row] {
        var all: [Row] = []
        for (partition, entries) in entries.enumerated() {
            var last: [Int64: Row] = [:]
            for entry in entries where entry.offset < positions[partition] ?? 0 && entry.again >= 0 {
                switch entry.effect {
                case .row(let id, let qty):
                    let row = Row(id: id, qty: qty, partition: Int64(partition), offset: entry.offset)
                    if mode == .upsert { last[id] = row } else { all += Array(repeating: row, count: 1 + entry.again) }
                case .deletion(let id): last[id] = nil
                case .letter, .refused, .none: break
                }
            }
            all += last.values
        }
        return all.sorted()
    }

    struct Place: Hashable, Comparable {
        var partition: Int64
        var offset: Int64
        static func < (a: Place, b: Place) -> Bool { (a.partition, a.offset) < (b.partition, b.offset) }
    }

    /// - Returns: those that must be, and those that may: a row that a later message of its key overtakes within a batch never gets
    ///   to the server, which would have refused it.
    func letters(at positions: [Int: Int64]) -> (must: Set<Place>, may: Set<Place>) {
        var (must, may): (Set<Place>, Set<Place>) = ([], [])
        for (partition, entries) in entries.enumerated() {
            var overtaking: Set<Int64> = []
            for entry in entries.reversed() where entry.again >= 0 && entry.offset < positions[partition] ?? 0 {
                let place = Place(partition: Int64(partition), offset: entry.offset)
                switch entry.effect {
                case .row(let id, _), .deletion(let id): overtaking.insert(id)
                case .letter: must.insert(place)
                case .refused(let id):
                    if mode == .upsert, overtaking.contains(id) { may.insert(place) } else { must.insert(place) }
                    overtaking.insert(id)
                case .none: break
                }
            }
        }
        return (must, may)
    }
}
