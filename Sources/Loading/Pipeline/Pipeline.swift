import Foundation
import Kafka
import Logging
import Postgres
import Tracing

/// Kafka to PostgreSQL: takes messages, fills batches, hands them to writers, commits what is in.
///
/// Everything here runs on the thread that calls `run()`, the consumer's thread: which batch fills, when it is handed
/// over, rebalances and the group's commits. Writers only carry out whole batches. So no timer can race a rebalance, and
/// no lock guards the way of a message.
public final class Pipeline {
    private let options: LoadingOptions
    private let logger: Logger
    private let statistics: LoadingStatistics
    private let stop: StopRequest
    /// Nil: no traces, and nothing is spent on them.
    private let tracing: BatchTracing?
    private let ledger: Ledger?
    private var builders: RowBuilders
    private var consumer: Consumer
    private let lanes: [Lane]
    private let orphans: OrphanLoader
    /// Topics of which nothing is taken until some of their rows that wait are decided.
    private var heldTopics: Set<String> = []

    private var partitions = Assignment()
    /// Given by the group, but where to begin is not known yet.
    private var pending: Set<TopicPartition> = []
    private var nextResolution: ContinuousClock.Instant = .now
    private var resolutionBackoff = Backoff()
    private var resolutionFailedSince: ContinuousClock.Instant?
    private let locks: LockWatch
    private var hasBeenAssigned = false
    /// The group has taken this member in, once at least.
    private var hasJoined = false
    /// The group still has to begin with its subscriptions, so that topics that come later are known to be new.
    private var mustBegin: Bool
    /// Positions that were found to be another log's.
    private var strangers: [TopicPartition: StartReader.Stranger] = [:]
    /// Where partitions are that have taken all that they were to load again.
    private var reached: [TopicPartition: Int64] = [:]

    private var failure: LoadingError?
    private var isStopping = false
    private var brokersAwaySince: ContinuousClock.Instant?
    private var groupOffsets: GroupOffsets
    private var stalls = StallWatch()
    private var standstills = Standstills()
    private var stallProof: StallProof?
    private let topics: TopicGuard
    private var progress: ProgressLog
    private let drift: DriftWatch
    /// When to say where it stands, if no batch does it before.
    private var nextPublication: ContinuousClock.Instant = .now
    /// Batches have come in since.
    private var isUnpublished = false
    private var publication: ContinuousClock.Instant? { isUnpublished ? nextPublication : nil }

    private static let unknownPositions = Incident.Cause.named("where to begin is not known")

    /// How many messages are taken of a lane before the others, and the group, have their turn.
    private static let turn = 1024

    /// - Parameters:
    ///   - targets: the options' routes, compiled.
    ///   - mark: the database's ledger; nil without one.
    ///   - stop: asked from signal handlers and tests.
    ///   - tracer: gets a span of each batch; nil: none are made.
    /// - Throws: for properties that librdkafka refuses.
    package init(
        options: LoadingOptions, targets: [Target], mark: LedgerMark?, statistics: LoadingStatistics,
        stop: StopRequest, logger: Logger, tracer: (any Tracer)? = nil
    ) throws(LoadingError) {
        self.options = options
        self.statistics = statistics
        self.stop = stop
        self.logger = logger
        locks = LockWatch("positions", options, statistics, logger) { [stop] in stop.isRequested }
        tracing = tracer.map { BatchTracing($0, group: options.group) }
        builders = RowBuilders(targets)
        let nulled = targets.flatMap { LoadingStatistics.NulledColumn.all(of: $0) }
        statistics.update { state in for column in nulled { state.nulledValues[column, default: 0] += 0 } }
        drift = DriftWatch(targets, statistics: statistics, logger: logger)
        groupOffsets = GroupOffsets(metadata: mark?.metadata ?? "")
        topics = TopicGuard(
            interval: options.topicWatchInterval, properties: options.consumerProperties, wakeup: stop.wakeup)
        progress = ProgressLog(statistics: statistics, options: options, logger: logger)
        ledger = options.delivery == .exactlyOnce ? Ledger(group: options.group) : nil
        mustBegin = options.delivery == .exactlyOnce && options.autoOffsetReset != .earliest
        let orphans = OrphanLoader(options, statistics: statistics, wakeup: stop.wakeup, logger: logger)
        self.orphans = orphans
        do throws(KafkaError) {
            consumer = try Consumer(
                properties: options.consumerProperties, queues: options.writers, wakeup: stop.wakeup)
            let producer =
                options.deadLetters.topic == nil ? nil : try LetterProducer(options)
            lanes = (0..<max(1, options.writers)).map { index in
                Lane(
                    writer: Writer(
                        index: index, options: options, producer: producer, orphans: orphans, wakeup: stop.wakeup,
                        statistics: statistics, logger: logger))
            }
        } catch {
            throw LoadingError(.kafka, "the Kafka client cannot start: \(error)", mend: "mend kafka.properties")
        }
    }

    /// Loads until `stop` is requested, or until the end of a bounded run.
    ///
    /// - Throws: what made it stop by itself. Whatever was committed stays, and nothing else was.
    public func run() throws(LoadingError) {
        do throws(KafkaError) {
            try join()
        } catch {
            end(since: .now)
            throw LoadingError(.kafka, "the topics cannot be subscribed to: \(error)", mend: "mend routes[].topic")
        }
        logger.info("joining the group", metadata: ["group": "\(options.group)", "brokers": "\(options.brokers)"])
        while failure == nil, !stop.isRequested, !isDone { turn() }
        isStopping = true
        let began = ContinuousClock.now
        let reason = failure?.message ?? (stop.isRequested ? "it was asked to stop" : "the end is reached")
        statistics.update { ($0.phase, $0.stoppingSince) = (.stopping(reason), began) }
        if let failure {
            // Before the farewells, each of which may have to wait.
            for problem in failure.problems {
                statistics.report(
                    Incident(
                        .error, problem.problem, code: problem.code.rawValue, at: problem.place, mend: problem.mend),
                    to: logger)
            }
            statistics.report(
                Incident(.critical, failure.message, code: failure.code.rawValue, mend: failure.mend), to: logger)
        } else {
            logger.info(stop.isRequested ? "stopping: the batches under way are finished" : "the end is reached")
            flush(until: began + flushTime)
        }
        end(since: began)
        if let failure { throw failure }
    }

