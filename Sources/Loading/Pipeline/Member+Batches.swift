import Kafka

extension Member {
    /// Whether a lane takes nothing until it is known where its partitions stand. Else one that is busy would never be
    /// drained, and what it took behind a batch that was dropped would be taken in vain.
    func isHeld(_ lane: Int) -> Bool {
        !pending.isEmpty && partitions.contains { $0.lane == lane && pending.contains($0.partition) }
    }

    /// Makes room in a lane whose filling batch is as large as it may be.
    ///
    /// - Returns: whether there is room for a message now.
    @inline(__always)
    mutating func makeRoom(_ lane: Int) -> Bool {
        if lanes[lane].isFull(rules.batch) { submit(lane) }
        return lanes[lane].hasRoom
    }

    /// Gives a lane's batch to its writer, if there is anything in it.
    mutating func handOver(_ lane: Int, _ now: ContinuousClock.Instant) {
        if lanes[lane].messages > 0 { submit(lane) }
    }

    private mutating func submit(_ lane: Int) {
        act(.submit(lane: lane, lanes[lane].handOver()))
        forgetRanges(of: lane)
    }

    /// Forgets what a lane has taken but not handed over.
    private mutating func drop(_ lane: Int) {
        lanes[lane].clear()
        act(.clear(lane: lane))
        forgetRanges(of: lane)
    }

    /// Behind a change of the filling batch: no partition has a place in the new one yet.
    private mutating func forgetRanges(of lane: Int) {
        for index in partitions.indices where partitions[index].lane == lane { partitions[index].range = nil }
    }

    mutating func settle(_ outcome: Outcome, _ lane: Int, _ now: ContinuousClock.Instant) {
        switch outcome {
        case .loaded(let ranges, let rowBytesPerByte, let rowsPerMessage):
            lanes[lane].takeBack(rowBytesPerByte: rowBytesPerByte, rowsPerMessage: rowsPerMessage)
            for range in ranges {
                if let index = partitions.place(of: range.partition) { partitions[index].loaded = range.next }
            }
            for range in ranges where partitions.place(of: range.partition) != nil {
                if let last = range.last { topicWatch?.loaded(range.partition, last) }
            }
            commit(groupOffsets.report(ranges.map(\.partition), of: &partitions))
        case .fenced(let ranges, let messages):
            lanes[lane].takeBack()
            act(.tell(.fenced(ranges, messages: messages)))
            reposition(lane: lane, now)
        case .abandoned:
            lanes[lane].takeBack()
            reposition(lane: lane, now)
        case .failed(let error):
            lanes[lane].takeBack()
            fail(error)
            drop(lane)
        }
        continueFlush(now)
    }

    /// Drops what a lane was filling and begins again where the ledger stands.
    private mutating func reposition(lane: Int, _ now: ContinuousClock.Instant) {
        drop(lane)
        reposition(partitions.filter { $0.lane == lane }.map(\.partition), now)
    }

    // MARK: Loading everything

    /// All that was taken is loaded before anything else goes on, as far as that is possible in time; what is not is dropped,
    /// not committed, and loaded by whoever has the partition next.
    struct Flush {
        enum Purpose: Equatable {
            case stop
            case giving([TopicPartition], lost: Bool)
            case replacing(Replacement)
        }

        /// Why another client takes over.
        enum Replacement: Equatable {
            /// This one no longer fetches partitions, of which this is the first.
            case stalled(StallWatch.Suspect)
            /// What it was made with has changed.
            case secrets
            /// It will not find its group's coordinator any more.
            case groupLost
        }

        let purpose: Purpose
        let deadline: ContinuousClock.Instant
        /// Nothing is waited for but the writers' word that they have given up.
        let isGivingUp: Bool
        /// Lanes to wait for, in order.
        var lanes: [Int]
        /// The first of them is told to give up until then, and so many of its messages were dropped.
        var givenUp: (deadline: ContinuousClock.Instant, dropped: Int)?
    }

    /// The outcome that is to be waited for, and nothing else meanwhile.
    struct Awaited: Equatable {
        var lane: Int
        var deadline: ContinuousClock.Instant
        /// It is not waited for where the database does not answer.
        var endsWhenAway: Bool
    }

    var awaited: Awaited? {
        guard let flush, let lane = flush.lanes.first else { return nil }
        return Awaited(
            lane: lane, deadline: flush.givenUp?.deadline ?? flush.deadline, endsWhenAway: flush.givenUp == nil)
    }

    mutating func beginFlush(_ purpose: Flush.Purpose, _ now: ContinuousClock.Instant, isGivingUp: Bool = false) {
        if !isGivingUp { for lane in lanes.indices { handOver(lane, now) } }
        flush = Flush(
            purpose: purpose, deadline: now + rules.flushTime, isGivingUp: isGivingUp, lanes: Array(lanes.indices))
        continueFlush(now)
    }

    /// The awaited outcome has not come.
    mutating func stayedSilent(_ lane: Int, _ now: ContinuousClock.Instant) {
        guard let flush, flush.lanes.first == lane else { return }
        if let givenUp = flush.givenUp {
            // The writer does not even say that it gives up: it is trying to reach a server that is silent.
            endGivingUp(lane, givenUp.dropped, now)
        } else {
            giveUp(lane, now)
        }
        continueFlush(now)
    }

    /// Drops everything of a lane, in the writer's hands or not.
    private mutating func giveUp(_ lane: Int, _ now: ContinuousClock.Instant) {
        let givenUp = (deadline: now + rules.givingUpTime, dropped: lanes[lane].messages)
        flush?.givenUp = givenUp
        if lanes[lane].isLoading { act(.abandon(lane: lane)) }
    }

    private mutating func endGivingUp(_ lane: Int, _ dropped: Int, _ now: ContinuousClock.Instant) {
        reposition(lane: lane, now)
        act(.tell(.dropped(messages: dropped)))
        flush?.givenUp = nil
        flush?.lanes.removeFirst()
    }

    private mutating func continueFlush(_ now: ContinuousClock.Instant) {
        while let lane = flush?.lanes.first {
            if let givenUp = flush?.givenUp {
                guard !lanes[lane].isLoading else { return }
                endGivingUp(lane, givenUp.dropped, now)
            } else if lanes[lane].isDrained {
                flush?.lanes.removeFirst()
            } else if flush?.isGivingUp ?? false {
                giveUp(lane, now)
            } else if lanes[lane].isLoading {
                return
            } else {
                handOver(lane, now)
            }
        }
        guard let purpose = flush?.purpose else { return }
        flush = nil
        end(purpose, now)
    }

    private mutating func end(_ purpose: Flush.Purpose, _ now: ContinuousClock.Instant) {
        switch purpose {
        case .stop: commitAll()
        case .giving(let gone, let lost):
            if !lost { commitAll() }
            remove(gone, now)
        case .replacing(let why):
            commitAll()
            act(.replaceClient(why))
        }
    }
}
