import CSimulation
import Kafka
import Loading
import SimulatedPostgres

/// What is in the topic, and so what must be in the table: at any moment exactly what the ledger's positions say.
struct TopicModel {
    enum Effect: Equatable {
        /// A row, or each item's, by its place.
        case rows(id: Int64, quantities: [Int64])
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
        /// Which of the topics of this name has it.
        var generation = 0
        /// The id that was sent.
        var sent: Int64?
        /// Of what has children: to which row it refers.
        var parent: Int64?
        /// It was taken before what comes before it.
        var cameEarly = false

        func came(before other: Entry) -> Bool { (generation, offset) < (other.generation, other.offset) }
    }

    let route: WorldRoute
    private let messages: WorldMessages
    private(set) var entries: [[Entry]] = []
    /// Of topics of this name that are no more, all of them loaded.
    private var former: [Entry] = []
    private var generation = 0
    /// What is before these offsets of the topic that has taken a loaded one's place is left out until somebody decides otherwise.
    private var leftOut: [Int64] = []

    init(_ messages: WorldMessages) {
        route = messages.route
        self.messages = messages
    }

    /// Puts a message into the topic that the seed draws.
    mutating func produce(_ plan: WorldPlan) {
        let cluster = SimulatedCluster.current
        let id = Int64(Draw.from(1...plan.keys))
        let partitions = cluster.topics[WorldPlan.topic]?.count ?? 1
        // By the partitions that there were at first, so that a key stays where it is.
        let partition =
            partitions > plan.partitions && Draw.chance(0.2) ? partitions - 1 : Int(id) % plan.partitions
        let isOfNew = partition >= plan.partitions
        let key = isOfNew ? id + 1000 : id
        let parent = route == .children ? Int64(Draw.from(1...plan.keys)) : nil
        let (value, effect) = message(key, plan.badShare, parent)
        let place = WorldPlan.place(partition)
        // A marker in the place of a message by which the old topic is known looks as if compaction had taken that one.
        let isAborted = Draw.chance(0.03) && !isLeftOut(high(partition) + 1, of: partition)
        let offset = cluster.append(place, key: messages.key(key), value: value, kind: isAborted ? .aborted : .data)
        note(partition, offset, isAborted ? .none : effect, sent: key, parent: parent)
        if isAborted { note(partition, cluster.append(place, key: nil, value: nil, kind: .marker), .none) }
    }

    private func message(
        _ id: Int64, _ badShare: Double, _ parent: Int64?
    ) -> (value: [UInt8]?, effect: Effect) {
        let items = route.hasItems ? Draw.from(0...3) : 1
        var quantities = (0..<items).map { _ in Int64(Draw.from(20...1_000_000)) }
        if Draw.chance(badShare) {
            // No JSON, no number, and what only the server refuses.
            guard Draw.chance(0.4) else { return (Draw.one(of: messages.nonsense(id)), .letter) }
            quantities.append(WorldRoute.refusedQuantity)
            let refused = route.hasItems ? quantities : [WorldRoute.refusedQuantity]
            return (messages.value(id, refused, parent: parent), .refused(id: id))
        }
        if route.hasDeletions, Draw.chance(0.15) { return (messages.deletion(id), .deletion(id: id)) }
        // Once a schema was waited for in vain, none is that is late.
        let schemas: [WorldMessages.Schema] = badShare == 0 ? [.plain, .plain, .other, .late] : [.plain, .other]
        let schema = messages.isFramed ? Draw.one(of: schemas) : .plain
        if schema == .late { registerLate() }
        return (messages.value(id, quantities, schema, parent: parent), .rows(id: id, quantities: quantities))
    }

    /// Whoever asks finds it missing at first, and there well before it is taken for unknown.
    private func registerLate() {
        Moments.after(Draw.from(0..<5 * Moments.second)) {
            let schema = WorldMessages.Schema.late
            if let text = schema.text { SimulatedWeb.current.register(text, as: schema.rawValue) }
        }
    }

