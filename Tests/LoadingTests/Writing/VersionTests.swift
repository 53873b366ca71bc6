import LoadingFixtures
import Postgres
import Records
import TestSupport
import Testing

@testable import Loading

/// Rows that only a newer message changes or deletes.
@Suite("Newer rows win")
struct VersionTests {
    /// What says which message is newer.
    enum Kind: CaseIterable, Sendable {
        case integer, numeric, text, instant, listed, asText

        /// Columns, and those that count.
        var columns: (definition: String, names: [String]) {
            switch self {
            case .integer: ("v bigint", ["v"])
            case .numeric: ("v numeric", ["v"])
            case .text: ("v text COLLATE \"C\"", ["v"])
            case .instant: ("v timestamptz", ["v"])
            case .listed: ("v int, w numeric", ["v", "w"])
            case .asText: ("v bigint, ip inet", ["v"])
            }
        }

        /// As a message has it, and as SQL.
        func value(_ number: Int?) -> (json: String, sql: String) {
            guard let number else { return ("null", "NULL") }
            return switch self {
            case .integer, .listed, .asText: ("\(number - 3)", "\(number - 3)")
            case .numeric: ("\(number).\(number)", "\(number).\(number)")
            case .text: ("\"\(number)\"", "'\(number)'")
            case .instant: ("\"202\(number)-01-01T00:00:00Z\"", "'202\(number)-01-01Z'")
            }
        }

        /// The second of a list.
        func second(_ number: Int?) -> String { number.map { "\($0).5" } ?? "NULL" }
    }

    @Test(
        "a row is updated or inserted by one statement, so that one which somebody else inserts in between is not passed over",
        arguments: [true, false])
    func oneLook(isStaged: Bool) throws {
        var route = Route.made(mode: .upsert)
        (route.absent, route.newer) = (.keep, ["v"])
        let table = Table.made([.made("id", .int4), .made("v", .int8), .made("a")], key: ["id"])
        let target = try Target.compile(route, index: 0, table: table).get()
        let group = RowGroup(rows: [], columns: Array(target.columns.indices))
        let statements = StageMerge(target).merges(group, from: isStaged ? nil : StageMerge.Origin(name: "other"))
        #expect(statements.first?.contains("UPDATE ONLY") == true)
        #expect(statements.allSatisfy { $0.contains("INSERT INTO") && $0.contains("ON CONFLICT") })
    }

    @Test(
        "rows end as if each message had come by itself, whichever way they go in",
        arguments: RowWay.allCases, Kind.allCases)
    func asIfOneByOne(way: RowWay, kind: Kind) throws {
        for absent in [Route.Absent.byDefault, .keep] {
            for saysInKey in [true, false] { try check(way, kind, absent, saysInKey: saysInKey) }
        }
    }

