import Foundation
import Kafka
import Loading
import Postgres

/// Where a group stands: its positions in the ledger, its offsets in Kafka, its members, and the watermarks.
///
/// Read from outside, whether or not a loader runs. What cannot be asked is told as a problem, and the rest is there.
public struct PositionReport: Sendable {
    public struct Partition: Sendable {
        public var partition: TopicPartition
        /// The ledger's position.
        public var ledger: Int64?
        /// When the last batch of this partition was loaded, in milliseconds since 1970.
        public var updatedAt: Int64?
        public var group: CommittedOffset?
        public var watermarks: Watermarks?
        /// Who has it: the client id and host of a member.
        public var member: String?
        public var finding: PositionFinding
        /// Where a loader that starts now begins; nil where it would stop, or where that is not known.
        public var start: Int64?

        /// It went back by a backfill with an end.
        public var detour: Detour?

        /// Messages that are still to be loaded, from where a loader begins; nil where that is not known.
        public var lag: Int64? {
            guard let position = start ?? ledger ?? group?.offset, let watermarks else { return nil }
            let ahead = position == ledger ? detour?.loaded(aheadOf: position).count ?? 0 : 0
            return max(0, watermarks.high - max(position, watermarks.low) - Int64(ahead))
        }
    }

    /// What could not be asked.
    public struct Problem: Sendable {
        public var message: String
        public var next: String
        /// It may go away by itself.
        public var isOutage: Bool
    }

    public var group: String
    public var delivery: LoadingOptions.Delivery
    /// The id of this database's ledger.
    public var ledger: String?
    /// Nil where the brokers do not tell.
    public var members: Admin.Group?
    public var partitions: [Partition] = []
    /// This group's, in the table; nil where there is none.
    public var deadLetters: Int64?
    public var problems: [Problem] = []
    /// Tables that other sessions keep locked, so that a loader waits for them.
    public var locks: [LockWait] = []
    /// When it was read, in milliseconds since 1970.
    public var readAt: Int64

    /// Of all partitions where it is known.
    public var lag: Int64 { partitions.reduce(0) { $0 + ($1.lag ?? 0) } }

    /// - Parameter admin: kept by the caller from one reading to the next.
    public static func read(_ options: LoadingOptions, _ admin: Admin) -> PositionReport {
        var report = PositionReport(
            group: options.group, delivery: options.delivery, readAt: Int64(Date().timeIntervalSince1970 * 1000))
        // In this order: a running loader moves the ledger first, then the group, and so none of its steps looks like a
        // disagreement that is not there.
        let kafka = report.askGroup(options, admin)
        let database = report.askDatabase(options, kafka?.topics ?? [])
        let places = Set(kafka?.places ?? []).union(database?.positions.keys.map { $0 } ?? []).sorted()
        let positions = places.flatMap { place in
            let known = database?.positions[place]
            return [(place, known?.next), (place, known?.detour?.resume), (place, kafka?.offsets[place]?.offset)]
        }
        let watermarks = kafka == nil ? [:] : report.askWatermarks(places, positions, options, admin)
        report.conclude(options, places, kafka, database, watermarks)
        return report
    }

    private static let timeout: Duration = .seconds(10)

    // MARK: Asking

    private struct KafkaSide {
        var topics: [String]
        var places: [TopicPartition]
        var offsets: [TopicPartition: CommittedOffset]
    }

    private struct DatabaseSide {
        var mark: LedgerMark?
        var positions: [TopicPartition: Ledger.Position] = [:]
        /// Of all rows of the group, those included that are no positions.
        var topics: [String] = []
        var replayDoubles: (String) -> Bool
    }

    private mutating func askGroup(_ options: LoadingOptions, _ admin: Admin) -> KafkaSide? {
        do throws(KafkaError) {
            let counts = try admin.partitionCounts(timeout: Self.timeout)
            let patterns = options.routes.flatMap(\.topics)
            let topics = counts.keys.filter { topic in patterns.contains { $0.matches(topic) } }.sorted()
            for case .name(let name) in patterns where counts[name] == nil {
                problems.append(
                    Problem(
                        message: "the brokers know no topic \(name)",
                        next: "create it, or check its name and the rights",
                        isOutage: false))
            }
            do throws(KafkaError) {
                members = try admin.group(options.group, timeout: Self.timeout)
            } catch  where error.code == .unsupportedFeature {
                // They are not known then. A loader that starts asks for no members, so nothing keeps it from starting.
            } catch {
                problems.append(Problem(message: "the group's members cannot be asked: \(error.told)", error))
            }
            let places = topics.flatMap { topic in
                (0..<Int32(counts[topic] ?? 0)).map { TopicPartition(topic: topic, partition: $0) }
            }
            let offsets =
                places.isEmpty
                ? [] : try admin.committedOffsets(ofGroup: options.group, partitions: places, timeout: Self.timeout)
            return KafkaSide(
                topics: topics, places: places,
                offsets: Dictionary(offsets.map { ($0.partition, $0) }, uniquingKeysWith: { $1 }))
        } catch {
            problems.append(Problem(message: "the brokers cannot be asked: \(error.told)", error))
            return nil
        }
    }

