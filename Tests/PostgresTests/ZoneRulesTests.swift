import Foundation
import TestSupport
import Testing

@testable import Postgres

@Suite("Rules of time zones")
struct ZoneRulesTests {
    /// A file of the IANA database's form with these changes, and what goes on after them.
    private func file(
        first: Int32 = 0, _ changes: [(start: Int64, offset: Int32)] = [], footer: String = "", leaps: Int32 = 0
    ) -> [UInt8] {
        func big(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        func header(_ counts: [Int32]) -> [UInt8] {
            Array("TZif2".utf8) + Array(repeating: 0, count: 15) + counts.flatMap { big($0) }
        }
        let types = [first] + changes.map(\.offset)
        // The first part is for old programs: one type, which is wrong.
        var bytes = header([0, 0, 0, 0, 1, 4]) + big(Int32(777)) + [0, 0] + Array("OLD\0".utf8)
        bytes += header([0, 0, leaps, Int32(changes.count), Int32(types.count), 4])
        bytes += changes.flatMap { big($0.start) } + (0..<changes.count).map { UInt8($0 + 1) }
        bytes += types.flatMap { big($0) + [0, 0] } + Array("NEW\0".utf8)
        return bytes + Array("\n\(footer)\n".utf8)
    }

    private func seconds(_ text: String) throws -> Int64 {
        Int64(try Date(text, strategy: .iso8601).timeIntervalSince1970)
    }

    @Test("a zone has the rules of the machine's file, whatever Swift's own say")
    func machine() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "zones-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(
            at: directory.appending(path: "Europe"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try Data(file(first: 18_000)).write(to: directory.appending(path: "Europe/Berlin"))
        try Data(file(first: 7200)).write(to: directory.appending(path: "Europe/Nowhere"))
        let berlin = try #require(ZoneOffsets("Europe/Berlin", in: directory.path()))
        #expect(berlin.offset(at: 1_700_000_000) == 18_000)
        #expect(berlin.constantOffset == 18_000)
        #expect(ZoneOffsets("Europe/Nowhere", in: directory.path())?.offset(at: 0) == 7200)
        #expect(ZoneOffsets("Europe/Paris", in: directory.path())?.offset(at: 1_700_000_000) == 3600)
    }

    @Test(
        "a name that leads out of the database, or to nothing, is no zone",
        arguments: [
            "../etc/passwd", "Europe/../../../../etc/passwd", "/etc/passwd", "Europe", "Europe/Absent", "",
            "right/Europe/Paris",
        ])
    func strangers(name: String) {
        #expect(ZoneOffsets(name) == nil)
    }

    @Test("changes count from their second on, and the footer from the last of them on")
    func changes() throws {
        let rules = try #require(
            ZoneRules(file(first: 1000, [(-5000, 3600), (5000, 7200)], footer: "CET-1CEST,M3.5.0,M10.5.0/3")))
        #expect(rules.offset(at: -5001) == 1000)
        #expect(rules.offset(at: -5000) == 3600)
        #expect(rules.offset(at: 4999) == 3600)
        // January 1970, by the footer.
        #expect(rules.offset(at: 5000) == 3600)
        for (moment, offset) in [
            ("2026-03-29T00:59:59Z", 3600), ("2026-03-29T01:00:00Z", 7200), ("2026-10-25T00:59:59Z", 7200),
            ("2026-10-25T01:00:00Z", 3600), ("2399-07-01T00:00:00Z", 7200), ("2100-12-31T23:59:59Z", 3600),
        ] {
            #expect(rules.offset(at: try seconds(moment)) == offset, "\(moment)")
        }
    }

    @Test(
        "a footer is read in each of its forms",
        arguments: [
            ("<+0330>-3:30", "2026-07-01T00:00:00Z", 12600), ("EST5EDT,M3.2.0,M11.1.0", "2026-07-01T00:00:00Z", -14400),
            // Winter is the exception, and so is summer in the south.
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-07-01T00:00:00Z", 3600),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-12-01T00:00:00Z", 0),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00Z", 39600),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-07-01T00:00:00Z", 36000),
            // Before midnight, and days later.
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -7200),
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3600),
            ("IST-2IDT,M3.4.4/26,M10.5.0", "2026-03-26T23:59:59Z", 7200),
            ("IST-2IDT,M3.4.4/26,M10.5.0", "2026-03-27T00:00:00Z", 10800),
            // Days of the year, with and without the 29th of February; and a summer of a whole year.
            ("AAA0BBB,J60/0,J300/0", "2024-02-29T12:00:00Z", 0), ("AAA0BBB,J60/0,J300/0", "2024-03-01T00:00:00Z", 3600),
            ("AAA0BBB,59/0,300/0", "2024-02-29T00:00:00Z", 3600),
            ("XXX3EDT4,0/0,J365/23", "2026-01-01T03:00:00Z", -14400),
        ])
    func footers(footer: String, moment: String, offset: Int32) throws {
        let rules = try #require(ZoneRules(file(first: 0, [(0, 0)], footer: footer)))
        #expect(rules.offset(at: try seconds(moment)) == offset)
    }

    @Test("what is no such file, is cut off, counts leap seconds or has another footer has no rules")
    func broken() {
        let whole = file([(0, 3600), (50, 7200)], footer: "CET-1")
        #expect(ZoneRules(whole) != nil)
        for length in 0..<whole.count { #expect(ZoneRules(Array(whole.prefix(length))) == nil, "\(length) bytes") }
        #expect(ZoneRules(file(leaps: 1)) == nil)
        for footer in ["C-1", "CET", "CET-1CEST", "CET-1CEST,M13.1.0,M1.1.0", "CET-1CEST,M3.5.0", "CET-1 "] {
            #expect(ZoneRules(file(footer: footer)) == nil, "\(footer)")
        }
        #expect(ZoneRules(file([(50, 3600), (50, 7200)])) == nil)
    }

    @Test("each zone of the server has the offsets that the server gives it, from 1850 to 2250")
    func server() throws {
        let connection = try TestDatabase.shared().connect()
        // A server that was built with rules of its own may have those of another year than this machine.
        let configured = try connection.query("SELECT setting FROM pg_config WHERE name = 'CONFIGURE'")
        guard configured.string(0, 0)?.contains("--with-system-tzdata") ?? false else { return }
        let offsets = try connection.query(
            """
            SELECT name, extract(epoch FROM at)::int8,
                extract(epoch FROM (at AT TIME ZONE name) - (at AT TIME ZONE 'UTC'))::int4
            FROM pg_timezone_names, generate_series(timestamptz '1850-01-01 UTC', '2250-01-01 UTC', '1237 days 5 hours') AS at
            WHERE name ~ '^[A-Z][A-Za-z_]*/' ORDER BY 1
            """)
        var zones: [String: ZoneOffsets] = [:]
        for row in 0..<offsets.rowCount {
            let name = try #require(offsets.string(row, 0))
            if zones[name] == nil { zones[name] = ZoneOffsets(name) }
            let moment = try #require(offsets.int(row, 1))
            let offset = try #require(offsets.int(row, 2))
            #expect(zones[name]?.offset(at: Int64(moment)) == Int32(offset), "\(name) at \(moment)")
        }
        #expect(zones.count > 300)
    }
}
