import Records
import TestSupport
import Testing

@Suite("JSON record decoder: what a field says")
struct JSONRecordDecoderFieldTests {
    @Test("fields come in the order of the paths, whatever the message's order")
    func order() throws {
        let text = #"{"a": 1, "b": "two", "c": [3]}"#
        #expect(try decode(text, "a", "b", "c") == [.number("1"), .string("two"), .array("[3]")])
        #expect(try decode(text, "c", "a", "b") == [.array("[3]"), .number("1"), .string("two")])
        #expect(
            try decode(#"{"c":[3],"b":"two","a":1}"#, "c", "a", "b") == [.array("[3]"), .number("1"), .string("two")])
    }

    @Test("every kind of value is told apart")
    func kinds() throws {
        let text = #"{"n": null, "f": false, "t": true, "i": -0, "s": "", "a": [ ], "o": { }}"#
        #expect(
            try decode(text, "n", "f", "t", "i", "s", "a", "o", "missing")
                == [.null, .false, .true, .number("-0"), .string(""), .array("[ ]"), .object("{ }"), .absent])
    }

    @Test(
        "numbers are kept digit for digit",
        arguments: [
            "0", "-1", "12345678901234567890123456789012345678901234567890", "0.10", "1e3", "1E+400", "-1.50e-07",
            "100000000000000000000000000000000.000000000000000000000000000000001",
        ])
    func numbers(number: String) throws {
        #expect(try decode(#"{"n":\#(number)}"#, "n") == [.number(number)])
        #expect(try decode("{\"n\": \(number)\n}", "n") == [.number(number)])
    }

    @Test("escapes are resolved, other text is as it came")
    func escapes() throws {
        #expect(try decode(#"{"s": "a\"\\\/\b\f\n\r\tz"}"#, "s") == [.string("a\"\\/\u{8}\u{c}\n\r\tz")])
        #expect(try decode(#"{"s": "Jos\u00e9 \u20AC \ud83d\ude00\u0041"}"#, "s") == [.string("José € 😀A")])
        #expect(try decode(#"{"s": "日本語 😀", "t": "\u0000"}"#, "s", "t") == [.string("日本語 😀"), .string("\0")])
        #expect(try decode(#"{"s": "\\", "t": "\\\\u0041"}"#, "s", "t") == [.string("\\"), .string(#"\\u0041"#)])
    }

    @Test("long strings with escapes anywhere in them")
    func longStrings() throws {
        for length in 0..<140 {
            let filler = String(repeating: "x", count: length)
            let text = #"{"s":"\#(filler)\n\#(filler)","t":"\#(filler)"}"#
            #expect(try decode(text, "s", "t") == [.string(filler + "\n" + filler), .string(filler)])
        }
    }