    private mutating func note(
        _ partition: Int, _ offset: Int64, _ effect: Effect, sent: Int64? = nil, parent: Int64? = nil
    ) {
        while entries.count <= partition { entries.append([]) }
        entries[partition].append(
            Entry(
                partition: partition, offset: offset, effect: effect, again: isLeftOut(offset, of: partition) ? -1 : 0,
                generation: generation, sent: sent, parent: parent))
    }

    private func isLeftOut(_ offset: Int64, of partition: Int) -> Bool {
        leftOut.indices.contains(partition) && offset < leftOut[partition]
    }

    /// Puts a last message into each partition, so that there is one by which its topic is known.
    mutating func close() {
        for partition in 0..<(SimulatedCluster.current.topics[WorldPlan.topic]?.count ?? 0) {
            let id = Int64(2000 + partition)
            let quantities = [Int64(Draw.from(20...1_000_000))]
            let offset = SimulatedCluster.current.append(
                WorldPlan.place(partition), key: messages.key(id), value: messages.value(id, quantities))
            note(partition, offset, .rows(id: id, quantities: quantities))
        }
    }

    /// Another topic has taken the name, and begins empty. All of the old one was loaded, up to these positions.
    mutating func replace(at positions: [Int: Int64]) {
        former += entries.flatMap { $0 }
        generation += 1
        leftOut = entries.indices.map { positions[$0] ?? 0 }
        entries = entries.map { _ in [] }
    }

    /// Lets a new topic grow past the old one's positions at once, as one does that is filled again from its source.
    mutating func outgrow(_ plan: WorldPlan) {
        while leftOut.indices.contains(where: { high($0) < leftOut[$0] }) {
            produce(plan)
            close()
        }
    }

    /// An operator has it loaded from its beginning: what was taken of it by the old one's position comes once more.
    ///
    /// - Returns: up to where there is something that does.
    mutating func beginAnew(_ partition: Int, from position: Int64) -> Int64 {
        for index in entries[partition].indices where entries[partition][index].offset < position {
            entries[partition][index].again += 1
            entries[partition][index].cameEarly = entries[partition][index].offset >= leftOut[partition]
        }
        leftOut[partition] = 0
        return (entries[partition].last { $0.cameEarly && $0.effect != .none }?.offset ?? -1) + 1
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

    /// How many messages there were.
    var count: Int { former.count + entries.reduce(0) { $0 + $1.count } }

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
        /// Of its item; 0 for what has none.
        var place: Int64 = 0

        static func < (a: Row, b: Row) -> Bool {
            (a.partition, a.offset, a.id, a.place) < (b.partition, b.offset, b.id, b.place)
        }
    }

    /// What is loaded of a partition, in the order of arrival.
    private func loaded(_ partition: Int, _ position: Int64) -> [Entry] {
        let current = entries[partition].filter { $0.offset < position }
        // Where the first one counts, it is the first that was loaded.
        let early = route == .ignore ? current.filter(\.cameEarly) : []
        return (former.filter { $0.partition == partition } + early + current).filter { $0.again >= 0 }
    }

    /// - Parameters:
    ///   - positions: the ledger's, of each partition.
    ///   - letters: of the rows that refer to others some may be these instead.
    func rows(at positions: [Int: Int64], without letters: Set<Place> = []) -> [Row] {
        var all: [Row] = []
        for partition in entries.indices {
            var kept: [Int64: [Row]] = [:]
            for entry in loaded(partition, positions[partition] ?? 0) {
                switch entry.effect {
                case .rows(let id, let quantities):
                    if route == .children {
                        let place = Place(partition: Int64(partition), offset: entry.offset)
                        guard !letters.contains(place) else { continue }
                        let parent = entry.parent ?? id
                        all.append(
                            Row(
                                id: id, qty: quantities[0], partition: place.partition, offset: place.offset,
                                place: parent))
                        continue
                    }
                    let rows = quantities.enumerated().map { place, qty in
                        Row(id: id, qty: qty, partition: Int64(partition), offset: entry.offset, place: Int64(place))
                    }
                    switch route {
                    case .insert, .elements, .children: for _ in 0...entry.again { all += rows }
                    case .history: if kept[entry.offset] == nil { kept[entry.offset] = rows }
                    case .ignore: if kept[id] == nil { kept[id] = rows }
                    case .newer: if rows[0].qty > kept[id]?.first?.qty ?? .min { kept[id] = rows }
                    case .upsert, .changes, .sets: kept[id] = rows
                    }
                case .deletion(let id): kept[id] = nil
                case .letter, .refused, .none: break
                }
            }
            for rows in kept.values { all += rows }
        }
        return all.sorted()
    }

