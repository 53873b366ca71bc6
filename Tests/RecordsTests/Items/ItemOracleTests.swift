import Foundation
import Records
import TestSupport
import Testing

/// What other programs read in messages: `scripts/lib/item-cases` makes them.
@Suite("MessagePack and CBOR decoders against other programs")
struct ItemOracleTests {
    @Test(
        "random and damaged messages of MessagePack are what msgpack reads in them, whole and by any path",
        .enabled(if: OtherProgram.has("msgpack"), "\(OtherProgram.missing)"))
    func messagePack() async throws {
        let cases = try await ItemCase.make("msgpack", with: "msgpack", count: 1500)
        let kinds = try agree(cases) { MessagePackRecordDecoder(paths: $0) }
        for kind in ["", "@", "absent", "b", "d", "false", "i", "null", "s", "true", "w"] {
            #expect(kinds[kind] ?? 0 > 10, "\(kind) is hardly there: \(kinds)")
        }
    }

    @Test(
        "random and damaged messages of CBOR are what cbor2 reads in them, whole and by any path",
        .enabled(if: OtherProgram.has("cbor2"), "\(OtherProgram.missing)"))
    func cbor() async throws {
        let cases = try await ItemCase.make("cbor", with: "cbor2", count: 1500)
        let kinds = try agree(cases) { CBORRecordDecoder(paths: $0) }
        for kind in ["", "@", "absent", "b", "d", "day", "false", "i", "n", "null", "s", "true", "u", "w"] {
            #expect(kinds[kind] ?? 0 > 5, "\(kind) is hardly there: \(kinds)")
        }
    }

    /// - Returns: how many of each kind the paths led to.
    private func agree(
        _ cases: [ItemCase], _ decoder: ([FieldPath]) -> any RecordDecoder
    ) throws -> [String: Int] {
        var kinds: [String: Int] = [:]
        var (taken, refused) = (0, 0)
        for made in cases {
            let message = try #require(made.message.asBytes)
            let whole = told(message, by: decoder([.whole]), padding: message.last ?? 0xFF, sorted: true).widened
            guard let value = made.value else {
                refused += 1
                if case .success(let fields) = whole { Issue.record("it takes \(made.message): \(fields)") }
                continue
            }
            taken += 1
            #expect(whole == .success([value]), "\(made.message)")
            let some = decoder(made.paths.map { FieldPath($0.components) })
            // Twice, because nothing may be left over of a message.
            for _ in 0..<2 where !made.paths.isEmpty {
                #expect(
                    told(message, by: some, sorted: true).widened == .success(made.paths.map(\.value)),
                    "\(made.paths.map(\.components)) \(made.message)")
            }
            for path in made.paths {
                kinds[String(path.value.prefix { $0 != ":" && $0 != "{" && $0 != "[" }), default: 0] += 1
            }
        }
        #expect(taken > 2000 && refused > 500, "\(taken) taken, \(refused) refused")
        return kinds
    }
}

extension Result<[String], DecodingFailure> {
    /// Floats as the doubles that they are, and each NaN as one.
    fileprivate var widened: Self {
        map { fields in
            fields.map { text in
                text.replacing(/f:([0-9a-f]{8})/) { match in
                    let bits = Double(Float(bitPattern: UInt32(match.1, radix: 16) ?? 0)).bitPattern
                    let digits = String(bits, radix: 16)
                    return "d:" + String(repeating: "0", count: 16 - digits.count) + digits
                }.replacing(/d:[7f]ff[0-9a-f]{13}/) { match in
                    match.0.hasSuffix("ff0000000000000") ? String(match.0) : "d:7ff8000000000000"
                }
            }
        }
    }
}

private struct ItemCase: Decodable {
    struct Path: Decodable {
        var components: [String]
        var value: String

        init(from decoder: any Decoder) throws {
            var parts = try decoder.unkeyedContainer()
            components = try parts.decode([String].self)
            value = try parts.decode(String.self)
        }
    }

    var message: String
    /// Nil where the program refuses the message.
    var value: String?
    var paths: [Path]

    static func make(_ format: String, with module: String, count: Int) async throws -> [Self] {
        try await OtherProgram.lines(of: "item-cases", [format, "1", "\(count)"], with: module)
    }
}