    private mutating func askDatabase(_ options: LoadingOptions, _ topics: [String]) -> DatabaseSide? {
        do throws(PostgresError) {
            let connection = try Connection(options.connectionOptions("status"))
            defer { connection.close() }
            connection.lockPatience = Preflight.lockPatience
            locks = try Preflight.locks(options, on: connection)
            if let table = options.deadLetters.table {
                let count = try? connection.query(
                    "SELECT count(*) FROM \(table.quoted) WHERE consumer_group = $1", [.text(options.group)])
                deadLetters = count?.int(0, 0)
            }
            let targets = try? CompiledRoutes.targets(options, on: connection)
            var side = DatabaseSide(replayDoubles: Self.replayDoubles(options, targets))
            guard options.delivery == .exactlyOnce else { return side }
            side.mark = try Ledger.mark(on: connection)
            for problem in try OtherGroups.problems(targets ?? [], group: options.group, on: connection) {
                problems.append(Problem(message: problem.problem, next: problem.mend.words, isOutage: false))
            }
            ledger = side.mark?.ledger
            let ledger = Ledger(group: options.group)
            // Without brokers the ledger itself says which topics there are.
            side.positions = try ledger.states(of: topics.isEmpty ? nil : topics, on: connection).filter { place, _ in
                !LedgerMemory.isMemory(place.topic)
                    && options.routes.contains { $0.topics.contains { $0.matches(place.topic) } }
            }
            side.topics = try ledger.topics(on: connection)
            return side
        } catch {
            let isOutage = error.passes
            let isLocked = error.sqlState == .lockNotAvailable
            problems.append(
                Problem(
                    message: "the ledger cannot be read: \(error.refusal.map { "\($0.words): " } ?? "")\(error)",
                    next: error.refusal != nil
                        ? OutageNotice(error).remedy
                        : isLocked
                            ? "look again when the locks are free"
                            : isOutage
                                ? "bring the database back; a running loader waits for it"
                                : [.undefinedTable, .undefinedColumn].contains(error.sqlState)
                                    ? "run `loader migrate up`" : "mend postgres.url or the role's rights",
                    isOutage: isOutage))
            return nil
        }
    }

    /// By the tables as they are; where they do not fit their routes, by the modes alone.
    private static func replayDoubles(_ options: LoadingOptions, _ targets: [Target]?) -> (String) -> Bool {
        { topic in
            if let targets { return options.target(doubledBy: topic, among: targets) != nil }
            return !options.allowDuplicates
                && options.routes.contains { $0.mode == .insert && $0.topics.contains { $0.matches(topic) } }
        }
    }

    private mutating func askWatermarks(
        _ places: [TopicPartition], _ positions: [(TopicPartition, Int64?)], _ options: LoadingOptions, _ admin: Admin
    ) -> [TopicPartition: Watermarks] {
        do throws(KafkaError) {
            var watermarks = try admin.watermarks(of: places, timeout: Self.timeout)
            let beyond = Set(positions.filter { watermarks.isBeyondEnd($0.1, of: $0.0) }.map(\.0))
            try watermarks.findLogEnds(
                of: beyond.sorted(), properties: options.clientProperties, timeout: Self.timeout)
            return watermarks
        } catch {
            problems.append(Problem(message: "the watermarks cannot be asked: \(error.told)", error))
            return [:]
        }
    }

    // MARK: Concluding

    private mutating func conclude(
        _ options: LoadingOptions, _ places: [TopicPartition], _ kafka: KafkaSide?, _ database: DatabaseSide?,
        _ watermarks: [TopicPartition: Watermarks]
    ) {
        let seen = Set(database?.positions.keys.map(\.topic) ?? [])
        let patterns = options.routes.flatMap(\.topics)
        let newTopics = Set(places.map(\.topic)).subtracting(seen).filter {
            LedgerMemory.isNew($0, patterns, database?.topics ?? [])
        }
        let isActive = members?.isRunning ?? false
        var owners: [TopicPartition: String] = [:]
        for member in members?.members ?? [] {
            for place in member.assignment {
                owners[place] = "\(member.instanceID ?? member.clientID) at \(member.host)"
            }
        }
        for place in places {
            let position = database?.positions[place]
            let group = kafka?.offsets[place]
            let marks = watermarks[place]
            var finding = PositionFinding.ok
            var start: Int64?
            if options.delivery == .atLeastOnce {
                (finding, start) = PositionFinding.withoutLedger(
                    place, group?.offset, marks, options, isActive: isActive)
            } else if let mark = database?.mark, kafka != nil, let marks {
                let facts = StartPosition.Facts(
                    partition: place, ledger: position?.next, group: group, watermarks: marks,
                    isNew: seen.contains(place.topic) || newTopics.contains(place.topic),
                    loss: position?.isLost == true ? .remembered : nil, detour: position?.detour)
                let rules = StartPosition.Rules(
                    mark: mark, offsetReset: options.autoOffsetReset, onLostOffsets: options.onLostOffsets,
                    replayDoubles: database?.replayDoubles(place.topic) ?? false)
                (finding, start) = PositionFinding.of(facts, rules, isActive: isActive)
            } else if kafka != nil, marks == nil {
                finding = PositionFinding(
                    .leaderAway, .notice, "no leader answers for \(place)", next: "look after the brokers")
            }
            partitions.append(
                Partition(
                    partition: place, ledger: position?.next, updatedAt: position?.updatedAt, group: group,
                    watermarks: marks, member: owners[place], finding: finding, start: start, detour: position?.detour))
        }
        if options.delivery == .exactlyOnce, let database, database.mark == nil {
            problems.append(
                Problem(
                    message: "loader.ledger has no row, so this database has no identity",
                    next: Mend.position(
                        .identify(topics: database.topics.filter { !LedgerMemory.isMemory($0) })
                    ).words,
                    isOutage: false))
        }
    }
}

extension PositionReport.Problem {
    fileprivate init(message: String, _ error: KafkaError) {
        self.init(
            message: message,
            next: error.isRetriable
                ? "bring the brokers back; a running loader waits for them" : "see kafka.properties",
            isOutage: error.isRetriable)
    }
}