    private func join() throws(KafkaError) {
        consumer.delegate = self
        let topics = options.routes.flatMap { $0.topics.map(\.subscription) }
        try consumer.subscribe(to: Array(Set(topics)).sorted())
    }

    /// One turn of the loop: the group, the writers' outcomes, messages; then sleep until something rings.
    private func turn() {
        if let stray = consumer.serve() {
            for lane in lanes { reclaim(lane) }
            accept(stray)
        }
        for lane in lanes.indices { collect(lane) }
        resolvePending()
        watchForStalls()
        watchTopics()
        watchStandstills()
        watchParents()
        guard failure == nil else { return }
        commit(groupOffsets.takeDue(of: &partitions))
        var isBusy = false
        for lane in lanes.indices where !isHeld(lane) && fill(lane) { isBusy = true }
        let now = ContinuousClock.now
        // A bounded run that has taken all waits for no more messages to fill its last batches.
        let hasTakenAll = options.untilEnd && pending.isEmpty && partitions.allSatisfy(\.isFinished)
        for lane in lanes where hasTakenAll || lane.deadline.map({ $0 <= now }) ?? false { handOver(lane) }
        report(now)
        guard !isBusy, failure == nil, !stop.isRequested, !isDone else { return }
        consumer.wakeup.wait(for: timeToSleep(now))
    }

    private func timeToSleep(_ now: ContinuousClock.Instant) -> Duration {
        // A lane that cannot hand over waits for its writer, which rings.
        var until = lanes.compactMap { $0.isLoading ? nil : $0.deadline }.min()
        // Nor is a position asked for while its lane waits.
        if !pending.isEmpty, !topics.watch.isNarrowing,
            !lanes.indices.contains(where: { lanes[$0].isLoading && isHeld($0) })
        {
            until = min(until ?? nextResolution, nextResolution)
        }
        for due in [groupOffsets.due, progress.due, standstills.due, topicsDue, publication].compactMap(\.self) {
            until = min(until ?? due, due)
        }
        // Group and brokers ring by themselves; the rest is for the probes that watch the loop turn.
        return min(until.map { max(.zero, $0 - now) } ?? .seconds(5), .seconds(5))
    }

    /// A bounded run has loaded everything, and what waited for rows of its own has had its last chance.
    private var isDone: Bool {
        options.untilEnd && hasBeenAssigned && pending.isEmpty && partitions.allSatisfy(\.isFinished)
            && lanes.allSatisfy(\.isDrained) && !topics.isLooking && orphans.finish()
    }

    /// Ends the writers and leaves the group, all within `shutdown_timeout`, whoever does not answer.
    private func end(since began: ContinuousClock.Instant) {
        let timeout = options.shutdownTimeout
        for lane in lanes where lane.isLoading { lane.writer.abandon() }
        for lane in lanes { lane.writer.stop(until: began + timeout * 0.9) }
        orphans.stop(until: began + timeout * 0.9)
        progress.report(.now, isLast: true)
        // Brokers that are away take no farewell, and librdkafka would wait for the answers to its last commits.
        let left = brokersAwaySince == nil ? max(.seconds(1), began + timeout - .now) : .seconds(1)
        publish()
        if !consumer.close(until: .now + left) {
            logger.notice("the group could not be left; it notices after session.timeout.ms")
        }
    }

    /// How long a stop or a handover may take to load what was taken: the rest of `shutdown_timeout` is for giving up and for
    /// leaving the group.
    private var flushTime: Duration { options.shutdownTimeout * 0.8 }

    // MARK: Messages

    /// Whether a lane takes nothing until it is known where its partitions stand. Else one that is busy would never be
    /// drained, and what it took behind a batch that was dropped would be taken in vain.
    private func isHeld(_ lane: Int) -> Bool {
        !pending.isEmpty && partitions.contains { $0.lane == lane && pending.contains($0.partition) }
    }

    /// Takes messages of a lane into its batch.
    ///
    /// - Returns: whether there may be more to take at once.
    private func fill(_ index: Int) -> Bool {
        let lane = lanes[index]
        guard !lane.isOffered else { return false }
        let consumer = consumer
        // A clock read a turn, not one a message.
        var began = ContinuousClock.now
        defer { if !lane.isOffered { lane.filling.decoding += .now - began } }
        for _ in 0..<Self.turn {
            // Two batches at most: past that the messages stay with librdkafka, and the group is served all the same.
            if isFull(lane.filling) {
                let now = ContinuousClock.now
                lane.filling.decoding += now - began
                began = now
                guard !lane.isLoading else {
                    lane.offer(builders.targets)
                    return false
                }
                handOver(lane)
            }
            guard let message = consumer.take(from: index) else { return false }
            accept(message)
        }
        return true
    }

    private func isFull(_ batch: Batch) -> Bool {
        options.batch.isFull(rows: batch.messages.count, bytes: batch.byteCount)
    }

