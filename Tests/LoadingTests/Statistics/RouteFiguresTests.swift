import Foundation
import Kafka
import LoadingFixtures
import Postgres
import Testing

@testable import Loading

@Suite struct RouteFiguresTests {
    private func routes() throws -> [Route] {
        var events = Route.made()
        events.topics = [.expression("^ev.*")]
        events.table = TableName(schema: "public", name: "events")
        return [.made(), events]
    }

    /// One good message and three bad ones of `orders`.
    private func batch() throws -> Batch {
        let table = Table.made([.made("id", .int4, isNotNull: true), .made("name")])
        let target = try Target.made(.made(), table)
        return Batch.filled(
            [(nil, #"{"id":1}"#), (nil, #"{"id":"x"}"#), (nil, "nonsense"), (nil, #"{"id":"y"}"#)], for: target)
    }

    @Test("a batch is told by route, and its dead letters by table, column and reason with the newest of each")
    func tally() throws {
        let batch = try batch()
        let time = Date(timeIntervalSince1970: 7)
        var loaded = BatchTransaction.Loaded(rows: 1, deadLetters: batch.deadLetters)
        loaded.operations.add(.row, target: 0)
        let tally = BatchTally(
            batch, loaded, tables: ["public.orders", "public.events"], time: time, routesOfTopic: { _ in [0] })
        #expect(tally.routes == [.init(messages: 4, deadLetters: 3, operations: [.row: 1]), .init()])
        let column = try #require(tally.letters.first { $0.key.column == "id" })
        #expect(column.key.table == "public.orders")
        #expect(column.value.count == 2)
        #expect(column.value.place == "orders[0]@3")
        #expect(column.value.last == time)
        let whole = LetterKind(table: "public.orders", reason: "invalid_json")
        #expect(tally.letters[whole]?.count == 1)
        #expect(tally.letters.count == 2)
    }

    /// A message that makes a row, two tombstones that delete one, and for another route the same tombstones, which it skips.
    private func deletions() throws -> (Batch, [Target]) {
        let table = Table.made([.made("id", .int4, isNotNull: true), .made("name")], key: ["id"])
        let deleting = try Target.made(.made(mode: .upsert), table)
        let skipping = try Target.compile(.made(mode: .upsert, onTombstone: .skip), index: 1, table: table).get()
        let batch = Batch.filled([(nil, #"{"id":1}"#), ("1", nil), ("2", nil)], for: [deleting, skipping])
        return (batch, [deleting, skipping])
    }

    private func operations(_ batch: Batch, _ loaded: BatchTransaction.Loaded) -> [[RowOperation: Int]] {
        BatchTally(batch, loaded, tables: ["a", "b"], time: Date(), routesOfTopic: { _ in [0, 1] }).routes.map(
            \.operations)
    }

    @Test("rows, deletions and what is skipped are counted by route, and not what the server refuses")
    func operations() throws {
        let (batch, targets) = try deletions()
        var loaded = BatchTransaction.Loaded()
        for target in targets { loaded.operations.add(RowSelection(batch: batch, target: target)) }
        #expect(operations(batch, loaded) == [[.row: 1, .deletion: 2], [.row: 1, .skipped: 2]])
        let letters = [
            DeadLetter(message: 1, target: 0, reason: .refused, explanation: "a deletion"),
            DeadLetter(message: 0, target: 1, reason: .refused, explanation: "a row"),
        ]
        for target in targets {
            loaded.operations.remove(RowSelection(batch: batch, target: target), refused: letters)
        }
        #expect(operations(batch, loaded) == [[.row: 1, .deletion: 1], [.skipped: 2]])
    }

    @Test("what the ledger says is in is counted as if the server had said it")
    func byLedger() throws {
        let (batch, _) = try deletions()
        let loaded = BatchTransaction.Loaded(byLedger: batch.part(), of: batch)
        #expect(operations(batch, loaded) == [[.row: 1, .deletion: 2], [.row: 1, .skipped: 2]])
    }

    @Test("rows that are built again are counted once")
    func builtAgain() throws {
        let (batch, targets) = try deletions()
        var builders = RowBuilders(targets)
        builders.build(batch)
        #expect(operations(batch, .init()) == [[:], [.skipped: 2]])
        batch.removeAll(keepingAtMost: 1 << 20)
        #expect(batch.operations == OperationCounts())
    }

    @Test("what no route took is counted without a table")
    func noRoute() throws {
        let batch = try batch()
        let letter = DeadLetter(
            message: 0, target: DeadLetter.noTarget, reason: .noRoute, explanation: "nobody takes it")
        let tally = BatchTally(
            batch, .init(deadLetters: [letter]), tables: ["public.orders"], time: Date(), routesOfTopic: { _ in [] })
        #expect(tally.letters.keys.map(\.table) == [nil])
        #expect(tally.routes == [.init()])
    }

    @Test("figures of routes add up, with the time of the last row and the rate")
    func figures() throws {
        let statistics = LoadingStatistics()
        statistics.begin(try routes())
        let batch = try batch()
        let start = ContinuousClock.now
        let time = Date(timeIntervalSince1970: 100)
        for second in 0..<4 {
            var loaded = BatchTransaction.Loaded(deadLetters: batch.deadLetters)
            if second < 2 { loaded.operations.add(.row, target: 0) }
            let tally = BatchTally(
                batch, loaded, tables: ["public.orders", "e"],
                time: time, routesOfTopic: { _ in [0] })
            statistics.update { state in
                state.count(tally, at: time + Double(second))
                state.look(maxDelay: .seconds(1), at: start + .seconds(second), time: time + Double(second))
            }
        }
        let orders = try #require(statistics.snapshot.routes.first)
        #expect((orders.messages, orders.rows, orders.deadLetters) == (16, 2, 12))
        #expect(orders.lastRow == time + 1)
        #expect(orders.rate.perSecond == 4)
        #expect(statistics.snapshot.routes.last?.messages == 0)
        #expect(statistics.snapshot.deadLetterCount == 12)
        #expect(statistics.snapshot.deadLetters["invalid_json"] == 4)
        #expect(statistics.snapshot.routes.map { $0.takes("events") } == [false, true])
    }

    @Test("kinds of dead letters are bounded, and what is beyond is counted by its reason all the same")
    func bounded() {
        var snapshot = LoadingStatistics.Snapshot()
        let figure = LetterFigure(count: 1, last: Date(), place: "t[0]@0", explanation: "bad")
        for index in 0..<1000 {
            snapshot.count(figure, of: LetterKind(table: "t", column: "c\(index)", reason: "wrong_type"))
        }
        #expect(snapshot.letters.count == LoadingStatistics.Snapshot.letterKinds)
        #expect(snapshot.deadLetters == ["wrong_type": 1000])
    }

    @Test("dead letters of the last ten minutes are told from older ones")
    func lately() {
        var snapshot = LoadingStatistics.Snapshot()
        let start = Date(timeIntervalSince1970: 0)
        let figure = LetterFigure(count: 5, last: start, place: "t[0]@0", explanation: "bad")
        snapshot.count(BatchRecord(messages: 100, rows: 95), offsets: 100)
        snapshot.count(figure, of: LetterKind(table: "t", reason: "wrong_type"))
        #expect(snapshot.lately(at: start + 1) == (100, 5))
        for second in 2..<700 { snapshot.look(maxDelay: .seconds(1), time: start + Double(second)) }
        #expect(snapshot.lately(at: start + 700) == (0, 0))
        snapshot.count(figure, of: LetterKind(table: "t", reason: "wrong_type"))
        #expect(snapshot.lately(at: start + 700).deadLetters == 5)
    }

    @Test("a route has one note of a kind, that began when it was said first and is over when it is no more")
    func notes() throws {
        let statistics = LoadingStatistics()
        statistics.begin(try routes())
        let time = Date(timeIntervalSince1970: 10)
        statistics.note(RouteNote("new_fields", "one field", time: time), ofRoute: 1)
        statistics.note(RouteNote("new_fields", "two fields", mend: .said("add them"), time: time + 5), ofRoute: 1)
        statistics.note(RouteNote("nulls", "3 values became null", level: .info, time: time + 6), ofRoute: 1)
        statistics.note(RouteNote("nulls", "nobody's", time: time), ofRoute: 7)
        var notes = try #require(statistics.snapshot.routes.last?.notes)
        #expect(notes.map(\.text) == ["two fields", "3 values became null"])
        #expect(notes.map(\.since) == [time, time + 6])
        statistics.endNote("new_fields", ofRoute: 1)
        notes = try #require(statistics.snapshot.routes.last?.notes)
        #expect(notes.map { $0.over == nil } == [false, true])
        statistics.note(RouteNote("new_fields", "again", time: time + 9), ofRoute: 1)
        notes = try #require(statistics.snapshot.routes.last?.notes)
        #expect(notes.first?.since == time + 9)
        #expect(notes.first?.over == nil)
    }
}
