import Kafka
import Testing

@testable import Loading

/// The races of a member's life, each played move by move.
@Suite("A member of the group")
struct MemberTests {
    // MARK: Messages

    @Test("messages go into the batch of their lane in order; what came before is left out, and gaps are not missed")
    func messages() {
        let play = Play(partitions: 1)
        #expect(play.take(0, 0, 1, 2) == [.take(range: 0), .take(range: 0), .take(range: 0)])
        #expect(play.take(0, 1, 2) == [.skip, .skip], "handed out twice")
        #expect(play.take(0, 7) == [.take(range: 0)], "a transaction or compaction has left a gap")
        play.pass(.seconds(1))
        #expect(play.tick() == ["submit 0: a[0]@0..8"])
    }

    @Test("a batch is handed over when it is full, when it is due, and before that only if the writer is idle")
    func full() {
        let play = Play(partitions: 1, rules: .init(batch: BatchPolicy(maxRows: 2)))
        play.take(0, 0, 1)
        #expect(play.room(0) == (true, ["submit 0: a[0]@0..2"]))
        play.take(0, 2)
        play.pass(.seconds(5))
        #expect(play.tick().isEmpty, "due, but the writer is at a batch: it goes on filling")
        play.take(0, 3)
        #expect(play.room(0) == (false, ["submit 0: a[0]@2..4"]), "full: it is built meanwhile")
        #expect(play.loaded(0) == ["commit a[0]@2"])
        #expect(play.room(0) == (true, []))
    }

    @Test("the memory that rows will take counts as soon as it is known what they weigh")
    func weight() {
        let play = Play(partitions: 1, rules: .init(batch: BatchPolicy(maxBytes: 1000)))
        play.take(0, 0)
        play.member.lanes[0].bytes = 400
        #expect(play.room(0).actions.isEmpty, "twice that, for what is not known yet")
        play.member.lanes[0].bytes = 500
        #expect(play.room(0).actions == ["submit 0: a[0]@0..1"])
        play.loaded(0, rowBytesPerByte: 0.1)
        play.take(0, 1)
        play.member.lanes[0].bytes = 900
        #expect(play.room(0).actions.isEmpty)
        play.member.lanes[0].bytes = 910
        #expect(play.room(0).actions == ["submit 0: a[0]@1..2"])
    }

    @Test("rows fill a batch as soon as it is known how many come of a message")
    func rows() {
        let play = Play(partitions: 1, rules: .init(batch: BatchPolicy(maxRows: 10)))
        play.take(0, 0, 1, 2)
        #expect(play.room(0).actions.isEmpty)
        play.take(0, 3, 4, 5, 6, 7, 8, 9)
        #expect(play.room(0).actions == ["submit 0: a[0]@0..10"])
        play.loaded(0, rowsPerMessage: 5)
        play.take(0, 10)
        #expect(play.room(0).actions.isEmpty)
        play.take(0, 11)
        #expect(play.room(0).actions == ["submit 0: a[0]@10..12"])
    }

    @Test("the end of a partition takes the control records before it into the position")
    func controlRecords() {
        let play = Play(partitions: 1, rules: .init(isBounded: true), ends: [5])
        play.take(0, 0, 1)
        #expect(play.handle(.end(a(0), offset: 5)).isEmpty)
        #expect(play.tick() == ["submit 0: a[0]@0..5"], "a bounded run waits for nothing more")
        #expect(!play.member.isDone)
        play.loaded(0)
        #expect(play.member.isDone)
    }

    @Test("a bounded run loads nothing that came after it began")
    func bounded() {
        let play = Play(partitions: 1, rules: .init(isBounded: true), ends: [2])
        #expect(play.take(0, 0, 1, 2) == [.take(range: 0), .take(range: 0), .skip])
        #expect(play.tick() == ["submit 0: a[0]@0..2"])
    }

    // MARK: Rebalances