    private func accept(_ message: borrowing Message) {
        if let code = message.errorCode { return accept(code, message.errorReason, message) }
        guard let index = partitions.place(of: message) else { return }
        let offset = message.offset
        if partitions[index].hold != .none, !goOn(index) { return }
        // librdkafka may hand a message out twice after a rebalance or a leader's move. Gaps are normal: transactions and
        // compaction leave them.
        guard offset >= partitions[index].next else { return compare(message, at: index) }
        if let detour = partitions[index].detour, offset >= detour.until { return endDetour(of: index) }
        if let target = partitions[index].target, offset >= target {
            partitions[index].next = target
            return
        }
        let lane = lanes[partitions[index].lane]
        let builder = partitions[index].builder
        if lane.deadline == nil {
            lane.begin(at: .now, maxDelay: options.batch.maxDelay)
            lane.filling.began = Int64(Date().timeIntervalSince1970 * 1_000_000)
            statistics.update { $0.lastTurn = .now }
        }
        let range: Int32
        if let known = partitions[index].range {
            range = known
        } else {
            range = lane.filling.range(of: partitions[index].partition, expected: partitions[index].next)
            lane.filling.setDetour(partitions[index].detour, of: Int(range))
            lane.filling.setProven(topics.watch.proven(partitions[index].partition), of: Int(range))
            partitions[index].range = range
        }
        builder.add(message, range: range, to: lane.filling)
        partitions[index].next = offset + 1
    }

    /// All that was to be loaded again is taken. Once it is in, the partition goes on where the ledger says that it stood.
    private func endDetour(of index: Int) {
        let partition = partitions[index].partition
        reached[partition] = partitions[index].next
        // What comes until then is loaded already.
        partitions[index].next = .max
        partitions[index].last = nil
        reposition([partition])
    }

    /// Looks whether the message before the position is the one that was loaded.
    private func compare(_ message: borrowing Message, at index: Int) {
        guard let last = partitions[index].last, message.offset >= last.offset else { return }
        partitions[index].last = nil
        // Compacted away; what comes next proves nothing.
        guard message.offset == last.offset, LastMessage(message) != last else { return }
        let partition = partitions[index].partition
        let loaded = partitions[index].loaded
        strangers[partition] = StartReader.Stranger(position: loaded, from: loaded)
        suspect(partition.topic)
        // What comes behind it is not the next message, and must not be taken for it.
        partitions[index].next = .max
        reposition([partition])
    }

    /// An error, or the end of a partition, in place of a message.
    private func accept(_ code: KafkaErrorCode, _ reason: String, _ message: borrowing Message) {
        let topic = message.topic
        let scope: ConsumerErrorFate.Scope = topic.isEmpty ? .group : message.isOfPartition ? .partition : .topic
        let index = scope == .partition ? partitions.place(of: message) : nil
        // Of a partition that is another member's by now.
        if scope == .partition, index == nil { return }
        switch ConsumerErrorFate(code, of: scope) {
        case .end:
            if let index { reachEnd(of: index, message.offset) }
        case .position:
            // Decided by the ledger and the watermarks, not by librdkafka.
            guard let index else { return }
            statistics.report(
                Incident(
                    .warning, "the position is questioned by the broker", code: code.name,
                    at: "\(partitions[index].partition)@\(partitions[index].next)",
                    mend: "nothing to do: it is compared with the ledger and the watermarks"),
                to: logger)
            suspect(partitions[index].partition.topic)
            reposition([partitions[index].partition])
        case .fatal:
            stop(
                after: consumer.fatalError
                    ?? KafkaError(code: code, operation: "membership in the group", reason: reason))
        case .standstill(let why):
            if let index {
                standStill(index, why, code, reason)
            } else if scope == .topic {
                let standstill = Standstill(why, code: code.name, at: topic)
                if standstills.miss(topic, standstill) { tell(standstill, code, reason) }
                consumer.lookFor(standstills.missingTopics)
            } else {
                let standstill = Standstill(why, code: code.name, at: options.group)
                if !hasJoined, !options.waitsAtStart { return refuseStart(standstill, code, reason) }
                if standstills.refuse(standstill) { tell(standstill, code, reason) }
            }
        case .told:
            statistics.report(
                Incident(
                    .warning, "the group has taken this member for dead: its loop did not turn in max.poll.interval.ms",
                    code: code.name, error: reason, at: options.group,
                    mend: "raise max.poll.interval.ms in kafka.properties, or make batches smaller"),
                to: logger)
        case .passing:
            logger.debug("from librdkafka", metadata: ["code": "\(code.name)", "error": "\(reason)"])
        }
    }

    private func reachEnd(of index: Int, _ offset: Int64) {
        partitions[index].end = max(partitions[index].end, offset)
        if partitions[index].hold != .none, !goOn(index) { return }
        if let detour = partitions[index].detour, offset >= detour.until {
            // One that is ended already waits for its batch.
            if partitions[index].next < detour.until { endDetour(of: index) }
            return
        }
        partitions[index].last = nil
        // Control records and compacted messages at the end never come: the end itself says that it is reached. A batch that
        // ends there takes them into its position; a position before them would be a lost one as soon as retention
        // deletes them.
        let end = min(offset, partitions[index].target ?? .max)
        if let range = partitions[index].range, end > partitions[index].next {
            lanes[partitions[index].lane].filling.advance(range, past: end - 1)
            partitions[index].next = end
        }
        if let target = partitions[index].target, offset >= target {
            partitions[index].next = max(partitions[index].next, target)
        }
    }

    // MARK: Standstills

    /// The group does not take this member in, and has not since the start, which does not wait for that to change.
    private func refuseStart(_ standstill: Standstill, _ code: KafkaErrorCode, _ reason: String) {
        failure = LoadingError(
            .kafka, "the group \(options.group) refuses this member: \(reason) (\(code.name))",
            mend: standstill.mend(code))
    }

