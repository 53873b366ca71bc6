import Foundation
import Kafka
import Loading
import Postgres
import Testing

@testable import Loader

@Suite("Status document") struct StatusDocumentTests {
    private let start = ContinuousClock.now
    private let time = Date(timeIntervalSince1970: 1_770_000_000)

    private static let orders = Route(
        topics: [.name("orders")], table: TableName(schema: "public", name: "orders"), mode: .upsert)

    private var running: LoadingStatistics.Snapshot {
        let statistics = LoadingStatistics()
        statistics.begin([
            Self.orders,
            Route(topics: [.expression("^ev-.*")], table: TableName(schema: nil, name: "events"), label: "routes[1]"),
        ])
        var snapshot = statistics.snapshot
        (snapshot.isAssigned, snapshot.phase) = (true, .running)
        snapshot.partitions[TopicPartition(topic: "orders", partition: 0)] = .init(position: 90, end: 90)
        return snapshot
    }

    private func state(_ snapshot: LoadingStatistics.Snapshot, after seconds: Int = 0) -> StatusDocument.State {
        StatusDocument.State(ServiceStatus(snapshot, at: start + .seconds(seconds), time: time))
    }

    private func json(_ snapshot: LoadingStatistics.Snapshot, _ facts: ServiceFacts = .init()) throws -> [String: Any] {
        let data = try StatusDocument(ServiceStatus(snapshot, facts: facts, at: start, time: time)).encoded()
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func add(_ letters: Int, of messages: Int, to snapshot: inout LoadingStatistics.Snapshot) {
        snapshot.count(BatchRecord(time: time, messages: messages, rows: messages), offsets: 0)
        snapshot.count(
            LetterFigure(count: letters, last: time, place: "orders[0]@17", explanation: "expected an integer"),
            of: LetterKind(table: "public.orders", column: "total", reason: "wrong_type"))
    }

    @Test("each state has its level, its title, and what to do where something is to be done")
    func levels() {
        func expect(
            _ level: String, _ title: String, hasMend: Bool, after seconds: Int = 0,
            _ change: (inout LoadingStatistics.Snapshot) -> Void
        ) {
            var snapshot = running
            change(&snapshot)
            let state = state(snapshot, after: seconds)
            #expect(state.level == level)
            #expect(state.title == title)
            #expect((state.mend != nil) == hasMend, "\(title)")
            #expect(state.detail.hasSuffix("."))
        }
        expect("good", "Well", hasMend: false) { _ in }
        expect("none", "Starting", hasMend: false) { ($0.isAssigned, $0.phase) = (false, .starting) }
        expect("none", "Standing by", hasMend: true) { $0.partitions = [:] }
        expect("warn", "Waiting for the database and the brokers", hasMend: true) {
            $0.outagesSince = [.database: time - 10, .brokers: time - 5]
        }
        expect("bad", "Not all is loaded", hasMend: true) {
            $0.standstills = [Standstill(.missing, code: "UNKNOWN_TOPIC_OR_PART", at: "orders")]
        }
        expect("bad", "Standing still", hasMend: true, after: 90) { [start] in
            $0.partitions[TopicPartition(topic: "orders", partition: 0)]?.end = 100
            $0.look(maxDelay: .seconds(1), at: start)
        }
        expect("busy", "Catching up", hasMend: false) { [start] in
            $0.partitions[TopicPartition(topic: "orders", partition: 0)]?.end = 100
            $0.look(maxDelay: .seconds(1), at: start)
        }
        expect("warn", "Not all is well", hasMend: false) {
            $0.note(Incident(.warning, "the database is full", mend: "make room", until: .named("writer 0")))
        }
        expect("bad", "Not all is well", hasMend: false) {
            $0.note(Incident(.warning, "the database is full", mend: "make room", until: .named("writer 0")))
            $0.note(Incident(.error, "nobody writes", mend: "look", until: .named("writer 1")))
        }
        expect("good", "Well", hasMend: false) { $0.note(Incident(.error, "it was fenced", mend: "look")) }
        expect("warn", "Waiting for a lock", hasMend: true) {
            $0.lockWaits = ["writer 0": LockedPlace(place: "t", holder: "pid 7", mend: .said("wait"), since: time)]
        }
        expect("warn", "Stopping", hasMend: false) { $0.phase = .stopping("it was asked to stop") }
        expect("bad", "Stuck", hasMend: true, after: 301) { $0.lastTurn = start }
    }

    @Test("one bad message in a hundred is not plain green; one in a million is told, and green")
    func deadLetters() {
        var bad = running
        add(10, of: 1000, to: &bad)
        #expect(state(bad).level == "warn")
        #expect(state(bad).title == "Well, but for dead letters")
        #expect(state(bad).detail.contains("1 % are bad: 10 dead letters."))
        #expect(state(bad).mend == "See them: `loader dead-letters list --since 10m`")
        var bearable = running
        add(1, of: 1_000_000, to: &bearable)
        #expect(state(bearable).level == "good")
        #expect(state(bearable).detail.contains("1 dead letter in the last ten minutes."))
    }

    @Test("dead letters that nobody adds to are no warning for ever")
    func oldDeadLetters() {
        var snapshot = running
        add(10, of: 1000, to: &snapshot)
        for second in 0..<700 {
            snapshot.look(maxDelay: .seconds(1), at: start, time: time - 700 + Double(second))
        }
        #expect(state(snapshot) == .init(level: "good", title: "Well", detail: "All is loaded, and nothing new comes."))
    }

    @Test("routes have their table, lag and last row; a regular expression counts what it takes")
    func routes() throws {
        var snapshot = running
        snapshot.partitions[TopicPartition(topic: "ev-a", partition: 0)] = .init(position: 0, end: 5)
        snapshot.partitions[TopicPartition(topic: "ev-b", partition: 3)] = .init(position: 0, end: 7)
        snapshot.note(RouteNote("new_fields", "two fields are new", mend: .said("add them"), time: time), ofRoute: 1)
        snapshot.routes[0].operations = [.row: 5, .deletion: 2]
        let routes = try #require(try json(snapshot)["routes"] as? [[String: Any]])
        #expect(routes.map { $0["table"] as? String } == ["public.orders", "events"])
        #expect(routes.map { $0["lag"] as? Int } == [0, 12])
        #expect(routes.map { $0["partitions"] as? Int } == [1, 2])
        #expect(routes.map { $0["mode"] as? String } == ["upsert", "insert"])
        #expect(routes.map { $0["operations"] as? [String: Int] } == [["row": 5, "deletion": 2], [:]])
        let notes = try #require(routes[1]["notes"] as? [[String: Any]])
        #expect(notes.first?["text"] as? String == "two fields are new")
        #expect(notes.first?["since"] as? String == "2026-02-02T02:40:00.000Z")
    }

    @Test("letters come with the command that shows them, safe for a shell")
    func letters() throws {
        var snapshot = running
        add(2, of: 10, to: &snapshot)
        snapshot.count(
            LetterFigure(count: 9, last: time, place: "orders[0]@18", explanation: "refused"),
            of: LetterKind(table: "public.it's", column: "a b", reason: "refused_by_server", sqlState: "23503"))
        let letters = try #require(try json(snapshot)["dead_letters_by_kind"] as? [[String: Any]])
        #expect(letters.map { $0["count"] as? Int } == [9, 2])
        #expect(
            letters[0]["command"] as? String
                == "loader dead-letters list --table 'public.it'\\''s' --column 'a b' --reason refused_by_server --sqlstate 23503"
        )
        #expect(
            letters[1]["command"] as? String
                == "loader dead-letters list --table public.orders --column total --reason wrong_type")
        let without = try json(snapshot, ServiceFacts(hasDeadLetterTable: false))
        #expect((without["dead_letters_by_kind"] as? [[String: Any]])?.allSatisfy { $0["command"] == nil } == true)
    }

    @Test("what goes on comes before what is over, with since when and until when")
    func troubles() throws {
        let statistics = LoadingStatistics()
        statistics.outage(.database, isOver: false)
        statistics.note(Incident(.warning, "away", mend: "wait", until: .outage(.database)))
        statistics.outage(.brokers, isOver: false)
        statistics.note(Incident(.warning, "brokers", mend: "wait", until: .outage(.brokers)))
        statistics.note(Incident(.warning, "dead letters", mend: "look"))
        statistics.outage(.brokers, isOver: true)
        let troubles = try #require(try json(statistics.snapshot)["recent_errors"] as? [[String: Any]])
        #expect(troubles.map { $0["message"] as? String } == ["away", "dead letters", "brokers"])
        #expect(troubles.map { $0["goes_on"] as? Bool } == [true, false, false])
        #expect(troubles.map { $0["over"] != nil } == [false, false, true])
        #expect(troubles.allSatisfy { $0["since"] is String })
    }

    @Test("it says which database, brokers, version and commit, and no password")
    func facts() throws {
        var options = LoadingOptions(brokers: "kafka1:9092,kafka2:9092", group: "orders-loader", routes: [Self.orders])
        options.database.url = "postgresql://loader_app:hush@db1:6543,db2:6543/shop?sslmode=require"
        let data = try StatusDocument(
            ServiceStatus(running, facts: ServiceFacts(options), at: start, time: time)
        ).encoded()
        let text = String(decoding: data, as: UTF8.self)
        #expect(!text.contains("hush"))
        let json = try json(running, ServiceFacts(options))
        #expect((json["database"] as? [String: Any])?["place"] as? String == "shop on db1:6543,db2:6543")
        #expect(json["brokers"] as? String == "kafka1:9092,kafka2:9092")
        #expect(json["group"] as? String == "orders-loader")
        let process = try #require(json["process"] as? [String: Any])
        #expect(process["version"] as? String == Version.loader)
        #expect(process["commit"] as? String == Version.commit)
        #expect(process["started"] is String)
    }
}
