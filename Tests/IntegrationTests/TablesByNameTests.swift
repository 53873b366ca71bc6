import Foundation
import Kafka
import Loading
import Logging
import Postgres
import TestSupport
import Testing

@testable import Loader

@Suite("Tables by name, end to end")
struct TablesByNameTests {
    private func route(_ topic: String, _ scenario: Scenario, _ table: String, _ tables: [String]) throws -> Route {
        var route = Route(topic, "t")
        route.routedTable = try parseRoutedTable(table)
        route.tables = TableList(tables)
        return route
    }

    private func message(_ id: Int, _ type: String?) -> TestMessage {
        var message = TestMessage(key: nil, value: #"{"id":\#(id)}"#)
        if let type { message.headers = [Header("type", type)] }
        return message
    }

    @Test(
        "messages go where their header says, the unknown to the dead letters, and a replay takes them to a table made since"
    )
    func choose() async throws {
        let tables = "CREATE TABLE ev_a (id int); CREATE TABLE ev_b (id int, more text); CREATE TABLE other (id int)"
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic([
                message(1, "a"), message(2, "b"), message(3, "c"), message(4, nil), message(5, "a"),
            ])
            let route = try route(topic, scenario, "ev_${headers.type}", ["ev_*", "other"])
            let result = try await scenario.load([route])
            #expect(try scenario.rows("SELECT id FROM ev_a ORDER BY id") == ["1", "5"])
            #expect(try scenario.rows("SELECT id, more FROM ev_b") == ["2|∅"])
            #expect(result.routes.map(\.rows) == [3])
            #expect(result.routes.map(\.deadLetters) == [2])
            let letters = try scenario.deadLetters()
            #expect(letters.map(\.reason) == ["no_table", "no_table"])
            #expect(
                try scenario.rows(
                    "SELECT DISTINCT target FROM loader.dead_letters WHERE consumer_group = '\(scenario.group)'")
                    == ["ev_${headers.type}"])
            #expect(letters[0].message == "the message names no table that can be loaded among ev_*, other: ev_c")
            try scenario.connection.execute("CREATE TABLE ev_c (id int)")
            let outcome = try await replay(scenario.options([route]))
            #expect((outcome.loaded, outcome.failed) == (1, 1))
            #expect(try scenario.rows("SELECT id FROM ev_c") == ["3"])
        }
    }

    private func replay(_ options: LoadingOptions, _ ids: [Int64] = []) async throws -> DeadLetterReplay.Outcome {
        try await onThread {
            let logger = Logger(label: "replay") { _ in SwiftLogNoOpLogHandler() }
            var filter = DeadLetterFilter()
            filter.group = options.group
            filter.ids = ids
            return try DeadLetterReplay(options, logger: logger).run(filter)
        }
    }

    @Test("a letter is not overtaken by a later one of its key that waits for the same table")
    func notOvertaken() async throws {
        try await Scenario.with("CREATE TABLE ev_a (id int PRIMARY KEY, v int)") { scenario in
            let topic = try scenario.topic(
                (1...2).map { TestMessage(key: nil, value: #"{"id":1,"v":\#($0)}"#, headers: [Header("type", "c")]) })
            var route = try route(topic, scenario, "ev_${headers.type}", ["ev_*"])
            route.mode = .upsert
            try await scenario.load([route])
            try scenario.connection.execute("CREATE TABLE ev_c (id int PRIMARY KEY, v int)")
            let ids = try scenario.rows(
                "SELECT id FROM loader.dead_letters WHERE consumer_group = '\(scenario.group)' ORDER BY \"offset\"")
            for (place, id) in ids.enumerated() {
                let outcome = try await replay(scenario.options([route]), [try #require(Int64(id))])
                #expect((outcome.loaded, outcome.overtaken) == (1, 0))
                #expect(try scenario.rows("SELECT v FROM ev_c") == ["\(place + 1)"])
            }
        }
    }

    @Test("a running loader finds a table that is made later, and goes on meanwhile")
    func madeLater() async throws {
        try await Scenario.with("CREATE TABLE ev_a (id int)") { scenario in
            let topic = try scenario.topic([message(1, "a")])
            let run = try LoaderRun(scenario.options([try route(topic, scenario, "ev_${headers.type}", ["ev_*"])]))
            try await eventually("the first is in", within: .seconds(60)) {
                try scenario.rows("SELECT count(*) FROM ev_a") == ["1"]
            }
            try scenario.connection.execute("CREATE TABLE ev_new (id int)")
            try await eventually("the new table has rows", within: .seconds(60)) {
                try scenario.produce([message(2, "new"), message(3, "a")], to: topic)
                return try scenario.rows("SELECT count(*) > 0 FROM ev_new") == ["t"]
            }
            try await run.finish()
        }
    }

    @Test(
        "a table of the list that is missing, a pattern without any and what does not fit a table are told at the start"
    )
    func setup() async throws {
        let tables = "CREATE TABLE ev_a (id int); CREATE TABLE ev_b (id int, needed int NOT NULL)"
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic()
            func problems(_ tables: [String], columns: [Route.Column]? = nil) async throws -> [String] {
                var route = try route(topic, scenario, "ev_${headers.type}", tables)
                route.columns = columns
                if columns != nil { route.rest = .none }
                do {
                    try await scenario.load([route])
                    return []
                } catch let error as LoadingError {
                    return error.problems.map(\.problem)
                }
            }
            #expect(try await problems(["ev_a", "ev_x"]) == ["there is no table ev_x"])
            #expect(try await problems(["none_*"]) == ["there is no table among none_* for ev_${headers.type}"])
            let unfit = try await problems(["ev_*"], columns: [Route.Column("id", "id")])
            #expect(unfit.count == 1)
            #expect(unfit.first?.contains("ev_b.needed is NOT NULL") == true)
        }
    }

    @Test("a hundred tables take their rows in one transaction, each its own")
    func hundred() async throws {
        let tables = (0..<100).map { "CREATE TABLE many_\($0) (id int PRIMARY KEY)" }.joined(separator: ";")
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic((0..<2000).map { message($0, "\($0 % 100)") })
            var route = try route(topic, scenario, "many_${headers.type}", ["many_*"])
            route.mode = .upsert
            let result = try await scenario.load([route])
            #expect(result.batches == 1)
            let wrong = (0..<100).map { "SELECT 1 FROM many_\($0) HAVING count(*) <> 20 OR bool_or(id % 100 <> \($0))" }
            #expect(try scenario.rows(wrong.joined(separator: " UNION ALL ")).isEmpty)
        }
    }
}