    /// A partition that cannot be read on.
    private func standStill(_ index: Int, _ why: Standstill.Reason, _ code: KafkaErrorCode, _ reason: String) {
        let partition = partitions[index].partition
        let standstill = Standstill(why, code: code.name, at: "\(partition)@\(partitions[index].next)")
        // One that is gone is not fetched again: asking for it would hold up the others.
        let isFetchedAgain = why != .missing
        partitions[index].hold =
            switch why {
            case .unreadable: .held
            case .missing: .missing
            default: .doubted
            }
        if standstills.hold(partition, standstill, isFetchedAgain: isFetchedAgain) {
            tell(standstill, code, reason, partition)
        }
    }

    private func tell(
        _ standstill: Standstill, _ code: KafkaErrorCode, _ reason: String, _ partition: TopicPartition? = nil
    ) {
        statistics.report(
            Incident(
                .error, standstill.summary(isPartition: partition != nil), code: code.name, error: reason,
                at: standstill.place, mend: standstill.mend(code, partition), until: .standstill(standstill.subject)),
            to: logger)
        publish()
    }

    /// Something has come of a partition in doubt.
    ///
    /// - Returns: false if it must not be taken.
    private func goOn(_ index: Int) -> Bool {
        if partitions[index].hold == .missing {
            // Nothing is taken until what comes has been compared with what was loaded.
            partitions[index].hold = .held
            suspect(partitions[index].partition.topic)
            reposition([partitions[index].partition])
            return false
        }
        guard partitions[index].hold == .doubted else { return false }
        partitions[index].hold = .none
        standstills.release(partitions[index].partition)
        logger.notice("a partition is loaded again", metadata: ["at": "\(partitions[index].partition)"])
        publish()
        return true
    }

    /// Fetches the partitions that stand still again, and hears of topics that have come.
    private func watchStandstills() {
        guard !standstills.isEmpty else { return }
        let found = standstills.release(topics: consumer.takeFoundTopics())
        if !found.isEmpty {
            logger.notice("topics are there now", metadata: ["topics": "\(found.joined(separator: ", "))"])
            publish()
        }
        guard pending.isEmpty, failure == nil else { return }
        let again = Set(standstills.takeDue(at: .now))
        guard !again.isEmpty else { return }
        // From the next message to take on, which is in no batch: neither ledger nor group has anything to say.
        do throws(KafkaError) {
            try fetch(restarting: again)
            for index in partitions.indices where again.contains(partitions[index].partition) {
                partitions[index].hold = .doubted
            }
        } catch {
            reposition(Array(again))
        }
    }

    /// Makes what may be taken all that is fetched.
    private func fetch(restarting: Set<TopicPartition>) throws(KafkaError) {
        let fetched = partitions.lazy.filter { !self.heldTopics.contains($0.partition.topic) }
        try consumer.assign(fetched.map { ($0.partition, $0.fetchOffset, $0.lane) }, restarting: restarting)
    }

    /// Takes no more of topics whose rows wait in great numbers, until some of them are decided: what they wait for comes
    /// all the sooner.
    private func watchParents() {
        guard pending.isEmpty, failure == nil, !isStopping else { return }
        let full = orphans.fullTopics.filter(canHold)
        guard full != heldTopics else { return }
        let before = heldTopics
        heldTopics = full
        for index in partitions.indices {
            let isFull = full.contains(partitions[index].partition.topic)
            if isFull, partitions[index].hold == .none { partitions[index].hold = .full }
            if !isFull, partitions[index].hold == .full { partitions[index].hold = .none }
        }
        let released = before.subtracting(full)
        let again = Set(partitions.map(\.partition).filter { released.contains($0.topic) })
        do throws(KafkaError) { try fetch(restarting: again) } catch { reposition(partitions.map(\.partition)) }
        for topic in full.subtracting(before).sorted() {
            statistics.report(
                Incident(
                    .warning,
                    "so many rows wait for the rows they refer to that no more of their topic is taken for now",
                    code: SQLState.foreignKeyViolation.rawValue, at: topic,
                    mend: "nothing to do, if what they refer to is on its way; see dead_letters.wait_for_parent"),
                to: logger, ["most": .stringConvertible(options.deadLetters.mostWaiting)])
        }
        for topic in released.sorted() {
            logger.notice("a topic whose rows waited is taken again", metadata: ["at": "\(topic)"])
        }
    }

    /// Whether what the topic's rows refer to can come without the topic itself.
    private func canHold(_ topic: String) -> Bool {
        let own = builders.routes(of: topic).map { builders.targets[$0] }
        let names = Set(own.map(\.name))
        return !own.contains { $0.foreignKeys.contains { names.contains($0.parent) } }
    }

    /// The client can do no more.
    private func stop(after error: KafkaError) {
        failure =
            failure
            ?? LoadingError(
                .kafka, "the Kafka client met a fatal error: \(error)",
                mend: error.code == .fencedInstance
                    ? "give each member its own group.instance.id in kafka.properties, and start this one again"
                    : "start it again; nothing is lost")
    }

    // MARK: Batches

    /// Gives a lane's batch to its writer, if the writer is free.
    private func handOver(_ lane: Lane) {
        guard !lane.isLoading, !lane.filling.isEmpty else { return }
        lane.handOver(builders.targets)
        forgetRanges(of: lane)
    }

    /// Makes sure that the filling batch is not with the writer, which it is while it is offered.
    private func reclaim(_ lane: Lane) {
        if !lane.withdraw(), let outcome = lane.writer.takeOutcome() { settle(outcome, lane) }
    }