    @Test("arrays and objects are the bytes as they came")
    func rawText() throws {
        let text = #"{"a": [1,  "\u00e9", {"x" : [ ]}], "o": {"p":{"q":[[1],[2]]}} , "z":1}"#
        #expect(
            try decode(text, "a", "o", "z")
                == [.array(#"[1,  "\u00e9", {"x" : [ ]}]"#), .object(#"{"p":{"q":[[1],[2]]}}"#), .number("1")])
    }

    @Test("strings without escapes, numbers and raw text are not copied")
    func borrowed() throws {
        let decoder = JSONRecordDecoder(paths: ["s", "n", "a"].map(FieldPath.init(dotted:)))
        let message = Message(#"{"s": "text", "n": 12, "a": [1]}"#)
        let inside = try message.read { (bytes) throws(DecodingFailure) in
            try decoder.decode(bytes).allSatisfy { field in
                guard let start = field.bytes.baseAddress, let text = bytes.baseAddress else { return false }
                return start >= text && start + field.bytes.count <= text + bytes.count
            }
        }.get()
        #expect(inside)
    }

    @Test("white space of every kind may stand between tokens")
    func whitespace() throws {
        let text = "\r\n\t {\t\"a\"\n:\r 1 ,\n \"b\" : \"x\"  \n , \"c\" : [ 1 , 2 ] \t}\n\n"
        #expect(try decode(text, "a", "b", "c") == [.number("1"), .string("x"), .array("[ 1 , 2 ]")])
    }

    @Test("a pretty-printed message decodes like a compact one")
    func prettyPrinted() throws {
        let gap = "\n" + String(repeating: " ", count: 200)
        #expect(
            try decode("{\(gap)\"a\"\(gap):\(gap)\"x\"\(gap),\(gap)\"b\":2\(gap)}\(gap)", "b", "a") == [
                .number("2"), .string("x"),
            ])
    }
}

@Suite("JSON record decoder: which field a path means")
struct JSONRecordDecoderPathTests {
    @Test("absent is not null")
    func absentOrNull() throws {
        #expect(try decode(#"{"a": null}"#, "a", "b") == [.null, .absent])
        #expect(try decode("{}", "a") == [.absent])
    }

    @Test("a path leads through objects")
    func nested() throws {
        let text = #"{"x": {"name": 1}, "customer": {"id": 7, "address": {"city": "Ulm", "zip": null}}, "city": 2}"#
        #expect(
            try decode(text, "customer.address.city", "customer.id", "city", "name", "customer.address.zip")
                == [.string("Ulm"), .number("7"), .number("2"), .absent, .null])
    }

    @Test("a numeric component is an array's index, or an object's member of that name")
    func indexes() throws {
        let text = #"{"items": [{"sku": "A"}, {"sku": "B", "tags": [[1, 2], "x"]}], "map": {"0": "zero", "01": 1}}"#
        #expect(
            try decode(text, "items.1.sku", "items.0.sku", "items.1.tags.0.1", "items.2", "items.01", "map.0", "map.01")
                == [.string("B"), .string("A"), .number("2"), .absent, .absent, .string("zero"), .number("1")])
        #expect(try decode(text, "items.99999999999999999999", "items.sku") == [.absent, .absent])
    }

