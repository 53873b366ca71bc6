import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Sets of elements") struct ElementSetTests {
    private func target(_ change: (inout Route) -> Void = { _ in }) throws -> Target {
        var route = Route.made(
            mode: .upsert, key: ["sku", "id"],
            columns: [.init(name: "id", source: ColumnSource("$parent.id")), .init(name: "sku"), .init(name: "b")])
        route.each = ElementPath(parsing: "items")
        change(&route)
        let table = Table.made(
            [.made("id", .int8), .made("sku"), .made("b", default: "'y'"), .made("net", .inet)],
            uniqueIndexes: [.init(name: "k", columns: ["id", "sku"], isPrimary: false)])
        return try Target.made(route, table)
    }

    /// The parents that lose rows, as `-offset`, and the rows, each with what it gives and `*` where it stays from before.
    private func states(
        _ messages: [(key: String?, value: String?)], _ change: (inout Route) -> Void = { _ in }
    ) throws -> [String] {
        let target = try target(change)
        let batch = Batch.filled(messages, for: target)
        #expect(batch.deadLetters.isEmpty, "\(batch.deadLetters)")
        let selection = RowSelection(batch: batch, target: target)
        let sets = selection.finalSets(selection.rows.indices, try #require(target.parent))
        let staying = Set(sets.staying.map { [$0.row.section, $0.row.row] })
        return sets.parents.map { "-\($0.message)" }
            + sets.rows.map { reference in
                let section = sets.sections[Int(reference.section)]
                let row = section.rows[Int(reference.row)]
                let text = String(decoding: section.buffer.bytes[row.start..<row.end].dropLast(), as: UTF8.self)
                return text.replacing("\t", with: " ")
                    + (staying.contains([reference.section, reference.row]) ? "*" : "")
            }
    }

    private func order(_ id: Int, _ items: String?) -> (key: String?, value: String?) {
        ("\(id)", #"{"id":\#(id)\#(items.map { #","items":\#($0)"# } ?? "")}"#)
    }

    private func item(_ sku: String, _ b: String? = nil) -> String {
        #"{"sku":"\#(sku)"\#(b.map { #","b":"\#($0)""# } ?? "")}"#
    }

    @Test("the key's columns that are the parent's come first, whatever the order of the key")
    func key() throws {
        let target = try target()
        #expect(target.columns.prefix(2).map(\.name) == ["id", "sku"])
        #expect(target.parent == ElementParent(keyCount: 1, step: -1, deletesMissing: true))
        #expect(target.onTombstone == .delete)
    }

    @Test("of a parent's messages the last one has all rows, and an empty one has none")
    func lastWins() throws {
        let found = try states([
            order(2, "[\(item("a", "1")),\(item("b", "1"))]"), order(1, "[\(item("a", "1"))]"),
            order(2, "[\(item("b", "2")),\(item("c", "2"))]"), order(1, "[]"), order(3, "null"), order(4, nil),
        ])
        #expect(found == ["-3", "-2", "-4", #"2 b 2 \N*"#, #"2 c 2 \N"#].map { $0 })
    }

    @Test("a row that comes again gets what its earlier one has given, but not one from before it was gone")
    func history() throws {
        #expect(
            try states([order(1, "[\(item("a", "1"))]"), order(1, "[\(item("a"))]")]) == ["-1", #"1 a 1 \N*"#])
        #expect(
            try states([
                order(1, "[\(item("a", "1")),\(item("b", "1"))]"), order(1, "[\(item("b"))]"),
                order(1, "[\(item("b")),\(item("a"))]"),
            ]) == ["-2", #"1 a \N"#, #"1 b 1 \N*"#])
        #expect(
            try states([order(1, "[\(item("a", "1"))]"), ("1", nil), order(1, "[\(item("a"))]")])
                == ["-2", #"1 a \N"#])
    }

    @Test("within a message the last of a key counts, and a deletion takes all rows of the parent")
    func withinAndDeletion() throws {
        #expect(
            try states([order(1, "[\(item("a", "1")),\(item("a", "2"))]"), order(2, "[\(item("a", "1"))]"), ("2", nil)])
                == ["-0", "-2", #"1 a 2 \N*"#])
    }

    @Test("where missing rows are kept, only deletions take any")
    func keeping() throws {
        #expect(
            try states(
                [
                    order(1, "[\(item("a", "1"))]"), order(1, "[\(item("b", "2"))]"), order(2, "[\(item("a", "1"))]"),
                    ("2", nil), order(2, "[\(item("b", "2"))]"),
                ]
            ) { $0.onMissing = .keep } == ["-3", #"1 a 1 \N"#, #"1 b 2 \N"#, #"2 b 2 \N"#])
    }

    @Test("a list that holds the elements may be an element itself, with a key of its own")
    func innerParents() throws {
        var route = Route.made(
            mode: .upsert, key: ["item", "code"],
            columns: [.init(name: "item", source: ColumnSource("$parent.id")), .init(name: "code"), .init(name: "net")])
        route.rest = .none
        route.each = ElementPath(parsing: "items.options")
        let target = try Target.made(
            route, .made([.made("item"), .made("code"), .made("net", .inet)], key: ["item", "code"]))
        #expect(target.parent?.step == 0)
        #expect(target.onTombstone == .deadLetter)
        let batch = Batch.filled(
            [(nil, #"{"items":[{"id":"x","options":[{"code":"1"}]},{"id":"y","options":[]},{"id":"z"}]}"#)], for: target
        )
        let selection = RowSelection(batch: batch, target: target)
        let sets = selection.finalSets(selection.rows.indices, try #require(target.parent))
        #expect((sets.parents.count, sets.rows.count) == (2, 1))
    }
}