    /// Forgets what a lane has taken but not handed over.
    private func drop(_ lane: Lane) {
        lane.drop(keepingAtMost: memoryLimit)
        forgetRanges(of: lane)
    }

    /// Behind a change of the filling batch: no partition has a place in the new one yet.
    private func forgetRanges(of lane: Lane) {
        for index in partitions.indices where lanes[partitions[index].lane] === lane { partitions[index].range = nil }
    }

    /// Takes a writer's outcome, if there is one.
    private func collect(_ index: Int) {
        guard lanes[index].isLoading, let outcome = lanes[index].writer.takeOutcome() else { return }
        settle(outcome, lanes[index])
    }

    private func settle(_ outcome: Writer.Outcome, _ lane: Lane) {
        let batch = outcome.batch
        tracing?.settle(outcome, writer: lane.writer.index)
        if !outcome.isLoaded { lane.endOffer() }
        switch outcome {
        case .loaded(_, let loaded):
            for range in batch.partitions {
                if let index = partitions.place(of: range.partition) { partitions[index].loaded = range.next }
            }
            topics.loaded(batch.partitions.filter { partitions.place(of: $0.partition) != nil })
            progress.count(batch, loaded, writer: lane.writer.index)
            // Where only the ledger knows that it is in, nobody knows what went to the letters.
            if loaded.waiting > 0 || loaded.copying == nil { orphans.look(adding: loaded.waiting(of: batch)) }
            // Its own partitions at once; all of them, with their ends, once a second.
            statistics.update { state in
                for range in batch.partitions { state.partitions[range.partition]?.move(to: range.next) }
            }
            isUnpublished = true
            commit(groupOffsets.take(batch.partitions.map(\.partition), of: &partitions))
            if lane.isOffered { forgetRanges(of: lane) }
            drift.look(at: batch)
            lane.takeBack(batch, keepingAtMost: memoryLimit)
        case .fenced:
            statistics.update { $0.fences += 1 }
            statistics.report(
                Incident(
                    .warning,
                    "another member has taken over what this one was loading; the batch is dropped, the position read again",
                    at: names(batch.partitions),
                    mend: "nothing to do, unless it goes on: then two groups of loaders use one ledger under one name"),
                to: logger, ["messages": .stringConvertible(batch.messages.count)])
            lane.takeBack(batch, keepingAtMost: memoryLimit)
            reposition(lane)
        case .abandoned:
            lane.takeBack(batch, keepingAtMost: memoryLimit)
            reposition(lane)
        case .setup(_, let error):
            guard failure == nil, !isStopping, !lane.hasRebuilt, rebuild(batch, after: error) else {
                let failure = failure ?? .database(error ?? .tableKeepsChanging, batch)
                self.failure = failure
                tracing?.failed(batch, failure, writer: lane.writer.index)
                lane.takeBack(batch, keepingAtMost: memoryLimit)
                drop(lane)
                return
            }
            lane.handOverAgain(batch, builders.targets)
        case .failed(_, let error):
            failure = failure ?? error
            lane.takeBack(batch, keepingAtMost: memoryLimit)
            drop(lane)
        }
    }

    /// What a batch may keep of its memory: a giant message must not be paid for ever after.
    private var memoryLimit: Int { options.batch.maxBytes }

    /// Somebody changed a table, or the server refuses its statements even without rows: reads the catalog again and builds the rows again, from the messages' own bytes.
    ///
    /// - Returns: false if the routes no longer fit their tables.
    private func rebuild(_ batch: Batch, after error: PostgresError?) -> Bool {
        statistics.report(
            Incident(
                .warning,
                error == nil
                    ? "a table has changed; the catalog is read again"
                    : "the database refuses statements even without rows; the catalog is read again",
                code: error?.sqlState?.rawValue, error: error.map { "\($0)" },
                mend: "nothing to do, unless the loader stops: then mend what it names"),
            to: logger)
        do {
            let connection = try Connection(
                options.connectionOptions("check"), isGivenUp: { [stop] in stop.isRequested })
            defer { connection.close() }
            builders.replace(try CompiledRoutes.targets(options, on: connection))
        } catch let problems as LoadingError {
            failure = problems
            return false
        } catch {
            return false
        }
        for index in partitions.indices {
            partitions[index].builder = builders.builder(ofTopic: partitions[index].partition.topic)
        }
        drift.replace(builders.targets)
        builders.rebuild(batch)
        // What another writer was offered and has begun with is refused for the same reason, and built again then.
        for lane in lanes where lane.withdraw() { builders.rebuild(lane.filling) }
        return true
    }

    /// Loads everything that was taken, as far as that is possible in time; what is not is dropped, not committed, and
    /// loaded by whoever has the partition next.
    private func flush(until deadline: ContinuousClock.Instant) {
        for lane in lanes { handOver(lane) }
        for lane in lanes {
            // The batch under way first, then the one that was filling.
            for _ in 0..<4 where !lane.isDrained {
                if lane.isLoading {
                    if let outcome = lane.writer.awaitOutcome(until: deadline, giveUpWhenAway: true) {
                        settle(outcome, lane)
                    } else {
                        giveUp(lane)
                    }
                } else {
                    handOver(lane)
                }
            }
        }
        commitAll()
    }

