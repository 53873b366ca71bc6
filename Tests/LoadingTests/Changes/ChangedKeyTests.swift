import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Changes of a key")
struct ChangedKeyTests {
    private let table = Table.made(
        [.made("id", .int4, isNotNull: true), .made("name"), .made("address", .inet)], key: ["id"])

    private func route(_ form: EnvelopeOptions.Form, _ change: (inout Route) -> Void = { _ in }) -> Route {
        var route = Route.made(mode: .upsert, names: .snakeCase)
        route.envelopeOptions = EnvelopeOptions(form: form)
        change(&route)
        return route
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

    private func effects(_ values: [String], _ route: Route) throws -> [String] {
        let target = try Target.made(route, table)
        return effects(Batch.filled(values.map { (nil, $0) }, for: target), target)
    }

    @Test("an event that says the key before a change as well deletes that key's row, whatever its program")
    func forms() throws {
        let maxwell = [
            #"{"type":"update","data":{"id":2,"name":"a"},"old":{"id":1}}"#,
            #"{"type":"update","data":{"id":2,"name":"b"},"old":{"name":"a"}}"#,
        ]
        #expect(try effects(maxwell, route(.maxwell)) == ["-1", #"2|a|\N"#, #"2|b|\N"#])
        let goldenGate = [
            #"{"op_type":"U","before":{"ID":1,"NAME":"a"},"after":{"ID":2,"NAME":"a"}}"#,
            #"{"op_type":"U","before":{"ID":2,"NAME":"a"},"after":{"ID":2,"NAME":"b"}}"#,
            // The same number, written otherwise.
            #"{"op_type":"U","before":{"ID":2.0},"after":{"ID":2,"NAME":"c"}}"#,
        ]
        #expect(try effects(goldenGate, route(.goldengate)) == ["-1", #"2|a|\N"#, #"2|b|\N"#, #"2|c|\N"#])
        let dms = [
            #"{"data":{"id":2},"before-image":{"id":1},"metadata":{"operation":"update"}}"#,
            #"{"data":{"id":3},"before-image":{"id":null},"metadata":{"operation":"update"}}"#,
        ]
        let image = route(.dms) { $0.envelopeOptions.before = FieldPath(["before-image"]) }
        #expect(try effects(dms, image) == ["-1", #"2|\N|\N"#, #"3|\N|\N"#])
        var own = route(.none)
        own.envelopeOptions = EnvelopeOptions()
        own.envelopeOptions.operation = FieldPath(["kind"])
        own.envelopeOptions.after = FieldPath(["new"])
        own.envelopeOptions.before = FieldPath(["old"])
        own.envelopeOptions.update = ["put"]
        #expect(try effects([#"{"kind":"put","new":{"id":2},"old":{"id":1}}"#], own) == ["-1", #"2|\N|\N"#])
        // Debezium's come as a deletion and a creation.
        let debezium = #"{"op":"u","before":{"id":1},"after":{"id":2},"source":{}}"#
        #expect(try effects([debezium], route(.debezium)) == [#"2|\N|\N"#])
    }

    private let change = #"{"type":"update","data":{"id":2,"name":"a"},"old":{"id":1}}"#

    @Test("a row that cannot be in keeps its former one, too, and so does one that the route lets nobody delete")
    func refused() throws {
        let table = Table.made(
            [.made("id", .int4, isNotNull: true), .made("name"), .made("amount", .int4), .made("address", .inet)],
            key: ["id"])
        let bad = #"{"type":"update","data":{"id":2,"name":"a","amount":"x"},"old":{"id":1}}"#
        let target = try Target.made(route(.maxwell), table)
        let batch = Batch.filled([(nil, bad), (nil, change)], for: target)
        #expect(effects(batch, target) == ["-1", #"2|a|\N|\N"#])
        #expect(batch.deadLetters.map(\.message) == [0] && batch.settled == 2)
        // They go in together, or none of them does.
        #expect(RowSelection(batch: batch, target: target).units == [0..<2])
        #expect(try effects([change], route(.maxwell) { $0.onTombstone = .skip }) == [#"2|a|\N"#])
        let strict = try Target.made(route(.maxwell) { $0.onTombstone = .deadLetter }, table)
        let letters = Batch.filled([(nil, change)], for: strict)
        #expect(letters.deadLetters.map(\.reason) == [.tombstone] && effects(letters, strict) == [])
    }

    @Test("batches without such a change are loaded row by row as others are")
    func units() throws {
        let target = try Target.made(route(.maxwell), table)
        let batch = Batch.filled([(nil, #"{"type":"update","data":{"id":2},"old":{"name":"x"}}"#)], for: target)
        #expect(RowSelection(batch: batch, target: target).units == nil)
    }

    @Test("a row that leaves the condition with its key is gone under both, and one of another table touches none")
    func conditions() throws {
        let condition = try RouteCondition("name != 'hidden'")
        let hidden = #"{"type":"update","table":"u","data":{"id":2,"name":"hidden"},"old":{"id":1}}"#
        #expect(try effects([hidden], route(.maxwell) { $0.condition = condition }).sorted() == ["-1", "-2"])
        let ofTable = try RouteCondition("$source.table = 't' and name != 'hidden'")
        let keeping = route(.maxwell) {
            $0.condition = ofTable
            $0.onFiltered = .keep
        }
        #expect(try effects([hidden], keeping) == [])
        let deletion = #"{"type":"delete","table":"u","data":{"id":2,"name":"x"}}"#
        #expect(try effects([deletion], keeping) == [])
        #expect(try effects([deletion.replacing(#""u""#, with: #""t""#)], keeping) == ["-2"])
    }

    @Test("where deleted rows are marked, the former one is")
    func marks() throws {
        let table = Table.made(
            [
                .made("id", .int4, isNotNull: true), .made("name"),
                .made("gone", PostgresType(oid: 16, name: "bool", formatted: "boolean")), .made("address", .inet),
            ], key: ["id"])
        let marking = route(.maxwell) {
            $0.onTombstone = .mark
            $0.mark = "gone"
        }
        let target = try Target.made(marking, table)
        let batch = Batch.filled([(nil, change)], for: target)
        #expect(batch.deadLetters.isEmpty)
        #expect(effects(batch, target) == ["1|t", #"2|f|a|\N"#])
    }

    @Test("the elements of a parent go with its former key")
    func elements() throws {
        let table = Table.made(
            [.made("parent", .int4), .made("sku"), .made("address", .inet)], key: ["parent", "sku"])
        var route = route(.maxwell)
        route.columns = [Route.Column(name: "parent", source: .parent(levels: 1, FieldPath(["id"])))]
        route.each = ElementPath(parsing: "items")
        let target = try Target.made(route, table)
        let batch = Batch.filled(
            [
                (nil, #"{"type":"update","data":{"id":2,"items":[{"sku":"a"}]},"old":{"id":1}}"#),
                (nil, #"{"type":"update","data":{"id":4,"items":[{"sku":[]}]},"old":{"id":3}}"#),
            ], for: target)
        #expect(
            effects(batch, target).filter { $0.hasPrefix("-") || $0.contains("a") }.sorted()
                == ["-1", "-2", #"2|a|\N"#].sorted())
        #expect(batch.deadLetters.map(\.message) == [1])
    }
}
