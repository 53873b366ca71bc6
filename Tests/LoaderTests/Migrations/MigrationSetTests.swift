import Foundation
import Testing

@testable import Loader

@Suite struct MigrationSetTests {
    private func set(_ names: String...) throws -> MigrationSet {
        try MigrationSet(
            origin: "here",
            files: names.map { try MigrationFile(name: $0, contents: "-- migrate:up\n-- migrate:down\n") })
    }

    @Test("files run in the order of their names, and one that came late still runs")
    func order() throws {
        let set = try set("0010_c.sql", "0002_b.sql", "0001_a.sql", "20240101_d.sql")
        #expect(set.files.map(\.version) == ["0001", "0002", "0010", "20240101"])
        #expect(set.pending(applied: ["0002", "0010"]).map(\.version) == ["0001", "20240101"])
        #expect(set.pending(applied: ["0001", "0002", "0010", "20240101", "9"]).isEmpty)
        #expect(set.unknown(applied: ["0001", "9", "8"]) == ["8", "9"])
    }

    @Test("two files with one version are refused: only one could be recorded")
    func duplicates() {
        let error = #expect(throws: MigrationError.self) { try set("0001_a.sql", "0001_b.sql") }
        #expect(error?.code == .duplicateVersion)
        #expect(error?.file == "0001_b.sql")
    }

    @Test("the last applied file is rolled back, but none beneath one whose file is not here")
    func latest() throws {
        let set = try set("0001_a.sql", "0002_b.sql", "0003_c.sql")
        #expect(try set.latest(applied: ["0001", "0002"]).version == "0002")
        #expect(try set.latest(applied: ["0002", "0000"]).version == "0002")
        #expect(throws: MigrationError.self) { try set.latest(applied: []) }
        let error = #expect(throws: MigrationError.self) { try set.latest(applied: ["0001", "0004"]) }
        #expect(error?.code == .missingFile)
        let unknown = #expect(throws: MigrationError.self) { try set.latest(applied: ["9"]) }
        #expect(unknown?.code == .missingFile)
    }

    @Test(
        "a new file takes the next number, or the time where the last one did",
        arguments: [
            ([], "add notes", "0001_add_notes.sql"),
            (["0001_a.sql", "0009_b.sql", "readme.md"], "Ünïcode & Co", "0010_n_code_co.sql"),
            (["9999_a.sql"], "x", "10000_x.sql"), (["000041_a.sql"], "x", "000042_x.sql"),
            (["0001_a.sql", "20240131120000_b.sql"], "x-y", "20010909014640_x_y.sql"),
        ])
    func nextName(names: [String], title: String, expected: String) throws {
        let now = Date(timeIntervalSince1970: 1_000_000_000)
        #expect(try MigrationSet.nextName(after: names, called: title, now: now) == expected)
    }

    @Test("a name without letters or digits is refused")
    func noName() {
        #expect(throws: MigrationError.self) { try MigrationSet.nextName(after: [], called: "../ ", now: Date()) }
    }

    @Test("the template of a new file is a migration")
    func template() throws {
        _ = try MigrationFile(name: "1.sql", contents: MigrationSet.template)
    }

    private static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../../migrations").standardizedFileURL.path()

    @Test("the schema that the program carries is the one in migrations/")
    func builtIn() throws {
        let directory = try MigrationSet(directory: Self.directory)
        #expect(
            directory.files.map(\.name) == ["0001_loader.sql", "0002_demo_orders.sql", "0003_last_messages.sql"])
        #expect(try MigrationSet.builtIn().files == directory.files.filter { !$0.name.contains("demo") })
    }

    @Test("a directory that is not there is an error, not an empty set")
    func noDirectory() {
        let error = #expect(throws: MigrationError.self) { try MigrationSet(directory: Self.directory + "/none") }
        #expect(error?.code == .unreadableDirectory)
        #expect(error?.exitStatus == .configuration)
    }
}