    /// Drops everything of a lane, in the writer's hands or not.
    private func giveUp(_ lane: Lane) {
        reclaim(lane)
        let dropped = lane.filling.messages.count
        if lane.isLoading {
            lane.writer.abandon()
            // It comes at once, unless the writer is trying to reach a server that is silent.
            let deadline = ContinuousClock.now + options.shutdownTimeout * 0.05
            if let outcome = lane.writer.awaitOutcome(until: deadline, giveUpWhenAway: false) {
                settle(outcome, lane)
            }
        }
        reposition(lane)
        statistics.report(
            Incident(
                .warning,
                "batches were dropped, not committed; their messages are loaded by the member that has the partitions next",
                mend: "nothing to do"),
            to: logger, ["messages": .stringConvertible(dropped)])
    }

    // MARK: The group's offsets

    /// Tells the group what is in PostgreSQL. Only ever after its COMMIT.
    private func commit(_ offsets: [CommittedOffset]) {
        guard !offsets.isEmpty else { return }
        if Failpoint.beforeGroupCommit.fails {
            return consumer(consumer, committed: offsets, error: Failpoint.brokersGone)
        }
        consumer.commit(offsets)
    }

    /// Tells the group where all partitions stand, and waits for its answer.
    private func commitAll() {
        let offsets = groupOffsets.take(partitions.map(\.partition), of: &partitions, all: true)
        guard !offsets.isEmpty else { return }
        do throws(KafkaError) {
            try consumer.commit(offsets, timeout: brokersAwaySince == nil ? .seconds(5) : .seconds(1))
            tracing?.groupCommitted(offsets, nil)
        } catch {
            tracing?.groupCommitted(offsets, error)
            // The ledger has the position. Whoever has the partition next tells the group, or this loader if it stays.
            logger.notice(
                "the group did not take the last offsets",
                metadata: ["code": "\(error.code.name)", "error": "\(error)"])
            groupOffsets.refused(offsets, of: &partitions)
        }
    }

    // MARK: Stalls

    /// Replaces a client that no longer fetches a partition although it has messages.
    private func watchForStalls() {
        if let first = partitions.first, lanes.contains(where: { !$0.isDrained }), Failpoint.stalledClient.fails {
            return replaceClient(
                count: 1, StallWatch.Suspect(partition: first.partition, next: first.next, end: first.end))
        }
        let now = ContinuousClock.now
        guard let proof = stallProof else {
            let suspects = stalls.suspects(in: partitions, at: now) { lane in
                !isHeld(lane) && !lanes[lane].isOffered
            }
            guard !suspects.isEmpty, brokersAwaySince == nil, pending.isEmpty else { return }
            logger.debug("partitions stand still", metadata: ["partitions": .stringConvertible(suspects.count)])
            stallProof = StallProof(suspects, properties: options.consumerProperties, wakeup: stop.wakeup)
            return
        }
        guard let answer = proof.answer else { return }
        stallProof = nil
        stalls.clear(Set(proof.suspects).subtracting(answer), at: now)
        let stalled = answer.filter { suspect in
            partitions.place(of: suspect.partition).map { partitions[$0].next } == suspect.next
        }
        if let first = stalled.first { replaceClient(count: stalled.count, first) }
    }

    private var canWatchTopics: Bool { ledger != nil && pending.isEmpty && brokersAwaySince == nil }
    private var topicsDue: ContinuousClock.Instant? { canWatchTopics ? topics.due : nil }

    /// Has all partitions of a topic looked at before it is decided where any of them goes on.
    private func suspect(_ topic: String) {
        if ledger != nil { topics.suspect(topic) }
    }

    /// Looks whether the topics are still those that were loaded.
    private func watchTopics() {
        guard ledger != nil, failure == nil else { return }
        for partition in topics.turn(canAsk: canWatchTopics) {
            guard let index = partitions.place(of: partition) else { continue }
            // Nothing more of it is taken until it has been decided where it goes on.
            partitions[index].next = .max
            partitions[index].last = nil
            reposition([partition])
        }
    }

    private func replaceClient(count: Int, _ first: StallWatch.Suspect) {
        statistics.report(
            Incident(
                .warning, "the Kafka client no longer fetches partitions that have messages; it is replaced",
                at: "\(first.partition)@\(first.next)",
                mend: "nothing to do; it happens when leaders move to and fro (librdkafka issue 3399)"),
            to: logger, ["partitions": .stringConvertible(count)])
        flush(until: .now + flushTime)
        // It gives its partitions back on the way. One that cannot leave stays a member as long as this process lives, and
        // keeps partitions that nobody loads.
        guard consumer.close(until: .now + .seconds(10)) else {
            failure = LoadingError(
                .kafka, "a Kafka client that no longer fetches \(first.partition) does not leave its group",
                mend: "start it again; nothing is lost")
            return
        }
        partitions.removeAll()
        pending.removeAll()
        hasBeenAssigned = false
        do throws(KafkaError) {
            consumer = try Consumer(
                properties: options.consumerProperties, queues: options.writers, wakeup: stop.wakeup)
            try join()
        } catch {
            failure = LoadingError(.kafka, "the Kafka client cannot start again: \(error)", mend: "start it again")
        }
    }

    // MARK: Positions

    /// Drops what a lane was filling and begins again where the ledger stands.
    private func reposition(_ lane: Lane) {
        drop(lane)
        reposition(partitions.filter { lanes[$0.lane] === lane }.map(\.partition))
    }

    private func reposition(_ affected: [TopicPartition]) {
        pending.formUnion(affected)
        nextResolution = .now
    }

