import CSimulation
import Credentials
import Kafka
import Loading
import Postgres
import Schemas
import Web

/// What a seed decides before anything happens: how the loaders are set up, what is in the topic, and what goes wrong.
struct WorldPlan {
    let route: WorldRoute
    let partitions: Int
    let loaders: Int
    let writers: Int
    let isCooperative: Bool
    let isStatic: Bool
    /// Its messages are Avro, and a registry has their schemas.
    let isFramed: Bool
    /// Brokers let in only who has a token.
    let hasTokens: Bool
    let keys: Int
    let messages: Int
    let badShare: Double
    let maxRows: Int
    let maxDelay: Duration
    /// Rows that refer to what is not there yet wait for it, and are letters until then; else they are letters for good.
    let waitsForParents: Bool
    /// How long things go wrong, in nanoseconds.
    let length: Int64
    let brokers: SimulatedCluster.Faults
    let server: ServerFaults
    let web: SimulatedWeb.Faults
    /// How many of each there are.
    let kills: Int
    let freezes: Int
    let brokerOutages: Int
    let leaderlessness: Int
    let restarts: Int
    let webOutages: Int
    /// How often brokers refuse something for a time.
    let refusals: Int
    let additions: Int
    /// How often retention takes some of what is loaded.
    let retentions: Int
    /// At most one of these: what they mean for each other would be a story of its own.
    let turn: Turn
    /// A backup is restored when all is loaded and nothing comes any more, so that no batch meets the ledger.
    let restoresLate: Bool

    enum Turn: CaseIterable {
        case none, groupExpires, resetBack, resetForward, restore
        /// The topic is deleted, and another is created under its name.
        case topicAnew
    }

    /// - Parameter trim: what of it is left out. The rest is as it would be with it.
    init(_ trim: Trim = Trim()) {
        // The plain ones are as likely as all others.
        route = Draw.one(of: Draw.chance(0.5) ? [.insert, .upsert] : WorldRoute.allCases)
        partitions = trim.limit(Draw.from(1...3), .partitions)
        loaders = trim.limit(Draw.from(1...3), .loaders)
        writers = trim.limit(Draw.from(1...2), .writers)
        isCooperative = Draw.chance(0.4)
        isStatic = Draw.chance(0.2)
        isFramed = Draw.chance(0.3) && ![.changes, .children].contains(route)
        hasTokens = Draw.chance(0.2)
        waitsForParents = route == .children && Draw.chance(0.7)
        keys = trim.limit(Draw.from(1...12), .keys)
        messages = trim.limit(Draw.from(10...120), .messages)
        badShare = Draw.chance(0.5) ? 0 : 0.08
        maxRows = Draw.from(2...20)
        maxDelay = .milliseconds(Draw.from(20...1000))
        length = Int64(trim.limit(Int(Draw.from(10..<90)), .seconds)) * Moments.second
        // A quiet world is one too: what goes wrong then stands out.
        let isQuiet = Draw.chance(0.15)
        var brokers = SimulatedCluster.Faults()
        if !isQuiet, Draw.chance(0.4) { (brokers.loss, brokers.slowness) = (0.02, 0.02) }
        for (name, fault) in Self.brokerFaults where trim.leavesOut(name) { brokers[keyPath: fault] = 0 }
        self.brokers = brokers
        server = isQuiet ? ServerFaults() : Self.serverFaults().without(trim.without)
        web = isQuiet || trim.leavesOut("web") ? .init() : Self.webFaults()
        func some(_ most: Int) -> Int { isQuiet ? 0 : Draw.from(0...most) }
        kills = some(6)
        freezes = some(3)
        brokerOutages = some(2)
        leaderlessness = some(3)
        restarts = some(3)
        refusals = Draw.chance(0.3) ? some(3) : 0
        webOutages = isFramed || hasTokens ? some(2) : 0
        // What is loaded again would be a row the one time, and a letter the other.
        let turns = route == .children ? [.none, .groupExpires, .restore] : Turn.allCases
        let turn = isQuiet ? Turn.none : Draw.one(of: turns)
        self.turn = trim.leavesOut("\(turn)") ? .none : turn
        restoresLate = turn == .restore && Draw.chance(0.5)
        // A backup from before a partition was added says nothing of it: the start stops there, as it is documented.
        additions = turn != .restore && Draw.chance(0.2) ? 1 : 0
        // Nor can what is gone be loaded again.
        retentions = turn != .restore && Draw.chance(0.3) ? some(3) : 0
    }

