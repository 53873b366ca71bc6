import Records
import TestSupport
import Testing

@Suite("MessagePack and CBOR decoders")
struct ItemDecoderTests {
    enum Format: CaseIterable {
        case messagePack, cbor

        func decoder(_ paths: [FieldPath]) -> any RecordDecoder {
            self == .messagePack ? MessagePackRecordDecoder(paths: paths) : CBORRecordDecoder(paths: paths)
        }

        /// A map with so many pairs, a list with so many elements, of less than 16.
        func map(_ count: UInt8) -> [UInt8] { [(self == .messagePack ? 0x80 : 0xA0) + count] }
        func list(_ count: UInt8) -> [UInt8] { [(self == .messagePack ? 0x90 : 0x80) + count] }

        func text(_ text: String) -> [UInt8] {
            [(self == .messagePack ? 0xA0 : 0x60) + UInt8(text.utf8.count)] + Array(text.utf8)
        }
    }

    private func whole(_ format: Format, _ bytes: [UInt8]) -> String {
        switch told(bytes, by: format.decoder([.whole])) {
        case .success(let fields): fields[0]
        case .failure(let failure): "\(failure.words)" + (failure.offset.map { ", \($0)" } ?? "")
        }
    }

    @Test("timestamps of MessagePack are instants, of each length")
    func timestamps() {
        let cases: [([UInt8], String)] = [
            ([0xD6, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "@:4294967295000000"),
            // 30 bits of nanoseconds, 34 of seconds.
            ([0xD7, 0xFF, 0xEE, 0x6B, 0x27, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "@:17179869183999999"),
            ([0xC7, 12, 0xFF, 0x3B, 0x9A, 0xC9, 0xFF] + [UInt8](repeating: 0xFF, count: 8), "@:-1"),
            ([0xC7, 12, 0xFF, 0, 0, 0, 0, 0x7F] + [UInt8](repeating: 0xFF, count: 7), "@:9223372036854775807"),
            (
                [0xC7, 12, 0xFF, 0x3B, 0x9A, 0xCA, 0] + [UInt8](repeating: 0, count: 8),
                "is no MessagePack (a timestamp is none), 3"
            ),
            ([0xC7, 3, 0xFF, 1, 2, 3], "is no MessagePack (a timestamp is none), 3"),
            ([0xD4, 0x05, 0xAB], "b:ab"),
        ]
        for (bytes, text) in cases { #expect(whole(.messagePack, bytes) == text, "\(bytes)") }
    }

    @Test("numbers keep all of their digits")
    func numbers() {
        let cases: [(Format, [UInt8], String)] = [
            (.messagePack, [0xCF] + [UInt8](repeating: 0xFF, count: 8), "w:18446744073709551615"),
            (.messagePack, [0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0], "i:-9223372036854775808"),
            (.messagePack, [0xCA, 0x3F, 0x80, 0, 0], "f:3f800000"),
            (.cbor, [0x1B] + [UInt8](repeating: 0xFF, count: 8), "w:18446744073709551615"),
            (.cbor, [0x3B, 0x7F] + [UInt8](repeating: 0xFF, count: 7), "i:-9223372036854775808"),
            (.cbor, [0x3B] + [UInt8](repeating: 0xFF, count: 8), "n:-18446744073709551616e0"),
            (.cbor, [0xC2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0], "n:18446744073709551616e0"),
            (.cbor, [0xC3, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0], "n:-18446744073709551617e0"),
            (.cbor, [0xC2, 0x40], "n:0e0"), (.cbor, [0xC3, 0x41, 0], "n:-1e0"), (.cbor, [0xC2, 0x41, 0x80], "n:128e0"),
            // 273.15, and the same without a count.
            (.cbor, [0xC4, 0x82, 0x21, 0x19, 0x6A, 0xB3], "n:27315e2"),
            (.cbor, [0xC4, 0x9F, 0x21, 0x19, 0x6A, 0xB3, 0xFF], "n:27315e2"),
            (.cbor, [0xC4, 0x82, 2, 0xC3, 0x42, 1, 0], "n:-257e-2"),
            (.cbor, [0xC4, 0x82, 0, 0x1B] + [UInt8](repeating: 0xFF, count: 8), "n:18446744073709551615e0"),
            // Half floats: one, the least of all, the greatest, infinity.
            (.cbor, [0xF9, 0x3C, 0], "f:3f800000"), (.cbor, [0xF9, 0, 1], "f:33800000"),
            (.cbor, [0xF9, 0x7B, 0xFF], "f:477fe000"), (.cbor, [0xF9, 0xFC, 0], "f:ff800000"),
            (.cbor, [0xF9, 0x80, 0], "f:80000000"),
        ]
        for (format, bytes, text) in cases { #expect(whole(format, bytes) == text, "\(bytes)") }
    }

    @Test("tags of CBOR say what a value is, and those that nobody knows are passed over")
    func tags() {
        let uuid = [UInt8](0..<16)
        let cases: [([UInt8], String)] = [
            ([0xC1, 0x1A, 0x51, 0x4B, 0x67, 0xB0], "@:1363896240000000"),
            ([0xC1, 0xFB, 0x41, 0xD4, 0x52, 0xD9, 0xEC, 0x20, 0, 0], "@:1363896240500000"),
            ([0xC1, 0x20], "@:-1000000"), ([0xC1, 0xF9, 0x7C, 0], "@:9223372036854775807"),
            ([0xC1, 0xF9, 0x7E, 0], "f:7fc00000"), ([0xC1, 0x61, 0x61], "s:61"),
            ([0xC0, 0x61, 0x61], "s:61"), ([0xD8, 37, 0x50] + uuid, "u:000102030405060708090a0b0c0d0e0f"),
            ([0xD8, 37, 0x41, 1], "b:01"), ([0xD8, 100, 0x38, 0x63], "day:-100"),
            ([0xD9, 0x03, 0xEC, 0x61, 0x61], "s:61"),
            ([0xD9, 0xD9, 0xF7, 0xA1, 0x61, 0x61, 0xD8, 0x20, 0x81, 0xC1, 0], "{61=[@:0]}"),
            ([0xF7], "null"), ([0xE0], "has a simple value without a meaning, 0"),
        ]
        for (bytes, text) in cases { #expect(whole(.cbor, bytes) == text, "\(bytes)") }
    }

    @Test("what comes in pieces or ends with a stop is what it is in one piece and with a count")
    func pieces() {
        let cases: [([UInt8], String)] = [
            ([0x7F, 0x61, 0x61, 0x60, 0x62, 0xC3, 0xA9, 0xFF], "s:61c3a9"), ([0x5F, 0x41, 1, 0x41, 2, 0xFF], "b:0102"),
            ([0x5F, 0xFF], "b:"), ([0x9F, 1, 0x9F, 0xFF, 0xFF], "[i:1,[]]"),
            ([0xBF, 0x61, 0x61, 0xBF, 0xFF, 0x7F, 0x61, 0x62, 0xFF, 2, 0xFF], "{61={},62=i:2}"),
            // A letter that is cut in two by its pieces is no text.
            ([0x7F, 0x61, 0xC3, 0x61, 0xA9, 0xFF], "is not valid UTF-8, 2"),
            ([0x7F, 0x41, 1, 0xFF], "is no CBOR (a piece of a string is none), 1"),
            ([0x7F, 0x7F, 0xFF, 0xFF], "is no CBOR (a piece of a string is none), 1"),
            ([0xBF, 0x61, 0x61, 0xFF], "is no CBOR (a stop where nothing is to be stopped), 4"),
            ([0xFF], "is no CBOR (a stop where nothing is to be stopped), 1"),
            ([0x82, 1, 0xFF], "is no CBOR (a stop where nothing is to be stopped), 3"),
            ([0xC4, 0x82, 0x21], "is no CBOR (it ends too early), 2"),
            ([0xC4, 0x01], "is no CBOR (a decimal fraction is none), 1"),
            ([0xC4, 0x82, 0x21, 0xC4, 0x82, 0, 1], "is no CBOR (a decimal fraction is none), 1"),
        ]
        for (bytes, text) in cases { #expect(whole(.cbor, bytes) == text, "\(bytes)") }
    }

    @Test(
        "names that are no texts count by their text, and of one that comes twice the last", arguments: Format.allCases)
    func names(format: Format) {
        let bytes: [UInt8] = format == .messagePack ? [0xC4, 1, 0x62] : [0x41, 0x62]
        let raw: [UInt8] = format == .messagePack ? [0xC4, 1, 0xFF] : [0x41, 0xFF]
        let message =
            format.map(6) + [1, 10] + format.text("a") + format.map(1) + format.text("b") + [11] + bytes + [12] + raw
            + [13] + format.text("1") + [14] + format.text("a") + format.map(0)
        let paths = [["1"], ["a"], ["a", "b"], ["b"], ["ff"]].map { FieldPath($0) }
        #expect(told(message, by: format.decoder(paths)) == .success(["i:14", "{}", "absent", "i:12", "i:13"]))
        let list = format.map(1) + format.list(0) + [1]
        #expect(whole(format, list).hasPrefix("has a map with a name that is no text"))
    }

    @Test("a path leads through maps and lists, and takes other names where it may", arguments: Format.allCases)
    func paths(format: Format) {
        let message =
            format.map(3) + format.text("items") + format.list(2) + [1] + format.map(1) + format.text("sku") + [7]
            + format.text("orderId") + [8] + format.text("OrderID") + [9]
        let paths = [
            FieldPath(["items", "1", "sku"]), FieldPath(["items"]), FieldPath(["items", "2"]),
            FieldPath(["order_id"], names: .snakeCase), FieldPath(["items", "1", "sku"]), FieldPath(["order_id"]),
            FieldPath(["orderId"]),
        ]
        #expect(
            told(message, by: format.decoder(paths))
                == .success(["i:7", "[i:1,{736b75=i:7}]", "absent", "i:9", "i:7", "absent", "i:8"]))
        let failure = told([7], by: format.decoder(paths))
        guard case .failure(let failure) = failure else {
            Issue.record("a number has no fields")
            return
        }
        #expect(failure.reason == .notAnObject)
        #expect(told([7], by: format.decoder([.whole])) == .success(["i:7"]))
    }

    @Test("lists and maps may be 1024 deep, looked into or not", arguments: Format.allCases)
    func depth(format: Format) {
        for isMap in [false, true] {
            func message(_ depth: Int) -> [UInt8] {
                let one = isMap ? format.map(1) + format.text("a") : format.list(1)
                return Array([[UInt8]](repeating: one, count: depth).joined()) + [1]
            }
            for paths in [[FieldPath.whole], []] {
                let decoder = format.decoder(paths)
                #expect((try? told(message(1024), by: decoder).get()) != nil)
                guard case .failure(let failure) = told(message(1025), by: decoder) else {
                    Issue.record("\(format) takes more than 1024")
                    continue
                }
                #expect(failure.reason == .tooDeep)
                // So deep that any stack would be too small.
                #expect((try? told(message(200_000), by: decoder).get()) == nil)
            }
        }
        let fractions = Array([[UInt8]](repeating: [0xC4, 0x82, 0], count: 100_000).joined()) + [1]
        #expect(whole(.cbor, fractions).hasPrefix("is no CBOR (a decimal fraction is none)"))
        #expect(whole(.cbor, [UInt8](repeating: 0xC1, count: 100_000) + [1]) == "@:1000000")
    }

    @Test("counts and lengths that no message holds are refused before anything is made of them")
    func counts() {
        let ends = "(it ends too early)"
        for head in [[0xDD], [0xDF], [0xC6], [0xDB], [0xC9]] as [[UInt8]] {
            #expect(whole(.messagePack, head + [0xFF, 0xFF, 0xFF, 0xFF, 0, 0]).contains(ends), "\(head)")
        }
        for head in [0x9B, 0xBB, 0x5B, 0x7B] as [UInt8] {
            #expect(whole(.cbor, [head] + [UInt8](repeating: 0xFF, count: 10)).contains(ends), "\(head)")
        }
        #expect(whole(.messagePack, [0xC1]) == "is no MessagePack (a byte begins no value), 0")
        #expect(whole(.cbor, [0x1C]) == "is no CBOR (a byte begins no value), 0")
        #expect(whole(.messagePack, [1, 2]) == "is no MessagePack (something stands behind it), 1")
        #expect(whole(.cbor, []) == "is empty")
    }

    @Test("a message is alike whatever is routed, and nothing breaks a decoder", arguments: Format.allCases)
    func hostile(format: Format) throws {
        try Fuzzing.rounds(40, of: "\(format)") { generator in
            let decoders = [
                format.decoder([.whole]), format.decoder([]),
                format.decoder([FieldPath(["a"]), FieldPath(["a", "0"])]),
            ]
            let heads: [UInt8] =
                format == .messagePack
                ? [0x81, 0x82, 0x91, 0x93, 0xA1, 0xC4, 0xC7, 0xCA, 0xD6, 0xD9, 0xDC, 0xDE]
                : [0x41, 0x5F, 0x61, 0x7F, 0x82, 0x9F, 0xA1, 0xBF, 0xC1, 0xC2, 0xC4, 0xF9, 0xFF]
            for _ in 0..<200 {
                let bytes: [UInt8] = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                    switch Int.random(in: 0..<4, using: &generator) {
                    case 0: heads.randomElement(using: &generator) ?? 0
                    case 1: UInt8(ascii: "a")
                    case 2: .random(in: 0...3, using: &generator)
                    default: .random(in: 0 ... .max, using: &generator)
                    }
                }
                let results = decoders.map { told(bytes, by: $0, padding: bytes.first ?? 0) }
                let failures = results.map { result in
                    if case .failure(let failure) = result { failure } else { nil as DecodingFailure? }
                }
                let isAlike =
                    failures[0] == failures[1] && (failures[0] == failures[2] || failures[2]?.reason == .notAnObject)
                guard isAlike, failures[0].map({ $0.offset ?? 0 <= bytes.count }) ?? true else {
                    throw Fuzzing.Found(description: "\(bytes): \(failures)")
                }
                if case .success(let fields) = results[0], fields[0].contains("unreadable") {
                    throw Fuzzing.Found(description: "\(bytes): \(fields)")
                }
            }
            return 200
        }
    }
}
