import Testing

@testable import Operating

@Suite struct MigrationFileTests {
    @Test("a file's two blocks keep their directive, so the server's positions fit the file's lines")
    func blocks() throws {
        let file = try MigrationFile(
            name: "0007_prices.sql",
            contents: "-- why\n\n-- migrate:up\nCREATE TABLE t ();\n\n-- migrate:down\nDROP TABLE t;\n")
        #expect(file.version == "0007")
        #expect(file.up == .init(sql: "-- migrate:up\nCREATE TABLE t ();\n\n", firstLine: 3, isTransactional: true))
        #expect(file.down == .init(sql: "-- migrate:down\nDROP TABLE t;\n", firstLine: 6, isTransactional: true))
        #expect(file.up.line(ofPosition: 1) == 3)
        #expect(file.up.line(ofPosition: 15) == 4)
        #expect(file.down.line(ofPosition: 17) == 7)
    }

    @Test("line ends of Windows, a missing last one, no space and indented comments are read as dbmate reads them")
    func forms() throws {
        let file = try MigrationFile(
            name: "1.sql", contents: "  -- a\r\n--migrate:up\r\nSELECT '€'\r\n--   migrate:down  \r\nSELECT 2")
        #expect(file.version == "1")
        #expect(file.up.sql == "--migrate:up\r\nSELECT '€'\r\n")
        #expect(file.down.sql == "--   migrate:down  \r\nSELECT 2")
        #expect(file.up.line(ofPosition: 15) == 3)
        #expect(file.down.firstLine == 4)
    }

    @Test(
        "transaction:false, alone or among other options, takes the block out of a transaction",
        arguments: [
            ("", true), (" transaction:false", false), (" foo:bar  transaction:false", false),
            (" transaction:true", true),
            (" foo", true),
        ])
    func options(option: String, isTransactional: Bool) throws {
        let file = try MigrationFile(name: "1.sql", contents: "-- migrate:up\(option)\n-- migrate:down\(option)\n")
        #expect(file.up.isTransactional == isTransactional)
        #expect(file.down.isTransactional == isTransactional)
    }

    @Test(
        "what dbmate would refuse, or would silently run as something else, is refused with its line",
        arguments: [
            ("SELECT 1;", 1), ("-- migrate:upwards\n-- migrate:down\n", 2), ("-- migrate:up\n", nil),
            ("-- a\nSELECT 1;\n-- migrate:up\n-- migrate:down\n", 2), ("-- migrate:down\n-- migrate:up\n", 1),
            (" -- migrate:up\n-- migrate:down\n", 2), ("", nil),
            ("-- migrate:up\n-- migrate:up\n-- migrate:down\n", 2),
            ("-- migrate:up\n-- migrate:down\n-- migrate:down\n", 3),
        ])
    func refused(contents: String, line: Int?) {
        let error = #expect(throws: MigrationError.self) { try MigrationFile(name: "1.sql", contents: contents) }
        #expect(error?.code == .badFormat)
        #expect(error?.file == "1.sql")
        #expect(error?.line == line)
    }

    @Test(
        "the version is the digits that the name begins with",
        arguments: [
            ("0001_loader.sql", "0001"), ("20240131120000_x.sql", "20240131120000"), ("12.sql", "12"), ("5a.sql", "5"),
            ("x.sql", nil), ("_1.sql", nil), ("1_a.SQL", nil), ("1_a.sql.orig", nil), ("٣_a.sql", nil), ("", nil),
        ])
    func version(name: String, expected: String?) {
        #expect(MigrationFile.version(of: name) == expected)
    }
}
