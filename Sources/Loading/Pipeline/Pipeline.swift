import Foundation
import Kafka
import Logging
import Postgres
import Tracing

/// Kafka to PostgreSQL: carries out what a `Member` of the group decides, and tells it what came of it.
///
/// Everything here runs on the thread that calls `run()`, the consumer's thread. It polls, copies and counts; rows are
/// built and loaded behind it, a whole batch at a time. So no timer can race a rebalance, no lock guards the way of a
/// message, and nothing that a row may have to wait for holds up the group.
public final class Pipeline {
    private let options: LoadingOptions
    private let logger: Logger
    private let statistics: LoadingStatistics
    private let stop: StopRequest
    /// Nil: no traces, and nothing is spent on them.
    private let tracing: BatchTracing?
    private let tables: RoutedTables
    /// The version of them that has been taken note of.
    private var knownTables: RoutedTables.Version
    private var consumer: Consumer
    private var member: Member
    /// What the member decides is held against it.
    private var witness = Witness()
    private let lanes: [LaneBatches]
    private let orphans: OrphanLoader
    private let positions: PositionFinder
    private let words: MemberWords
    private var progress: ProgressLog
    private let drift: DriftWatch
    private let secrets: SecretWatch?
    private var certificates = CertificateTerms()
    private let producer: LetterProducer?
    private var stallProof: StallProof?
    private var topicProof: TopicProof?
    private var ledgerLook: LedgerLook?
    /// When to say where it stands, if no batch does it before.
    private var nextPublication: ContinuousClock.Instant = .now
    /// Batches have come in since.
    private var isUnpublished = false
    /// Why the client does not reach all the brokers that it needs.
    private var cutOff: KafkaError?

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
        tracing = tracer.map { BatchTracing($0, group: options.group) }
        let tables = RoutedTables(targets)
        self.tables = tables
        knownTables = tables.current
        let nulled = targets.flatMap { LoadingStatistics.NulledColumn.all(of: $0) }
        statistics.update { state in for column in nulled { state.nulledValues[column, default: 0] += 0 } }
        drift = DriftWatch(targets, statistics: statistics, logger: logger)
        progress = ProgressLog(statistics: statistics, options: options, logger: logger)
        words = MemberWords(options, statistics, logger)
        positions = PositionFinder(options, tables: tables, statistics: statistics, stop: stop, logger: logger)
        member = Member(Member.Rules(options, mark: mark?.metadata ?? ""), at: .now)
        let orphans = OrphanLoader(options, statistics: statistics, wakeup: stop.wakeup, logger: logger)
        self.orphans = orphans
        secrets = options.secrets.map { SecretWatch($0, wakeup: stop.wakeup) }
        do throws(KafkaError) {
            consumer = try Consumer(
                properties: options.consumerProperties, queues: options.writers, wakeup: stop.wakeup)
            let producer = options.deadLetters.topic == nil ? nil : try LetterProducer(options)
            self.producer = producer
            let throttles = RouteThrottles(options.routes, statistics)
            lanes = (0..<max(1, options.writers)).map { index in
                LaneBatches(
                    writer: Writer(
                        index: index, options: options, tables: tables, producer: producer, orphans: orphans,
                        throttles: throttles, wakeup: stop.wakeup, statistics: statistics, logger: logger))
            }
        } catch {
            throw LoadingError(.kafka, "the Kafka client cannot start: \(error)", mend: .group(.properties))
        }
        noteOwnCertificate()
    }

    /// Loads until `stop` is requested, or until the end of a bounded run.
    ///
    /// - Throws: what made it stop by itself. Whatever was committed stays, and nothing else was.
    public func run() throws(LoadingError) {
        do throws(KafkaError) {
            try join()
        } catch {
            end(since: .now)
            throw LoadingError(
                .kafka, "the topics cannot be subscribed to: \(error)", mend: .group(.subscription(error.code)))
        }
        logger.info("joining the group", metadata: ["group": "\(options.group)", "brokers": "\(options.brokers)"])
        while !isOver { turn() }
        let began = ContinuousClock.now
        let failure = member.failure
        let reason = failure?.message ?? (stop.isRequested ? "it was asked to stop" : "the end is reached")
        statistics.update { ($0.phase, $0.stoppingSince) = (.stopping(reason), began) }
        if let failure {
            // Before the farewells, each of which may have to wait.
            tell(failure)
        } else {
            logger.info(stop.isRequested ? "stopping: the batches under way are finished" : "the end is reached")
        }
        handle(.stop)
        end(since: began)
        if let failure = failure ?? member.failure { throw failure }
    }

    private func join() throws(KafkaError) {
        consumer.delegate = self
        let topics = options.routes.flatMap { $0.topics.map(\.subscription) }
        try consumer.subscribe(to: Array(Set(topics)).sorted())
    }

    private var isOver: Bool { member.failure != nil || stop.isRequested || isDone }

    /// A bounded run has loaded everything, and what waited for rows of its own has had its last chance.
    private var isDone: Bool { member.isDone && orphans.finish() }

    /// One turn of the loop: the group, the writers' outcomes, what is due, messages; then sleep until something rings.
    private func turn() {
        if let stray = consumer.serve() { acceptStray(stray) }
        for lane in lanes.indices { collect(lane) }
        watchTables()
        watchOthers()
        handle(.tick)
        guard member.failure == nil else { return }
        var isBusy = false
        for lane in lanes.indices where !member.isHeld(lane) && fill(lane) { isBusy = true }
        let now = ContinuousClock.now
        report(now)
        guard !isBusy, !isOver else { return }
        consumer.wakeup.wait(for: timeToSleep(now))
    }

    private func timeToSleep(_ now: ContinuousClock.Instant) -> Duration {
        let publication = isUnpublished ? nextPublication : nil
        let due = [member.due(now), progress.due, publication].compactMap(\.self).min()
        // Group and brokers ring by themselves; the rest is for the probes that watch the loop turn.
        return min(due.map { max(.zero, $0 - now) } ?? .seconds(5), .seconds(5))
    }

    private func tell(_ failure: LoadingError) {
        for problem in failure.problems {
            statistics.report(
                Incident(
                    .error, problem.problem, code: problem.code.rawValue, at: problem.place, mend: problem.mend),
                to: logger)
        }
        statistics.report(
            Incident(.critical, failure.message, code: failure.code.rawValue, mend: failure.mend), to: logger)
    }

    /// Ends the writers and leaves the group, all within `shutdown_timeout`, whoever does not answer.
    private func end(since began: ContinuousClock.Instant) {
        let timeout = options.shutdownTimeout
        for lane in lanes { lane.writer.abandon() }
        for lane in lanes { lane.writer.stop(until: began + timeout * 0.9) }
        orphans.stop(until: began + timeout * 0.9)
        progress.report(.now, isLast: true)
        // Brokers that are away take no farewell, and librdkafka would wait for the answers to its last commits.
        let left = member.brokersAwaySince == nil ? max(.seconds(1), began + timeout - .now) : .seconds(1)
        publish()
        if !consumer.close(until: .now + left) {
            logger.notice("the group could not be left; it notices after session.timeout.ms")
        }
    }

    // MARK: Messages

    /// Takes messages of a lane into its batch.
    ///
    /// - Returns: whether there may be more to take at once.
    private func fill(_ lane: Int) -> Bool {
        let consumer = consumer
        for _ in 0..<Self.turn {
            let hasRoom = member.makeRoom(lane)
            carryOut()
            // Two batches at most: past that the messages stay with librdkafka, and the group is served all the same.
            guard hasRoom, let message = consumer.take(from: lane) else { return false }
            accept(message)
        }
        return true
    }

    /// A message that has come along with what the group has to say.
    private func acceptStray(_ message: borrowing Message) {
        guard message.errorCode == nil, let index = member.partitions.place(of: message) else {
            return accept(message)
        }
        let isHeld = member.pending.contains(member.partitions[index].partition)
        if !isHeld, member.makeRoom(member.partitions[index].lane) {
            accept(message)
        } else {
            member.miss(index, at: .now)
            carryOut()
        }
    }

    private func accept(_ message: borrowing Message) {
        if let code = message.errorCode { return accept(code, message) }
        guard let index = member.partitions.place(of: message) else { return }
        let lane = member.partitions[index].lane
        switch member.take(index, offset: message.offset, at: { .now }) {
        case .take(let range):
            guard let batch = lanes[lane].filling else {
                return stop(
                    for: InvariantViolation(
                        .handover, at: "\(member.partitions[index].partition)@\(message.offset)",
                        expected: "room for what is taken", found: "none"))
            }
            if batch.isEmpty {
                lanes[lane].begin()
                statistics.update { $0.lastTurn = .now }
            }
            batch.append(message, range: range)
            member.lanes[lane].bytes = batch.arena.count
        case .skip: break
        case .compare(let last):
            let partition = member.partitions[index].partition
            handle(.compared(partition, with: last, isSame: LastMessage(message) == last))
        }
        carryOut()
    }

    /// An error, or the end of a partition, in place of a message.
    private func accept(_ code: KafkaErrorCode, _ message: borrowing Message) {
        let topic = message.topic
        let partition = TopicPartition(topic: topic, partition: message.partition)
        if code == .endOfPartition { return handle(.end(partition, offset: message.offset)) }
        handle(
            .error(
                Member.ClientError(
                    code: code, reason: message.errorReason,
                    place: topic.isEmpty ? .group : message.isOfPartition ? .partition(partition) : .topic(topic),
                    fatal: code == .fatal ? consumer.fatalError : nil)))
    }

    // MARK: What is decided

    /// Tells the member what happened, and does what it says.
    private func handle(_ event: Member.Event) {
        carryOut(member.handle(event, at: .now))
        settleAwaited()
    }

    @inline(__always)
    private func carryOut() {
        if member.hasActions { carryOut(member.takeActions()) }
    }

    private func carryOut(_ actions: [Member.Action]) {
        for action in actions {
            switch action {
            case .findPositions(let wanted):
                let answer = positions.find(wanted, with: consumer)
                if case .found(let found) = answer { witness.found(found.places) }
                handle(answer)
            case .fetch(let fetch): handle(self.fetch(fetch))
            case .submit(let lane, let ranges):
                guard !lanes[lane].handOver(ranges) else { continue }
                stop(
                    for: InvariantViolation(
                        .handover, at: ranges.first.map { "\($0.partition)@\($0.expected)" } ?? "lane \(lane)",
                        expected: "two batches of a lane", found: "a third"))
            case .clear(let lane): lanes[lane].clear(keepingAtMost: options.batch.maxBytes)
            case .abandon(let lane): lanes[lane].writer.abandon()
            case .commit(let offsets): commit(offsets)
            case .commitAndWait(let offsets, let patience): commit(offsets, patience)
            case .lookFor(let topics): consumer.lookFor(topics)
            case .lookForOrphans(let partitions): orphans.look(after: partitions)
            case .prove(let suspects):
                stallProof = StallProof(suspects, properties: options.consumerProperties, wakeup: stop.wakeup)
            case .readAgain(let messages):
                topicProof = TopicProof(messages, properties: options.consumerProperties, wakeup: stop.wakeup)
            case .lookAtLedger(let positions):
                ledgerLook = LedgerLook(Set(positions.keys.map(\.topic)), options, stop)
            case .lookAtGroup: lookAtGroup()
            case .replaceClient(let why): handle(replaceClient(why))
            case .tell(let notice): words.tell(notice)
            case .publish: publish()
            }
        }
    }

    private func lookAtGroup() {
        do throws(KafkaError) {
            handle(.groupKnows(try consumer.isKnownToGroup()))
        } catch {
            consumer(consumer, reports: error)
        }
    }

    /// Ends the run for a fault of its own. What is under way is given up.
    private func stop(for violation: InvariantViolation) { member.fail(.violated(violation)) }

    /// Waits for outcomes that the member wants before anything else.
    private func settleAwaited() {
        while let awaited = member.awaited {
            let lane = lanes[awaited.lane]
            let outcome = lane.writer.awaitOutcome(until: awaited.deadline, giveUpWhenAway: awaited.endsWhenAway)
            if let outcome {
                settle(outcome, awaited.lane)
            } else {
                carryOut(member.handle(.silence(lane: awaited.lane), at: .now))
            }
        }
    }

    private func fetch(_ fetch: Member.Fetch) -> Member.Event {
        if let violation = witness.refuses(fetch) {
            return .notFetching(fetch.purpose, .failure(.violated(violation)))
        }
        do throws(KafkaError) {
            try consumer.assign(
                fetch.positions.map { ($0.partition, $0.offset, $0.lane) }, restarting: fetch.restarting)
            return .fetching(fetch.purpose)
        } catch {
            return .notFetching(fetch.purpose, PositionFinder.obstacle(error))
        }
    }

    private func replaceClient(_ why: Member.Flush.Replacement) -> Member.Event {
        let next: Consumer
        do throws(KafkaError) {
            // Of changed files, of which some may not fit the others yet, before the one that works is let go of.
            if why == .secrets { try producer?.renew() }
            next = try Consumer(properties: options.consumerProperties, queues: options.writers, wakeup: stop.wakeup)
        } catch {
            switch why {
            case .stalled:
                return .replaced(
                    LoadingError(.kafka, "the Kafka client cannot start again: \(error)", mend: .group(.startAgain)),
                    hasBegun: true)
            case .secrets: words.tell(.secretsUnfit(error))
            case .groupLost: break
            }
            return .replaced(nil, hasBegun: false)
        }
        // It gives its partitions back on the way. One that cannot leave stays a member as long as this process lives, and
        // keeps partitions that nobody loads.
        // One whose secret brokers take no longer cannot leave: its last commit waits for a coordinator that it never finds. It
        // is ended without; so is one that has lost its group.
        let isShutOut = why == .groupLost || (why == .secrets && member.brokersAwaySince != nil)
        let patience = isShutOut ? Duration.seconds(2) : .seconds(10)
        let mayVanish = why == .secrets || why == .groupLost
        guard consumer.close(until: .now + patience, orDestroyWithin: mayVanish ? .seconds(5) : nil) else {
            return .replaced(.clientDoesNotLeave(why), hasBegun: true)
        }
        consumer = next
        if let cutOff { next.begin(cutOffBy: cutOff) }
        noteOwnCertificate()
        do throws(KafkaError) {
            try join()
        } catch {
            return .replaced(
                LoadingError(.kafka, "the Kafka client cannot join again: \(error)", mend: .group(.startAgain)),
                hasBegun: true)
        }
        switch why {
        case .stalled: break
        case .secrets: words.tell(.secretsTaken)
        case .groupLost: words.tell(.lookingForGroup)
        }
        return .replaced(nil, hasBegun: true)
    }

    // MARK: The group's offsets

    private func commit(_ offsets: [CommittedOffset]) {
        if let violation = witness.refuses(offsets) { return stop(for: violation) }
        if Failpoint.beforeGroupCommit.fails {
            return self.consumer(consumer, committed: offsets, error: Failpoint.brokersGone)
        }
        consumer.commit(offsets)
    }

    private func commit(_ offsets: [CommittedOffset], _ patience: Duration) {
        if let violation = witness.refuses(offsets) { return stop(for: violation) }
        var refusal: KafkaError?
        do throws(KafkaError) { try consumer.commit(offsets, timeout: patience) } catch { refusal = error }
        tracing?.groupCommitted(offsets, refusal)
        guard let refusal else { return }
        logger.notice(
            "the group did not take the last offsets",
            metadata: ["code": "\(refusal.code.name)", "error": "\(refusal)"])
        handle(.lastOffsetsRefused(offsets))
    }

    // MARK: Batches

    /// Takes a writer's outcomes, as far as there are any.
    private func collect(_ lane: Int) {
        while let outcome = lanes[lane].writer.takeOutcome() {
            settle(outcome, lane)
            settleAwaited()
        }
        if let violation = lanes[lane].writer.violation { stop(for: violation) }
    }

    private func settle(_ outcome: Writer.Outcome, _ lane: Int) {
        let batch = outcome.batch
        tracing?.settle(outcome, writer: lane)
        let decided: Member.Outcome
        switch outcome {
        case .loaded(_, let loaded):
            note(batch, loaded, lane)
            decided =
                witness.loaded(batch.partitions).map { .failed(.violated($0)) }
                ?? .loaded(
                    batch.partitions, rowBytesPerByte: batch.rowBytesPerByte, rowsPerMessage: batch.rowsPerMessage)
        case .fenced: decided = .fenced(batch.partitions, messages: batch.messages.count)
        case .abandoned: decided = .abandoned
        case .failed(_, let error): decided = .failed(error)
        }
        let actions = member.handle(.outcome(lane: lane, decided), at: .now)
        // What a batch may keep of its memory: a giant message must not be paid for ever after.
        lanes[lane].takeBack(batch, keepingAtMost: options.batch.maxBytes)
        carryOut(actions)
    }

    /// Tells others of a batch that is in.
    private func note(_ batch: Batch, _ loaded: BatchTransaction.Loaded, _ lane: Int) {
        progress.count(batch, loaded, writer: lane)
        // Where only the ledger knows that it is in, nobody knows what went to the letters.
        if loaded.waiting > 0 || loaded.copying == nil { orphans.look(adding: loaded.waiting(of: batch)) }
        // Its own partitions at once; all of them, with their ends, once a second.
        statistics.update { state in
            for range in batch.partitions { state.partitions[range.partition]?.move(to: range.next) }
        }
        isUnpublished = true
        drift.look(at: batch)
    }

    // MARK: What others do

    /// Takes note of tables that a writer has read again.
    private func watchTables() {
        let current = tables.current
        guard current.number != knownTables.number else { return }
        knownTables = current
        drift.replace(current.targets)
    }

    /// Hears of topics that have come, of rows that wait, and of partitions in doubt.
    private func watchOthers() {
        let found = consumer.takeFoundTopics()
        if !found.isEmpty { handle(.foundTopics(found)) }
        let full = orphans.fullTopics.filter(canHold)
        if full != member.heldTopics { handle(.fullTopics(full)) }
        if let proof = stallProof, let answer = proof.answer {
            stallProof = nil
            handle(.stalled(asked: proof.suspects, answer))
        }
        if secrets?.takeChange() ?? false { handle(.secretsChanged) }
        if consumer.hasLostGroup { handle(.groupLost) }
        if let answer = topicProof?.answer {
            topicProof = nil
            handle(.readAgain(answer))
        }
        if let answer = ledgerLook?.answer {
            ledgerLook = nil
            handle(.ledgerStands(answer))
        }
        if let first = member.partitions.first, !member.lanes.allSatisfy(\.isDrained), Failpoint.stalledClient.fails {
            let suspect = StallWatch.Suspect(partition: first.partition, next: first.next, end: first.end)
            handle(.stalled(asked: [], [suspect]))
        }
    }

    /// Whether what the topic's rows refer to can come without the topic itself.
    private func canHold(_ topic: String) -> Bool {
        let targets = knownTables.targets
        let own = targets.routes(of: topic).map { targets[$0] }
        let names = Set(own.map(\.name))
        return !own.contains { $0.foreignKeys.contains { names.contains($0.parent) } }
    }

    // MARK: What others see

    private func publish() {
        let asked = consumer.takeEnds()
        for index in member.partitions.indices {
            let partition = member.partitions[index].partition
            let fetched = consumer.lastKnownHighWatermark(partition) ?? 0
            member.partitions[index].end = max(member.partitions[index].end, fetched, asked?[partition] ?? 0)
        }
        let buffers = LoadingStatistics.Buffers(
            queueMessages: consumer.queueLength, batchMessages: member.lanes.reduce(0) { $0 + $1.messageCount },
            batchBytes: member.lanes.reduce(0) { $0 + $1.byteCount })
        let now = ContinuousClock.now
        nextPublication = now + .seconds(1)
        isUnpublished = false
        let member = member
        statistics.update { state in
            state.partitions = [:]
            for partition in member.partitions {
                state.partitions[partition.partition] = LoadingStatistics.PartitionState(
                    position: partition.loaded, end: partition.end,
                    loadedAhead: partition.loadedAhead(of: partition.loaded))
            }
            state.isAssigned = member.hasBeenAssigned && member.pending.isEmpty
            state.standstills = member.standstills.all
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
        if certificates.isDue(now) { lookAtCertificates() }
    }

    /// What this client shows to brokers, which read it when it was made.
    private func noteOwnCertificate() {
        let own = ShownCertificate.ownCertificate(options.currentProperties).map { ShownCertificate($0) }
        statistics.update { $0.certificates[.init(.brokers, .loader)] = own }
    }

    private func lookAtCertificates() {
        let (isNew, shown) = certificates.read(consumer.certificate)
        if isNew { statistics.update { $0.certificates[.init(.brokers, .server)] = shown } }
        let now = Date()
        if let schemas = options.schemas {
            let shown = schemas.certificates
            statistics.saw(shown)
            let endSoon = [shown.server, shown.own].contains {
                $0.map { ShownCertificate($0).endsSoon(at: now) } ?? false
            }
            if endSoon { schemas.lookAtCertificates(after: CertificateTerms.registryInterval) }
        }
        for telling in certificates.take(statistics.snapshot.certificates, at: now) {
            switch telling {
            case .ends(let role, let certificate):
                statistics.report(role.incident(certificate, at: now), to: logger)
            case .over(let role): statistics.end(role.cause)
            }
        }
    }
}

