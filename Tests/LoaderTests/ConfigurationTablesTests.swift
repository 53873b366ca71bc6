import Loading
import Postgres
import Testing

@testable import Loader

@Suite struct ConfigurationTablesTests {
    private func yaml(_ table: String, _ more: String = "") -> String {
        completeYAML.replacing(/table: .*/, with: "table: \(table)") + more
    }

    @Test("a table's name may be made of what messages have, among tables that are named beside it")
    func template() throws {
        let route = try read(yaml("Events.${headers.type}_V2", "\n    tables: [clicks_v2, 'log_*']")).loading.routes[0]
        let template = try #require(route.template)
        #expect(template.schema == "events")
        #expect(template.parts == [.source(.header("type")), .text("_v2")])
        #expect(route.table == TableName(schema: "events", name: "${headers.type}_V2"))
        #expect(route.tables?.names == ["clicks_v2", "log_*"])
        let parts = try read(yaml("${topic.2}_${kind}", "\n    tables: '*'")).loading.routes[0].template
        #expect(parts?.schema == nil)
        #expect(parts?.parts.first == .topicPart(2))
        let variable = ["LOADER_ROUTES_0_TABLE": "events.${topic}", "LOADER_ROUTES_0_TABLES": "a, b"]
        #expect(try read(completeYAML, environment: variable).loading.routes[0].tables?.names == ["a", "b"])
    }

    @Test("what is in upper case is a variable of the environment, as in every other key")
    func variables() throws {
        let route = try read(yaml("${SCHEMA}.orders"), environment: ["SCHEMA": "shop"]).loading.routes[0]
        #expect(route.template == nil)
        #expect(route.table == TableName(schema: "shop", name: "orders"))
    }

    @Test("a choice without tables, tables without a choice and braces around nothing known are mistakes")
    func refused() throws {
        func path(_ yaml: String) throws -> [String?] { try LoaderTests.mistakes(yaml).map(\.path) }
        #expect(try path(yaml("events.${headers.type}")) == ["routes[0].table"])
        #expect(try path(yaml("events.orders", "\n    tables: [a]")) == ["routes[0].tables"])
        #expect(try path(yaml("events.${topic.0}", "\n    tables: [a]")) == ["routes[0].table"])
        #expect(try path(yaml("events.${headers.type}", "\n    tables: [events.a]")) == ["routes[0].tables"])
    }
}
