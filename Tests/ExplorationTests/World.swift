import Kafka

@testable import Loading

/// Brokers, group, database and the loaders' processes, all of them plain values. What a loader decides is decided by the
/// loader's own code (`Member`, `Handoff`, `StartDecision`, `Ledger.Outcome`, `WaitingOffsets`); what is modelled here is what
/// Kafka and PostgreSQL do, and that threads, messages and answers come in any order.
struct World {
    let scenario: Scenario
    let mutant: Mutant?
    var faults: Int

    var logs: [Log]
    var group: Group
    var database: Database
    /// Taken while all is well, to be restored later.
    var dump: Database?
    var processes: [Process]
    var isDatabaseAway = false
    var areBrokersAway = false
    var isRestored = false
    /// Promises that were broken; the first counts.
    var broken: Broken?
    /// What happens, in words; nil where nobody reads it.
    var story: [String]?

    struct Log: Hashable {
        var low: Int64 = 0
        var end: Int64
        /// It was not there when the group began.
        var isNew = false
        /// How often its topic was made anew.
        var epoch: Int64 = 0
        /// Its topic is deleted, and not there again yet.
        var isGone = false
    }

    /// What the coordinator knows.
    struct Group {
        struct Offset: Hashable {
            var offset: Int64
            var metadata: String
            /// An operator has set it, and no loader has told the group that it has taken note.
            var isOrdered = false
            /// The ledger has followed.
            var isFollowed = false
        }

        var offsets: [Offset?]
        /// Where operators have set it. Whoever has seen it may follow, even where the offsets have expired since.
        var orders: [Int64?]
        /// Which member has a partition.
        var owners: [Int?]
        var isMember: [Bool]

        var isEmpty: Bool { !isMember.contains(true) }
    }

    struct Database {
        var positions: [Ledger.Position?]
        /// How often each message is in its table, by partition.
        var rows: [[Int8]]
        /// How often it is there, or will be, by what operators have decided: to load it again, or not at all. With what is below the
        /// position it makes up `rows`.
        var extra: [[Int8]]
        /// Transactions of which nobody is left: they were committing when their connection ended.
        var limbo: [Limbo] = []
        /// Where operators have gone back to load again, and how far.
        var ways: [Detour?]
        /// The position is one of the topic that was there before, or has gone over from it into the one that is there now, and
        /// nobody has said so.
        var isOfFormerTopic: [Bool]
        /// What lies below the position and is not in, because a message of the former topic stood in its place.
        var missed: [[Bool]]
        /// Its position may be older than what the group was told, because it was restored, or found lost.
        var isBehind: [Bool]
    }

    /// A transaction that nobody waits for.
    struct Limbo {
        var load: Load
        /// It has passed the fence, and holds its rows; else the fence comes with COMMIT.
        var isFenced = true
    }

    /// What a batch holds.
    struct Load {
        var ranges: [Batch.PartitionRange]
        var records: [Record]
    }

    struct Record: Hashable {
        var partition: Int
        var offset: Int64
        /// Of its topic.
        var epoch: Int64 = 0
    }

    enum Ended {
        case loaded(Load)
        case fenced(Load)
        case abandoned(Load)
        case refused(Load)
    }

    enum Rule: String, Sendable {
        case once = "each message once"
        case order = "order"
        case resets = "what operators decide"
        case group = "the group is told what is in"
        case given = "nothing is under way of what was given back"
        case foreign = "nothing is loaded for another database's group"
        case stops = "nobody stops without a reason"
        case progress = "nobody is stuck"
    }

    struct Broken: Sendable {
        var rule: Rule
        var what: String
    }

    static let topic = "t"
    static let mark = LedgerMark(ledger: "ours")
    static let otherMark = LedgerMark(ledger: "another")
    /// All happens at the one moment, and what is due is due at the other.
    static let now = ContinuousClock.now
    static let later = now + .seconds(3600)

