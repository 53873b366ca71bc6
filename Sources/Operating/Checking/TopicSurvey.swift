import Kafka
import Loading
import Postgres

/// What the brokers know of the routes' topics and of the group, and where a loader would begin. It only asks.
public struct TopicSurvey: Sendable {
    public struct Partition: Sendable, Equatable {
        public var partition: TopicPartition
        public var watermarks: Watermarks
        /// Where a loader would begin; nil where it would refuse to.
        public var start: Int64?

        /// Messages that wait to be loaded, gaps included.
        public var unread: Int64 { start.map { max(0, watermarks.high - $0) } ?? 0 }
    }

    /// What stops a loader.
    public private(set) var problems: [SetupProblem] = []
    public private(set) var warnings: [SetupProblem] = []
    /// False where nobody answered, and nothing else is known.
    public private(set) var isReachable = false
    /// The routes' topics that there are, with their partition counts.
    public private(set) var topics: [String: Int] = [:]
    public private(set) var partitions: [Partition] = []
    /// Nil where the brokers do not say.
    public private(set) var group: Admin.Group?

    private static let timeout: Duration = .seconds(10)

    /// Asks brokers and ledger.
    ///
    /// - Parameters:
    ///   - routed: what the brokers have said of the topics already.
    ///   - preflight: nil where the database could not be asked; positions are then the group's alone.
    ///   - connection: for the ledger.
    public init(_ options: LoadingOptions, _ routed: RoutedTopics, preflight: Preflight?, on connection: Connection?) {
        (problems, warnings, topics) = (routed.problems, routed.warnings, routed.found)
        guard routed.all != nil, let admin = routed.admin else { return }
        isReachable = true
        askGroup(options, admin)
        askWhetherItJoins(options)
        do {
            try findPositions(options, admin, preflight, connection)
        } catch let error as KafkaError where error.isRetriable {
            // No right is missing: whoever has to be asked does not answer.
            var problem = SetupProblem(
                .position, at: "kafka.group", "the positions cannot be read: \(error)", mend: .said(LeaderReach.mend))
            problem.passing = .outage
            problems.append(problem)
        } catch let error as KafkaError where error.code == .groupAuthorizationFailed && lacksGroup {
            // That is said.
        } catch {
            problems.append(
                SetupProblem(
                    .position, at: "kafka.group",
                    "the positions cannot be read: \((error as? KafkaError)?.told ?? "\(error)")",
                    mend: "give this user DESCRIBE on the topics and the group"))
        }
        let count = topics.values.reduce(0, +)
        if count > 0, options.writers > count {
            warnings.append(
                SetupProblem(
                    .topic, at: "writers",
                    "\(options.writers) writers share \(count) \(count == 1 ? "partition" : "partitions"): "
                        + "\(options.writers - count) will have nothing to do",
                    mend: "set writers: \(count), or give the topics more partitions", isWarning: true))
        }
    }

    private var lacksGroup: Bool { (problems + warnings).contains { $0.code == .group } }

    /// Where a sample of these topics is taken.
    public func plans(of topic: String, count: Int) -> [SamplePlan] {
        partitions.filter { $0.partition.topic == topic }.map {
            SamplePlan($0.partition, start: $0.start ?? $0.watermarks.low, watermarks: $0.watermarks, count: count)
        }
    }

    private mutating func askGroup(_ options: LoadingOptions, _ admin: Admin) {
        do throws(KafkaError) {
            group = try admin.group(options.group, timeout: Self.timeout)
        } catch {
            guard error.code == .groupAuthorizationFailed, !lacksGroup else { return }
            problems.append(
                SetupProblem(
                    .group, at: "kafka.group", "no right to the group \(options.group)",
                    mend: .said(GroupRight.mend(options))))
        }
    }

    /// What the loader's group would refuse, as far as it can be known without disturbing it: by its members' way of
    /// sharing, and by a group of the survey's own, joined with the same properties and left again.
    private mutating func askWhetherItJoins(_ options: LoadingOptions) {
        if let group, !group.members.isEmpty, !group.assignor.isEmpty,
            !Self.takesPart(in: group.assignor, options.properties)
        {
            problems.append(
                refusal(
                    .inconsistentGroupProtocol, "the group's members share their partitions by \(group.assignor)",
                    options))
        }
        let topics = options.routes.flatMap { $0.topics.filter(\.isValid).map(\.subscription) }
        guard problems.isEmpty, !topics.isEmpty else { return }
        do throws(KafkaError) {
            let refused = try GroupProbe.refusal(
                byGroup: "\(options.group)-check-\(UInt32.random(in: 0 ... .max))", topics: Array(Set(topics)).sorted(),
                properties: options.consumerProperties, timeout: Self.timeout)
            // Whoever may join the loader's group need not have a right to another one.
            guard let refused, refused.code != .groupAuthorizationFailed else { return }
            problems.append(refusal(refused.code, refused.reason, options))
        } catch {
            problems.append(
                SetupProblem(
                    .kafka, at: "kafka.properties", "the Kafka client cannot start: \(error.reason)",
                    mend: "see librdkafka's CONFIGURATION.md"))
        }
    }

