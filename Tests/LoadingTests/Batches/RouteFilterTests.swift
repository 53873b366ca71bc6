import Kafka
import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Filters of routes")
struct RouteFilterTests {
    private func target(
        _ condition: String, mode: Route.Mode = .upsert, onFiltered: OnFiltered? = nil,
        onTombstone: Route.OnTombstone? = nil, more: [Table.Column] = [], columns: [Route.Column]? = nil
    ) throws -> Target {
        let table = Table.made([.made("id", .int4, isNotNull: true), .made("status")] + more, key: ["id"])
        var route = Route.made(mode: mode, onTombstone: onTombstone, columns: columns)
        route.condition = try RouteCondition(condition)
        route.onFiltered = onFiltered
        return try Target.made(route, table)
    }

    private func places(_ kind: Batch.Section.Kind, _ batch: Batch) -> [Int] {
        batch.sections.filter { $0.kind == kind }.flatMap(\.rows).map { Int($0.message) }
    }

    private func filtered(_ batch: Batch) -> Int { batch.operations[.filtered, target: 0] }

    @Test("a message that is not let through makes no row, is counted, and moves the position all the same")
    func counted() throws {
        let target = try target("status = 'paid' and amount > 5", mode: .insert)
        let batch = Batch.filled(
            [
                (nil, #"{"id":1,"status":"paid","amount":10}"#), (nil, #"{"id":2,"status":"new","amount":10}"#),
                (nil, #"{"id":3,"status":"paid"}"#), (nil, #"{"id":4,"status":"paid","amount":5.0000001}"#),
            ], for: target)
        #expect(places(.rows, batch) == [0, 3])
        #expect(places(.tombstones, batch).isEmpty)
        #expect(filtered(batch) == 2)
        #expect(batch.settled == 4)
        #expect(batch.deadLetters.isEmpty)
    }

    @Test(
        "an update that leaves the filter deletes its row by the key that the row has, in both formats of COPY",
        arguments: [false, true])
    func leaves(isText: Bool) throws {
        let target = try target("status = 'paid'", more: isText ? [.made("address", .inet)] : [])
        #expect(target.format == (isText ? .text : .binary))
        let batch = Batch.filled(
            [(nil, #"{"id":7,"status":"paid"}"#), (nil, #"{"id":7,"status":"void"}"#), ("7", nil)], for: target)
        #expect(places(.rows, batch) == [0])
        #expect(places(.tombstones, batch) == [1, 2])
        // As a tombstone of the same key has it, byte for byte.
        let section = try #require(batch.sections.first { $0.kind == .tombstones })
        let bytes = section.rows.map { Array(section.buffer.bytes[$0.start..<$0.end]) }
        #expect(bytes[0] == bytes[1])
        #expect(section.rows[0].keyCount == section.rows[1].keyCount)
        let states = RowSelection(batch: batch, target: target).finalStates(0..<3) { _ in [] }
        #expect(states.deletions.map(\.message) == [2])
        #expect(states.rows.isEmpty)
    }

    @Test("with a column that says which message is newer, the deletion of a filtered row can be compared by it")
    func versions() throws {
        let table = Table.made([.made("id", .int4, isNotNull: true), .made("status"), .made("at", .int8)], key: ["id"])
        var route = Route.made(mode: .upsert)
        route.condition = try RouteCondition("status = 'paid'")
        route.newer = ["at"]
        let target = try Target.made(route, table)
        let batch = Batch.filled(
            [(nil, #"{"id":7,"status":"void","at":5}"#), (nil, #"{"id":8,"status":"void"}"#)], for: target)
        let section = try #require(batch.sections.first { $0.kind == .tombstones })
        #expect(section.rows.count == 2)
        #expect(section.rows.map(\.keyCount) == [8, 8])
        #expect(section.versions(of: 0, target)?.elementsEqual([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5]) == true)
    }

    @Test("what is filtered and can have no row, or whose row is kept, deletes none, and is no dead letter")
    func deletesNone() throws {
        let messages: [(key: String?, value: String?)] = [
            (nil, #"{"id":"x","status":"void"}"#), (nil, #"{"status":"void"}"#), (nil, #"{"id":null,"other":1}"#),
            (nil, #"{"id":8,"status":"void"}"#),
        ]
        let batch = Batch.filled(messages, for: try target("status = 'paid'"))
        #expect(places(.tombstones, batch) == [3])
        #expect(filtered(batch) == 4)
        #expect(batch.deadLetters.isEmpty)
        let kept = Batch.filled(messages, for: try target("status = 'paid'", onFiltered: .keep))
        #expect(kept.sections.allSatisfy { $0.rows.isEmpty })
        #expect(filtered(kept) == 4)
    }

    @Test("a value of another kind than the condition's is a dead letter that names it and shows no value")
    func mismatch() throws {
        let target = try target("status = 'paid' or amount > 5")
        let batch = Batch.filled(
            [
                (nil, #"{"id":1,"status":17}"#), (nil, #"{"id":2,"status":"new","amount":"secret"}"#),
                (nil, #"{"id":3,"status":"paid","amount":"never looked at"}"#),
            ], for: target)
        #expect(batch.deadLetters.map(\.reason) == [.wrongType, .wrongType])
        #expect(
            batch.deadLetters.map(\.explanation) == [
                "the condition compares status with a text, and it is number",
                "the condition compares amount with a number, and it is string",
            ])
        #expect(places(.rows, batch) == [2])
    }

    @Test("headers, the key, the topic and coordinates can be asked for")
    func coordinates() throws {
        let headers = [("type", "order"), ("type", "refund"), ("empty", "")]
        func rows(_ condition: String, key: String? = "k-1", value: String = #"{"id":1}"#) throws -> Int {
            let batch = Batch.filled(
                [(key, value)], for: try target(condition), headers: headers, timestamp: 1_767_225_600_000)
            #expect(batch.deadLetters.isEmpty)
            return places(.rows, batch).count
        }
        #expect(try rows("$headers.type = 'refund'") == 1)
        #expect(try rows("$headers.type = 'order'") == 0)
        #expect(try rows("not exists $headers.other and $headers.empty = ''") == 1)
        #expect(try rows("$key = 'k-1' and $topic = 'orders' and $topic like 'ord%'") == 1)
        #expect(try rows("$key = 'k-1'", key: #""k-1""#) == 1)
        #expect(try rows("$key is null", key: nil) == 1)
        #expect(try rows("$key.tenant in ('a', 'b')", key: #"{"tenant":"b"}"#) == 1)
        #expect(try rows("$key.tenant = 'a'", key: "plain") == 0)
        #expect(try rows("$partition = 0 and $offset < 1 and $timestamp >= '2026-01-01T00:00:00Z'") == 1)
    }

    @Test("deletions pass a condition on fields, and what it says of headers or the key decides on them as well")
    func deletions() throws {
        let messages: [(key: String?, value: String?)] = [("1", nil), ("2", nil)]
        let byField = Batch.filled(messages, for: try target("status = 'paid' and not vip = true"))
        #expect(places(.tombstones, byField) == [0, 1])
        let byBoth = Batch.filled(messages, for: try target("status = 'paid' and $key = '1'"))
        #expect(places(.tombstones, byBoth) == [0])
        let byOne = Batch.filled(messages, for: try target("status = 'paid' or $key = '1'"))
        #expect(places(.tombstones, byOne) == [0, 1])
        let byKey = Batch.filled(messages, for: try target("$key = '1'"))
        #expect(places(.tombstones, byKey) == [0])
        #expect(filtered(byKey) == 1)
        // What is not this route's is no dead letter of its either.
        let refusing = Batch.filled(messages, for: try target("$key = '1'", onTombstone: .deadLetter))
        #expect(refusing.deadLetters.map(\.message) == [0])
    }

    @Test("each route of a topic has a condition of its own")
    func several() throws {
        let table = Table.made([.made("id", .int4, isNotNull: true)])
        let targets = try ["kind = 'a'", "kind = 'b'", "kind != 'a'"].enumerated().map { index, condition in
            var route = Route.made()
            route.condition = try RouteCondition(condition)
            return try Target.compile(route, index: index, table: table).get()
        }
        let batch = Batch.filled([(nil, #"{"id":1,"kind":"a"}"#), (nil, #"{"id":2,"kind":"b"}"#)], for: targets)
        #expect(batch.sections.filter { !$0.rows.isEmpty }.map(\.target).sorted() == [0, 1, 2])
        #expect((0..<3).map { batch.operations[.filtered, target: $0] } == [1, 1, 1])
    }

    @Test(
        "what a condition asks for and the route does not have is told at the start, with a caret, and so is what has no effect"
    )
    func setup() throws {
        let table = Table.made([.made("id", .int4, isNotNull: true), .made("body")], key: ["id"])
        func problems(_ change: (inout Route) throws -> Void) throws -> [SetupProblem] {
            var route = Route.made(mode: .upsert)
            try change(&route)
            guard case .failure(let found) = Target.compile(route, index: 0, table: table) else { return [] }
            return found.problems
        }
        let operation = try problems { $0.condition = try RouteCondition("id > 5 and $op != 'd'") }
        #expect(operation.map(\.mend) == [.routing(.nameEnvelope)])
        #expect(operation.first?.problem.hasSuffix("\nid > 5 and $op != 'd'\n           ^") == true)
        #expect(try problems { $0.onFiltered = .keep }.map(\.mend) == [.routing(.takeOut(.onFiltered, .route))])
        let ignoring = try problems {
            $0.mode = .ignore
            $0.condition = try RouteCondition("id > 5")
            $0.onFiltered = .delete
        }
        #expect(ignoring.map(\.mend) == [.routing(.takeOut(.onFiltered, .route))])
        #expect(throws: ConditionMistake("asks for $value, which no condition can be about", at: 4)) {
            try RouteCondition("not $value = 'x'")
        }
        #expect(throws: ConditionMistake("asks for $what, which is neither a field nor known", at: 0)) {
            try RouteCondition("$what = 'x'")
        }
    }

    @Test("the right to delete is wanted where a filtered message may have a row, and only there")
    func rights() throws {
        let table = Table.made([.made("id", .int4, isNotNull: true)], key: ["id"], mayDelete: false)
        func problems(_ onFiltered: OnFiltered?) throws -> [SetupProblem] {
            var route = Route.made(mode: .upsert, onTombstone: .skip)
            route.condition = try RouteCondition("id > 5")
            route.onFiltered = onFiltered
            guard case .failure(let found) = Target.compile(route, index: 0, table: table) else { return [] }
            return found.problems
        }
        #expect(try problems(nil).map(\.code) == [.missingRight])
        #expect(try problems(.keep).isEmpty)
    }

    @Test("with elements a condition is about the message that holds them, also where that is many records")
    func elements() throws {
        func target(_ each: String, _ condition: String) throws -> Target {
            let table = Table.made([.made("sku"), .made("status")])
            var route = Route.made(columns: [.init(name: "status", source: .parent(levels: 1, FieldPath(["status"])))])
            if each == "$value" { route.columns = nil }
            route.each = ElementPath(parsing: each)
            route.condition = try RouteCondition(condition)
            return try Target.made(route, table)
        }
        let orders = Batch.filled(
            [
                (nil, #"{"status":"paid","items":[{"sku":"a","status":"x"},{"sku":"b"}]}"#),
                (nil, #"{"status":"void","items":[{"sku":"c","status":"paid"}]}"#),
            ], for: try target("items", "status = 'paid'"))
        #expect(places(.rows, orders) == [0, 0])
        #expect(filtered(orders) == 1)
        let many = Batch.filled(
            [("a", #"{"sku":"a"}{"sku":"b"}"#), ("b", #"[{"sku":"c"}]"#)], for: try target("$value", "$key = 'a'"))
        #expect(places(.rows, many) == [0, 0])
        #expect(filtered(many) == 1)
        #expect(many.settled == 2)
        #expect(throws: SetupProblems.self) { try target("$value", "sku = 'a'") }
    }

    @Test(
        "a message that is not let through takes away all rows of its elements by what they have of it, or it is told at the start"
    )
    func elementsThatLeave() throws {
        func compiled(
            _ columns: [Route.Column], each: String = "items", onFiltered: OnFiltered? = nil, isText: Bool = false,
            mayDelete: Bool = true
        ) throws -> Result<Target, SetupProblems> {
            let table = Table.made(
                [.made("sku"), .made("id", .int4)] + (isText ? [.made("net", .inet)] : []), key: ["sku", "id"],
                uniqueIndexes: [.init(name: "other", columns: ["id", "sku"], isPrimary: false)], mayDelete: mayDelete)
            var route = Route.made(mode: .upsert, onTombstone: .skip, columns: columns)
            route.each = ElementPath(parsing: each)
            route.condition = try RouteCondition(each == "$value" ? "$headers.type = 'order'" : "status = 'paid'")
            (route.onFiltered, route.onMissing) = (onFiltered, onFiltered == .keep ? .keep : nil)
            return Target.compile(route, index: 0, table: table)
        }
        let id = Route.Column(name: "id", source: .parent(levels: 1, FieldPath(["id"])))
        let messages: [(key: String?, value: String?)] = [
            (nil, #"{"id":7,"status":"paid","items":[{"sku":"a"}]}"#),
            (nil, #"{"id":7,"status":"void","items":[{"sku":"a"}]}"#), (nil, #"{"id":8,"status":"void"}"#),
            (nil, #"{"id":null,"status":"void"}"#),
        ]
        for isText in [false, true] {
            let target = try compiled([id], isText: isText).get()
            let batch = Batch.filled(messages, for: target)
            #expect(places(.tombstones, batch) == [1, 2])
            #expect(filtered(batch) == 3 && batch.deadLetters.isEmpty)
            let selection = RowSelection(batch: batch, target: target)
            let sets = selection.finalSets(selection.rows.indices, try #require(target.parent))
            #expect(sets.parents.map(\.message) == [1, 2] && sets.rows.isEmpty)
        }
        #expect(places(.tombstones, Batch.filled(messages, for: try compiled([id], onFiltered: .keep).get())).isEmpty)
        func problems(_ compiled: Result<Target, SetupProblems>) -> [Mend] {
            guard case .failure(let found) = compiled else { return [] }
            return found.problems.map(\.mend)
        }
        #expect(problems(try compiled([])) == [.routing(.keepFiltered)])
        #expect(problems(try compiled([], onFiltered: .delete)) == [.routing(.keepFiltered)])
        let inner = Route.Column(name: "id", source: .parent(levels: 1, FieldPath(["id"])))
        #expect(problems(try compiled([inner], each: "items.options")) == [.routing(.keepFiltered)])
        // Nothing but DELETE replaces a set, so no option makes do without it.
        guard case .routing(.grant(_, isOfDelete: nil))? = problems(try compiled([id], mayDelete: false)).first else {
            Issue.record("DELETE is to be granted, with no way around it")
            return
        }
        // A message of many records has none but its key.
        let many = try compiled([.init(name: "id", source: .key(nil))], each: "$value").get()
        let batch = Batch.filled([("5", #"{"sku":"a"}{"sku":"b"}"#), ("6", "[]"), (nil, "[]")], for: many)
        #expect(places(.tombstones, batch) == [0, 1])
    }

    @Test(
        "of change events the operation, the row before and the source can be asked for, and an event that is not taken deletes its row"
    )
    func changes() throws {
        func batch(_ condition: String) throws -> Batch {
            let table = Table.made([.made("id", .int4, isNotNull: true), .made("status")], key: ["id"])
            var route = Route.made(mode: .upsert)
            route.envelopeOptions.form = .debezium
            route.condition = try RouteCondition(condition)
            return Batch.filled(
                [
                    (nil, #"{"op":"c","before":null,"after":{"id":1,"status":"paid"},"source":{"db":"a"}}"#),
                    (
                        nil,
                        #"{"op":"u","before":{"id":1,"status":"paid"},"after":{"id":1,"status":"void"},"source":{"db":"b"}}"#
                    ),
                    ("1", #"{"op":"d","before":{"id":1,"status":"void"},"after":null,"source":{"db":"a"}}"#),
                ], for: try Target.made(route, table))
        }
        let byField = try batch("status = 'paid'")
        #expect((places(.rows, byField), places(.tombstones, byField)) == ([0], [1, 2]))
        let byOperation = try batch("$op != 'd'")
        #expect((places(.rows, byOperation), places(.tombstones, byOperation)) == ([0, 1], []))
        #expect(filtered(byOperation) == 1)
        #expect(places(.rows, try batch("$before.status = 'paid'")) == [1])
        #expect(places(.rows, try batch("$source.db = 'a'")) == [0])
    }

    @Test("fields that only a condition asks for are not told as left out by all")
    func taken() throws {
        let taken = TakenFields(by: [try target("customer.kind = 'a'")])
        #expect(taken.takes(["customer", "kind"]))
        #expect(!taken.takes(["customer", "name"]))
    }
}
