import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Rows of compressed values")
struct CompressedValueTests {
    /// `{"n": 7, "name": "x"}` in gzip, by Python.
    private static let gzip: [UInt8] = [
        0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xAB, 0x56, 0xCA, 0x53, 0xB2, 0x52, 0x30, 0xD7,
        0x51, 0x50, 0xCA, 0x4B, 0xCC, 0x4D, 0x05, 0x32, 0x95, 0x2A, 0x94, 0x6A, 0x01, 0x90, 0x27, 0xAB, 0x47, 0x15,
        0x00, 0x00, 0x00,
    ]

    private static let columns: [Table.Column] = [.made("n", .int8), .made("name"), .made("raw"), .made("x", .inet)]

    private func built(
        _ headers: [(String, [UInt8])], _ value: [UInt8] = gzip, format: MessageFormat = .json,
        columns: [Route.Column] = [.init(name: "raw", source: .value)]
    ) throws -> Batch {
        let target = try Target.made(.made(columns: columns), .made(Self.columns))
        return Batch.built([(nil, value)], target, format: format, headers: headers)
    }

    private static func named(_ name: String) -> [(String, [UInt8])] { [("Content-Encoding", Array(name.utf8))] }

    @Test("a value is what it was before its producer compressed it, whatever is read of it")
    func values() throws {
        for format in [MessageFormat.json, .framed(.json, nil)] {
            let batch = try built([("a", [1])] + Self.named("GZIP"), format: format)
            #expect(batch.deadLetters.isEmpty, "\(batch.deadLetters)")
            #expect(batch.lines == [[#"{"n": 7, "name": "x"}"#, "7", "x", #"\N"#]])
        }
    }

    @Test("what cannot be decompressed is a dead letter, and the batch keeps the bytes as they came")
    func refused() throws {
        for (name, value, words) in [
            ("br", Self.gzip, "is compressed with br, by its header content-encoding"),
            ("gzip", Array(Self.gzip.dropLast(5)), "is no gzip, as its header content-encoding says"),
            ("zstd", Self.gzip, "is no zstd, as its header content-encoding says"),
        ] {
            let batch = try built(Self.named(name), value)
            #expect(batch.deadLetters.map(\.reason) == [.badSyntax])
            #expect(batch.deadLetters.first?.explanation.contains(words) == true, "\(batch.deadLetters)")
            #expect(batch.value(of: 0).map { Array($0) } == value)
        }
    }

    @Test("a value that nobody looks at is left as it is")
    func unread() throws {
        let batch = try built(
            Self.named("br"),
            columns: [
                .init(name: "raw", source: .topic), .init(name: "n", source: .offset),
                .init(name: "name", source: .topic), .init(name: "x", source: .header("none")),
            ])
        #expect(batch.lines == [["orders", "0", "orders", #"\N"#]])
        #expect(batch.deadLetters.isEmpty)
    }

    @Test("a message without such a header pays nothing, and what looks compressed is told as such")
    func withoutHeader() throws {
        let letters = try built([("content-type", Array("gzip".utf8))]).deadLetters
        #expect(letters.first?.explanation.contains("no header content-encoding says so") == true)
    }
}