    @Test("what is under way when partitions are asked for is loaded, and the group told, before they go")
    func revoked() {
        let play = Play(partitions: 2)
        play.take(0, 0)
        play.pass(.seconds(1))
        play.tick()
        play.take(1, 0)
        #expect(play.handle(.mustGive([a(0), a(1)], lost: false)) == ["asked 2", "submit 0: a[1]@0..1"])
        #expect(play.member.awaited?.lane == 0)
        #expect(play.loaded(0) == ["commit a[0]@1"])
        #expect(play.loaded(0) == ["commit a[1]@1", "commit and wait a[0]@1 a[1]@1", "orphans", "publish"])
        #expect(play.member.awaited == nil)
        #expect(play.member.partitions.isEmpty)
    }

    @Test("with the database away they go without it: what was taken is dropped, and its next owner loads it")
    func revokedWhileAway() {
        let play = Play(partitions: 1)
        play.take(0, 0)
        play.pass(.seconds(1))
        play.tick()
        play.take(0, 1)
        play.handle(.mustGive([a(0)], lost: false))
        #expect(play.handle(.silence(lane: 0)) == ["abandon 0"])
        #expect(play.member.awaited?.endsWhenAway == false)
        #expect(play.outcome(0, .abandoned) == ["clear 0"])
        #expect(
            play.outcome(0, .abandoned) == [
                "clear 0", "clear 0", "dropped 0", "commit and wait a[0]@0", "orphans", "publish",
            ])
        #expect(play.member.partitions.isEmpty && play.member.pending.isEmpty)
    }

    @Test("a writer that hangs holds up the group for its share of the time, and its partitions until it is back")
    func hungWriter() {
        let play = Play(partitions: 1)
        play.take(0, 0)
        play.pass(.seconds(1))
        play.tick()
        play.handle(.mustGive([a(0)], lost: false))
        play.handle(.silence(lane: 0))
        #expect(play.handle(.silence(lane: 0)).contains("dropped 0"))
        #expect(play.member.awaited == nil)
        play.handle(.given([a(0)], isCooperative: false))
        #expect(play.tick().isEmpty, "what the ledger says is its position only when nothing of it is under way")
        // It got in after all.
        play.loaded(0)
        #expect(play.tick() == ["find a[0]"])
        #expect(
            play.found([(a(0), 1)]) == ["fetch a[0]@1 anew a[0]", "orphans", "loading 1", "commit a[0]@1", "publish"])
    }

    @Test("a client that can do no more ends the run where it is asked to fetch, one that cannot now is asked again")
    func fatalObstacle() {
        let stuck = KafkaError(code: .timedOut, operation: "assign", reason: "no answer", isFatal: true)
        guard case .failure = PositionFinder.obstacle(stuck) else {
            Issue.record("it would be asked for ever")
            return
        }
        guard case .passing = PositionFinder.obstacle(KafkaError(code: .timedOut, operation: "assign")) else {
            Issue.record("it passes by itself")
            return
        }
    }

    @Test("while a writer is at other partitions, one that begins anew waits for it, and nobody turns in circles")
    func busyWriter() {
        let play = Play(partitions: 2)
        play.take(0, 0)
        play.pass(.seconds(1))
        #expect(play.tick() == ["submit 0: a[0]@0..1"])
        play.take(1, 0)
        play.handle(.error(.init(code: .autoOffsetReset, reason: "", place: .partition(a(1)))))
        #expect(play.tick().isEmpty)
        #expect(play.member.due(play.now).map { $0 > play.now } ?? true)
        play.loaded(0)
        #expect(play.member.due(play.now).map { $0 <= play.now } ?? false)
        #expect(play.tick() == ["submit 0: a[1]@0..1"])
        play.loaded(0)
        #expect(play.tick() == ["find a[1]"])
    }

    @Test("partitions that are lost take along what was taken of them, and nothing is committed")
    func lost() {
        let play = Play(partitions: 1)
        play.take(0, 0)
        #expect(
            play.handle(.mustGive([a(0)], lost: true))
                == ["lost 1", "clear 0", "dropped 1", "orphans", "publish"])
        #expect(play.member.groupOffsets.due == nil)
    }

    @Test("a batch that is fenced takes the one behind it along; both begin again where the ledger stands")
    func fenced() {
        let play = Play(partitions: 1, rules: .init(batch: BatchPolicy(maxRows: 1)))
        play.take(0, 0)
        _ = play.room(0)
        play.take(0, 1)
        _ = play.room(0)
        #expect(play.outcome(0, .fenced(play.submitted[0], messages: 1)) == ["fenced 1", "clear 0"])
        #expect(play.tick().isEmpty, "the second is not back")
        #expect(play.outcome(0, .abandoned) == ["clear 0"])
        #expect(play.tick() == ["find a[0]"])
        play.found([(a(0), 40)])
        #expect(play.take(0, 2, 40) == [.skip, .take(range: 0)])
    }

    @Test("what comes while its position is looked for is not taken, even where there is room for it")
    func stray() {
        let play = Play(partitions: 1)
        play.take(0, 0)
        play.miss(0)
        #expect(play.take(0, 1, 2) == [.skip, .skip], "the missed one would be left out for good")
        play.pass(.seconds(1))
        #expect(play.tick() == ["submit 0: a[0]@0..1"])
        play.loaded(0)
        #expect(play.tick() == ["find a[0]"])
        play.found([(a(0), 1)])
        #expect(play.take(0, 1) == [.take(range: 0)])
    }

    @Test("an answer about partitions that have gone meanwhile begins nothing")
    func lateAnswer() {
        let play = Play(partitions: 0)
        play.handle(.given([a(0), a(1)], isCooperative: true))
        #expect(play.tick() == ["find a[0] a[1]"])
        #expect(play.tick().isEmpty, "asked once")
        play.handle(.mustGive([a(0)], lost: false))
        #expect(play.found([(a(0), 5), (a(1), 6)]).first == "fetch a[1]@6 anew a[1]")
    }

    @Test("where positions cannot be read it is asked again, said once, and over with outage_timeout")
    func positionsAway() throws {
        let play = Play(partitions: 0, rules: .init(outageTimeout: .seconds(60)))
        play.handle(.given([a(0)], isCooperative: false))
        play.tick()
        let away = Member.Obstacle.passing(.init(error: "away", mend: .said("bring it back"), isDatabaseAway: true))
        #expect(play.handle(.notFound(away)) == ["database away", "search fails"])
        #expect(play.tick().isEmpty)
        play.now = try #require(play.member.due(play.now))
        #expect(play.tick() == ["find a[0]"])
        play.pass(.seconds(61))
        #expect(play.handle(.notFound(away)).isEmpty)
        #expect(play.member.failure?.code == .unavailable)
    }

    // MARK: A group that lets it wait

    @Test("a group that gives nothing for ten seconds is said to let this member wait, once, and that it does no more")
    func waits() {
        let play = Play(partitions: 0, rules: .init(groupPatience: .seconds(10)))
        #expect(play.member.due(play.now) == play.now + .seconds(10))
        play.pass(.seconds(10))
        #expect(play.tick() == ["look at group"])
        #expect(play.tick().isEmpty, "asked once")
        #expect(play.handle(.groupKnows(true)) == ["group waits 10"])
        #expect(play.member.due(play.now) == nil)
        play.pass(.seconds(30))
        #expect(play.tick().isEmpty, "said once")
        #expect(play.handle(.given([a(0)], isCooperative: false)).contains("group gives 40"))
        play.tick()
        play.found([(a(0), 0)])
        play.handle(.mustGive([a(0)], lost: false))
        play.pass(.seconds(10))
        #expect(play.tick() == ["look at group"], "what it had went to others, and it waits anew")
        #expect(play.handle(.groupKnows(true)) == ["group waits 10"])
        #expect(play.handle(.given([], isCooperative: true)).contains("group gives 10"), "more members than partitions")
        play.pass(.seconds(10))
        #expect(play.tick().isEmpty, "it has its answer")
    }

    @Test("a group that gives in time, or does not know this member, is not waited for; nor while brokers are away")
    func doesNotWait() {
        let rules = Member.Rules(groupPatience: .seconds(10))
        let quick = Play(partitions: 0, rules: rules)
        quick.pass(.seconds(9))
        #expect(!quick.handle(.given([a(0)], isCooperative: false)).contains { $0.hasPrefix("group") })
        quick.pass(.seconds(60))
        #expect(!quick.tick().contains("look at group"))
        let unknown = Play(partitions: 0, rules: rules)
        unknown.pass(.seconds(10))
        unknown.tick()
        #expect(unknown.handle(.groupKnows(false)).isEmpty, "its topics are not there yet, say")
        #expect(unknown.member.due(unknown.now) == unknown.now + .seconds(10))
        unknown.handle(.brokers(away: KafkaError(code: .allBrokersDown, operation: "connection")))
        unknown.pass(.seconds(10))
        #expect(unknown.tick().isEmpty && unknown.member.due(unknown.now) == nil, "which has been said")
        unknown.handle(.brokers(away: nil))
        #expect(unknown.tick().isEmpty && unknown.member.due(unknown.now) == unknown.now + .seconds(10))
        unknown.pass(.seconds(10))
        unknown.tick()
        #expect(unknown.handle(.groupKnows(true)) == ["group waits 10"], "from when nothing else was waited for")
        let refused = Play(partitions: 0, rules: rules)
        refused.handle(.error(.init(code: .groupMaxSizeReached, reason: "full", place: .group)))
        refused.pass(.seconds(10))
        #expect(refused.tick().isEmpty, "which has been said as well")
        let ending = Play(partitions: 0, rules: rules)
        ending.handle(.stop)
        ending.pass(.seconds(10))
        #expect(ending.tick().isEmpty && ending.member.due(ending.now) == nil, "it waits for nothing any more")
    }

    // MARK: The end

    @Test("a stop loads what was taken and tells the group; what a rebalance takes afterwards just goes")
    func stopped() {
        let play = Play(partitions: 1)
        play.take(0, 0)
        #expect(play.handle(.stop) == ["submit 0: a[0]@0..1"])
        #expect(play.loaded(0) == ["commit a[0]@1", "commit and wait a[0]@1"])
        #expect(play.handle(.mustGive([a(0)], lost: false)) == ["given back", "orphans", "publish"])
    }

    @Test("a stop during an outage gives up what is under way, in the time that there is")
    func stoppedWhileAway() {
        let play = Play(partitions: 1, rules: .init(shutdownTimeout: .seconds(10)))
        play.take(0, 0)
        play.handle(.stop)
        #expect(play.member.awaited == .init(lane: 0, deadline: play.now + .seconds(8), endsWhenAway: true))
        #expect(play.handle(.silence(lane: 0)) == ["abandon 0"])
        #expect(play.member.awaited == .init(lane: 0, deadline: play.now + .milliseconds(500), endsWhenAway: false))
        #expect(play.outcome(0, .abandoned).last == "commit and wait a[0]@0")
        #expect(play.member.awaited == nil)
    }

    @Test("a failure ends it: nothing is flushed, and nothing more is due")
    func failed() {
        let play = Play(partitions: 1)
        play.take(0, 0)
        play.pass(.seconds(1))
        play.tick()
        play.take(0, 1)
        #expect(play.outcome(0, .failed(.init(.database, "no", mend: .said("yes")))) == ["clear 0"])
        #expect(play.member.failure?.message == "no")
        #expect(play.handle(.stop).isEmpty)
        #expect(play.tick().isEmpty)
    }

    // MARK: The group's offsets

    @Test("a commit that the group refuses is made up for by itself, with where the partition stands by then")
    func refusedCommit() throws {
        let play = Play(partitions: 1)
        play.take(0, 0)
        play.pass(.seconds(1))
        play.tick()
        play.loaded(0)
        let error = KafkaError(code: .rebalanceInProgress, operation: "commit")
        play.handle(.committed([CommittedOffset(partition: a(0), offset: 1, metadata: "")], error))
        play.now = try #require(play.member.groupOffsets.due)
        #expect(play.tick() == ["commit a[0]@1"])
        #expect(play.handle(.committed([], nil)).isEmpty)
    }

    // MARK: Logs that are not what they were

    @Test("the message before the position shows whether the log is still the one that was loaded")
    func anotherLog() {
        let last = LastMessage(offset: 4, timestamp: 0, fingerprint: 1)
        let play = Play(partitions: 0)
        play.handle(.given([a(0)], isCooperative: false))
        play.tick()
        play.found([(a(0), 5)], last: last)
        #expect(play.take(0, 4) == [.compare(last)])
        #expect(play.handle(.compared(a(0), with: last, isSame: false)).isEmpty)
        #expect(play.take(0, 5) == [.skip], "it is another log's")
        play.tick()
        #expect(play.wanted?.strangers[a(0)]?.position == 5)
    }

    @Test("an end that lies before the message to be compared leaves it to be compared; one behind it does not")
    func endBeforeTheLast() {
        let last = LastMessage(offset: 4, timestamp: 0, fingerprint: 1)
        for (end, verdict) in [(Int64(3), Member.Verdict.compare(last)), (4, .compare(last)), (5, .skip)] {
            let play = Play(partitions: 0)
            play.handle(.given([a(0)], isCooperative: false))
            play.tick()
            play.found([(a(0), 5)], last: last)
            play.handle(.end(a(0), offset: end))
            #expect(play.take(0, 4) == [verdict], "\(end)")
        }
        let bounded = Play(partitions: 0, rules: .init(isBounded: true))
        bounded.handle(.given([a(0)], isCooperative: false))
        bounded.tick()
        bounded.found([(a(0), 5)], ends: [5], last: last)
        bounded.handle(.end(a(0), offset: 4))
        #expect(bounded.member.isDone, "who is to take nothing waits for nothing")
    }

    @Test("what somebody waits for is read again at once")
    func urgent() {
        let last = LastMessage(offset: 4, timestamp: 0, fingerprint: 1)
        let play = Play(partitions: 0, rules: .init(topicWatchInterval: .seconds(30)))
        play.handle(.given([a(0)], isCooperative: false))
        play.tick()
        play.found([(a(0), 5)], last: last)
        play.take(0, 4)
        play.handle(.compared(a(0), with: last, isSame: false))
        #expect(play.member.due(play.now) == play.now)
        #expect(play.tick() == ["read again a[0]"])
        #expect(play.member.due(play.now) == nil, "until there is an answer nothing is due")
        play.handle(.readAgain([a(0): .other]))
        #expect(play.member.due(play.now) == play.now)
        #expect(play.tick() == ["find a[0]"])
    }

    @Test(
        "a log that turns out to be another while it is loaded is taken no further, and where it goes on is asked for")
    func replacedLog() throws {
        let play = Play(partitions: 2, rules: .init(topicWatchInterval: .seconds(30)))
        for partition in [Int32(0), 1] { play.take(partition, 0, 1) }
        play.pass(.seconds(1))
        play.tick()
        play.loaded(0, lasts: [1, 1])
        play.pass(.seconds(30))
        #expect(play.tick() == ["read again a[0] a[1]"])
        #expect(play.tick().isEmpty, "one question at a time")
        play.take(0, 2)
        #expect(play.handle(.readAgain([a(0): .other, a(1): .same])).isEmpty)
        #expect(play.take(0, 3) == [.skip])
        #expect(play.take(1, 2) == [.take(range: 1)], "the other is what it was")
        play.pass(.seconds(1))
        play.tick()
        play.loaded(0)
        #expect(play.tick() == ["find a[0]"])
        #expect(play.wanted?.strangers[a(0)]?.position == 3)
    }

    @Test("what is loaded again ends where it was to, and goes on behind what is in")
    func detour() {
        let play = Play(partitions: 0)
        play.handle(.given([a(0)], isCooperative: false))
        play.tick()
        play.found([(a(0), 2)], detour: Detour(until: 4, resume: 90))
        #expect(play.take(0, 2, 3, 4, 5) == [.take(range: 0), .take(range: 0), .skip, .skip])
        #expect(play.member.due(play.now) == play.now, "at once, however long its batch may still fill")
        #expect(play.tick() == ["submit 0: a[0]@2..4"])
        play.loaded(0)
        play.tick()
        #expect(play.wanted?.reached == [a(0): 4])
        play.found([(a(0), 90)])
        #expect(play.take(0, 90) == [.take(range: 0)])
    }

    // MARK: A ledger that is not what it was

    @Test("partitions of which nothing comes begin again where the ledger has them, if that is elsewhere")
    func movedLedger() {
        let play = Play(partitions: 3, rules: .init(ledgerWatchInterval: .seconds(60)), ends: [0, 0, 0])
        play.pass(.seconds(60))
        #expect(play.tick().isEmpty, "they may all have moved since they began")
        play.take(2, 0)
        play.pass(.seconds(1))
        play.tick()
        play.loaded(0)
        play.pass(.seconds(60))
        #expect(play.member.due(play.now).map { $0 <= play.now } ?? false)
        #expect(play.tick() == ["look at ledger a[0]@0 a[1]@0"], "the third has met the fence")
        play.pass(.seconds(120))
        #expect(play.tick().isEmpty, "one question at a time")
        #expect(play.handle(.ledgerStands([a(0): 0])) == ["elsewhere a[1]"])
        #expect(play.tick() == ["find a[1]"])
        play.found([(a(1), 0)], ends: [0])
        play.pass(.seconds(60))
        play.tick()
        #expect(play.handle(.ledgerStands(nil)).isEmpty, "who is not answered knows nothing")
    }

    @Test("what the ledger is found to have while a batch is under way begins nothing: the batch meets the fence")
    func movedUnderWay() {
        let play = Play(partitions: 2, rules: .init(ledgerWatchInterval: .seconds(60)), ends: [0, 0])
        play.pass(.seconds(60))
        play.tick()
        play.pass(.seconds(60))
        #expect(play.tick() == ["look at ledger a[0]@0 a[1]@0"])
        play.take(0, 0)
        #expect(play.handle(.ledgerStands([a(0): 7, a(1): 0])).isEmpty)
        play.pass(.seconds(1))
        #expect(play.tick() == ["submit 0: a[0]@0..1"])
    }

    // MARK: Standstills and stalls

    @Test("a partition that cannot be read stands still, is fetched again, and is said to be back when it goes on")
    func unreadable() throws {
        let play = Play(partitions: 1)
        let error = Member.ClientError(code: .badMessage, reason: "checksum", place: .partition(a(0)))
        #expect(play.handle(.error(error)) == ["standstill a[0]@0", "publish"])
        #expect(play.take(0, 1) == [.skip], "librdkafka goes on behind what it could not read")
        play.now = try #require(play.member.standstills.due)
        #expect(play.tick() == ["fetch a[0]@0 anew a[0]"])
        #expect(play.take(0, 0) == [.take(range: 0)])
        #expect(play.told.contains("loaded again a[0]"))
    }

    @Test("a client that no longer fetches is replaced when what was taken is in")
    func stalled() {
        let play = Play(partitions: 1)
        play.take(0, 0)
        let suspect = StallWatch.Suspect(partition: a(0), next: 1, end: 9)
        #expect(play.handle(.stalled(asked: [suspect], [suspect])) == ["stalled a[0]", "submit 0: a[0]@0..1"])
        #expect(play.loaded(0) == ["commit a[0]@1", "commit and wait a[0]@1", "replace"])
        play.handle(.replaced(nil, hasBegun: true))
        #expect(play.member.partitions.isEmpty)
        let moved = StallWatch.Suspect(partition: a(0), next: 1, end: 9)
        #expect(play.handle(.stalled(asked: [moved], [moved])).isEmpty, "it is not where it was")
    }

    @Test("where a secret has changed, another client takes over at the batch's end, with nothing taken and not loaded")
    func secrets() {
        let play = Play(partitions: 1)
        play.take(0, 0)
        #expect(play.handle(.secretsChanged) == ["submit 0: a[0]@0..1"])
        #expect(play.handle(.secretsChanged).isEmpty, "one is under way")
        #expect(play.loaded(0) == ["commit a[0]@1", "commit and wait a[0]@1", "replace"])
        play.handle(.replaced(nil, hasBegun: true))
        #expect(play.member.partitions.isEmpty && play.member.failure == nil)
        #expect(play.tick().contains("replace"), "what has changed meanwhile is taken up, too")
        play.handle(.brokers(away: KafkaError(code: .transport, operation: "connection")))
        let since = play.member.brokersAwaySince
        play.now += .seconds(5)
        play.handle(.brokers(away: KafkaError(code: .authentication, operation: "connection")))
        #expect(play.member.brokersAwaySince == since, "why is known later than since when")
        play.handle(.replaced(nil, hasBegun: true))
        #expect(play.member.brokersAwaySince != nil)
        play.handle(.given([a(0)], isCooperative: false))
        #expect(play.member.brokersAwaySince == nil, "the client before was shut out, and this one is let in")
    }

    @Test(
        "a client that will not find its group any more is replaced at the batch's end, and once for all reasons that it has"
    )
    func groupLost() {
        let play = Play(partitions: 1)
        play.take(0, 0)
        #expect(play.handle(.groupLost) == ["submit 0: a[0]@0..1"])
        #expect(play.loaded(0) == ["commit a[0]@1", "commit and wait a[0]@1", "replace"])
        play.handle(.replaced(nil, hasBegun: true))
        #expect(play.member.partitions.isEmpty && play.member.failure == nil)
        #expect(!play.tick().contains("replace"))
        play.handle(.stop)
        #expect(!play.handle(.groupLost).contains("replace"), "it ends")
    }

    @Test("a client that cannot begin with what a secret's file says leaves the one that was at work")
    func unfitSecrets() {
        let play = Play(partitions: 1)
        #expect(play.handle(.secretsChanged).contains("replace"))
        play.handle(.replaced(nil, hasBegun: false))
        #expect(play.member.partitions.count == 1)
        #expect(play.take(0, 0) == [.take(range: 0)])
    }
}

