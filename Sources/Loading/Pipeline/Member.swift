import Kafka

/// What this member of the group has, knows and decides: which messages it takes into which batch, when a batch is handed
/// over, what becomes of its outcome, where partitions begin again, what the group is told, and when it is time to stop.
///
/// A state machine without I/O, clock or thread: it is told what happened (`Event`) and says what to do (`Action`); the
/// `Pipeline` carries that out on the consumer's thread, and tests any other way. Both are plain values, and nothing here
/// depends on anything but the events and the moments that come with them.
struct Member {
    struct Rules: Sendable {
        var batch = BatchPolicy()
        var lanes = 1
        /// It ends with what was there when it began.
        var isBounded = false
        /// The group has to begin with its subscriptions, before any partition is given.
        var beginsAtOnce = false
        /// A start goes on although the group does not take this member in.
        var waitsAtStart = true
        var group = ""
        /// Committed along with each offset, until the ledger has told its own.
        var mark = ""
        var outageTimeout: Duration?
        /// How often it is looked whether the topics are still those that were loaded; nil: there is no ledger that knows.
        var topicWatchInterval: Duration?
        /// How often the ledger's positions are compared of partitions of which nothing comes; nil: there is no ledger.
        var ledgerWatchInterval: Duration?
        /// How long the group may give nothing before that is said; nil: however long.
        var groupPatience: Duration?
        var shutdownTimeout = Duration.seconds(25)

        /// How long a stop or a handover may take to load what was taken: the rest of `shutdownTimeout` is for giving up and
        /// for leaving the group.
        var flushTime: Duration { shutdownTimeout * 0.8 }
        /// How long a writer that is told to give up may take to say that it has.
        var givingUpTime: Duration { shutdownTimeout * 0.05 }
    }

    let rules: Rules
    var partitions = Assignment()
    var lanes: [Lane]
    /// Given by the group, but where to begin is not known yet.
    var pending: Set<TopicPartition> = []
    var hasBeenAssigned = false
    /// The group has taken this member in, once at least.
    var hasJoined = false
    /// Whether the group is waited for; nil: nobody wants to know.
    var groupWait: GroupWait?
    var isStopping = false
    /// What ends the run.
    var failure: LoadingError?

    // Positions
    var search = PositionSearch()
    /// Positions that were found to be another log's.
    var strangers: [TopicPartition: StartSettling.Stranger] = [:]
    /// Whether the topics are still those that were loaded; nil: nobody could tell.
    var topicWatch: TopicWatch?
    /// Whether the ledger is still where it was left; nil: there is none.
    var ledgerWatch: LedgerWatch?
    /// Messages are being read again for that.
    var isReadingAgain = false
    /// Where partitions are that have taken all that they were to load again.
    var reached: [TopicPartition: Int64] = [:]
    /// What the group is told.
    var groupOffsets: GroupOffsets

    // What stands still
    var standstills = Standstills()
    /// Topics of which nothing is taken until some of their rows that wait are decided.
    var heldTopics: Set<String> = []
    var stalls = StallWatch()
    /// Somebody is asked whether partitions that stand still have messages.
    var isProving = false
    /// Why another client is to take over.
    var renewalDue: Flush.Replacement?
    var brokersAwaySince: ContinuousClock.Instant?

    /// What is loaded before anything else goes on.
    var flush: Flush?
    private(set) var actions: [Action] = []

    init(_ rules: Rules, at now: ContinuousClock.Instant) {
        self.rules = rules
        topicWatch = rules.topicWatchInterval.map { TopicWatch(interval: $0, at: now) }
        ledgerWatch = rules.ledgerWatchInterval.map { LedgerWatch(interval: $0, at: now) }
        groupWait = rules.groupPatience.map { GroupWait(patience: $0, at: now) }
        lanes = (0..<max(1, rules.lanes)).map { _ in Lane() }
        groupOffsets = GroupOffsets(metadata: rules.mark)
        search.mustBegin = rules.beginsAtOnce
    }

    // MARK: In and out

