import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Change events about several rows")
struct ChangedRowsTests {
    private let table = Table.made(
        [.made("id", .int4, isNotNull: true), .made("name"), .made("address", .inet)], key: ["id"])

    private func route(_ mode: Route.Mode = .upsert, columns: [Route.Column]? = nil) -> Route {
        var route = Route.made(mode: mode, columns: columns)
        route.envelopeOptions = EnvelopeOptions(form: .canal)
        return route
    }

    private func event(_ type: String, _ data: String, old: String = "null", isDdl: Bool = false) -> String {
        #"{"database":"d","table":"t","es":7,"ts":8,"isDdl":\#(isDdl),"type":"\#(type)","data":\#(data),"old":\#(old)}"#
    }

    private func batch(_ values: [String?], _ route: Route) throws -> Batch {
        try Batch.filled(values.map { (nil, $0) }, for: Target.made(route, table))
    }

    /// Rows and deletions in the order in which they take effect.
    private func effects(_ batch: Batch, _ target: Target) -> [String] {
        RowSelection(batch: batch, target: target).rows.map { row in
            let section = batch.sections[Int(row.section)]
            let entry = section.rows[Int(row.row)]
            let text = String(decoding: section.buffer.bytes[entry.start..<entry.end].dropLast(), as: UTF8.self)
            return (section.kind == .rows ? "" : "-") + text.replacing("\t", with: "|")
        }
    }

    private func effects(_ values: [String?], _ route: Route) throws -> [String] {
        try effects(batch(values, route), Target.made(route, table))
    }

