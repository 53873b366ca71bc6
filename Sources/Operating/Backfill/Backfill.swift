import Kafka
import Loading
import Postgres

/// Moves a group's positions of a topic, in the ledger and in the group, so that messages are loaded again or skipped.
public struct Backfill: Sendable {
    public enum Destination: Sendable, Equatable {
        case earliest, latest
        case offset(Int64)
        /// By so many messages from where each partition stands; negative is back.
        case shift(Int64)
        /// The first message at or after a time, in milliseconds since 1970.
        case time(Int64)
    }

    /// Where loading again ends, by partition: what is at or behind it is not loaded again.
    public enum End: Sendable, Equatable {
        case offset(Int64)
        /// The first message at or after a time, in milliseconds since 1970.
        case time(Int64)
    }

    /// What happens to one partition.
    public struct Move: Sendable, Equatable {
        public var partition: TopicPartition
        /// Where it stands: by the ledger, or by the group without one. Nil: nowhere.
        public var from: Int64?
        public var to: Int64
        public var watermarks: Watermarks
        /// Where it stands is lost: a loader has stopped for it, or the partition ends before it.
        public var isLost = false
        /// Where it ends, and where the partition goes on then; nil: at the partition's end.
        public var detour: Detour?
        /// It is on such a way already, which this one replaces.
        public var replaced: Detour?
        /// Nothing of it lies between where to and the end, so it stays where it is.
        public var stays = false

        /// Messages that may be loaded of the log as it is now: it became another one while it was loaded.
        public var mixed: Range<Int64>? { isLost ? from.flatMap { replaced?.mixed(at: $0) } : nil }

        /// Messages that will be loaded a second time.
        public var repeated: Int64 { stays ? 0 : loaded(of: to..<max(to, detour?.until ?? watermarks.high)) }
        /// Messages that will never be loaded.
        public var skipped: Int64 {
            guard !stays, from != nil else { return 0 }
            let low = watermarks.low
            guard let detour else { return to - low - loaded(of: low..<to) }
            let all = low..<max(low, detour.resume)
            let again = to..<detour.until
            return Int64(all.count - again.count) - (loaded(of: all) - loaded(of: again))
        }

        /// All that the partition holds counts as not loaded.
        public var holdsNothingLoaded: Bool { isLost && mixed == nil && position?.isOf(watermarks) == false }

        private var position: Ledger.Position? {
            from.map { Ledger.Position(next: $0, isLost: isLost, detour: replaced) }
        }

        private func loaded(of messages: Range<Int64>) -> Int64 {
            position?.loaded(of: messages.clamped(to: 0..<max(0, watermarks.high)), in: watermarks) ?? 0
        }
    }

    /// Why it was refused, with the next step.
    public struct Refusal: Error, Sendable, CustomStringConvertible {
        public enum Code: String, Sendable {
            case unknownTopic = "unknown_topic"
            case unknownPartition = "unknown_partition"
            case noRoute = "no_route"
            case activeGroup = "active_group"
            /// The brokers do not tell who is in a group.
            case unknownMembers = "unknown_members"
            case unsafeReplay = "unsafe_replay"
            case noPosition = "no_position"
            case noLedger = "no_ledger"
            /// A position is not where the moves were shown to begin.
            case moved
            /// With an end, a route in mode upsert would leave rows as they once were.
            case olderState = "older_state"
            /// Nothing lies between where to and the end.
            case nothing
        }

        public var code: Code
        public var message: String
        public var mend: String
        public var description: String { "\(message); \(mend)" }
    }

    private let options: LoadingOptions
    private let topic: String
    private let partitions: [Int32]?
    private let destination: Destination
    private let end: End?
    private let admin: Admin
    private static let timeout: Duration = .seconds(15)

    /// - Parameters:
    ///   - partitions: nil for all of the topic.
    ///   - end: where the partitions go on from where they stood before; nil: what lies behind is loaded again, too.
    /// - Throws: for properties that librdkafka refuses.
    public init(
        _ options: LoadingOptions, topic: String, partitions: [Int32]?, to destination: Destination,
        until end: End? = nil
    ) throws(KafkaError) {
        self.options = options
        self.topic = topic
        self.partitions = partitions
        self.destination = destination
        self.end = end
        admin = try Admin(properties: options.clientProperties)
    }

