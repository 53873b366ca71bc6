import Foundation
import Records
import TestSupport
import Testing

@Suite("CSV decoder")
struct CSVRecordDecoderTests {
    private func decoder(_ paths: [String], _ change: (inout CSVDialect) -> Void = { _ in }) -> CSVRecordDecoder {
        var dialect = CSVDialect()
        change(&dialect)
        return CSVRecordDecoder(dialect, paths: paths.map { $0.isEmpty ? .whole : FieldPath([$0]) })
    }

    private func read(_ text: String, _ decoder: CSVRecordDecoder) -> [String] {
        switch told(Array(text.utf8), by: decoder, padding: 0x22) {
        case .success(let fields): fields.map(plain)
        case .failure(let failure): ["\(failure.words)" + (failure.offset.map { ", \($0)" } ?? "")]
        }
    }

    /// A string without its kind.
    private func plain(_ told: String) -> String {
        told.hasPrefix("s:")
            ? "<" + String(decoding: String(told.dropFirst(2)).asBytes ?? [], as: UTF8.self) + ">" : told
    }

    @Test("quotes, doubled quotes, delimiters and line ends within quotes, and each line end behind the record")
    func quotes() {
        let decoder = decoder(["0", "1", "2", "3"])
        for end in ["", "\n", "\r\n", "\r"] {
            #expect(read("a,\"b,\"\"\r\nc\",\"\",\(end)", decoder) == ["<a>", "<b,\"\r\nc>", "<>", "null"])
        }
        #expect(read("\u{FEFF}é,5\" pipe", decoder) == ["<é>", "<5\" pipe>", "absent", "absent"])
        #expect(read("\n", decoder) == ["null", "absent", "absent", "absent"])
    }

    @Test("the dialect says what divides and what is null")
    func dialects() {
        let tabs = decoder(["0", "1", "2"]) { ($0.delimiter, $0.quote, $0.null) = (0x09, nil, #"\N"#) }
        #expect(read("\"a\t\\N\t", tabs) == ["<\"a>", "null", "<>"])
        let single = decoder(["0", "1"]) { ($0.delimiter, $0.quote, $0.null) = (0x3B, 0x27, "n/a") }
        #expect(read("'n/a';n/a", single) == ["<n/a>", "null"])
    }

    @Test("fields are named by the route, or by each message's first line, else by their position")
    func names() {
        let named = decoder(["b", "a", "c", ""]) { $0.fields = ["a", "b"] }
        #expect(read("1,\"2\"", named) == ["<2>", "<1>", "absent", "{61=s:31,62=s:32}"])
        let headed = decoder(["b", "a"]) { $0.hasHeader = true }
        #expect(read("a,b\n1,2", headed) == ["<2>", "<1>"])
        #expect(read("a,b\n3,4\n", headed) == ["<4>", "<3>"])
        #expect(read("\"b\",a,b\r\n5,6,7\r\n", headed) == ["<7>", "<6>"])
        #expect(read("a\n\"\"", headed) == ["absent", "<>"])
        #expect(read("a,b\n", headed) == ["is a header of CSV without a record, 4"])
        let other = CSVRecordDecoder(
            {
                var dialect = CSVDialect()
                dialect.hasHeader = true
                return dialect
            }(), paths: [FieldPath(["order_id"], names: .snakeCase), FieldPath(["orderId"])])
        #expect(read("OrderId,x\n1,2", other) == ["<1>", "absent"])
        #expect(read("orderId,x\n1,2", other) == ["absent", "<1>"])
        #expect(read("orderId,order_id\n1,2", other) == ["<2>", "<1>"])
    }

    @Test("what is no single record of the fields that are named is refused where it goes wrong")
    func refused() {
        let named = decoder(["a"]) { $0.fields = ["a", "b"] }
        #expect(read("1", named) == ["is a record of CSV with 1 field, and 2 are named, 1"])
        #expect(read("1,2,3\n", named) == ["is a record of CSV with 3 fields, and 2 are named, 6"])
        #expect(read("1,2\n3,4", named) == ["has more than one record of CSV, and is to be one, 4"])
        #expect(read("1,2\n\n", named) == ["has more than one record of CSV, and is to be one, 4"])
        #expect(read("1,\"2", named) == ["is no CSV (a quote is not closed), 2"])
        #expect(read("\"1\"x,2", named) == ["is no CSV (something stands between a quote and the end of its field), 3"])
        #expect(read("", named) == ["is empty"])
        guard case .failure(let failure) = told([0x61, 0x2C, 0xFF], by: named) else { return }
        #expect(failure == DecodingFailure(.invalidUTF8, "is not valid UTF-8", offset: 2))
    }

    @Test(
        "random records are what Python's csv module has written",
        .enabled(if: OtherProgram.has("csv"), "\(OtherProgram.missing)"))
    func oracle() async throws {
        let cases: [CSVCase] = try await OtherProgram.lines(of: "csv-cases", ["1", "3000"], with: "csv")
        #expect(cases.count == 3000)
        for made in cases {
            var dialect = CSVDialect()
            dialect.delimiter = try #require(made.delimiter.utf8.first)
            dialect.quote = made.quote.utf8.first
            let paths = (0...made.fields.count).map { FieldPath(["\($0)"]) }
            let expected = made.fields.map { $0.map { "s:" + $0 } ?? "null" } + ["absent"]
            let result = told(try #require(made.message.asBytes), by: CSVRecordDecoder(dialect, paths: paths))
            #expect(result == .success(expected), "\(made.message)")
        }
    }

    @Test("any bytes are a record or are refused within themselves")
    func hostile() throws {
        try Fuzzing.rounds(40, of: "csv") { generator in
            let decoders = [
                decoder(["", "0", "1"]), decoder(["a", ""]) { $0.hasHeader = true },
                decoder(["b"]) { $0.fields = ["a", "b"] },
            ]
            for _ in 0..<200 {
                let bytes = (0..<Int.random(in: 0...30, using: &generator)).map { _ in
                    "\"\"\"\n\r,,ab\u{FF}é".utf8.randomElement(using: &generator) ?? 0
                }
                for decoder in decoders {
                    guard case .failure(let failure) = told(bytes, by: decoder, padding: 0x22) else { continue }
                    guard failure.offset ?? 0 <= bytes.count else {
                        throw Fuzzing.Found(description: "\(bytes): \(failure)")
                    }
                }
            }
            return 600
        }
    }
}

private struct CSVCase: Decodable {
    var message: String
    var delimiter: String
    var quote: String
    /// Hexadecimal; nil for null.
    var fields: [String?]
}