    /// Finds out where the pending partitions begin, and begins to fetch them. Waits for nothing: what cannot be known
    /// now is asked again later, and the group is served in between.
    private func resolvePending() {
        guard !pending.isEmpty || mustBegin, ContinuousClock.now >= nextResolution, failure == nil else { return }
        // What the ledger says of a partition is its position only while nothing of it is under way.
        let busy = partitions.filter { pending.contains($0.partition) && !lanes[$0.lane].isDrained }
        for partition in busy { handOver(lanes[partition.lane]) }
        guard busy.isEmpty, !topics.watch.isNarrowing else { return }
        do {
            try begin(Array(pending).sorted())
            resolutionBackoff.reset()
            locks.end()
            if let since = resolutionFailedSince {
                resolutionFailedSince = nil
                statistics.outage(.database, for: "positions", isOver: true)
                statistics.end(Self.unknownPositions)
                logger.notice(
                    "back again",
                    metadata: ["away_seconds": .stringConvertible(Int((ContinuousClock.now - since).inSeconds))])
            }
        } catch let error as LoadingError {
            failure = error
        } catch is StartReader.Stopped {
            locks.end()
            return
        } catch {
            let postgres = error as? PostgresError
            let isLocked = postgres?.sqlState == .lockNotAvailable
            if !isLocked { locks.end() }
            if let postgres, FailureClass(postgres) == .setup {
                let mend =
                    switch postgres.sqlState?.classCode {
                    case "28": "mend the user or the password in postgres.url and start again; nothing is lost"
                    case "25", "0A": "let postgres.url name the primary: this server, or its database, is read-only"
                    default: "run `loader migrate up`"
                    }
                failure = LoadingError(.database, "the ledger cannot be read or written: \(postgres)", mend: mend)
                return
            }
            nextResolution = .now + resolutionBackoff.next()
            if let since = resolutionFailedSince {
                if let limit = options.outageTimeout, ContinuousClock.now - since > limit {
                    failure = LoadingError(
                        .unavailable, "where to begin could not be read within outage_timeout: \(error)",
                        mend: "bring the database and the brokers back and start again; nothing is lost")
                }
            } else {
                resolutionFailedSince = .now
                // Whose lock it is has been said; and a server that says no is not away.
                if let postgres, FailureClass(postgres) == .away {
                    statistics.outage(.database, for: "positions", isOver: false)
                }
                if isLocked, locks.isWaiting { return }
                statistics.report(
                    Incident(
                        .warning, "where to begin cannot be read yet; it is tried until it can",
                        code: postgres?.sqlState?.rawValue ?? (error as? KafkaError)?.code.name, error: "\(error)",
                        mend: postgres.map { OutageNotice($0).mend }
                            ?? "see that the brokers answer and that the group may be read",
                        until: Self.unknownPositions),
                    to: logger)
            }
        }
    }

    private func begin(_ wanted: [TopicPartition]) throws {
        let watermarks: [TopicPartition: Watermarks]
        let starts: [TopicPartition: Int64]
        var last: [TopicPartition: LastMessage] = [:]
        var proven: [TopicPartition: LastMessage] = [:]
        // Nothing of them is under way any more.
        for partition in topics.watch.others.keys {
            guard let index = partitions.place(of: partition) else { continue }
            let position = partitions[index].loaded
            let from = topics.watch.mixed(partition) ?? position
            strangers[partition] = strangers[partition] ?? StartReader.Stranger(position: position, from: from)
        }
        var detours: [TopicPartition: Detour] = [:]
        if let ledger {
            let reader = StartReader(
                ledger: ledger, options: options, consumer: consumer, targets: builders.targets, logger: logger,
                subscriptions: options.routes.flatMap(\.topics), isBeginning: mustBegin, strangers: strangers,
                reached: reached, locks: locks, isStopping: { [stop] in stop.isRequested })
            let read = try reader.read(wanted)
            mustBegin = false
            guard !wanted.isEmpty else { return }
            (starts, watermarks, last, detours) = (read.offsets, read.watermarks, read.last, read.detours)
            proven = read.proven
            groupOffsets.metadata = read.mark.metadata
            statistics.update { $0.positionResets += read.resets }
        } else {
            (starts, watermarks) = try StartReader.withoutLedger(wanted, options: options, consumer: consumer)
        }
        for partition in wanted {
            let marks = watermarks[partition] ?? Watermarks(low: 0, high: 0)
            let start = starts[partition] ?? marks.low
            let known = partitions.place(of: partition).map { partitions[$0] }
            partitions.set(
                AssignedPartition(
                    partition: partition, lane: Self.lane(of: partition, among: lanes.count),
                    builder: builders.builder(ofTopic: partition.topic), next: start, loaded: start, reported: nil,
                    end: marks.high,
                    target: options.untilEnd ? known?.target ?? marks.high : nil, last: last[partition], range: nil,
                    detour: detours[partition],
                    hold: heldTopics.contains(partition.topic)
                        ? .full : known.map { [.none, .full].contains($0.hold) ? .none : .doubted } ?? .none))
            strangers[partition] = nil
            reached[partition] = nil
            topics.begin(partition, proven: proven[partition], last: last[partition])
        }
        try fetch(restarting: Set(wanted))
        pending.subtract(wanted)
        hasBeenAssigned = true
        orphans.look(after: partitions.map(\.partition))
        logger.info(
            "loading",
            metadata: [
                "partitions": .stringConvertible(partitions.count),
                "lag": .stringConvertible(partitions.lag),
            ])
        // After a crash between the two commits the group is behind, and a partition where nothing happens stays so.
        commit(groupOffsets.take(wanted, of: &partitions))
        publish()
    }

    /// Spreads partitions evenly over the lanes, neighbours apart.
    private static func lane(of partition: TopicPartition, among lanes: Int) -> Int {
        guard lanes > 1 else { return 0 }
        let topic = partition.topic.utf8.reduce(UInt64(14_695_981_039_346_656_037)) {
            ($0 ^ UInt64($1)) &* 1_099_511_628_211
        }
        return Int((topic &+ UInt64(UInt32(bitPattern: partition.partition))) % UInt64(lanes))
    }