    /// What would happen, partition by partition. Changes nothing.
    public func plan(on connection: Connection) throws -> [Move] {
        guard options.routes.contains(where: { $0.topics.contains { $0.matches(topic) } }) else {
            throw Refusal(
                code: .noRoute, message: "no route takes the topic \(topic)", mend: "name one of the routes' topics")
        }
        guard let count = try admin.partitionCounts(timeout: Self.timeout)[topic] else {
            throw Refusal(
                code: .unknownTopic, message: "the brokers know no topic \(topic)",
                mend: "check its name and the rights to it")
        }
        let numbers = partitions ?? Array(0..<Int32(count))
        if let stranger = numbers.first(where: { !(0..<Int32(count)).contains($0) }) {
            throw Refusal(
                code: .unknownPartition, message: "\(topic) has no partition \(stranger)",
                mend: "its partitions are 0 to \(count - 1)")
        }
        let places = numbers.map { TopicPartition(topic: topic, partition: $0) }
        let group = try admin.committedOffsets(ofGroup: options.group, partitions: places, timeout: Self.timeout)
        let offsets = Dictionary(group.map { ($0.partition, $0.offset) }, uniquingKeysWith: { $1 })
        if ledger == nil, end != nil {
            throw Refusal(
                code: .noLedger, message: "without a ledger (delivery: at_least_once) nothing remembers where to go on",
                mend: "leave the end out")
        }
        let known = try ledger?.states(of: [topic], on: connection) ?? [:]
        var times: [TopicPartition: Int64] = [:]
        if case .time(let time) = destination { times = try self.offsets(at: time, in: places) }
        var ends: [TopicPartition: Int64] = [:]
        if case .time(let time) = end { ends = try self.offsets(at: time, in: places) }
        var watermarks: [TopicPartition: Watermarks] = [:]
        for place in places { watermarks[place] = try admin.watermarks(of: place, timeout: Self.timeout) }
        let beyond = places.filter { watermarks.isBeyondEnd(known[$0]?.next, of: $0) }
        try watermarks.findLogEnds(of: beyond, properties: options.clientProperties, timeout: Self.timeout)
        let moves = try places.map { place in
            let marks = watermarks[place] ?? Watermarks(low: 0, high: 0)
            let from = known[place]?.next ?? (ledger == nil ? offsets[place] : nil)
            let move = Move(
                partition: place, from: from, to: try wanted(place, from, marks, times), watermarks: marks,
                isLost: known[place].map { $0.isLost || $0.next > marks.logEnd } ?? false,
                replaced: known[place]?.detour)
            switch end {
            case nil: return move
            case .offset(let offset): return try self.move(move, until: offset)
            case .time: return try self.move(move, until: ends[place] ?? marks.high)
            }
        }
        if moves.allSatisfy(\.stays) {
            throw Refusal(
                code: .nothing, message: "no message that is loaded lies between where to and the end",
                mend: "nothing was changed; the end is the first message that is not loaded again")
        }
        return moves
    }

    private func offsets(at time: Int64, in places: [TopicPartition]) throws(KafkaError) -> [TopicPartition: Int64] {
        try admin.offsets(at: Dictionary(uniqueKeysWithValues: places.map { ($0, time) }), timeout: Self.timeout)
    }

    /// Where a partition goes, within what it holds.
    private func wanted(
        _ place: TopicPartition, _ from: Int64?, _ marks: Watermarks, _ times: [TopicPartition: Int64]
    ) throws(Refusal) -> Int64 {
        let wanted: Int64
        switch destination {
        case .earliest: wanted = marks.low
        case .latest: wanted = marks.high
        case .offset(let offset): wanted = offset
        case .time: wanted = times[place] ?? marks.high
        case .shift(let count):
            guard let from else {
                throw Refusal(
                    code: .noPosition, message: "\(place) has no position that could be shifted",
                    mend: "use --to-earliest, --to-latest or --to-offset")
            }
            wanted = from + count
        }
        return min(max(wanted, marks.low), marks.high)
    }

