import Kafka

/// When it is asked where partitions begin.
struct PositionSearch {
    /// The group still has to begin with its subscriptions, so that topics that come later are known to be new.
    var mustBegin = false
    /// When to ask, if there is anything to ask for; nil: at once.
    var due: ContinuousClock.Instant?
    var backoff = Backoff()
    /// Since when there is no answer.
    var failsSince: ContinuousClock.Instant?
    /// The database was said to be away.
    var isDatabaseAway = false
    /// Asked, and not answered.
    var isUnderWay = false
}

extension Member {
    mutating func reposition(_ affected: [TopicPartition], _ now: ContinuousClock.Instant) {
        pending.formUnion(affected)
        search.due = now
    }

    /// Finds out where the pending partitions begin. Waits for nothing: what cannot be known now is asked again later, and
    /// the group is served in between.
    mutating func findPositions(_ now: ContinuousClock.Instant) {
        guard !pending.isEmpty || search.mustBegin, !search.isUnderWay, search.due.map({ $0 <= now }) ?? true else {
            return
        }
        for lane in lanes.indices where !lanes[lane].isLoading && pending.contains(where: lanes[lane].fills) {
            handOver(lane, now)
        }
        guard !isUnderWay, !(topicWatch?.isNarrowing ?? false) else { return }
        noteStrangers()
        search.isUnderWay = true
        act(
            .findPositions(
                Wanted(
                    partitions: pending.sorted(), isBeginning: search.mustBegin, strangers: strangers, reached: reached)
            ))
    }

    /// Takes along what reading messages again has shown: nothing of these partitions is under way any more.
    private mutating func noteStrangers() {
        guard let topicWatch else { return }
        for partition in topicWatch.others.keys {
            guard let index = partitions.place(of: partition), strangers[partition] == nil else { continue }
            let position = partitions[index].loaded
            guard let newest = topicWatch.newest(partition) else { continue }
            strangers[partition] = StartSettling.Stranger(
                position: position, from: topicWatch.mixed(partition) ?? position, last: newest)
        }
    }

    /// Whether something of the pending partitions is: what the ledger says of them is not their position before it has ended.
    var isUnderWay: Bool {
        pending.contains { partition in lanes.contains { $0.loads(partition) || $0.fills(partition) } }
    }

    /// Whether a writer has to come back first, who rings: he is at something of the pending partitions, or at others while some of
    /// these wait for him.
    var isWriterAwaited: Bool {
        pending.contains { partition in
            lanes.contains { $0.loads(partition) || $0.isLoading && $0.fills(partition) }
        }
    }

    mutating func begin(_ found: Places, _ now: ContinuousClock.Instant) {
        search.isUnderWay = false
        search.mustBegin = false
        if let mark = found.mark, !found.places.isEmpty { groupOffsets.metadata = mark }
        // What was taken away meanwhile is not begun with.
        let places = found.places.filter { pending.contains($0.partition) }
        guard !places.isEmpty else { return searchSucceeded(now) }
        for place in places { begin(place, now) }
        fetch(restarting: Set(places.map(\.partition)), for: .begin(places.map(\.partition)))
    }

    private mutating func begin(_ place: Places.Place, _ now: ContinuousClock.Instant) {
        let partition = place.partition
        let known = partitions.place(of: partition).map { partitions[$0] }
        let hold: AssignedPartition.Hold =
            heldTopics.contains(partition.topic)
            ? .full : known.map { [.none, .full].contains($0.hold) ? .none : .doubted } ?? .none
        partitions.set(
            AssignedPartition(
                partition: partition, lane: Self.lane(of: partition, among: lanes.count), next: place.start,
                loaded: place.start, reported: nil, end: place.end,
                target: rules.isBounded ? known?.target ?? place.end : nil, last: place.last, range: nil,
                detour: place.detour, hold: hold))
        strangers[partition] = nil
        reached[partition] = nil
        topicWatch?.begin(partition, proven: place.proven, last: place.last, at: now)
    }

    /// Makes what may be taken all that is fetched.
    mutating func fetch(restarting: Set<TopicPartition>, for purpose: Fetch.Purpose) {
        let positions = partitions.lazy.filter { [heldTopics] in !heldTopics.contains($0.partition.topic) }
            .map { Fetch.Position(partition: $0.partition, offset: $0.fetchOffset, lane: $0.lane) }
        act(.fetch(Fetch(positions: Array(positions), restarting: restarting, purpose: purpose)))
    }

    mutating func fetching(_ purpose: Fetch.Purpose, _ now: ContinuousClock.Instant) {
        switch purpose {
        case .begin(let begun):
            pending.subtract(begun)
            hasBeenAssigned = true
            act(.lookForOrphans(partitions.map(\.partition)))
            act(.tell(.loading(partitions: partitions.count, lag: partitions.lag)))
            // After a crash between the two commits the group is behind, and a partition where nothing happens stays so.
            commit(groupOffsets.report(begun, of: &partitions))
            act(.publish)
            searchSucceeded(now)
        case .again(let places):
            for place in places {
                if let index = partitions.place(of: place) { partitions[index].hold = .doubted }
            }
        case .hold: break
        }
    }

    mutating func notFetching(_ purpose: Fetch.Purpose, _ obstacle: Obstacle, _ now: ContinuousClock.Instant) {
        switch purpose {
        case .begin: notFound(obstacle, now)
        case .again(let places): reposition(places, now)
        case .hold: reposition(partitions.map(\.partition), now)
        }
    }

    private mutating func searchSucceeded(_ now: ContinuousClock.Instant) {
        search.backoff.reset()
        search.due = nil
        guard let since = search.failsSince else { return }
        search.failsSince = nil
        act(.tell(.searchBack(now - since)))
    }

    mutating func notFound(_ obstacle: Obstacle, _ now: ContinuousClock.Instant) {
        search.isUnderWay = false
        switch obstacle {
        case .stopped: break
        case .failure(let error): fail(error)
        case .passing(let passing):
            search.due = now + search.backoff.next()
            if let since = search.failsSince {
                if let limit = rules.outageTimeout, now - since > limit { fail(.noPositionInTime(passing.error)) }
                return
            }
            search.failsSince = now
            // Whose lock it is has been said; and a server that says no is not away.
            if passing.isDatabaseAway { act(.tell(.databaseAway)) }
            if !passing.isToldLock { act(.tell(.searchFails(passing))) }
        }
    }

    /// Spreads partitions evenly over the lanes, neighbours apart.
    private static func lane(of partition: TopicPartition, among lanes: Int) -> Int {
        guard lanes > 1 else { return 0 }
        let topic = partition.topic.utf8.reduce(UInt64(14_695_981_039_346_656_037)) {
            ($0 ^ UInt64($1)) &* 1_099_511_628_211
        }
        return Int((topic &+ UInt64(UInt32(bitPattern: partition.partition))) % UInt64(lanes))
    }
}
