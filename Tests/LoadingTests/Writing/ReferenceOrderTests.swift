import LoadingFixtures
import Testing

@testable import Loading
@testable import Postgres

@Suite("Order of tables that refer to each other") struct ReferenceOrderTests {
    private func target(_ name: String, refersTo parents: [String]) throws -> Target {
        var table = Table.made([.made("id")])
        table.name = TableName(schema: "public", name: name)
        var target = try Target.made(.made(), table)
        target.foreignKeys = parents.map { parent in
            ForeignKey(
                constraint: "", parent: TableName(schema: "public", name: parent), pairs: [], maySelectParent: true,
                isCheckedAsSent: true)
        }
        return target
    }

    @Test("what others refer to comes first, and what refers to nothing of these stays where it is")
    func order() throws {
        let order = ReferenceOrder([
            try target("options", refersTo: ["items"]), try target("items", refersTo: ["orders", "skus"]),
            try target("other", refersTo: ["elsewhere"]), try target("orders", refersTo: ["orders"]),
        ])
        #expect(order.upwards == [2, 3, 1, 0])
        #expect(order.isReferred == [false, true, false, true])
        #expect(!order.isFree)
    }

    @Test("tables without references among them are in no order, and a ring of them is gone through once")
    func rings() throws {
        #expect(ReferenceOrder([try target("a", refersTo: ["a"]), try target("b", refersTo: [])]).isFree)
        let ring = ReferenceOrder([try target("a", refersTo: ["b"]), try target("b", refersTo: ["a"])])
        #expect(ring.upwards.sorted() == [0, 1])
    }
}
