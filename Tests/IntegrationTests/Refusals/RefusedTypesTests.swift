import Foundation
import Loading
import Postgres
import TestSupport
import Testing

/// One bad text for each type, whatever its input function thinks of it and whatever SQLSTATE it calls it by.
@Suite("Values that a type refuses")
struct RefusedTypesTests {
    @Test("the specimens are all types of the server's catalog that a column can have")
    func specimensAreComplete() async throws {
        try await Scenario.with("") { scenario in
            // Newer servers may have more.
            guard scenario.connection.serverVersion / 10000 == 15 else { return }
            let types = try scenario.rows(
                """
                SELECT typname FROM pg_type
                WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm', 'e', 'd')
                  AND (typcategory <> 'A' OR typname IN ('int2vector', 'oidvector'))
                """)
            let known = Set(TypeSpecimen.catalog.map { $0.type.replacing("\"", with: "") })
            #expect(Set(types).subtracting(known).subtracting(["bit"]).isEmpty)
        }
    }

    @Test(
        "a bad text is a dead letter with its neighbours loaded, for every type",
        arguments: [Route.Mode.insert, .ignore, .upsert])
    func everyType(_ mode: Route.Mode) async throws {
        try await refuse(TypeSpecimen.catalog + TypeSpecimen.own, mode)
    }

    @Test(
        "a bad element is a dead letter with its neighbours loaded, for every array",
        arguments: [Route.Mode.insert, .ignore, .upsert])
    func everyArray(_ mode: Route.Mode) async throws {
        // What has no input function has no good element, and a vector's array is nobody's column.
        let elements = TypeSpecimen.catalog.filter { $0.good != "null" && !$0.type.hasSuffix("vector") }
        try await refuse((elements + TypeSpecimen.own).map(\.array), mode)
    }

    @Test(
        "a bad text is a dead letter with its neighbours loaded, for every type of contrib",
        arguments: [Route.Mode.insert, .ignore, .upsert])
    func everyContribType(_ mode: Route.Mode) async throws {
        let connection = try TestDatabase.shared().connect()
        let types = TypeSpecimen.contrib.flatMap { name, types in
            // Two tests at once may both find it missing.
            (try? connection.execute("CREATE EXTENSION IF NOT EXISTS \(name) SCHEMA public")) != nil
                || (try? connection.execute("CREATE EXTENSION IF NOT EXISTS \(name) SCHEMA public")) != nil ? types : []
        }
        // A server may have come without any.
        guard !types.isEmpty else { return }
        try await refuse(types + types.map(\.array), mode)
    }

    /// A table for each type, all fed by one topic: a good message, a bad one, a good one.
    private func refuse(_ specimens: [TypeSpecimen], _ mode: Route.Mode) async throws {
        let known = try TestDatabase.shared().connect()
        let specimens = try specimens.filter { specimen in
            guard known.makes(specimen.type) else { return false }
            // Older servers have fewer. What is not in pg_catalog is made by the scenario itself.
            let type = try known.query("SELECT to_regtype($1)::text", [.text(specimen.type)])
            return TypeSpecimen.own.contains { specimen.type.hasPrefix($0.type) } || type.string(0, 0) != nil
        }
        let tables = specimens.indices.map { "CREATE TABLE t\($0) (id int PRIMARY KEY, v \(specimens[$0].type));" }
        try await Scenario.with(TypeSpecimen.ownTypes + tables.joined()) { scenario in
            func message(_ id: Int, _ value: (TypeSpecimen) -> String) -> TestMessage {
                let fields = specimens.indices.map { #""v\#($0)": \#(value(specimens[$0]))"# }
                return TestMessage(key: nil, value: #"{"id": \#(id), \#(fields.joined(separator: ", "))}"#)
            }
            let topic = try scenario.topic([message(1, \.good), message(2) { $0.bad ?? $0.good }, message(3, \.good)])
            let routes = specimens.indices.map { index in
                Route(
                    topic, "t\(index)", mode: mode, key: mode == .insert ? nil : ["id"],
                    columns: [Route.Column("id", "id"), Route.Column("v", "v\(index)")], label: "routes[\(index)]")
            }
            let said = try await Said.whileLoading(scenario.options(routes))
            let letters = Dictionary(grouping: try scenario.deadLetters(), by: \.table)
            for (index, specimen) in specimens.enumerated() {
                let own = letters["t\(index)"] ?? []
                let rows = try scenario.rows("SELECT id, v IS NULL FROM t\(index) ORDER BY id")
                let isNull = specimen.good == "null" ? "t" : "f"
                let expected = (specimen.bad == nil ? ["1", "2", "3"] : ["1", "3"]).map { "\($0)|\(isNull)" }
                #expect(rows == expected, "\(specimen.type): \(own.map(\.message))")
                #expect(own.map(\.offset) == (specimen.bad == nil ? [] : [1]), "\(specimen.type)")
                for letter in own { #expect(letter.sqlState != nil || letter.column == "v", "\(specimen.type)") }
            }
            #expect(!said.contains(TypeSpecimen.secret), "\(said.lines(with: TypeSpecimen.secret))")
        }
    }
}