    /// Whether a member of these properties can be in a group whose members share their partitions so.
    static func takesPart(in assignor: String, _ properties: [String: String]) -> Bool {
        // Under the consumer protocol the brokers share them out, `uniform` unless told otherwise, and take members of both
        // protocols into such a group.
        if assignor == "uniform" || properties["group.protocol"]?.lowercased() == "consumer" { return true }
        let ours = properties["partition.assignment.strategy"] ?? "range,roundrobin"
        return ours.split(separator: ",").contains { $0.filter { $0 != " " } == assignor }
    }

    private func refusal(_ code: KafkaErrorCode, _ reason: String, _ options: LoadingOptions) -> SetupProblem {
        SetupProblem(
            .group, at: "kafka.group", "the group would refuse this member: \(reason) (\(code.name))",
            mend: .group(.standstill(.group, code, nil)))
    }

    private mutating func findPositions(
        _ options: LoadingOptions, _ admin: Admin, _ preflight: Preflight?, _ connection: Connection?
    ) throws {
        let places = topics.flatMap { topic, count in
            (0..<Int32(count)).map { TopicPartition(topic: topic, partition: $0) }
        }.sorted()
        guard !places.isEmpty else { return }
        var watermarks = try admin.watermarks(of: places, timeout: Self.timeout)
        let committed = try admin.committedOffsets(ofGroup: options.group, partitions: places, timeout: Self.timeout)
        let groups = Dictionary(committed.map { ($0.partition, $0) }, uniquingKeysWith: { $1 })
        var known: [TopicPartition: Ledger.Position] = [:]
        var rows: [String] = []
        if preflight?.mark != nil, let connection {
            let ledger = Ledger(group: options.group)
            known = try ledger.states(of: topics.keys.sorted(), on: connection)
            rows = try ledger.topics(on: connection)
        }
        let beyond = places.filter {
            watermarks.isBeyondEnd(known[$0]?.next, of: $0)
                || watermarks.isBeyondEnd(known[$0]?.detour?.resume, of: $0)
                || watermarks.isBeyondEnd(groups[$0]?.offset, of: $0)
        }
        try watermarks.findLogEnds(of: beyond, properties: options.clientProperties, timeout: Self.timeout)
        let patterns = options.routes.flatMap(\.topics)
        let seen = Set(known.keys.map(\.topic))
        let new = Set(topics.keys).subtracting(seen).filter { LedgerMemory.isNew($0, patterns, rows) }
        var refused: [LoadingError.Code: (error: LoadingError, places: [TopicPartition])] = [:]
        for place in places {
            guard let marks = watermarks[place] else { continue }
            let facts = StartPosition.Facts(
                partition: place, ledger: known[place]?.next, group: groups[place], watermarks: marks,
                isNew: seen.contains(place.topic) || new.contains(place.topic),
                loss: known[place]?.isLost == true ? .remembered : nil, detour: known[place]?.detour)
            var start: Int64?
            do throws(LoadingError) {
                start = try Self.start(facts, options, preflight)
            } catch {
                refused[error.code, default: (error, [])].places.append(place)
            }
            partitions.append(Partition(partition: place, watermarks: marks, start: start))
        }
        for (_, (error, places)) in refused.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            let others = places.count > 1 ? "; \(places.count - 1) more partitions likewise" : ""
            problems.append(SetupProblem(.position, at: "\(places[0])", error.message + others, mend: error.mend))
        }
    }

    /// As the loader itself decides it.
    private static func start(
        _ facts: StartPosition.Facts, _ options: LoadingOptions, _ preflight: Preflight?
    ) throws(LoadingError) -> Int64 {
        if let mark = preflight?.mark {
            let doubled = options.target(doubledBy: facts.partition.topic, among: preflight?.targets ?? [])
            let rules = StartPosition.Rules(
                mark: mark, offsetReset: options.autoOffsetReset, onLostOffsets: options.onLostOffsets,
                replayDoubles: doubled != nil)
            return try StartPosition.decide(facts, rules).offset
        }
        return try StartPosition.withoutLedger(
            facts.partition, group: facts.group?.offset, facts.watermarks, options)
    }
}
