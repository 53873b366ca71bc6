import LoadingFixtures
import Postgres
import Records
import TestSupport
import Testing

@testable import Loading

@Suite("What changes nothing because it is not newer is counted as such")
struct NotNewerTests {
    private static func event(_ id: Int, _ version: Int, isDeletion: Bool = false) -> (key: String?, value: String?) {
        ("{\"id\": \(id), \"v\": \(version)}", isDeletion ? nil : "{\"id\": \(id), \"a\": \"\(version)\"}")
    }

    /// The table has 1, 2, 3 and 7 in version 5.
    private static let events = [
        event(1, 6), event(2, 5), event(3, 4, isDeletion: true), event(4, 1), event(4, 1),
        event(5, 1, isDeletion: true),
        event(2, 3), event(2, 4), event(6, 1), event(6, 2), event(6, 3, isDeletion: true), event(7, 3), event(7, 4),
        event(7, 4, isDeletion: true),
    ]

    @Test(
        "of rows and deletions, of several of a key in a batch, and of a batch that comes again",
        arguments: [RowWay.together, .ahead, .carefully], [Route.Absent.byDefault, .keep])
    func counted(way: RowWay, absent: Route.Absent) throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute("CREATE TABLE t (id int PRIMARY KEY, v int, a text, gone boolean)")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            for marks in [false, true] {
                var route = Route(
                    topics: [.name("orders")], table: name, mode: .upsert, onTombstone: marks ? .mark : nil,
                    columns: [.init(name: "v", source: .key(FieldPath(["v"])))])
                (route.absent, route.newer, route.mark) = (absent, ["v"], marks ? "gone" : nil)
                let target = try Target.compile(route, index: 0, table: found).get()
                try connection.execute(
                    "TRUNCATE t; INSERT INTO t (id, v) SELECT id, 5 FROM unnest('{1,2,3,7}'::int[]) AS id")
                func load() throws -> [RowOperation: Int] {
                    let batch = Batch.filled(Self.events, for: target)
                    let loaded = try way.load(batch, target, connection)
                    #expect(loaded.deadLetters.isEmpty && loaded.rows == Self.events.count)
                    return Dictionary(
                        uniqueKeysWithValues: RowOperation.allCases.map { ($0, loaded.operations[$0, target: 0]) }
                    ).filter { $0.value != 0 }
                }
                if marks {
                    // A mark of a row that is not there is a row; several of a row come to one.
                    #expect(try load() == [.row: 4, .mark: 2, .notNewer: 8])
                    #expect(try load() == [.notNewer: 14])
                } else {
                    #expect(try load() == [.row: 4, .deletion: 2, .notNewer: 8])
                    #expect(try load() == [.row: 2, .deletion: 2, .notNewer: 10])
                }
            }
        }
    }

    @Test("of batches that are mostly new rows as well", arguments: [RowWay.together, .ahead])
    func mostlyNew(way: RowWay) throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                "CREATE TABLE t (id int PRIMARY KEY, v int, a text); INSERT INTO t SELECT id, 5 FROM generate_series(1, 300) AS id"
            )
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            var route = Route(
                topics: [.name("orders")], table: name, mode: .upsert,
                columns: [.init(name: "v", source: .key(FieldPath(["v"])))])
            route.newer = ["v"]
            let target = try Target.compile(route, index: 0, table: found).get()
            let events = (1...3000).map { Self.event($0, $0 % 10) }
            let loaded = try way.load(Batch.filled(events, for: target), target, connection)
            #expect(loaded.operations[.notNewer, target: 0] == 180)
            #expect(loaded.operations[.row, target: 0] == 2820)
        }
    }
}