    @Test("each row is a row or a deletion of its own, in its order, by its own key")
    func rows() throws {
        let values = [
            event("INSERT", #"[{"id":"1","name":"a"},{"id":"2","name":null},{"id":"1","name":"b"}]"#),
            event("UPDATE", #"[{"id":"2","name":"c"},{"id":"3","name":"d"}]"#, old: #"[{"name":null},{"name":"x"}]"#),
            event("DELETE", #"[{"id":"1","name":"b"},{"id":"3","name":"d"}]"#),
        ]
        let batch = try batch(values, route())
        let target = try Target.made(route(), table)
        #expect(
            effects(batch, target) == [#"1|a|\N"#, #"2|\N|\N"#, #"1|b|\N"#, #"2|c|\N"#, #"3|d|\N"#, "-1", "-3"])
        #expect(batch.deadLetters.isEmpty && batch.settled == 3)
        #expect(RowSelection(batch: batch, target: target).units == [0..<3, 3..<5, 5..<7])
    }

    @Test("a key that has changed deletes its row, in the order of the rows, and one that was told as it is does not")
    func keys() throws {
        let values = [
            event(
                "UPDATE", #"[{"id":"3","name":"b"},{"id":"2","name":"a"},{"id":"5","name":"e"},{"id":"6","name":"f"}]"#,
                old: #"[{"id":"2"},{"id":"1"},{"id":"5","name":"x"},null]"#)
        ]
        #expect(
            try effects(values, route()) == ["-2", #"3|b|\N"#, "-1", #"2|a|\N"#, #"5|e|\N"#, #"6|f|\N"#])
        let target = try Target.made(route(), table)
        let selection = RowSelection(batch: try batch(values, route()), target: target)
        let states = selection.finalStates(selection.rows.indices) { _ in [] }
        // What is brought under a key behind its deletion stays.
        #expect(states.deletions.count == 2 && states.rows.count == 4)
        #expect(try effects(values, route(.insert)).count == 4)
    }

    @Test("a row that cannot be takes all of its event along, with its place, or is left out by choice")
    func bad() throws {
        let values = [
            event("INSERT", #"[{"id":"1"},{"id":"2"}]"#),
            event("UPDATE", #"[{"id":"3"},{"id":"secret"}]"#, old: #"[{"id":"1"},null]"#),
            event("DELETE", #"[{"id":"2"},{"name":"no key"}]"#), event("DELETE", #"[{"other":"x"}]"#),
            event("INSERT", #"{"id":"1"}"#), event("INSERT", #"[null]"#),
        ]
        let refusing = try batch(values, route())
        let target = try Target.made(route(), table)
        #expect(effects(refusing, target) == [#"1|\N|\N"#, #"2|\N|\N"#])
        #expect(refusing.deadLetters.map(\.message) == [1, 2, 3, 4, 5])
        #expect(refusing.deadLetters.map(\.reason) == [.badSyntax, .missingField, .noFields, .wrongType, .noFields])
        #expect(refusing.deadLetters[0].explanation.hasPrefix("data[1]: "))
        #expect(refusing.deadLetters.allSatisfy { !$0.explanation.contains("secret") })
        #expect(refusing.settled == values.count)
        var skipping = route()
        skipping.onBadElement = .skip
        let skipped = try batch(Array(values.prefix(3)), skipping)
        #expect(effects(skipped, target) == [#"1|\N|\N"#, #"2|\N|\N"#, "-1", #"3|\N|\N"#, "-2"])
        #expect(skipped.operations[.skippedElement, target: 0] == 2)
        var few = route()
        few.maxElements = 1
        #expect(try batch([values[0]], few).deadLetters.map(\.reason) == [.tooManyElements])
    }

    @Test("what says nothing of rows is passed over and counted, and truncations are what the route says")
    func others() throws {
        var route = route()
        route.onTruncate = .truncate
        let values = [
            event("INSERT", #"[{"id":"1"}]"#), event("INSERT", "null"), event("INSERT", "[]"),
            event("ALTER", "null", isDdl: true), event("TIDB_WATERMARK", "null"),
            event("TRUNCATE", "null", isDdl: true), event("INSERT", #"[{"id":"2"}]"#),
        ]
        let batch = try batch(values, route)
        #expect(batch.operations[.skipped, target: 0] == 4 && batch.operations[.truncation, target: 0] == 1)
        #expect(batch.settled == values.count && batch.deadLetters.isEmpty)
        #expect(try effects(values, route) == [#"2|\N|\N"#])
    }

    @Test("columns take what was done, what the row was before, its place, and what stands beside the rows")
    func aside() throws {
        let columns = [
            Route.Column(name: "name", source: .before(FieldPath(["name"]))),
            Route.Column(name: "address", source: .origin(FieldPath(["es"]))),
        ]
        let update = event("UPDATE", #"[{"id":"1"},{"id":"2"}]"#, old: #"[{"name":"x"},{"id":"2"}]"#)
        #expect(try effects([update], route(columns: columns)) == ["1|x|7", #"2|\N|7"#])
        let place = [
            Route.Column(name: "name", source: .index), Route.Column(name: "address", source: .operation),
        ]
        #expect(try effects([update], route(columns: place)) == ["1|0|u", "2|1|u"])
    }

    @Test("a condition is about each row, and about what stands beside them also for deletions and truncations")
    func conditions() throws {
        var route = route()
        route.condition = try RouteCondition("$source.table = 't' and name != 'hidden'")
        route.onTruncate = .truncate
        let values = [
            event("INSERT", #"[{"id":"1","name":"a"},{"id":"2","name":"hidden"}]"#),
            event("UPDATE", #"[{"id":"4","name":"hidden"}]"#, old: #"[{"id":"1"}]"#),
            event("DELETE", #"[{"id":"9","name":"hidden"}]"#),
        ]
        #expect(try effects(values, route) == [#"1|a|\N"#, "-2", "-4", "-1", "-9"])
        let foreign = (values + [event("TRUNCATE", "null", isDdl: true)]).map {
            $0.replacing(#""table":"t""#, with: #""table":"u""#)
        }
        route.onFiltered = .keep
        let batch = try batch(foreign, route)
        #expect(try effects(foreign, route) == [])
        #expect(batch.operations[.filtered, target: 0] == 5 && batch.operations[.truncation, target: 0] == 0)
        // Deletions whose rows are not the route's to take are passed over or refused as its others are.
        route.onTombstone = .deadLetter
        #expect(try self.batch(foreign, route).deadLetters.isEmpty)
        #expect(try self.batch(values, route).deadLetters.map(\.message) == [1, 2])
    }

    @Test("in a history each row is one, told by its place")
    func history() throws {
        let names = ["topic", "part", "place", "number"]
        let columns = [
            Route.Column(name: "topic", source: .topic), Route.Column(name: "part", source: .partition),
            Route.Column(name: "place", source: .offset),
        ]
        let table = Table.made(
            [
                .made("id", .int4), .made("topic"), .made("part", .int4), .made("place", .int8),
                .made("number", .int4), .made("address", .inet),
            ], key: names)
        let lacking = Target.compile(route(.history, columns: columns), index: 0, table: table)
        guard case .failure(let problems) = lacking else {
            Issue.record("a history without $index is taken")
            return
        }
        #expect(problems.problems.map(\.mend) == [.routing(.nameCoordinates(["$index"]))])
        var whole = route(.history, columns: columns + [Route.Column(name: "number", source: .index)])
        whole.onTombstone = .skip
        let target = try Target.made(whole, table)
        let batch = Batch.filled(
            [
                (nil, event("DELETE", #"[{"id":"1"},{"id":"2"}]"#)),
                (nil, event("UPDATE", #"[{"id":"4"}]"#, old: #"[{"id":"3"}]"#)),
            ], for: target)
        #expect(batch.lines.map { $0[3] + $0[4] } == ["01", "12", "04"])
        #expect(batch.deadLetters.isEmpty)
    }

    @Test("a deletion says how new it is by what stands beside the rows, and so does a key that has changed")
    func versions() throws {
        let table = Table.made(
            [.made("id", .int4, isNotNull: true), .made("version", .int8), .made("address", .inet)], key: ["id"])
        var route = route(columns: [Route.Column(name: "version", source: .origin(FieldPath(["es"])))])
        route.newer = ["version"]
        func effects(_ route: Route) throws -> [String] {
            let target = try Target.made(route, table)
            let values = [
                event("DELETE", #"[{"id":"1"}]"#),
                event("UPDATE", #"[{"id":"3","version":"5"}]"#, old: #"[{"id":"2"}]"#),
            ]
            return self.effects(Batch.filled(values.map { (nil, $0) }, for: target), target)
        }
        #expect(try effects(route) == ["-1|7", "-2|7", #"3|7|\N"#])
        route.columns = nil
        // The deleted row's own version is as old as the row.
        #expect(try effects(route) == ["-1", "-2|5", #"3|5|\N"#])
    }

    @Test("strings for bytes are a character each")
    func bytes() throws {
        let bytea = PostgresType(oid: 17, name: "bytea", formatted: "bytea")
        let table = Table.made([.made("id", .int4, isNotNull: true), .made("b", bytea)], key: ["id"])
        let target = try Target.made(route(), table)
        let batch = Batch.filled(
            [
                (nil, event("INSERT", #"[{"id":"1","b":"\u0000A\u007f\u0080\u00ff"}]"#)),
                (nil, event("INSERT", #"[{"id":"2","b":"\u0100"}]"#)),
            ], for: target)
        let section = try #require(batch.sections.first { $0.kind == .rows })
        #expect(section.rows.count == 1)
        #expect(section.buffer.bytes.suffix(5).elementsEqual([0, 0x41, 0x7F, 0x80, 0xFF]))
        #expect(batch.deadLetters.map(\.reason) == [.badSyntax])
    }
}