private func a(_ partition: Int32) -> TopicPartition { TopicPartition(topic: "a", partition: partition) }

/// Plays a member: tells it what happens, answers what it asks, and writes down what it does.
private final class Play {
    var member: Member
    var now = ContinuousClock.now
    /// The ranges of the batches that were handed over and have not come back.
    private(set) var submitted: [[Batch.PartitionRange]] = []
    private(set) var wanted: Member.Wanted?
    /// Everything that it did.
    private(set) var told: [String] = []

    /// A member that has so many partitions of a topic, from offset 0 on.
    init(partitions: Int32, rules: Member.Rules = .init(), ends: [Int64] = []) {
        member = Member(rules, at: now)
        guard partitions > 0 else { return }
        let given = (0..<partitions).map(a)
        handle(.given(given, isCooperative: false))
        tick()
        found(given.map { ($0, 0) }, ends: ends)
        handle(.committed([], nil))
    }

    @discardableResult
    func handle(_ event: Member.Event) -> [String] { perform(member.handle(event, at: now)) }

    @discardableResult
    func tick() -> [String] { handle(.tick) }

    func pass(_ time: Duration) { now += time }

    /// Messages of a partition, by their offsets.
    @discardableResult
    func take(_ partition: Int32, _ offsets: Int64...) -> [Member.Verdict] {
        offsets.map { offset in
            guard let index = member.partitions.place(of: a(partition)) else { return .skip }
            defer { _ = perform(member.takeActions()) }
            return member.take(index, offset: offset) { now }
        }
    }