    /// - Parameter saysInKey: so that deletions have a version, too.
    private func check(_ way: RowWay, _ kind: Kind, _ absent: Route.Absent, saysInKey: Bool) throws {
        var random = SeededGenerator.random(for: "versions")
        let seed = "seed \(random.seed), \(kind) \(absent) \(saysInKey)"
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                "CREATE TABLE t (id int PRIMARY KEY, a text, \(kind.columns.definition), b int, c int DEFAULT 7);"
                    + "CREATE TABLE model (LIKE t INCLUDING ALL);"
                    + "INSERT INTO t (id, v, a) SELECT id, \(kind.value(2).sql), 'old' FROM generate_series(1, 3) AS id;"
                    + "INSERT INTO model TABLE t")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            var route = Route(topics: [.name("orders")], table: name, mode: .upsert, key: ["id"])
            route.absent = absent
            route.newer = kind.columns.names
            if saysInKey {
                route.columns = kind.columns.names.map { .init(name: $0, source: .key(FieldPath([$0]))) }
            }
            let target = try Target.compile(route, index: 0, table: found).get()
            #expect((target.format == .text) == (kind == .asText))
            for round in 0..<5 {
                var messages: [(key: String?, value: String?)] = []
                for number in 0..<50 {
                    messages.append(
                        try message(number, kind, absent, saysInKey: saysInKey, &random) { try connection.execute($0) })
                }
                let batch = Batch.filled(messages, for: target)
                #expect(batch.deadLetters.isEmpty)
                let loaded = try way.load(batch, target, connection)
                #expect(loaded.deadLetters.isEmpty)
                let rows = try connection.rows("TABLE t ORDER BY id")
                let model = try connection.rows("TABLE model ORDER BY id")
                guard rows == model else {
                    Issue.record("\(seed), round \(round): \(zip(rows, model).first { $0 != $1 } ?? ("", ""))")
                    return
                }
            }
        }
    }

    /// A message, having done to the model what it does.
    private func message(
        _ number: Int, _ kind: Kind, _ absent: Route.Absent, saysInKey: Bool, _ random: inout SeededGenerator,
        _ execute: (String) throws -> Void
    ) throws -> (key: String?, value: String?) {
        let id = Int.random(in: 1...8, using: &random)
        func version() -> Int? {
            Int.random(in: 0..<7, using: &random) == 0 ? nil : Int.random(in: 1...6, using: &random)
        }
        let (first, second) = (version(), version())
        let names = kind.columns.names
        let values = [kind.value(first).sql, kind.second(second)].prefix(names.count)
        let said = zip(names, [kind.value(first).json, kind.second(second).lowercased()]).map { "\"\($0)\": \($1)" }
        let isNewer = zip(names, values).reversed().reduce("") { rest, entry in
            let (name, value) = entry
            let isGreater = "(\(value) > m.\(name) OR m.\(name) IS NULL AND \(value) IS NOT NULL)"
            return rest.isEmpty ? isGreater : "(\(isGreater) OR m.\(name) IS NOT DISTINCT FROM \(value) AND \(rest))"
        }
        let areNull = zip(names, values).map { "m.\($0) IS NULL AND \($1) IS NULL" }.joined(separator: " AND ")
        let condition = "(\(isNewer) OR \(areNull))"
        let key = "{\"id\": \(id)" + (saysInKey ? ", " + said.joined(separator: ", ") : "") + "}"
        if Int.random(in: 0..<6, using: &random) == 0 {
            try execute("DELETE FROM model AS m WHERE id = \(id)" + (saysInKey ? " AND \(condition)" : ""))
            return (key, nil)
        }
        var given: [(String, json: String, sql: String)] = []
        if Bool.random(using: &random) { given.append(("a", "\"a\(number)\"", "'a\(number)'")) }
        if Bool.random(using: &random) { given.append(("b", "\(number)", "\(number)")) }
        if Bool.random(using: &random) { given.append(("c", "null", "NULL")) }
        let members = given.map { "\"\($0.0)\": \($0.json)" } + (saysInKey ? [] : said)
        if absent == .byDefault {
            for lacking in ["a", "b"] where !given.contains(where: { $0.0 == lacking }) {
                given.append((lacking, "", "NULL"))
            }
        }
        let columns = names + given.map(\.0)
        try execute(
            "INSERT INTO model AS m (\((["id"] + columns).joined(separator: ", "))) "
                + "VALUES (\((["\(id)"] + values + given.map(\.sql)).joined(separator: ", "))) ON CONFLICT (id) DO UPDATE SET "
                + columns.map { "\($0) = EXCLUDED.\($0)" }.joined(separator: ", ") + " WHERE \(condition)")
        return (key, "{" + (["\"id\": \(id)"] + members).joined(separator: ", ") + "}")
    }

    @Test(
        "so it is in batches that are mostly new rows, which are copied past the comparison",
        arguments: [RowWay.together, .ahead], [Route.Absent.byDefault, .keep])
    func mostlyNew(way: RowWay, absent: Route.Absent) throws {
        var random = SeededGenerator.random(for: "mostly new rows")
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                "CREATE TABLE t (id int PRIMARY KEY, v int, a int, b int DEFAULT 7);"
                    + "INSERT INTO t SELECT id, 50, 0 FROM generate_series(10, 6000, 10) AS id")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            var route = Route(topics: [.name("orders")], table: name, mode: .upsert, key: ["id"])
            route.absent = absent
            route.newer = ["v"]
            let target = try Target.compile(route, index: 0, table: found).get()
            var model: [Int: [Int?]] = [:]
            for id in stride(from: 10, through: 6000, by: 10) { model[id] = [50, 0, 7] }
            for _ in 0..<2 {
                var messages: [(key: String?, value: String?)] = []
                for number in 1...5000 {
                    let id = Int.random(in: 1...6000, using: &random)
                    let version = Int.random(in: 1...100, using: &random)
                    let (givesA, givesB) = (Bool.random(using: &random), Bool.random(using: &random))
                    messages.append(
                        (
                            nil,
                            "{\"id\": \(id), \"v\": \(version)\(givesA ? ", \"a\": \(number)" : "")"
                                + "\(givesB ? ", \"b\": \(number)" : "")}"
                        ))
                    let old = model[id]
                    if let there = old?[0], there >= version { continue }
                    model[id] = [
                        version, givesA ? number : absent == .keep ? old?[1] : nil,
                        givesB ? number : old == nil ? 7 : old?[2],
                    ]
                }
                let loaded = try way.load(Batch.filled(messages, for: target), target, connection)
                #expect(loaded.deadLetters.isEmpty)
                let rows = try connection.rows("SELECT id, v, a, b FROM t ORDER BY id")
                let expected = model.sorted { $0.key < $1.key }.map { id, row in
                    "\(id)|" + row.map { $0.map { "\($0)" } ?? "∅" }.joined(separator: "|")
                }
                #expect(rows == expected, "seed \(random.seed)")
            }
        }
    }

    @Test("a late deletion of a change event deletes nothing newer, and neither does the tombstone behind it")
    func lateDeletion() throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute("CREATE TABLE t (id int PRIMARY KEY, lsn bigint, gone boolean)")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            func event(_ operation: String, _ lsn: Int) -> (key: String?, value: String?) {
                let row = operation == "d" ? #""before": {"id": 1}, "after": null"# : #""after": {"id": 1}"#
                return (#"{"id": 1}"#, "{\(row), \"source\": {\"lsn\": \(lsn)}, \"op\": \"\(operation)\"}")
            }
            for marks in [false, true] {
                var route = Route(
                    topics: [.name("orders")], table: name, mode: .upsert, onTombstone: marks ? .mark : nil,
                    columns: [.init(name: "lsn", source: .origin(FieldPath(["lsn"])))])
                route.envelopeOptions = EnvelopeOptions(form: .debezium)
                route.newer = ["lsn"]
                route.mark = marks ? "gone" : nil
                let target = try Target.compile(route, index: 0, table: found).get()
                let tombstone: (key: String?, value: String?) = (#"{"id": 1}"#, nil)
                for way in RowWay.allCases {
                    try connection.execute("TRUNCATE t")
                    func load(_ messages: [(key: String?, value: String?)]) throws -> [String] {
                        _ = try way.load(Batch.filled(messages, for: target), target, connection)
                        return try connection.rows("SELECT lsn, gone IS TRUE FROM t")
                    }
                    #expect(try load([event("c", 9)]) == ["9|f"])
                    #expect(try load([event("d", 5), tombstone]) == ["9|f"])
                    #expect(try load([event("u", 4), event("d", 10), tombstone]) == (marks ? ["10|t"] : []))
                }
            }
        }
    }

    @Test("what can say which message is newer, and what cannot")
    func mistakes() throws {
        func problems(_ mode: Route.Mode, _ newer: [String], _ columns: [Route.Column]? = nil) -> [String] {
            var route = Route.made(mode: mode, rest: columns == nil ? .fields : .none, columns: columns)
            route.newer = newer
            let table = Table.made(
                [.made("id", .int8), .made("a"), .made("doc", .jsonb), .made("at", .int8)], key: ["id"])
            switch Target.compile(route, index: 0, table: table) {
            case .success: return []
            case .failure(let problems): return problems.problems.map(\.problem)
            }
        }
        #expect(problems(.upsert, ["at"]) == [])
        #expect(problems(.upsert, ["a", "at"]) == [])
        #expect(problems(.insert, ["at"]).first?.contains("mode insert changes no row") == true)
        #expect(problems(.upsert, ["doc"]).first?.contains("jsonb has no order") == true)
        #expect(problems(.upsert, ["id"]).first?.contains("part of the key") == true)
        #expect(problems(.upsert, ["at", "at"]).contains { $0.contains("named twice") })
        #expect(
            problems(.upsert, ["at"], [.init(name: "id"), .init(name: "a")]).first?.contains("is not loaded") == true)
    }
}