extension Pipeline: Consumer.Delegate {
    public func consumer(_ consumer: Consumer, wasGiven partitions: [TopicPartition]) {
        witness.given(partitions, isCooperative: consumer.isCooperative)
        handle(.given(partitions, isCooperative: consumer.isCooperative))
    }

    public func consumer(_ consumer: Consumer, mustGive partitions: [TopicPartition], lost: Bool) {
        let isDropped = !lost && !member.isStopping && Failpoint.revoke.fails
        handle(.mustGive(partitions, lost: lost || isDropped))
        if let violation = witness.gaveBack(partitions, by: member) { stop(for: violation) }
    }

    public func consumer(_ consumer: Consumer, reports error: KafkaError) {
        if error.isFatal {
            handle(.error(Member.ClientError(code: .fatal, reason: error.reason, place: .group, fatal: error)))
        } else {
            logger.debug("from librdkafka", metadata: ["code": "\(error.code.name)", "error": "\(error)"])
        }
    }

    public func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?) { handle(.brokers(away: error)) }

    public func consumer(_ consumer: Consumer, isCutOff error: KafkaError?) {
        cutOff = error
        words.tell(error.map { .cutOff($0) } ?? .cutOffNoMore)
    }

    public func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?) {
        tracing?.groupCommitted(offsets, error)
        handle(.committed(offsets, error))
    }
}

extension Member.Rules {
    init(_ options: LoadingOptions, mark: String) {
        var batch = options.batch
        for throttle in options.routes.compactMap(\.throttle) { batch.maxRows = min(batch.maxRows, throttle.mostRows) }
        self.init(
            batch: batch, lanes: options.writers, isBounded: options.untilEnd,
            beginsAtOnce: options.delivery == .exactlyOnce && options.autoOffsetReset != .earliest,
            waitsAtStart: options.waitsAtStart, group: options.group, mark: mark, outageTimeout: options.outageTimeout,
            topicWatchInterval: options.delivery == .exactlyOnce ? options.topicWatchInterval : nil,
            ledgerWatchInterval: options.delivery == .exactlyOnce ? options.ledgerWatchInterval : nil,
            groupPatience: options.groupPatience,
            shutdownTimeout: options.shutdownTimeout)
    }
}
