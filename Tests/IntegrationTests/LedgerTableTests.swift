import Kafka
import Postgres
import TestSupport
import Testing

@testable import Loading

/// The ledger's statements by themselves, without Kafka.
@Suite("Ledger: the table")
struct LedgerTableTests {
    private let ledger = Ledger(group: Broker.randomName("group"))
    private let a = TopicPartition(topic: "orders", partition: 0)
    private let b = TopicPartition(topic: "orders", partition: 1)

    private func with(_ body: (Connection) throws -> Void) throws {
        let connection = try TestDatabase.shared().connect()
        defer {
            _ = try? connection.query("DELETE FROM loader.positions WHERE consumer_group = $1", [.text(ledger.group)])
        }
        _ = try ledger.write([a: start(5, .insert), b: start(7, .insert)], on: connection)
        try body(connection)
    }

    private func start(_ offset: Int64, _ step: StartPosition.Step) -> StartPosition {
        StartPosition(offset: offset, step: step, needsMark: false)
    }

    private func range(_ partition: TopicPartition, _ expected: Int64, _ next: Int64) -> Batch.PartitionRange {
        Batch.PartitionRange(partition: partition, expected: expected, next: next)
    }

    private func positions(_ connection: Connection) throws -> [TopicPartition: Int64] {
        try ledger.positions(of: ["orders"], on: connection)
    }

    @Test("the mark is this database's own id")
    func mark() throws {
        try with { (connection: Connection) throws in
            let mark = try Ledger.mark(on: connection)
            #expect(mark != nil)
            #expect(mark?.ledger == (try connection.query("SELECT id FROM loader.ledger").string(0, 0)))
        }
    }

    @Test("positions are of one group and of the topics asked for")
    func scope() throws {
        try with { (connection: Connection) throws in
            #expect(try positions(connection) == [a: 5, b: 7])
            #expect(try ledger.positions(of: ["other"], on: connection).isEmpty)
            #expect(try Ledger(group: "another").positions(of: ["orders"], on: connection).isEmpty)
        }
    }

    @Test("a first position that another member wrote in the meantime stands")
    func insertRace() throws {
        try with { (connection: Connection) throws in
            #expect(try ledger.write([a: start(0, .insert)], on: connection))
            #expect(try positions(connection) == [a: 5, b: 7])
        }
    }