    func miss(_ partition: Int32) {
        guard let index = member.partitions.place(of: a(partition)) else { return }
        member.miss(index, at: now)
        _ = perform(member.takeActions())
    }

    func room(_ lane: Int) -> (hasRoom: Bool, actions: [String]) {
        let hasRoom = member.makeRoom(lane)
        return (hasRoom, perform(member.takeActions()))
    }

    @discardableResult
    func outcome(_ lane: Int, _ outcome: Member.Outcome) -> [String] {
        if !submitted.isEmpty { submitted.removeFirst() }
        return handle(.outcome(lane: lane, outcome))
    }

    /// The oldest batch is in.
    @discardableResult
    func loaded(
        _ lane: Int, rowBytesPerByte: Double = 1, rowsPerMessage: Double = 1, lasts: [Int64] = []
    ) -> [String] {
        var ranges = submitted.first ?? []
        for (index, offset) in lasts.enumerated() {
            ranges[index].last = LastMessage(offset: offset, timestamp: 0, fingerprint: offset)
        }
        return outcome(lane, .loaded(ranges, rowBytesPerByte: rowBytesPerByte, rowsPerMessage: rowsPerMessage))
    }

    @discardableResult
    func found(
        _ places: [(TopicPartition, Int64)], ends: [Int64] = [], last: LastMessage? = nil, detour: Detour? = nil
    ) -> [String] {
        handle(
            .found(
                Member.Places(
                    places: places.enumerated().map { index, place in
                        Member.Places.Place(
                            partition: place.0, start: place.1, end: index < ends.count ? ends[index] : 100, last: last,
                            detour: detour)
                    })))
    }