    /// Takes note of what happened.
    ///
    /// - Returns: what is to be done about it, in order.
    mutating func handle(_ event: Event, at now: ContinuousClock.Instant) -> [Action] {
        switch event {
        case .given(let given, let isCooperative): take(over: given, isCooperative, now)
        case .mustGive(let gone, let lost): give(gone, lost: lost, now)
        case .found(let places): begin(places, now)
        case .notFound(let obstacle): notFound(obstacle, now)
        case .fetching(let begun): fetching(begun, now)
        case .notFetching(let purpose, let obstacle): notFetching(purpose, obstacle, now)
        case .end(let partition, let offset): partitions.place(of: partition).map { reachEnd(of: $0, offset, now) }
        case .compared(let partition, let last, let isSame): compared(partition, with: last, isSame: isSame, now)
        case .error(let error): meet(error, now)
        case .outcome(let lane, let outcome): settle(outcome, lane, now)
        case .silence(let lane): stayedSilent(lane, now)
        case .committed(let offsets, let error): committed(offsets, error, now)
        case .lastOffsetsRefused(let offsets): groupOffsets.refused(offsets, of: &partitions, at: now)
        case .brokers(let error): brokers(error, now)
        case .fullTopics(let topics): hold(topics, now)
        case .foundTopics(let topics): found(topics)
        case .stalled(let asked, let stalled): proven(asked, stalled, now)
        case .readAgain(let findings): readAgain(findings, now)
        case .ledgerStands(let positions): ledgerStands(positions, now)
        case .groupKnows(let isKnown): groupKnows(isKnown, now)
        case .secretsChanged:
            renewalDue = .secrets
            renew(now)
        case .groupLost:
            renewalDue = renewalDue ?? .groupLost
            renew(now)
        case .replaced(let error, let hasBegun): replaced(error, hasBegun: hasBegun, now)
        case .tick: tick(now)
        case .stop: stop(now)
        }
        return takeActions()
    }

    /// Asked behind each message, so that it costs no more than a look.
    var hasActions: Bool { !actions.isEmpty }

    mutating func act(_ action: Action) { actions.append(action) }

    /// What `take(_:offset:at:)` has left to do.
    mutating func takeActions() -> [Action] {
        defer { actions = [] }
        return actions
    }

    // MARK: Time

    /// Everything that is due by now.
    private mutating func tick(_ now: ContinuousClock.Instant) {
        guard failure == nil, flush == nil else { return }
        renew(now)
        guard flush == nil else { return }
        findPositions(now)
        watchForStalls(now)
        watchTopics(now)
        watchLedger(now)
        watchGroup(now)
        fetchAgain(now)
        commit(groupOffsets.reportDue(of: &partitions, at: now))
        for lane in lanes.indices where isDue(lane, now) { handOver(lane, now) }
    }

    /// When something is due, if nothing happens before; nil: never.
    func due(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        if lanes.indices.contains(where: { isDue($0, now) }) { return now }
        // A lane that cannot hand over waits for its writer, which rings.
        var moments = lanes.compactMap { $0.isLoading ? nil : $0.deadline }
        // Nor is a position asked for while its batch is loaded; one that only fills is handed over for it.
        if !pending.isEmpty || search.mustBegin, !search.isUnderWay, !isWriterAwaited,
            !(topicWatch?.isNarrowing ?? false)
        {
            moments.append(search.due ?? now)
        }
        // What stands still is not fetched again before it is known where all begin.
        moments += [
            groupOffsets.due, pending.isEmpty ? standstills.due : nil, topicWatchDue(now), ledgerWatchDue, groupWaitDue,
        ]
        .compactMap(\.self)
        return moments.min()
    }

    /// Whether a lane hands over what it has, full or not.
    private func isDue(_ lane: Int, _ now: ContinuousClock.Instant) -> Bool {
        guard !lanes[lane].isLoading, lanes[lane].messages > 0 else { return false }
        return hasTakenAll || lanes[lane].deadline.map { $0 <= now } ?? false
    }

    /// A bounded run waits for no more messages to fill its last batches.
    private var hasTakenAll: Bool { rules.isBounded && pending.isEmpty && partitions.allSatisfy(\.isFinished) }

    /// A bounded run has loaded everything.
    var isDone: Bool { hasTakenAll && hasBeenAssigned && lanes.allSatisfy(\.isDrained) && !isReadingAgain }

    // MARK: The end

    private mutating func stop(_ now: ContinuousClock.Instant) {
        isStopping = true
        if failure == nil { beginFlush(.stop, now) }
    }

    mutating func fail(_ error: LoadingError) { failure = failure ?? error }
}