    struct Place: Hashable, Comparable {
        var partition: Int64
        var offset: Int64
        static func < (a: Place, b: Place) -> Bool { (a.partition, a.offset) < (b.partition, b.offset) }
    }

    /// - Returns: those that must be, and those that may: a row that another one of its key makes needless within a batch, or that the
    ///   table does not want, never gets to the server, which would have refused it.
    func letters(at positions: [Int: Int64]) -> (must: Set<Place>, may: Set<Place>) {
        var (must, may): (Set<Place>, Set<Place>) = ([], [])
        for partition in entries.indices {
            let loaded = loaded(partition, positions[partition] ?? 0)
            for entry in loaded {
                let place = Place(partition: Int64(partition), offset: entry.offset)
                switch entry.effect {
                case .letter: must.insert(place)
                case .refused(let id):
                    let isNeedless = loaded.contains { other in
                        guard other.id == id else { return false }
                        switch route {
                        case .insert, .elements, .history, .children: return false
                        case .ignore: return other.came(before: entry)
                        case .newer: return other.came(before: entry) || entry.came(before: other)
                        case .upsert, .changes, .sets: return entry.came(before: other)
                        }
                    }
                    if isNeedless { may.insert(place) } else { must.insert(place) }
                case .rows where route == .children:
                    if !hasParentBefore(entry) { may.insert(place) }
                case .rows, .deletion, .none: break
                }
            }
        }
        return (must, may)
    }

    /// What it refers to goes in no later than itself.
    private func hasParentBefore(_ entry: Entry) -> Bool {
        guard let parent = entry.parent else { return true }
        return entries[entry.partition].contains { $0.offset <= entry.offset && $0.bringsParent(parent) }
    }

    /// - Returns: those of the letters that refer to what is there.
    func waiting(_ letters: Set<Place>, at positions: [Int: Int64]) -> [Place] {
        let parents = parents(at: positions).must
        return entries.indices.flatMap { partition in
            loaded(partition, positions[partition] ?? 0).compactMap { entry in
                guard case .rows(let id, _) = entry.effect, parents.contains(entry.parent ?? id) else { return nil }
                let place = Place(partition: Int64(partition), offset: entry.offset)
                return letters.contains(place) ? place : nil
            }
        }
    }

    /// - Returns: the rows that must be there to be referred to, and those that may.
    func parents(at positions: [Int: Int64]) -> (must: Set<Int64>, may: Set<Int64>) {
        let loaded = entries.indices.flatMap { self.loaded($0, positions[$0] ?? 0) }
        let must = Set(loaded.filter { ![.letter, .none].contains($0.effect) }.compactMap(\.id))
        // What the one table does not take may have been a row of the other.
        return (must, Set(loaded.filter { $0.effect == .letter }.compactMap(\.sent)))
    }
}

extension TopicModel.Entry {
    func bringsParent(_ parent: Int64) -> Bool {
        switch effect {
        case .rows(let id, _), .refused(let id): id == parent
        case .deletion, .letter, .none: false
        }
    }

    /// Of the rows that it means; nil: it means none.
    fileprivate var id: Int64? {
        switch effect {
        case .rows(let id, _), .deletion(let id), .refused(let id): id
        case .letter, .none: nil
        }
    }
}