    /// Does what it says, as far as the test does not: fetching works at once.
    private func perform(_ actions: [Member.Action]) -> [String] {
        var lines: [String] = []
        for action in actions {
            switch action {
            case .submit(_, let ranges): submitted.append(ranges)
            case .findPositions(let asked): wanted = asked
            default: break
            }
            lines.append(Self.line(action))
            told.append(Self.line(action))
            if case .fetch(let fetch) = action { lines += handle(.fetching(fetch.purpose)) }
        }
        return lines
    }

    private static func line(_ action: Member.Action) -> String {
        func list(_ offsets: [CommittedOffset]) -> String {
            offsets.map { "\($0.partition)@\($0.offset)" }.joined(separator: " ")
        }
        switch action {
        case .findPositions(let wanted): return "find " + wanted.partitions.map { "\($0)" }.joined(separator: " ")
        case .fetch(let fetch):
            return "fetch " + fetch.positions.map { "\($0.partition)@\($0.offset)" }.joined(separator: " ")
                + " anew " + fetch.restarting.sorted().map { "\($0)" }.joined(separator: " ")
        case .submit(let lane, let ranges):
            return "submit \(lane): "
                + ranges.map { "\($0.partition)@\($0.expected)..\($0.next)" }.joined(separator: " ")
        case .clear(let lane): return "clear \(lane)"
        case .abandon(let lane): return "abandon \(lane)"
        case .commit(let offsets): return "commit " + list(offsets)
        case .commitAndWait(let offsets, _): return "commit and wait " + list(offsets)
        case .lookFor: return "look"
        case .lookForOrphans: return "orphans"
        case .prove: return "prove"
        case .readAgain(let messages):
            return "read again " + messages.keys.sorted().map { "\($0)" }.joined(separator: " ")
        case .lookAtLedger(let positions):
            return "look at ledger "
                + positions.sorted { $0.key < $1.key }.map { "\($0.key)@\($0.value)" }
                .joined(separator: " ")
        case .lookAtGroup: return "look at group"
        case .replaceClient: return "replace"
        case .publish: return "publish"
        case .tell(let notice): return line(notice)
        }
    }

    private static func line(_ notice: Member.Notice) -> String {
        switch notice {
        case .asked(let count): "asked \(count)"
        case .givenBack: "given back"
        case .lost(let count): "lost \(count)"
        case .loading(let partitions, _): "loading \(partitions)"
        case .fenced(_, let messages): "fenced \(messages)"
        case .dropped(let messages): "dropped \(messages)"
        case .ledgerElsewhere(let partitions): "elsewhere " + partitions.map { "\($0)" }.joined(separator: " ")
        case .standstill(let standstill, _, _, _): "standstill \(standstill.place)"
        case .loadedAgain(let partition): "loaded again \(partition)"
        case .stalled(_, let first): "stalled \(first.partition)"
        case .groupWaits(let waited): "group waits \(waited.components.seconds)"
        case .groupGives(let waited): "group gives \(waited.components.seconds)"
        case .databaseAway: "database away"
        case .searchFails: "search fails"
        default: "\(notice)"
        }
    }
}