    @Test(
        "a path through something that is no container is absent",
        arguments: [#""text""#, "null", "true", "12", "[]", "[1]", #"["name"]"#, "{}"])
    func throughScalar(value: String) throws {
        #expect(try decode(#"{"customer": \#(value), "b": 1}"#, "customer.name", "b") == [.absent, .number("1")])
    }

    @Test("a path and one that leads on from it can both be routed")
    func prefix() throws {
        let text = #"{"customer": {"id": 1, "name": "N"}, "b": [[5]]}"#
        let customer = Value.object(#"{"id": 1, "name": "N"}"#)
        #expect(try decode(text, "customer", "customer.name") == [customer, .string("N")])
        #expect(try decode(text, "customer.name", "customer") == [.string("N"), customer])
        #expect(try decode(text, "b", "b.0", "b.0.0") == [.array("[[5]]"), .array("[5]"), .number("5")])
        #expect(try decode(#"{"customer": "text"}"#, "customer", "customer.name") == [.string("text"), .absent])
        #expect(try decode(#"{"customer": {} }"#, "customer", "customer.name") == [.object("{}"), .absent])
    }

    @Test("a path may be routed more than once, and the empty path is the whole object")
    func repeated() throws {
        #expect(try decode(#"{"a": "\n"}"#, "a", "b", "a") == [.string("\n"), .absent, .string("\n")])
        let decoder = JSONRecordDecoder(paths: [FieldPath([]), FieldPath(["a"])])
        #expect(try Message(#" {"a":1} "#).decode(with: decoder) == [.object(#"{"a":1}"#), .number("1")])
        #expect(try Message(" {} ").decode(with: JSONRecordDecoder(paths: [FieldPath([])])) == [.object("{}")])
    }

    @Test("of a repeated name the last one counts")
    func duplicates() throws {
        #expect(try decode(#"{"a": 1, "b": 2, "a": "x"}"#, "a", "b") == [.string("x"), .number("2")])
        #expect(try decode(#"{"a": 1, "a": null}"#, "a") == [.null])
        #expect(try decode(#"{"a": {"x": 1}, "a": {"y": 2}}"#, "a.x", "a.y") == [.absent, .number("2")])
        #expect(try decode(#"{"a": {"x": {"z": 1}}, "a": 3}"#, "a.x.z", "a") == [.absent, .number("3")])
    }

    @Test("names are compared after their escapes are resolved, byte by byte")
    func names() throws {
        #expect(
            try decode(#"{"n\u0061me": 1, "x\/y": 2, "": 3}"#, "name", "x/y", "") == [
                .number("1"), .number("2"), .number("3"),
            ])
        let composed = "\u{e9}"
        let decomposed = "e\u{301}"
        #expect(try decode(#"{"\#(decomposed)": 1}"#, composed, decomposed) == [.absent, .number("1")])
        #expect(try decode(#"{"id": 1, "idx": 2, "Id": 3, "i": 4}"#, "id") == [.number("1")])
    }

    @Test("names of every length are told apart from those that differ in one byte")
    func similarNames() throws {
        for length in 1...40 {
            let name = String(repeating: "n", count: length)
            for place in 0..<length {
                let other =
                    String(repeating: "n", count: place) + "m" + String(repeating: "n", count: length - place - 1)
                #expect(try decode(#"{"\#(other)": 1, "\#(name)": 2}"#, name) == [.number("2")])
                #expect(try decode(#"{"\#(name)": 2, "\#(other)": 1}"#, name, name + "n") == [.number("2"), .absent])
            }
        }
    }

    @Test("a decoder follows a topic whose messages change their order")
    func changingOrder() throws {
        let names = (0..<30).map { "column_\($0)" }
        let decoder = JSONRecordDecoder(paths: names.map { FieldPath([$0]) })
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<50 {
            let present = names.shuffled(using: &generator).prefix(Int.random(in: 0...30, using: &generator))
            let text =
                "{" + present.map { "\"\($0)\":\"\($0)\",\"other\":[{\"column_1\":0}]" }.joined(separator: ",") + "}"
            let expected = names.map { present.contains($0) ? Value.string($0) : .absent }
            #expect(try Message(text).decode(with: decoder) == expected)
        }
    }
}

@Suite("JSON record decoder: what is no record")
struct JSONRecordDecoderFailureTests {
    private func failure(_ bytes: [UInt8], paths: [String] = ["a"]) -> DecodingFailure? {
        let decoder = JSONRecordDecoder(paths: paths.map(FieldPath.init(dotted:)))
        do {
            _ = try Message(bytes).decode(with: decoder)
            return nil
        } catch {
            return error
        }
    }

    private func reason(_ text: String, paths: [String] = ["a"]) -> DecodingFailure.Reason? {
        failure(Array(text.utf8), paths: paths)?.reason
    }

    @Test(
        "nothing at all, or only white space, is empty",
        arguments: ["", " ", "\n\t\r ", String(repeating: " ", count: 200)])
    func empty(text: String) {
        #expect(reason(text) == .empty)
    }

    @Test("a message without a buffer is empty")
    func noBuffer() {
        let decoder = JSONRecordDecoder(paths: [])
        #expect(throws: DecodingFailure.json(.empty)) {
            try decoder.decode(UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }

    @Test(
        "valid JSON that is no object is no record",
        arguments: [
            "[]", #"[{"a": 1}]"#, "1", "-0.5e1", " 12 ", #""text""#, #""\n""#, "true", "false", "null", "[[[1]]]",
        ])
    func notAnObject(text: String) {
        #expect(reason(text) == .notAnObject)
    }

    @Test(
        "broken JSON is refused where nothing is routed, where it is passed over and where it is read",
        arguments: [
            "tru", "truee", "nul", "nil", "True", "falsey", "true false", "1 2", "01", "-", "+1", "1.", ".5", "1e",
            "1e+", "0x10",
            "1-", "1.2.3", "--1", "NaN", "Infinity", "1a", "1\"a\"", "true\"a\"", "'a'", "\"a\"b", "\"a\"\"b\"",
            "\"a\" \"b\"",
            "[", "]", "[1", "[1,]", "[,1]", "[1 2]", "[1,,2]", "[1:2]", "[}", "{]", "{", "{\"x\"}", "{\"x\":}",
            "{\"x\" 1}",
            "{\"x\":1,}", "{,}", "{x:1}", "{1:1}", "{\"x\":1 \"y\":2}", "{\"x\"::1}", "{\"x\":1:2}", "{\"x\",1}",
            "{null:1}",
            "\"", "\"abc", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\U0041\"", "\"\\'\"", "\"a\tb\"",
            "\"a\nb\"",
            "\"\u{1}\"", "\"\0\"", "\\n", "\\\"", "/* */1", "1 // x", "\u{b}1", "\u{c}", "1\u{c}", "\u{1a}", "\u{a0}1",
            "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ude00\\ud83d\"",
        ])
    func invalidSyntax(value: String) {
        for (paths, text) in [
            (["a"], "{\"a\": \(value), \"b\": 1}"), (["a"], "{\"a\":\(value)}"), (["b"], "{\"a\": \(value), \"b\": 1}"),
            ([], "{\"a\":\(value)}"), (["a"], "{\"a\": {\"c\": \(value)}}"), (["a.c"], "{\"a\": {\"c\": \(value)}}"),
            (["b"], "{\"a\": {\"c\": [\(value)]}}"), (["a.1"], "{\"a\": [1, \(value)]}"),
            (["a.0"], "{\"a\": [1, [\(value), 1]]}"),
        ] {
            #expect(reason(text, paths: paths) == .invalidSyntax, "\(text) for \(paths)")
        }
        #expect(reason(value) == .invalidSyntax)
    }

    @Test("a byte order mark is passed over before the message, and nowhere else")
    func byteOrderMark() throws {
        #expect(try decode("\u{feff}{\"a\": 1}", "a") == [.number("1")])
        #expect(reason("{\"a\": \u{feff}1}") == .invalidSyntax)
        #expect(reason("\u{feff}\u{feff}{\"a\": 1}") == .invalidSyntax)
        #expect(failure(Array("\u{feff}{\"a\" 1}".utf8))?.offset == 5)
    }

    @Test(
        "broken names are refused, routed or not",
        arguments: [#""\x""#, #""\ud800""#, #""\u00""#, "\"\u{1}\"", "a", "1", "null", "[1]", #""a"b"#])
    func invalidNames(name: String) {
        #expect(reason("{\(name): 1}") == .invalidSyntax)
        #expect(reason("{\"z\": {\(name): 1}}") == .invalidSyntax)
        #expect(reason("{\"a\": {\"b\": 1, \(name): 1}}", paths: ["a.b"]) == .invalidSyntax)
    }

    @Test(
        "something behind the message's end is refused",
        arguments: ["}", "]", "{}", ",", "1", "x", "\"", "{\"a\":1}", "\0", "null", "}}"])
    func trailing(rest: String) {
        for text in ["{}", "{\"a\":1}", "{\"b\":{}}", "{\"a\":{}}", "{\"a\":[{}]}"] {
            #expect(reason(text + rest) == .invalidSyntax)
            #expect(reason(text + " " + rest, paths: []) == .invalidSyntax)
            #expect(reason(text + "\n" + rest, paths: ["a.b"]) == .invalidSyntax)
        }
    }

    @Test(
        "bytes that are no UTF-8 are refused, also where nothing is routed",
        arguments: [
            [0x80], [0xC0, 0x80], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF0, 0x9F, 0x98],
            [0xF4, 0x90, 0x80, 0x80], [0xFF],
            [0xF8, 0x88, 0x80, 0x80, 0x80], [0xE0, 0x80, 0x80], [0x61, 0xBF],
        ] as [[UInt8]])
    func invalidUTF8(bytes: [UInt8]) {
        for length in [0, 1, 57, 58, 59, 60, 61, 62, 63, 64, 120, 200] {
            let filler = Array(repeating: UInt8(ascii: "x"), count: length)
            let text = Array("{\"a\":\"".utf8) + filler + bytes + Array("\"}".utf8)
            let start = 6 + length
            for paths in [["a"], ["b"], []] {
                let found = failure(text, paths: paths)
                #expect(found?.reason == .invalidUTF8)
                #expect(found?.offset == (bytes == [0x61, 0xBF] ? start + 1 : start))
            }
        }
    }

    @Test("1024 nested brackets are followed, one more is too deep")
    func depth() throws {
        func nested(_ depth: Int, _ open: String, _ close: String) -> String {
            String(repeating: open, count: depth) + String(repeating: close, count: depth)
        }
        let deepest = nested(1023, "[", "]")
        #expect(try decode(#"{"a":\#(deepest)}"#, "a") == [.array(deepest)])
        #expect(try decode(#"{"a":\#(deepest)}"#, "b") == [.absent])
        for paths in [["a"], ["b"], [], ["a.0.0.0"]] {
            #expect(reason(#"{"a":\#(nested(1024, "[", "]"))}"#, paths: paths) == .tooDeep)
            #expect(reason(#"{"a":\#(nested(10_000, "[", "]"))}"#, paths: paths) == .tooDeep)
            #expect(reason(#"{"a":\#(nested(10_000, "{\"a\":", "}"))}"#, paths: paths) == .tooDeep)
        }
        #expect(reason(nested(10_000, "[", "]")) == .tooDeep)
        #expect(reason(String(repeating: "[", count: 1_000_000)) == .invalidSyntax)

        let path = Array(repeating: "a", count: 2000).joined(separator: ".")
        let objects = String(repeating: "{\"a\":", count: 1023) + "{}" + String(repeating: "}", count: 1023)
        #expect(try decode(objects, path) == [.absent])
        #expect(reason("{\"a\":\(objects)}", paths: [path]) == .tooDeep)
    }

    @Test("a failure tells where the message goes wrong")
    func offsets() {
        #expect(failure(Array(#"{"a": 1, "b": tru}"#.utf8)) == DecodingFailure.json(.invalidSyntax, offset: 14))
        #expect(failure(Array(#"{"a": "\x"}"#.utf8)) == DecodingFailure.json(.invalidSyntax, offset: 7))
        #expect(failure(Array(#"{"a": 1} 2"#.utf8)) == DecodingFailure.json(.invalidSyntax, offset: 10))
        #expect(failure(Array(#"{"a": 1}{}"#.utf8)) == DecodingFailure.json(.invalidSyntax, offset: 8))
        #expect(failure(Array(#"{"a": "cut o"#.utf8)) == DecodingFailure.json(.invalidSyntax, offset: 12))
        #expect(failure(Array(#"{"a": {}, "#.utf8)) == DecodingFailure.json(.invalidSyntax, offset: 10))
    }

    @Test("a decoder goes on after a failure as if nothing had been")
    func reuse() throws {
        let decoder = JSONRecordDecoder(paths: [FieldPath(["a"]), FieldPath(["b", "c"])])
        let good = Message(#"{"a": "\u0041", "b": {"c": [1]}}"#)
        let bad = [
            #"{"a": "\n", "b": {"c": 1}"#, "", "[1]", #"{"a": "\u0042", "b": "\ud800"}"#, #"{"a": 1, "b": {"c": 2}} x"#,
        ]
        for text in bad {
            #expect(throws: DecodingFailure.self) { try Message(text).decode(with: decoder) }
            #expect(try good.decode(with: decoder) == [.string("A"), .array("[1]")])
            #expect(try Message("{}").decode(with: decoder) == [.absent, .absent])
        }
    }

    @Test("a message of 50 MB decodes, and small ones after it")
    func giant() throws {
        let decoder = JSONRecordDecoder(paths: [FieldPath(["s"]), FieldPath(["a", "1"]), FieldPath(["z"])])
        let elements = Array("1,".utf8)
        var bytes = Array(#"{"s":"\n"#.utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: 49_000_000)
        bytes += Array(#"","a":["#.utf8)
        for _ in 0..<100_000 { bytes += elements }
        bytes += Array(#"2],"z":1}"#.utf8)
        let giant = Message(bytes)
        let small = Message(#"{"s":"\t","a":[1,2]}"#)
        for _ in 0..<2 {
            let lengths = try giant.read { (bytes) throws(DecodingFailure) in
                try decoder.decode(bytes).map(\.bytes.count)
            }.get()
            #expect(lengths == [49_000_001, 1, 1])
            #expect(try small.decode(with: decoder) == [.string("\t"), .number("2"), .absent])
        }
    }
}