    private func remove(_ gone: [TopicPartition]) {
        let gone = Set(gone)
        pending.subtract(gone)
        partitions.remove(gone)
        standstills.forget(gone)
        topics.forget(gone)
        orphans.look(after: partitions.map(\.partition))
        publish()
    }

    // MARK: What others see

    private func publish() {
        let asked = consumer.takeEnds()
        for index in partitions.indices {
            let partition = partitions[index].partition
            let fetched = consumer.lastKnownHighWatermark(partition) ?? 0
            partitions[index].end = max(partitions[index].end, fetched, asked?[partition] ?? 0)
        }
        let buffers = LoadingStatistics.Buffers(
            queueMessages: consumer.queueLength, batchBytes: lanes.reduce(0) { $0 + $1.byteCount })
        let now = ContinuousClock.now
        nextPublication = now + .seconds(1)
        isUnpublished = false
        let standstills = standstills.all
        statistics.update { state in
            state.partitions = [:]
            for partition in partitions {
                state.partitions[partition.partition] = LoadingStatistics.PartitionState(
                    position: partition.loaded, end: partition.end,
                    loadedAhead: partition.loadedAhead(of: partition.loaded))
            }
            state.isAssigned = hasBeenAssigned && pending.isEmpty
            state.standstills = standstills
            state.buffers = buffers
            state.lastTurn = now
            if state.isAssigned, state.phase == .starting { state.phase = .running }
            state.look(maxDelay: options.batch.maxDelay, at: now)
        }
    }

    private func report(_ now: ContinuousClock.Instant) {
        // Once a second, however many batches come back; also while none does: the ends of the partitions move on.
        if now >= nextPublication { publish() } else { statistics.update { $0.lastTurn = now } }
        progress.report(now)
    }

    private func names(_ ranges: [Batch.PartitionRange]) -> String {
        let names = ranges.prefix(8).map { "\($0.partition)@\($0.expected)" }.joined(separator: ", ")
        return ranges.count > 8 ? names + ", … (\(ranges.count))" : names
    }
}

extension Pipeline: Consumer.Delegate {
    public func consumer(_ consumer: Consumer, wasGiven partitions: [TopicPartition]) {
        statistics.update { $0.rebalances += 1 }
        logger.info("the group has given partitions", metadata: ["partitions": .stringConvertible(partitions.count)])
        hasBeenAssigned = true
        hasJoined = true
        if standstills.joined() { logger.notice("the group has taken this member in") }
        _ = standstills.release(topics: partitions.map(\.topic))
        consumer.lookFor(standstills.missingTopics)
        if !consumer.isCooperative {
            self.partitions.removeAll()
        }
        pending.formUnion(partitions)
        nextResolution = .now
        publish()
    }

    public func consumer(_ consumer: Consumer, mustGive partitions: [TopicPartition], lost: Bool) {
        statistics.update { $0.rebalances += 1 }
        if lost {
            statistics.report(
                Incident(
                    .warning, "the group has taken partitions away",
                    mend:
                        "nothing to do once; if it goes on, the network or this host is too slow for the group's timeouts"
                ),
                to: logger, ["partitions": .stringConvertible(partitions.count)])
            for lane in lanes where !lane.isDrained { giveUp(lane) }
        } else if !isStopping {
            logger.info("the group asks for partitions", metadata: ["partitions": .stringConvertible(partitions.count)])
            if Failpoint.revoke.fails { for lane in lanes where !lane.isDrained { giveUp(lane) } }
            flush(until: .now + flushTime)
        }
        remove(partitions)
        // To have nothing in between two assignments is not to be done: a bounded run waits for what it is given next.
        if self.partitions.isEmpty, pending.isEmpty { hasBeenAssigned = false }
    }

    public func consumer(_ consumer: Consumer, reports error: KafkaError) {
        if error.isFatal {
            stop(after: error)
        } else {
            logger.debug("from librdkafka", metadata: ["code": "\(error.code.name)", "error": "\(error)"])
        }
    }

    public func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?) {
        statistics.outage(.brokers, isOver: error == nil)
        if let error {
            brokersAwaySince = .now
            statistics.report(
                Incident(
                    .warning, "all brokers are away; they are tried until they answer", code: error.code.name,
                    error: "\(error)", mend: "bring the brokers of kafka.brokers back; the loader goes on by itself",
                    until: .outage(.brokers)),
                to: logger)
        } else if let since = brokersAwaySince {
            brokersAwaySince = nil
            logger.notice(
                "the brokers are back",
                metadata: ["away_seconds": .stringConvertible(Int((ContinuousClock.now - since).inSeconds))])
        }
    }

    public func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?) {
        tracing?.groupCommitted(offsets, error)
        guard let error else {
            if standstills.committed() { logger.notice("the group takes commits again") }
            return groupOffsets.taken()
        }
        // The rows are in and the ledger knows it.
        groupOffsets.refused(offsets, of: &partitions)
        if error.isFatal || ConsumerErrorFate(error.code, of: .group) == .fatal { return stop(after: error) }
        if !error.isRetriable, !error.code.isOfRebalance {
            let standstill = Standstill(.group, code: error.code.name, at: options.group)
            guard standstills.refuseCommits(standstill) else { return }
            return tell(standstill, error.code, error.reason)
        }
        logger.debug(
            "the group did not take a commit", metadata: ["code": "\(error.code.name)", "error": "\(error)"])
    }
}

extension PostgresError {
    /// A table that changes again while a batch is built again for its last change.
    fileprivate static let tableKeepsChanging = PostgresError(
        .server, message: "a table's columns are not those that the rows were built for")
}