    init(_ scenario: Scenario, _ mutant: Mutant? = nil) {
        self.scenario = scenario
        self.mutant = mutant
        faults = scenario.budget
        let count = scenario.partitions
        logs = Array(repeating: Log(end: scenario.messages), count: count)
        group = Group(
            offsets: Array(repeating: nil, count: count), orders: Array(repeating: nil, count: count),
            owners: Array(repeating: nil, count: count),
            isMember: Array(repeating: false, count: scenario.members))
        let none = [Int8](repeating: 0, count: Int(scenario.messages))
        database = Database(
            positions: Array(repeating: nil, count: count), rows: Array(repeating: none, count: count),
            extra: Array(repeating: none, count: count), ways: Array(repeating: nil, count: count),
            isOfFormerTopic: Array(repeating: false, count: count),
            missed: Array(repeating: none.map { _ in false }, count: count),
            isBehind: Array(repeating: false, count: count))
        processes = Array(repeating: Process(), count: scenario.members)
        guard scenario.loaded > 0 else { return }
        for number in logs.indices {
            let last = scenario.hasTopicsAnew ? Self.message(number, scenario.loaded - 1, 0) : nil
            database.positions[number] = Ledger.Position(next: scenario.loaded, last: last)
            group.offsets[number] = Group.Offset(offset: scenario.loaded, metadata: Self.mark.metadata)
            for offset in 0..<Int(scenario.loaded) { database.rows[number][offset] = 1 }
        }
        if scenario.isRunning { getGoing() }
    }

    /// The first member gets all partitions and has seen that they are what was loaded; the others are there.
    private mutating func getGoing() {
        for number in processes.indices { carryOut(.start(number)) }
        carryOut(.give(0, Array(logs.indices)))
        carryOut(.tick(0))
        while processes[0].settling != nil { carryOut(.settle(0)) }
        for place in logs.indices where database.positions[place]?.last != nil { carryOut(.deliver(0, place)) }
    }

    static func partition(_ number: Int) -> TopicPartition {
        TopicPartition(topic: topic, partition: Int32(number))
    }

    /// - Parameter line: is asked only where somebody reads it.
    mutating func tell(_ line: @autoclosure () -> String) {
        guard story != nil else { return }
        story?.append(line())
    }

    mutating func breaks(_ rule: Rule, _ what: String) {
        if broken == nil { broken = Broken(rule: rule, what: what) }
    }

    /// Everything is in, and everybody knows it.
    var isAllLoaded: Bool {
        logs.indices.allSatisfy { number in
            let offset = group.offsets[number]
            guard logs[number].end == scenario.messages else { return false }
            // What went along with a topic is not told anew where nothing comes of the next.
            let isForgotten = scenario.hasLedger && offset == nil && logs[number].epoch > 0
            guard isForgotten || offset?.offset == scenario.messages else { return false }
            guard scenario.hasLedger else { return true }
            guard !database.isOfFormerTopic[number], !database.missed[number].contains(true) else { return false }
            return database.positions[number]?.next == logs[number].end
                && (isForgotten || offset?.metadata == Self.mark.metadata)
        }
    }

    // MARK: What must hold

    /// That the table has what the position says.
    mutating func checkRows(_ number: Int) {
        guard scenario.hasLedger, let position = database.positions[number]?.next else { return }
        for offset in 0..<logs[number].end {
            let isPassed = offset < position && !database.missed[number][Int(offset)]
            let wanted = database.extra[number][Int(offset)] + (isPassed ? 1 : 0)
            let there = database.rows[number][Int(offset)]
            if there != wanted {
                breaks(
                    .once,
                    "\(Self.partition(number))@\(offset) is in \(there) times and should be \(wanted) times, with the position at \(position)"
                )
            }
        }
    }

    /// That the group has been told no more than what is in.
    mutating func checkGroup(_ number: Int) {
        guard let told = group.offsets[number], told.metadata == Self.mark.metadata || !scenario.hasLedger else {
            return
        }
        if scenario.hasLedger {
            let position = database.positions[number]?.next ?? 0
            if told.offset > position, !database.isBehind[number] {
                breaks(.group, "the group is at \(Self.partition(number))@\(told.offset), the ledger at \(position)")
            }
        } else if let missing = (0..<told.offset).first(where: { database.rows[number][Int($0)] < 1 }) {
            breaks(.group, "the group is at \(Self.partition(number))@\(told.offset), and @\(missing) is not in")
        }
    }
}
