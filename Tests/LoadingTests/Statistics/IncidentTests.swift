import Foundation
import Logging
import Synchronization
import Testing

@testable import Loading

@Suite("Incidents") struct IncidentTests {
    private let statistics = LoadingStatistics()

    private func away(_ outage: LoadingStatistics.Outage = .database, code: String = "57P01") -> Incident {
        Incident(.warning, "\(outage) is away", code: code, mend: .said("bring it back"), until: .outage(outage))
    }

    @Test("what an outage brought about goes on until the last of those who noticed it sees its end, and is over then")
    func outage() throws {
        statistics.outage(.database, for: "writer 0", isOver: false)
        statistics.outage(.database, for: "writer 1", isOver: false)
        statistics.note(away())
        statistics.outage(.database, for: "writer 0", isOver: true)
        #expect(statistics.snapshot.incidents.first?.goesOn == true)
        #expect(statistics.snapshot.incidents.first?.over == nil)
        statistics.outage(.database, for: "writer 1", isOver: true)
        let incident = try #require(statistics.snapshot.incidents.first)
        #expect(!incident.goesOn)
        #expect(try #require(incident.over) >= incident.since)
    }

    @Test("the end of one outage is not that of another")
    func other() {
        for outage in [LoadingStatistics.Outage.database, .brokers] {
            statistics.outage(outage, isOver: false)
            statistics.note(away(outage))
        }
        statistics.outage(.brokers, isOver: true)
        #expect(statistics.snapshot.incidents.map(\.goesOn) == [true, false])
    }

    @Test("what comes again goes on again, since it came again")
    func again() throws {
        statistics.outage(.database, isOver: false)
        statistics.note(away())
        statistics.outage(.database, isOver: true)
        statistics.outage(.database, isOver: false)
        var second = away()
        second.time += 60
        second.since += 60
        statistics.note(second)
        let incidents = statistics.snapshot.incidents
        #expect(incidents.count == 1)
        #expect(incidents.first?.goesOn == true)
        #expect(incidents.first?.over == nil)
        #expect(incidents.first?.since == second.since)
        #expect(incidents.first?.count == 2)
        // Said once more while it goes on: it began when it was said first.
        var third = away()
        third.since += 120
        statistics.note(third)
        #expect(statistics.snapshot.incidents.first?.since == second.since)
    }

    @Test("an incident of an outage that nobody has told of does not go on for ever")
    func untold() {
        statistics.note(away())
        #expect(statistics.snapshot.incidents.first?.goesOn == false)
    }

    @Test("what stands still at several places is over when none is left, wherever their offsets have got to")
    func standstills() {
        func standstill(_ partition: Int, at offset: Int) -> Standstill {
            Standstill(.unreadable, code: "_BAD_MSG", at: "orders[\(partition)]@\(offset)")
        }
        for partition in 0..<2 {
            statistics.note(
                Incident(
                    .error, "a partition stands still", code: "_BAD_MSG", mend: .said("look"),
                    until: .standstill(standstill(partition, at: 7).subject)))
        }
        statistics.update { $0.standstills = [standstill(0, at: 7), standstill(1, at: 7)] }
        statistics.update { $0.standstills = [standstill(1, at: 9)] }
        #expect(statistics.snapshot.incidents.map(\.goesOn) == [true])
        statistics.update { $0.standstills = [] }
        #expect(statistics.snapshot.incidents.map(\.goesOn) == [false])
        #expect(statistics.snapshot.incidents.first?.over != nil)
    }

    @Test("what has a name ends by its name")
    func named() {
        statistics.note(Incident(.warning, "busy", mend: .said("wait"), until: .named("writer 0 waits")))
        statistics.note(Incident(.warning, "busy", mend: .said("wait"), until: .named("writer 1 waits")))
        statistics.end(.named("writer 0 waits"))
        #expect(statistics.snapshot.incidents.map(\.goesOn) == [true])
        statistics.end(.named("writer 1 waits"))
        #expect(statistics.snapshot.incidents.map(\.goesOn) == [false])
    }

    @Test("what only happened neither goes on nor is over")
    func moment() {
        statistics.note(Incident(.warning, "dead letters", mend: .said("look")))
        #expect(statistics.snapshot.incidents.first?.goesOn == false)
        #expect(statistics.snapshot.incidents.first?.over == nil)
    }

    @Test("what goes on is kept, however much happens besides")
    func kept() {
        statistics.outage(.database, isOver: false)
        statistics.note(away())
        for index in 0..<100 { statistics.note(Incident(.warning, "\(index)", mend: .said(""))) }
        #expect(statistics.snapshot.incidents.count == 20)
        #expect(statistics.snapshot.incidents.count { $0.goesOn } == 1)
    }

    @Test("the log gets the mend as a value, for whoever writes it to say")
    func log() {
        let recorder = MetadataRecorder()
        let logger = Logger(label: "test") { _ in recorder }
        let mend = Mend.position(.takeOver(topic: "orders", isKnown: true))
        statistics.report(
            Incident(.error, "another ledger's", code: "other_ledger", at: "orders[3]@42", mend: mend), to: logger)
        let metadata = recorder.all.withLock { $0 }
        guard case .stringConvertible(let value)? = metadata["mend"] else {
            Issue.record("\(metadata)")
            return
        }
        #expect((value as? Mend.ForLog)?.mend == mend)
        #expect(metadata["code"] == "other_ledger" && metadata["at"] == "orders[3]@42")
    }
}

/// Keeps what was logged last.
private final class MetadataRecorder: LogHandler, Sendable {
    let all = Mutex<Logger.Metadata>([:])

    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) { all.withLock { $0 = event.metadata ?? [:] } }
}
