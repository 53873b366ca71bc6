import Kafka
import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Row builder")
struct RowBuilderTests {
    private let table = Table.made(
        [.made("id", .int4, isNotNull: true), .made("name"), .made("body", .jsonb)], key: ["id"])

    private func batch(_ messages: [(key: String?, value: String?)], _ route: Route) throws -> Batch {
        try Batch.filled(messages, for: Target.made(route, table))
    }

    @Test("each bad message is a dead letter with its own reason, and its neighbours are rows")
    func reasons() throws {
        let batch = try batch(
            [
                (nil, #"{"id":1,"name":"a"}"#),
                (nil, #"{"id":1,"name":"a""#),
                (nil, #"[1]"#),
                (nil, #"{"id":"one"}"#),
                (nil, #"{"id":[1]}"#),
                (nil, #"{"id":3000000000}"#),
                (nil, #"{"id":null}"#),
                (nil, #"{"name":"no id"}"#),
                (nil, "{\"id\":1,\"name\":\"a\\u0000b\"}"),
                (nil, nil),
                (nil, #"{"id":2}"#),
            ], .made(onTombstone: .deadLetter))
        #expect(
            batch.deadLetters.map(\.reason) == [
                .invalidJSON, .notAnObject, .badSyntax, .wrongType, .outOfRange, .null, .null, .nul, .tombstone,
            ])
        #expect(batch.deadLetters.map(\.message) == Array(1...9))
        #expect(batch.deadLetters.map(\.column)[2...6] == ["id", "id", "id", "id", "id"])
        let rows = try #require(batch.sections.first).rows
        #expect(rows.map(\.message) == [0, 10])
    }

    @Test("a bad message leaves nothing of a half-built row behind")
    func nothingHalf() throws {
        let good = try batch([(nil, #"{"id":1,"name":"a"}"#)], .made())
        let mixed = try batch(
            [(nil, #"{"id":7,"name":"a\u0000"}"#), (nil, #"{"id":1,"name":"a"}"#)], .made())
        let (alone, beside) = (try #require(good.sections.first), try #require(mixed.sections.first))
        let (one, other) = (try #require(alone.rows.first), try #require(beside.rows.first))
        #expect(beside.rows.count == 1)
        #expect(
            Array(alone.buffer.bytes[one.start..<one.end]) == Array(beside.buffer.bytes[other.start..<other.end]))
    }

    @Test("no explanation of a dead letter contains the value that was bad")
    func noValues() throws {
        let batch = try batch(
            [
                (nil, #"{"id":"secret"}"#), (nil, #"{"id":1,"name":{"secret":1}"#), (nil, "secret"),
                (nil, "{\"id\":1,\"name\":\"secret\\u0000\"}"),
            ], .made())
        #expect(batch.deadLetters.count == 4)
        #expect(batch.deadLetters.allSatisfy { !$0.explanation.contains("secret") })
    }

    @Test("a tombstone deletes the row of its key, where the route says so")
    func tombstones() throws {
        let batch = try batch(
            [(#"{"id":1}"#, #"{"id":1}"#), (#"{"id":1}"#, nil)],
            .made(
                mode: .upsert, key: ["id"], onTombstone: .delete,
                columns: [Route.Column(name: "id", source: .key(FieldPath(["id"])))]))
        #expect(batch.deadLetters.isEmpty)
        #expect(batch.sections.map(\.rows.count) == [1, 1])
    }

    @Test("rows that are built again from the messages' bytes are the same rows")
    func rebuilding() throws {
        let target = try Target.made(.made(), table)
        let batch = Batch.filled([(nil, #"{"id":1,"name":"a"}"#), (nil, "bad"), (nil, #"{"id":2}"#)], for: target)
        let before = batch.sections.map { Array($0.buffer.bytes) }
        var builders = RowBuilders([target])
        builders.build(batch)
        #expect(batch.sections.map { Array($0.buffer.bytes) } == before)
        #expect(batch.deadLetters.map(\.message) == [1])
    }

    @Test("rows built for tables that have changed since are built anew, with what may be left out by then")
    func changedTables() throws {
        let tables = RoutedTables([try Target.made(.made(), table)])
        let batch = Batch.filled([(nil, #"{"id":1,"name":"a"}"#)], for: tables.current.targets[0])
        var builders = RowBuilders(tables.current)
        builders.build(batch)
        let wide = (0..<70).map { Table.Column.made("c\($0)", .int4, default: "7") }
        tables.replace(1, by: [try Target.made(.made(), .made([.made("id", .int4)] + wide))])
        builders.use(tables.current)
        builders.build(batch)
        #expect(batch.tables.number == 2)
        #expect(batch.sections.map(\.omissions.wordCount) == [2])
        // What another has read by then is not undone by who comes late.
        tables.replace(1, by: [])
        #expect(tables.current.targets.count == 1)
    }
}
