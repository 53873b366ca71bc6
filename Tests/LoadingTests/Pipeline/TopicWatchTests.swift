import Kafka
import Testing

@testable import Loading

@Suite("Topics that are created anew under a running loader")
struct TopicWatchTests {
    private let start = ContinuousClock.now

    private func place(_ partition: Int32, _ topic: String = "t") -> TopicPartition {
        TopicPartition(topic: topic, partition: partition)
    }

    private func message(_ offset: Int64) -> LastMessage {
        LastMessage(offset: offset, timestamp: 0, fingerprint: offset)
    }

    private func after(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func watch() -> TopicWatch { TopicWatch(interval: .seconds(30), at: start) }

    private func settle(_ watch: inout TopicWatch, _ findings: [TopicPartition: TopicWatch.Finding], at seconds: Int) {
        let (found, more) = watch.settle(findings, at: after(seconds))
        #expect(found.isEmpty && more == nil && watch.others.isEmpty)
    }

    /// Answers as a log does whose messages before an offset are not those that were loaded.
    private func answers(
        _ question: [TopicPartition: LastMessage], sameFrom: Int64
    ) -> [TopicPartition: TopicWatch.Finding] {
        question.mapValues { $0.offset >= sameFrom ? .same : .other }
    }

    @Test("what was loaded is read again twice a minute, and behind a proof what had been loaded when it was asked for")
    func same() throws {
        var watch = watch()
        watch.loaded(place(0), message(4))
        #expect(watch.question(at: after(29)) == nil)
        #expect(watch.question(at: after(30)) == [place(0): message(4)])
        #expect(watch.question(at: after(90)) == nil, "one look at a time")
        #expect(watch.due == nil)
        settle(&watch, [place(0): .same], at: 31)
        watch.loaded(place(0), message(9))
        #expect(watch.question(at: after(61)) == [place(0): message(4)])
        // Nothing is known of what comes in behind the question.
        watch.loaded(place(0), message(20))
        settle(&watch, [place(0): .same], at: 62)
        #expect(watch.proven(place(0)) == message(9))
        #expect(watch.question(at: after(92)) == [place(0): message(9)])
    }

    @Test("without an answer the same message is asked for again; where it is gone, the next")
    func noAnswer() {
        var watch = watch()
        watch.loaded(place(0), message(4))
        watch.loaded(place(0), message(9))
        _ = watch.question(at: after(30))
        settle(&watch, [:], at: 50)
        #expect(watch.proven(place(0)) == message(4))
        #expect(watch.question(at: after(80)) == [place(0): message(4)])
        settle(&watch, [place(0): .gone], at: 81)
        #expect(watch.proven(place(0)) == message(9))
    }

    @Test("what is gone proves nothing of what came behind it: another log that began in between is found all the same")
    func goneInAnotherLog() {
        var watch = watch()
        // Of the log that was, and the last of the one that took its place.
        for offset: Int64 in [4, 9, 20] { watch.loaded(place(0), message(offset)) }
        #expect(watch.question(at: after(30)) == [place(0): message(4)])
        settle(&watch, [place(0): .gone], at: 31)
        #expect(watch.proven(place(0)) == message(9))
        #expect(watch.question(at: after(61)) == [place(0): message(9)])
        #expect(watch.settle([place(0): .other], at: after(62)).found == [place(0)])
        #expect(watch.others == [place(0): message(9)] && watch.isNarrowing)
    }

    @Test(
        "what came in after a message was asked for does not take its place: a log that was too short may have had it since"
    )
    func goneInAShorterLog() {
        var watch = watch()
        watch.loaded(place(0), message(4))
        _ = watch.question(at: after(30))
        watch.loaded(place(0), message(9))
        settle(&watch, [place(0): .gone], at: 31)
        #expect(watch.proven(place(0)) == message(4))
        #expect(watch.question(at: after(61)) == [place(0): message(4)])
        #expect(watch.settle([place(0): .other], at: after(62)).found == [place(0)])
        #expect(watch.isNarrowing, "the later one is still to be read")
    }

    @Test("where nothing came behind it, what is gone is asked for until something does")
    func goneAlone() {
        var watch = watch()
        watch.loaded(place(0), message(4))
        _ = watch.question(at: after(30))
        settle(&watch, [place(0): .gone], at: 31)
        #expect(watch.proven(place(0)) == message(4))
        watch.loaded(place(0), message(9))
        _ = watch.question(at: after(61))
        settle(&watch, [place(0): .gone], at: 62)
        #expect(watch.proven(place(0)) == message(9))
    }

    @Test("a partition that stands still is looked at as well, for its topic's sake")
    func still() {
        var watch = watch()
        watch.loaded(place(0), message(4))
        for look in 1...10 {
            #expect(watch.question(at: after(40 * look)) == [place(0): message(4)])
            settle(&watch, [place(0): .same], at: 40 * look)
        }
    }

    @Test("once one is another, all of its topic are looked at before anything is said, and none of other topics")
    func wholeTopic() {
        var watch = watch()
        for partition: Int32 in 0..<300 { watch.loaded(place(partition), message(4)) }
        watch.loaded(place(0, "u"), message(4))
        guard let first = watch.question(at: after(30)) else { return #expect(Bool(false)) }
        #expect(first.count == TopicWatch.most)
        var findings = first.mapValues { _ in TopicWatch.Finding.same }
        findings[place(0)] = .other
        let one = watch.settle(findings, at: after(31))
        #expect(one.found == [place(0)])
        guard let more = one.more else { return #expect(Bool(false)) }
        #expect(Set(first.keys).union(more.keys).count == 301)
        #expect(more.count == 201)
        #expect(watch.isNarrowing, "nothing is decided yet")
        findings = more.mapValues { _ in .gone }
        findings[place(299)] = .other
        let two = watch.settle(findings, at: after(32))
        #expect(two.found == [place(299)] && two.more == nil)
        #expect(watch.others == [place(0): message(4), place(299): message(4)])
        #expect(!watch.isNarrowing)
    }

    @Test("it is narrowed down behind which message the log is another", arguments: 0...12)
    func narrowed(switched: Int64) throws {
        var watch = watch()
        // One batch ends at each offset; the log has become another behind `switched` of them.
        for offset: Int64 in 0...12 { watch.loaded(place(0), message(offset)) }
        var question = watch.question(at: after(30))
        #expect(question == [place(0): message(0)])
        for _ in 0..<10 {
            guard let asked = question else { break }
            question = watch.settle(answers(asked, sameFrom: switched + 1), at: after(31)).more
        }
        #expect(question == nil && !watch.isNarrowing)
        #expect(watch.others == [place(0): message(switched)])
        // What was under way when it was found is looked at, too, before it is decided where to go on.
        watch.loaded(place(0), message(20))
        #expect(watch.isNarrowing)
        #expect(watch.narrowing(at: after(32)) == [place(0): message(20)])
        #expect(watch.narrowing(at: after(32)) == nil, "once")
        #expect(watch.mixed(place(0)) == switched + 1)
        _ = watch.settle([place(0): .other], at: after(33))
        #expect(watch.others == [place(0): message(20)] && !watch.isNarrowing)
        #expect(watch.mixed(place(0)) == nil, "nothing was loaded behind it")
    }

    @Test(
        "what could not be read, or is gone, leaves wide what it was to narrow down",
        arguments: [nil, TopicWatch.Finding.gone])
    func notNarrowed(finding: TopicWatch.Finding?) {
        var watch = watch()
        for offset: Int64 in 0...9 { watch.loaded(place(0), message(offset)) }
        _ = watch.question(at: after(30))
        var more = watch.settle([place(0): .other], at: after(30)).more
        for _ in 0..<20 where more != nil {
            more = watch.settle(finding.map { [place(0): $0] } ?? [:], at: after(31)).more
        }
        #expect(more == nil && watch.others == [place(0): message(0)])
    }

    @Test("only so many messages are kept to narrow it down, the newest among them")
    func kept() {
        var watch = watch()
        for offset: Int64 in 0...10_000 { watch.loaded(place(0), message(offset)) }
        var question = watch.question(at: after(30))
        var read = 0
        while let asked = question, read < 100 {
            question = watch.settle(answers(asked, sameFrom: 10_000), at: after(31)).more
            read += 1
        }
        #expect(read <= 6)
        #expect(watch.others.values.allSatisfy { $0.offset > 0 && $0.offset < 10_000 })
    }

    @Test("where a topic is suspected, all of it is looked at before anybody decides, whatever its turn")
    func suspected() {
        var watch = watch()
        for partition: Int32 in 0..<200 { watch.loaded(place(partition), message(4)) }
        watch.loaded(place(0, "u"), message(4))
        #expect(watch.narrowing(at: after(1)) == nil)
        watch.suspect("t")
        #expect(watch.isNarrowing)
        #expect(watch.narrowing(at: after(1))?.count == 200)
        #expect(watch.isNarrowing)
        // Another one while that goes on.
        watch.suspect("u")
        #expect(watch.settle([:], at: after(2)).more == [place(0, "u"): message(4)])
        #expect(watch.settle([:], at: after(3)).more == nil)
        #expect(!watch.isNarrowing && watch.others.isEmpty)
        watch.suspect("nothing of it was loaded")
        #expect(watch.narrowing(at: after(4)) == nil)
        #expect(!watch.isNarrowing)
    }

    @Test("a partition that begins anew, or is another member's, is no longer compared with what it was before")
    func begunAnew() {
        for isGone in [false, true] {
            var watch = watch()
            watch.loaded(place(0), message(4))
            _ = watch.question(at: after(30))
            if isGone { watch.forget([place(0)]) } else { watch.begin(place(0), proven: nil, last: nil) }
            settle(&watch, [place(0): .other], at: 31)
            #expect(watch.proven(place(0)) == nil)
        }
    }

    @Test("what the one before had loaded and not proven is looked at at once")
    func inherited() {
        var watch = watch()
        watch.begin(place(0), proven: message(4), last: message(4), at: after(1))
        #expect(watch.question(at: after(1)) == nil)
        watch.begin(place(1), proven: message(4), last: message(9), at: after(2))
        #expect(watch.question(at: after(2))?[place(1)] == message(4))
    }

    @Test("each topic is looked at in each look, and each partition that moves in its turn, whatever their number")
    func turns() {
        var watch = watch()
        for partition: Int32 in 0..<1000 { watch.loaded(place(partition), message(0)) }
        for topic in 0..<20 { watch.loaded(place(0, "u\(topic)"), message(0)) }
        var seen: Set<TopicPartition> = []
        for look in 1...14 {
            for partition: Int32 in 0..<1000 { watch.loaded(place(partition), message(Int64(look))) }
            guard let question = watch.question(at: after(40 * look)) else { return #expect(Bool(false)) }
            #expect(question.count == TopicWatch.most)
            #expect(Set(question.keys.map(\.topic)).count == 21)
            seen.formUnion(question.keys)
            settle(&watch, question.mapValues { _ in .same }, at: 40 * look)
        }
        #expect(seen.count == 1020)
    }

    @Test("of more topics than a look can take, each has its turn")
    func manyTopics() {
        var watch = watch()
        for topic in 0..<250 {
            for partition: Int32 in 0..<2 { watch.loaded(place(partition, "u\(topic)"), message(0)) }
        }
        var seen: Set<String> = []
        for look in 1...3 {
            guard let question = watch.question(at: after(40 * look)) else { return #expect(Bool(false)) }
            #expect(question.count == TopicWatch.most)
            seen.formUnion(question.keys.map(\.topic))
            _ = watch.settle(question.mapValues { _ in .same }, at: after(40 * look))
        }
        #expect(seen.count == 250)
    }
}
