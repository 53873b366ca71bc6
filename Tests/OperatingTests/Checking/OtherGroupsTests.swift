import Postgres
import Testing

@testable import Loading
@testable import Operating

@Suite("A group that is new beside others")
struct OtherGroupsTests {
    private static let events = TableName(schema: "public", name: "events")
    private static let audit = TableName(schema: "public", name: "audit: all")

    private func row(_ group: String, _ topic: String, _ next: Int64 = 5) -> OtherGroups.Row {
        OtherGroups.Row(group: group, topic: topic, next: next, movedAt: "2026-01-31 00:00:00Z")
    }

    private func note(_ group: String, _ topic: String, _ table: TableName) -> OtherGroups.Row {
        row(group, LedgerMemory.loaded(topic, into: table), 0)
    }

    /// What stands in the way of `new`, which appends to `events`.
    private func found(
        _ rows: [OtherGroups.Row], by topic: Route.TopicPattern = .name("orders")
    ) -> [OtherGroups.Found] {
        OtherGroups.find([.init(topics: [topic], table: Self.events)], group: "new", rows)
    }

    @Test("what a group has loaded where is read as it was noted, whatever the table's name")
    func notes() {
        for table in [Self.events, Self.audit, TableName(schema: "a.b", name: #"c"d"#)] {
            let note = LedgerMemory.loaded(LedgerMemory.loaded("orders", into: table))
            #expect(note?.topic == "orders" && note?.table == table.quoted)
            #expect(LedgerMemory.isMemory(LedgerMemory.loaded("orders", into: table)))
        }
        #expect(LedgerMemory.loaded("orders") == nil)
    }

    @Test("a group that has loaded the topic into the table is in the way, by a name as by an expression")
    func known() {
        let rows = [row("old", "orders"), note("old", "orders", Self.events)]
        #expect(found(rows).map(\.group) == ["old"])
        #expect(found(rows, by: .expression("^ord.*")).map(\.isTableKnown) == [true])
    }

    @Test("nobody is in the way who has loaded another topic, another table or nothing")
    func others() {
        #expect(found([row("old", "payments"), note("old", "payments", Self.events)]) == [])
        #expect(found([row("old", "orders"), note("old", "orders", Self.audit)]) == [])
        #expect(found([row("old", "orders", 0), note("old", "orders", Self.events)]) == [])
        #expect(found([row("new", "orders"), note("new", "orders", Self.events)]) == [])
    }

    @Test("a group of an older loader, which noted no tables, is in the way by the topic alone")
    func unknownTable() {
        #expect(found([row("old", "orders")]).map(\.isTableKnown) == [false])
    }

    @Test("a group that has begun is not new, noted or not; one that is led to another table is, where that is known")
    func begun() {
        let old = [row("old", "orders"), note("old", "orders", Self.events)]
        #expect(found(old + [row("new", "orders")]) == [], "begun by an older loader")
        #expect(found(old + [note("new", "orders", Self.events)]) == [], "begun, and nothing loaded yet")
        #expect(found(old + [row("new", "orders"), note("new", "orders", Self.audit)]).map(\.group) == ["old"])
        #expect(found([row("old", "orders"), row("new", "orders"), note("new", "orders", Self.audit)]) == [])
    }
}
