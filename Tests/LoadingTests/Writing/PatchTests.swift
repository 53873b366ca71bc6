import LoadingFixtures
import Postgres
import Records
import TestSupport
import Testing

@testable import Loading

/// Messages that change some columns of a row, and those that can only change one that is there.
@Suite("Patches")
struct PatchTests {
    private static func route(_ name: TableName) -> Route {
        var route = Route(topics: [.name("orders")], table: name, mode: .upsert, key: ["id"])
        route.absent = .keep
        route.envelopeOptions.form = .debezium
        return route
    }

    /// The same batch with some of its rows needing one that is there.
    private static func filled(
        _ messages: [(key: String?, value: String?)], needing: Set<Int>, for target: Target
    ) throws -> Batch {
        let batch = Batch.filled(messages, for: target)
        let bit = try #require(target.needsRowBit)
        for section in batch.sections where section.kind == .rows {
            for (place, row) in section.rows.enumerated() where needing.contains(Int(row.message)) {
                var set = Array(section.omissions[row.omission])
                set[bit >> 6] |= 1 << UInt64(bit & 63)
                section.rows[place].omission = set.withUnsafeBufferPointer { section.omissions.number(of: $0) }
            }
        }
        return batch
    }

    private static func message(_ id: Int, _ members: [String]) -> (key: String?, value: String?) {
        (#"{"id": \#(id)}"#, "{" + ([#""id": \#(id)"#] + members).joined(separator: ", ") + "}")
    }

    @Test(
        "rows end as if each message had changed them by itself, whichever way they go in; what finds no row is a letter",
        arguments: RowWay.allCases, [false, true])
    func asIfOneByOne(way: RowWay, isText: Bool) throws {
        var random = SeededGenerator.random(for: "patches")
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            let columns =
                "id int PRIMARY KEY, a text, b numeric, c int DEFAULT 7, d timestamptz NOT NULL DEFAULT '2025-01-01Z', "
                + "e jsonb" + (isText ? ", f inet" : "")
            try connection.execute(
                "CREATE TABLE t (\(columns)); CREATE TABLE model (LIKE t INCLUDING ALL);"
                    + "INSERT INTO t SELECT id, 'old', id FROM generate_series(1, 6) AS id; INSERT INTO model TABLE t")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            let target = try Target.compile(Self.route(name), index: 0, table: found).get()
            #expect((target.format == .text) == isText)
            var expected: [Int] = []
            var letters: [Int] = []
            for round in 0..<6 {
                var messages: [(key: String?, value: String?)] = []
                var needing: Set<Int> = []
                var lost: [Int] = []
                for number in 0..<60 {
                    let id = Int.random(in: 1...14, using: &random)
                    // The first six are always there, the last two never.
                    if (7...12).contains(id), Int.random(in: 0..<5, using: &random) == 0 {
                        messages.append((#"{"id": \#(id)}"#, nil))
                        try connection.execute("DELETE FROM model WHERE id = \(id)")
                        continue
                    }
                    var given: [(name: String, json: String, sql: String)] = [
                        ("a", "\"a\(number)\"", "'a\(number)'"), ("a", "null", "NULL"), ("b", "1.50", "1.50"),
                        ("b", "null", "NULL"), ("c", "5", "5"), ("c", "null", "NULL"),
                        ("d", "\"2026-01-01T00:00:00Z\"", "'2026-01-01Z'"), ("e", "{}", "'{}'"),
                    ].filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
                    given = given.filter { one in given.first { $0.name == one.name }?.json == one.json }
                    if id > 12 || (id <= 6 && Bool.random(using: &random)) { needing.insert(number) }
                    messages.append(Self.message(id, given.map { "\"\($0.name)\": \($0.json)" }))
                    if id > 12 {
                        lost.append(number)
                        continue
                    }
                    let names = ["id"] + given.map(\.name)
                    let updates = names.map { "\($0) = EXCLUDED.\($0)" }.joined(separator: ", ")
                    try connection.execute(
                        "INSERT INTO model (\(names.joined(separator: ", "))) VALUES "
                            + "(\((["\(id)"] + given.map(\.sql)).joined(separator: ", "))) "
                            + "ON CONFLICT (id) DO UPDATE SET \(updates)")
                }
                let batch = try Self.filled(messages, needing: needing, for: target)
                #expect(batch.deadLetters.isEmpty)
                let loaded = try way.load(batch, target, connection)
                letters += loaded.deadLetters.filter { $0.reason == .unavailable }.map { round * 100 + $0.message }
                expected += lost.map { round * 100 + $0 }
                #expect(loaded.deadLetters.allSatisfy { $0.reason == .unavailable && $0.sqlState == nil })
                let rows = try connection.rows("TABLE t ORDER BY id")
                let model = try connection.rows("TABLE model ORDER BY id")
                #expect(rows == model, "round \(round), seed \(random.seed)")
            }
            #expect(letters.sorted() == expected)
            #expect(expected.count > 20)
        }
    }

    @Test(
        "a row that is there is changed though what the message leaves out could not be inserted; a new one is refused")
    func notNull() throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                "CREATE TABLE t (id int PRIMARY KEY, a int, must text NOT NULL, CHECK (a < 10 OR must = 'yes'));"
                    + "INSERT INTO t VALUES (1, 1, 'yes'), (2, 2, 'yes'), (3, 3, 'yes')")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            let target = try Target.compile(Self.route(name), index: 0, table: found).get()
            for way in RowWay.allCases {
                try connection.execute(Connection.begin)
                let messages = [
                    Self.message(1, [#""a": 20"#]), Self.message(9, [#""a": 1"#]), Self.message(2, [#""a": null"#]),
                    Self.message(3, []), Self.message(3, [#""must": "no""#]),
                ]
                let loaded = try way.load(Batch.filled(messages, for: target), target, connection, begins: false)
                #expect(loaded.deadLetters.map(\.message) == [1])
                #expect(loaded.deadLetters.map(\.sqlState) == [.notNullViolation])
                #expect(try connection.rows("TABLE t ORDER BY id") == ["1|20|yes", "2|∅|yes", "3|3|no"], "\(way)")
                try connection.execute("ROLLBACK")
            }
        }
    }

    @Test("a thousand sets of columns go in by a handful of statements")
    func manySets() throws {
        let columns = (0..<10).map { Table.Column.made("c\($0)") }
        var route = Route.made(mode: .upsert, key: ["id"])
        route.absent = .keep
        route.envelopeOptions.form = .debezium
        let target = try Target.made(route, .made([.made("id", .int8)] + columns, key: ["id"]))
        let messages = (0..<2048).map { number in
            Self.message(number, (0..<10).filter { number >> $0 & 1 == 1 }.map { "\"c\($0)\": 1" })
        }
        let batch = try Self.filled(messages, needing: Set(1024..<2048), for: target)
        let selection = RowSelection(batch: batch, target: target)
        let states = selection.finalStates(selection.rows.indices) { _ in [] }
        let groups = RowGroup.groups(
            of: states.rows, target, states.sections, selection.omissions, nulls: selection.nulls)
        #expect(groups.map(\.needsRows) == [false, true])
        #expect(groups.map(\.rows.count) == [1024, 1024])
        #expect(KeyLookup(target).pays(for: groups[1]) == false)
    }

    @Test("of several rows of a key the one that is left needs a row only if all of them do")
    func folding() throws {
        var route = Route.made(mode: .upsert, key: ["id"])
        route.absent = .keep
        route.envelopeOptions.form = .debezium
        let target = try Target.made(route, .made([.made("id", .int8), .made("a"), .made("b")], key: ["id"]))
        let bit = try #require(target.needsRowBit)
        for (needing, isNeeding) in [([0, 1], true), ([0], false), ([1], false), ([], false)] as [([Int], Bool)] {
            let messages = [Self.message(1, [#""a": 1"#]), Self.message(1, [#""b": 2"#])]
            let batch = try Self.filled(messages, needing: Set(needing), for: target)
            let selection = RowSelection(batch: batch, target: target)
            let states = selection.finalStates(selection.rows.indices) { _ in [] }
            let row = try #require(states.rows.first)
            let section = states.sections[Int(row.section)]
            let omissions = try #require(selection.omissions)
            #expect(omissions.contains(section.rows[Int(row.row)].omission, bit) == isNeeding, "\(needing)")
        }
    }
}
