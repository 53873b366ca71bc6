import Foundation
import Testing

@testable import Operating

@Suite struct MigrationSetTests {
    private func set(_ names: String...) throws -> MigrationSet {
        try MigrationSet(
            origin: "here",
            files: names.map { try MigrationFile(name: $0, contents: "-- migrate:up\n-- migrate:down\n") })
    }

    private func plan(_ set: MigrationSet, _ recorded: Set<String>) -> MigrationPlan {
        MigrationPlan(set, MigrationFacts(recorded: recorded))
    }

    @Test("files run in the order of their names, and one that came late still runs")
    func order() throws {
        let set = try set("0010_c.sql", "0002_b.sql", "0001_a.sql", "20240101_d.sql")
        #expect(set.files.map(\.version) == ["0001", "0002", "0010", "20240101"])
        #expect(plan(set, ["0002", "0010"]).pending.map(\.version) == ["0001", "20240101"])
        #expect(plan(set, ["0001", "0002", "0010", "20240101", "9"]).pending.isEmpty)
        #expect(plan(set, ["0001", "9", "8"]).unknown == ["8", "9"])
    }

    @Test("the loader's own files come first, whatever the others are called, and are what the program carries")
    func withBuiltIn() throws {
        let own = try MigrationSet.builtIn().files
        #expect(own.last?.version == MigrationFile.latestOwn)
        #expect(own.allSatisfy { $0.isLoadersOwn })
        let set = try set("0000_z.sql", "20260101000000_b.sql", own[0].name).withBuiltIn()
        #expect(set.files == own + set.files.suffix(2))
        #expect(set.files.map(\.version).suffix(2) == ["0000", "20260101000000"])
    }

    @Test("the fingerprint is of what is applied, and knows the schema of version 0.1.0")
    func fingerprint() throws {
        func file(_ up: String) throws -> MigrationFile {
            try MigrationFile(name: "1.sql", contents: "-- migrate:up\n\(up)\n-- migrate:down\n")
        }
        #expect(try file("SELECT 1;").fingerprint == file("\n  SELECT\t1;\r\n").fingerprint)
        #expect(try file("SELECT 1;").fingerprint != file("SELECT 2;").fingerprint)
        #expect(try Former.file().isLedgerOf010)
    }

    @Test("two files with one version are refused: only one could be recorded")
    func duplicates() {
        let error = #expect(throws: MigrationError.self) { try set("0001_a.sql", "0001_b.sql") }
        #expect(error?.code == .duplicateVersion)
        #expect(error?.file == "0001_b.sql")
    }

    @Test(
        "the last applied file is rolled back, but none beneath one whose file is not here, and none of the loader's own"
    )
    func latest() throws {
        let set = try set("0001_a.sql", "0002_b.sql", "0003_c.sql").withBuiltIn()
        func latest(_ recorded: Set<String>) throws -> String { try plan(set, recorded).latest("here").version }
        #expect(try latest(["0001", "0002"]) == "0002")
        #expect(try latest(["0002", "0000"]) == "0002")
        let cases: [(recorded: Set<String>, code: MigrationError.Code)] = [
            ([], .nothingToRollBack), (["00000000000001", "00000000000003"], .nothingToRollBack),
            (["0001", "0004"], .missingFile), (["9"], .missingFile),
        ]
        for (recorded, code) in cases {
            let error = #expect(throws: MigrationError.self) { try latest(recorded) }
            #expect(error?.code == code)
        }
        let copy = try MigrationSet(origin: "here", files: [Former.file(named: "0004_loader.sql")])
        let error = #expect(throws: MigrationError.self) { try plan(copy, ["0004"]).latest("here") }
        #expect(error?.code == .ledgerStays)
    }

    @Test(
        "a new file takes the next number, or the time where the last one did",
        arguments: [
            ([], "add notes", "0001_add_notes.sql"),
            (["0001_a.sql", "0009_b.sql", "readme.md"], "Ünïcode & Co", "0010_n_code_co.sql"),
            (["9999_a.sql"], "x", "10000_x.sql"), (["000041_a.sql"], "x", "000042_x.sql"),
            (["0001_a.sql", "20240131120000_b.sql"], "x-y", "20010909014640_x_y.sql"),
            (["0001_a.sql", "00000000000001_loader.sql"], "x", "0002_x.sql"),
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
        #expect(try MigrationSet.builtIn().files == MigrationSet(directory: Self.directory).files)
    }

    @Test("a directory that is not there is an error, not an empty set")
    func noDirectory() {
        let error = #expect(throws: MigrationError.self) { try MigrationSet(directory: Self.directory + "/none") }
        #expect(error?.code == .unreadableDirectory)
        #expect(error?.passes == false)
    }
}
