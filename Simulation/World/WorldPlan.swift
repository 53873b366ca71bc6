import CSimulation
import Kafka
import Loading
import Postgres

/// What a seed decides before anything happens: how the loaders are set up, what is in the topic, and what goes wrong.
struct WorldPlan {
    let mode: Route.Mode
    let partitions: Int
    let loaders: Int
    let writers: Int
    let isCooperative: Bool
    let isStatic: Bool
    let keys: Int
    let messages: Int
    let badShare: Double
    let maxRows: Int
    let maxDelay: Duration
    /// How long things go wrong, in nanoseconds.
    let length: Int64
    let brokers: SimulatedCluster.Faults
    let server: ServerFaults
    /// How many of each there are.
    let kills: Int
    let freezes: Int
    let brokerOutages: Int
    let leaderlessness: Int
    let restarts: Int
    let additions: Int
    /// At most one of these: what they mean for each other would be a story of its own.
    let turn: Turn

    enum Turn: CaseIterable {
        case none, groupExpires, resetBack, resetForward, restore
    }

    init() {
        mode = Draw.one(of: [.insert, .upsert, .upsert])
        partitions = Draw.from(1...3)
        loaders = Draw.from(1...3)
        writers = Draw.from(1...2)
        isCooperative = Draw.chance(0.4)
        isStatic = Draw.chance(0.2)
        keys = Draw.from(1...12)
        messages = Draw.from(10...120)
        badShare = Draw.chance(0.5) ? 0 : 0.08
        maxRows = Draw.from(2...20)
        maxDelay = .milliseconds(Draw.from(20...1000))
        length = Draw.from(10..<90) * Moments.second
        // A quiet world is one too: what goes wrong then stands out.
        let isQuiet = Draw.chance(0.15)
        var brokers = SimulatedCluster.Faults()
        if !isQuiet, Draw.chance(0.4) { (brokers.loss, brokers.slowness) = (0.02, 0.02) }
        self.brokers = brokers
        server = isQuiet ? ServerFaults() : Self.serverFaults()
        func some(_ most: Int) -> Int { isQuiet ? 0 : Draw.from(0...most) }
        kills = some(6)
        freezes = some(3)
        brokerOutages = some(2)
        leaderlessness = some(3)
        restarts = some(3)
        turn = isQuiet ? .none : Draw.one(of: Turn.allCases)
        // A backup from before a partition was added says nothing of it: the start stops there, as it is documented.
        additions = turn != .restore && Draw.chance(0.2) ? 1 : 0
    }

    private static func serverFaults() -> ServerFaults {
        var faults = ServerFaults()
        /// Each is there in some worlds only, so that none hides another for good.
        func maybe(_ chance: Double) -> Double { Draw.chance(0.3) ? chance : 0 }
        (faults.connectHangs, faults.connectRefused) = (maybe(0.1), maybe(0.2))
        (faults.cutBeforeArrival, faults.cutBeforeAnswer) = (maybe(0.01), maybe(0.01))
        (faults.cutBeforeCommit, faults.cutAfterCommit) = (maybe(0.1), maybe(0.1))
        (faults.silence, faults.slow) = (maybe(0.01), maybe(0.03))
        faults.silenceLength = Draw.from(20..<200) * Moments.second
        (faults.restart, faults.readOnly, faults.terminated) = (maybe(0.005), maybe(0.005), maybe(0.02))
        faults.failures = ServerFaults.states.map { ($0, maybe(0.02)) }
        return faults
    }

    // MARK: The loaders

    static let topic = "orders"
    static let group = "loaders"

    /// The topic of a partition's number.
    static func place(_ partition: Int) -> TopicPartition { TopicPartition(topic: topic, partition: Int32(partition)) }

    func options(slot: Int) -> LoadingOptions {
        var properties = [
            "session.timeout.ms": "8000", "heartbeat.interval.ms": "1000",
            "partition.assignment.strategy": isCooperative ? "cooperative-sticky" : "range",
        ]
        if isStatic { properties["group.instance.id"] = "loader-\(slot)" }
        var columns: [Route.Column] = [
            .init(name: "qty"), .init(name: "partition", source: .partition), .init(name: "offset", source: .offset),
        ]
        if mode == .upsert {
            columns.append(.init(name: "id", source: .key(nil)))
        } else {
            columns.append(.init(name: "id"))
        }
        let route = Route(
            topics: [.name(Self.topic)], table: TableName(schema: "public", name: "orders"), mode: mode, rest: .none,
            columns: columns)
        var options = LoadingOptions(
            brokers: "simulated:9092", group: Self.group, properties: properties,
            database: .init(
                url: "host=simulated user=loader", connectTimeout: .seconds(5), statementTimeout: .seconds(30),
                lockTimeout: .seconds(5)),
            routes: [route], batch: BatchPolicy(maxRows: maxRows, maxDelay: maxDelay), writers: writers,
            deadLetters: .init(maxShare: 1, waitForParent: .zero), allowDuplicates: true)
        options.topicWatchInterval = .seconds(20)
        return options
    }
}