    private static func serverFaults() -> ServerFaults {
        var faults = ServerFaults()
        /// Each is there in some worlds only, so that none hides another for good.
        func maybe(_ chance: Double) -> Double { Draw.chance(0.3) ? chance : 0 }
        (faults.connectHangs, faults.connectRefused) = (maybe(0.1), maybe(0.2))
        (faults.cutBeforeArrival, faults.cutBeforeAnswer) = (maybe(0.01), maybe(0.01))
        // A message whose every try loses its connection is a letter, after six in a row: at twice these chances that is two seeds in ten
        // thousand, by chance alone.
        (faults.cutBeforeCommit, faults.cutAfterCommit) = (maybe(0.04), maybe(0.04))
        (faults.silence, faults.slow) = (maybe(0.01), maybe(0.03))
        faults.silenceLength = Draw.from(20..<200) * Moments.second
        (faults.restart, faults.standby, faults.terminated) = (maybe(0.005), maybe(0.005), maybe(0.01))
        // Likewise a message that such a failure meets three times in a row, while others go in: two seeds in ten thousand at twice this.
        faults.failures = ServerFaults.states.map { ($0, maybe(0.005)) }
        return faults
    }

    private static func webFaults() -> SimulatedWeb.Faults {
        var faults = SimulatedWeb.Faults()
        func maybe(_ chance: Double) -> Double { Draw.chance(0.4) ? chance : 0 }
        (faults.refused, faults.busy) = (maybe(0.2), maybe(0.2))
        (faults.slowness, faults.silence) = (maybe(0.2), maybe(0.05))
        return faults
    }

    // MARK: What may be left out

    private static var brokerFaults: [(name: String, fault: WritableKeyPath<SimulatedCluster.Faults, Double>)] {
        [
            ("loss", \.loss), ("slowness", \.slowness),
        ]
    }

    /// Faults of a kind that come at moments of their own, in the order in which they are drawn.
    var happenings: [(name: String, count: Int)] {
        [
            ("kill", kills), ("freeze", freezes), ("brokers-away", brokerOutages), ("leader-away", leaderlessness),
            ("restart", restarts), ("addition", additions), ("retention", retentions),
            ("web-away", webOutages), ("refusal", refusals),
        ]
    }

    /// What a seed decides.
    static func of(_ seed: UInt64, _ trim: Trim) -> WorldPlan {
        sim_begin(seed)
        defer { sim_end() }
        return WorldPlan(trim)
    }

    func amount(of measure: Trim.Measure) -> Int {
        switch measure {
        case .messages: messages
        case .loaders: loaders
        case .partitions: partitions
        case .writers: writers
        case .keys: keys
        case .seconds: Int(length / Moments.second)
        }
    }

    /// All that goes wrong, each by the name by which it can be left out.
    var faultNames: [String] {
        let single = happenings.flatMap { name, count in (0..<count).map { "\(name)-\($0 + 1)" } }
        let kinds =
            Self.brokerFaults.filter { brokers[keyPath: $0.fault] > 0 }.map(\.name) + server.names
            + (web.isQuiet || !(isFramed || hasTokens) ? [] : ["web"])
        return (turn == .none ? [] : ["\(turn)"]) + single + kinds
    }

    /// In words, for whoever has to understand a failure.
    func summary(_ trim: Trim) -> String {
        func many(_ count: Int, _ name: String) -> String { "\(count) \(name)\(count == 1 ? "" : "s")" }
        let faults = faultNames.filter { !trim.leavesOut($0) }
        return [
            many(loaders, "loader"), many(writers, "writer"), many(partitions, "partition"), many(messages, "message"),
            route.rawValue + (isFramed ? " in Avro" : "") + (hasTokens ? " by token" : ""),
            faults.isEmpty ? "no fault" : faults.joined(separator: " "),
        ].joined(separator: ", ")
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
        if hasTokens { properties["sasl.mechanisms"] = "OAUTHBEARER" }
        if isStatic { properties["group.instance.id"] = "loader-\(slot)" }
        var options = LoadingOptions(
            brokers: "simulated:9092", group: Self.group, properties: properties,
            database: .init(
                url: "host=simulated user=loader", connectTimeout: .seconds(5), statementTimeout: .seconds(30),
                lockTimeout: .seconds(5)),
            routes: route.routes(Self.topic), batch: BatchPolicy(maxRows: maxRows, maxDelay: maxDelay),
            writers: writers,
            deadLetters: .init(maxShare: 1, waitForParent: waitsForParents ? .seconds(3600) : .zero),
            allowDuplicates: true)
        if hasTokens {
            options.tokens = TokenKeeper(
                OAuthTokens(.init(url: SimulatedWeb.tokens, id: "loader", proof: .secret("secret")), HTTPOptions()))
        }
        if isFramed { options.schemas = SchemaSource(RegistryOptions(urls: [SimulatedWeb.registry])) }
        options.topicWatchInterval = .seconds(Mutant.is(.topicsUnwatched) ? 1_000_000 : 20)
        if turn == .restore { options.ledgerWatchInterval = .seconds(Mutant.is(.ledgerUnwatched) ? 1_000_000 : 15) }
        return options
    }
}