    /// The same move with an end, from where the partition goes back to where it stood.
    private func move(_ move: Move, until end: Int64) throws(Refusal) -> Move {
        var move = move
        let marks = move.watermarks
        // One that is away already comes back to where it stood in the first place.
        guard let resume = move.replaced?.resume ?? (move.isLost ? nil : move.from),
            (marks.low...max(marks.low, marks.high)).contains(resume)
        else {
            throw Refusal(
                code: .noPosition, message: "\(move.partition) stands nowhere that it could go back to",
                mend: "leave the end out")
        }
        let until = min(end, marks.high)
        if move.to >= min(until, resume) {
            move.stays = true
            move.to = move.from ?? move.to
        } else if until < resume {
            move.detour = Detour(until: until, resume: resume)
        }
        return move
    }

    /// Refuses what would do harm: a group that is running, rows that would double.
    public func check(_ moves: [Move], on connection: Connection) throws {
        let group = try members()
        if group.isRunning {
            let names =
                group.members.isEmpty
                ? "the brokers list it as \(group.state), and librdkafka \(KafkaLibrary.versionString) cannot name the "
                    + "members of its protocol"
                : group.members.map { "\($0.clientID) at \($0.host)" }.joined(separator: ", ")
            throw Refusal(
                code: .activeGroup, message: "the group \(options.group) is running: \(names)",
                mend: "stop its members, then try again")
        }
        let targets = try CompiledRoutes.targets(options, on: connection).filter { target in
            target.route.topics.contains { $0.matches(topic) }
        }
        if let back = moves.first(where: { $0.detour != nil }),
            let target = targets.first(where: \.isOrderedByArrival)
        {
            throw Refusal(
                code: .olderState,
                message:
                    "\(target.route.label) is in mode upsert: rows of \(target.name) would be set back to what they "
                    + "were at \(back.partition)@\(back.detour?.until ?? 0), for what came later is not loaded again",
                mend: "leave the end out: then all that came later is loaded again, too, and the rows end as they are")
        }
        let repeated = moves.reduce(0) { $0 + $1.repeated }
        if repeated > 0, let target = options.target(doubledBy: topic, among: targets) {
            throw Refusal(
                code: .unsafeReplay,
                message:
                    "\(target.route.label) only appends to \(target.name): the rows of \(repeated) messages would double",
                mend: "use mode ignore or upsert with a key, or accept the doubles with --allow-duplicates")
        }
    }

    private func members() throws -> Admin.Group {
        do throws(KafkaError) { return try admin.group(options.group, timeout: Self.timeout) } catch {
            guard error.code == .unsupportedFeature else { throw error }
            throw Refusal(
                code: .unknownMembers,
                message: "these brokers do not tell who is in the group \(options.group), so a loader may be running",
                mend: "stop its loaders and reset the group with the brokers' own tools; the next start goes by that")
        }
    }

    /// Moves the positions: the ledger's are committed once the brokers have taken the group's. So what they refuse moves
    /// nothing, and after a crash in between the ledger counts, which is where it was.
    public func carryOut(_ moves: [Move], on connection: Connection) throws {
        let moves = moves.filter { !$0.stays }
        guard let ledger else { return try alterGroup(moves, metadata: "") }
        guard let mark = try Ledger.mark(on: connection) else {
            throw Refusal(
                code: .noLedger, message: "loader.ledger has no row, so this database has no identity",
                mend: Mend.position(.identify(topics: [])).words)
        }
        try connection.execute("BEGIN")
        do {
            let places = moves.map(\.partition)
            let known = try ledger.lockedPositions(of: places, on: connection)
            if let move = moves.first(where: { known[$0.partition] != $0.from }) {
                throw Refusal(
                    code: .moved, message: "\(move.partition) has moved since: somebody else was at work",
                    mend: "nothing was changed; look at `loader status` and try again")
            }
            try ledger.set(moves.map { ($0.partition, $0.to, $0.detour) }, on: connection)
            try alterGroup(moves, metadata: mark.metadata)
            try connection.execute("COMMIT")
        } catch {
            if connection.isOpen { _ = try? connection.execute("ROLLBACK") }
            throw error
        }
    }

    private func alterGroup(_ moves: [Move], metadata: String) throws {
        try Failpoint.backfill.passToBrokers()
        try admin.alterOffsets(
            ofGroup: options.group,
            to: moves.map { CommittedOffset(partition: $0.partition, offset: $0.to, metadata: metadata) },
            timeout: Self.timeout)
    }

    private var ledger: Ledger? { options.delivery == .exactlyOnce ? Ledger(group: options.group) : nil }
}