    @Test("a reset is written for all partitions, or for none if another member has moved one")
    func resetAllOrNothing() throws {
        try with { (connection: Connection) throws in
            #expect(
                try !ledger.write([a: start(1, .reset(from: 5)), b: start(1, .reset(from: 6))], on: connection))
            #expect(try positions(connection) == [a: 5, b: 7])
            #expect(connection.transactionStatus == .idle)
            #expect(try ledger.write([a: start(1, .reset(from: 5)), b: start(2, .skip(from: 7))], on: connection))
            #expect(try positions(connection) == [a: 1, b: 2])
        }
    }

    @Test("a reset is not written where the position has been away and is back: what was seen is another version of it")
    func resetOfAnotherVersion() throws {
        try with { (connection: Connection) throws in
            let seen = try ledger.states(of: ["orders"], on: connection)
            #expect(try ledger.write([a: start(1, .reset(from: 5))], seen: seen, on: connection))
            #expect(try ledger.write([a: start(5, .skip(from: 1))], on: connection))
            #expect(try !ledger.write([a: start(1, .reset(from: 5))], seen: seen, on: connection))
            #expect(try positions(connection) == [a: 5, b: 7])
            #expect(connection.transactionStatus == .idle)
            #expect(try ledger.write([b: start(1, .reset(from: 7))], seen: seen, on: connection), "nobody has moved it")
        }
    }

    @Test("the fence passes only if every position is where it is believed to be")
    func fence() throws {
        try with { (connection: Connection) throws in
            for wrong in [[range(a, 4, 9), range(b, 7, 9)], [range(a, 5, 9), range(b, 8, 9)]] {
                try connection.execute("BEGIN")
                #expect(try !ledger.advance(wrong, on: connection))
                try connection.execute("ROLLBACK")
            }
            let unknown = TopicPartition(topic: "orders", partition: 2)
            #expect(try !ledger.advance([range(unknown, 0, 1)], on: connection))
            #expect(try ledger.advance([range(a, 5, 9), range(b, 7, 8)], on: connection))
            #expect(try positions(connection) == [a: 9, b: 8])
        }
    }

    @Test("the fence passes only on the way back on which the batch was taken, or on none")
    func wayBack() throws {
        try with { (connection: Connection) throws in
            let way = Detour(until: 3, resume: 5)
            let onTheWay = Batch.PartitionRange(partition: a, expected: 0, next: 1, detour: way)
            #expect(try ledger.write([a: start(0, .reset(from: 5))], on: connection))
            #expect(try !ledger.advance([onTheWay], on: connection), "a reset has ended it")
            try ledger.set([(a, 0, way)], on: connection)
            #expect(try !ledger.advance([range(a, 0, 1)], on: connection), "it was taken before that began")
            let longer = Detour(until: 4, resume: 5)
            try ledger.set([(a, 0, longer)], on: connection)
            #expect(try !ledger.advance([onTheWay], on: connection), "the operator has set another end since")
            #expect(try ledger.states(of: ["orders"], on: connection)[a]?.detour == longer)
            try ledger.set([(a, 0, way)], on: connection)
            #expect(try ledger.advance([onTheWay], on: connection))
            let rest = Batch.PartitionRange(partition: a, expected: 1, next: 3, detour: way)
            #expect(try ledger.advance([rest], on: connection))
            #expect(try ledger.write([a: start(5, .resume(from: 3))], on: connection))
            #expect(try ledger.advance([range(a, 5, 6)], on: connection))
        }
    }

    @Test("a batch that knows no message to be read again keeps the one that the batch before it has left")
    func proven() throws {
        try with { (connection: Connection) throws in
            func batch(_ expected: Int64, proven: LastMessage? = nil) -> Batch.PartitionRange {
                Batch.PartitionRange(
                    partition: a, expected: expected, next: expected + 1, last: message(expected), proven: proven)
            }
            func message(_ offset: Int64) -> LastMessage {
                LastMessage(offset: offset, timestamp: 10 + offset, fingerprint: 20 + offset)
            }
            func state() throws -> Ledger.Position? { try ledger.states(of: ["orders"], on: connection)[a] }
            #expect(try ledger.advance([batch(5)], on: connection))
            #expect(try state()?.last == message(5) && state()?.proven == nil)
            for offset: Int64 in [6, 7] {
                #expect(try ledger.advance([batch(offset)], on: connection))
                #expect(try state()?.last == message(offset) && state()?.proven == message(5))
            }
            #expect(try ledger.advance([batch(8, proven: message(6))], on: connection))
            #expect(try state()?.proven == message(6))
            #expect(try ledger.write([a: start(3, .reset(from: 9))], on: connection))
            #expect(try ledger.advance([batch(3)], on: connection))
            #expect(try state()?.last == message(3) && state()?.proven == nil, "nothing is known behind a reset")
            let seen = try ledger.states(of: ["orders"], on: connection)
            #expect(try ledger.write([a: start(9, .resume(from: 4))], seen: seen, on: connection))
            #expect(
                try state()?.last == nil && state()?.proven == message(3), "the way back is read again behind its end")
        }
    }

    @Test("after a COMMIT without an answer the ledger says whether the batch is in")
    func outcome() throws {
        try with { (connection: Connection) throws in
            #expect(try ledger.outcome(of: [range(a, 5, 9), range(b, 7, 8)], on: connection) == .notCommitted)
            #expect(try ledger.outcome(of: [range(a, 1, 5), range(b, 2, 7)], on: connection) == .committed)
            #expect(try ledger.outcome(of: [range(a, 1, 3), range(b, 2, 7)], on: connection) == .takenOver)
            #expect(try ledger.outcome(of: [range(a, 5, 9), range(b, 2, 7)], on: connection) == .takenOver)
        }
    }
}
