import Testing

@testable import Records

@Suite("Avro record decoder")
struct AvroRecordDecoderTests {
    /// A record of fields `a`, `b` and so on.
    private func record(_ types: String...) throws -> AvroSchema {
        let members = types.enumerated().map { index, type in
            #"{"name":"\#(Character(UnicodeScalar(UInt8(97 + index))))","type":\#(type)}"#
        }
        return try AvroSchema(#"{"type":"record","name":"R","fields":[\#(members.joined(separator: ","))]}"#)
    }

    private func read(_ schema: AvroSchema, _ paths: FieldPath..., message: [UInt8]) -> Result<
        [String], DecodingFailure
    > {
        told(message, by: AvroRecordDecoder(schema, paths: paths))
    }

    private func read(_ type: String, _ message: [UInt8]) throws -> String {
        try read(AvroSchema(type), .whole, message: message).get()[0]
    }

    private func number(_ value: Int64) -> [UInt8] { RandomAvro.varint(value) }

    private static let broken = "is no Avro of its schema"

    private func refusal(_ type: String, _ message: [UInt8]) throws -> DecodingFailure? {
        // Whether something of it is routed or not.
        let failures = try [[FieldPath.whole], []].map { paths -> DecodingFailure? in
            let result = told(message, by: AvroRecordDecoder(try AvroSchema(type), paths: paths), padding: 1)
            if case .failure(let failure) = result { return failure }
            return nil
        }
        #expect(failures[0]?.words == failures[1]?.words, "\(type) \(message)")
        return failures[0]
    }

    // MARK: Shapes

    @Test("the specification's own examples are what it says")
    func specification() throws {
        let test = try AvroSchema(
            #"{"type":"record","name":"test","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}"#)
        let bytes: [UInt8] = [0x36, 0x06, 0x66, 0x6F, 0x6F]
        #expect(read(test, FieldPath(["b"]), FieldPath(["a"]), message: bytes) == .success(["s:666f6f", "i:27"]))
        #expect(try read(#"{"type":"array","items":"long"}"#, [0x04, 0x06, 0x36, 0x00]) == "[i:3,i:27]")
        #expect(try read(#"["null","string"]"#, [0x02, 0x02, 0x61]) == "s:61")
        #expect(try read(#"["null","string"]"#, [0x00]) == "null")
        #expect(try [0, 1, 2, 3, 4].map { try read("int", [$0]) } == ["i:0", "i:-1", "i:1", "i:-2", "i:2"])
        #expect(try read("int", [0x7F]) == "i:-64")
        #expect(try read("int", [0x80, 0x01]) == "i:64")
    }

    @Test("numbers of each length are what they are, to the ends of their type")
    func numbers() throws {
        for bits in 0..<63 {
            for value in [1 << bits, -(1 << bits), (1 << bits) - 1, (1 << bits) + 1] as [Int64] {
                #expect(try read("long", number(value)) == "i:\(value)")
            }
        }
        for value in [Int64.min, .max] { #expect(try read("long", number(value)) == "i:\(value)") }
        for value in [Int64(Int32.min), Int64(Int32.max)] { #expect(try read("int", number(value)) == "i:\(value)") }
    }

    @Test("a union is what its branch is, wherever null stands in it and however many there are")
    func unions() throws {
        let schema = try record(
            #"["string","null"]"#, #"["null","int","string",{"type":"map","values":"int"}]"#, #"["long"]"#)
        let paths = ["a", "b", "c"].map { FieldPath([$0]) } + [FieldPath(["b", "k"])]
        func read(_ message: [UInt8]) -> Result<[String], DecodingFailure> {
            told(message, by: AvroRecordDecoder(schema, paths: paths))
        }
        #expect(read([0, 2, 0x61, 0, 0, 2]) == .success(["s:61", "null", "i:1", "absent"]))
        #expect(read([2, 2, 4, 0, 2]) == .success(["null", "i:2", "i:1", "absent"]))
        #expect(read([2, 4, 2, 0x62, 0, 2]) == .success(["null", "s:62", "i:1", "absent"]))
        #expect(read([2, 6, 2, 2, 0x6B, 8, 0, 0, 2]) == .success(["null", "{6b=i:4}", "i:1", "i:4"]))
    }

    @Test("a message leaves nothing behind for the next")
    func leftovers() throws {
        let schema = try record(
            #"["null",{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]},{"type":"map","values":"int"}]"#,
            #"{"type":"array","items":"int"}"#)
        let paths = [["a", "x"], ["a"], ["b", "1"], ["z"], ["a", "x"]].map { FieldPath($0) }
        let decoder = AvroRecordDecoder(schema, paths: paths)
        #expect(told([2, 8, 4, 2, 4, 0], by: decoder) == .success(["i:4", "{78=i:4}", "i:2", "absent", "i:4"]))
        #expect(told([0, 2, 2, 0], by: decoder) == .success(["absent", "null", "absent", "absent", "absent"]))
        #expect(
            told([4, 2, 2, 0x78, 6, 0, 0], by: decoder) == .success(["i:3", "{78=i:3}", "absent", "absent", "i:3"]))
        #expect(told([4, 0, 0], by: decoder) == .success(["absent", "{}", "absent", "absent", "absent"]))
    }

    @Test("of a key that comes twice the last one counts, with all that it has")
    func twice() throws {
        let schema = try record(
            #"{"type":"map","values":["null",{"type":"record","name":"I","fields":[{"name":"x","type":["null","int"]}]}]}"#
        )
        let decoder = AvroRecordDecoder(schema, paths: [FieldPath(["a", "k", "x"]), FieldPath(["a", "k"])])
        let first: [UInt8] = [2, 0x6B, 2, 2, 8]
        #expect(told([2] + first + [0], by: decoder) == .success(["i:4", "{78=i:4}"]))
        #expect(told([4] + first + [2, 0x6B, 0, 0], by: decoder) == .success(["absent", "null"]))
        #expect(told([4] + first + [2, 0x6B, 2, 0, 0], by: decoder) == .success(["null", "{78=null}"]))
    }

    @Test("a recursive record is as deep as its message, and a path leads into it")
    func recursion() throws {
        let list =
            #"{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"]}]}"#
        let message = (0..<4 as Range<Int64>).flatMap { (value: Int64) -> [UInt8] in number(value) + [value < 3 ? 2 : 0]
        }
        let paths = [["v"], ["next", "v"], ["next", "next", "next", "v"], ["next", "next", "next", "next", "v"]]
        let decoder = AvroRecordDecoder(try AvroSchema(list), paths: paths.map { FieldPath($0) } + [.whole])
        let whole = "{76=i:0,6e657874={76=i:1,6e657874={76=i:2,6e657874={76=i:3,6e657874=null}}}}"
        #expect(told(message, by: decoder) == .success(["i:0", "i:1", "i:3", "absent", whole]))
    }

    @Test("lists and records are 1024 deep and no deeper")
    func depth() throws {
        let lists = #"{"type":"record","name":"L","fields":[{"name":"l","type":{"type":"array","items":"L"}}]}"#
        func message(_ records: Int) -> [UInt8] {
            Array(repeating: 2, count: records - 1) + [0] + Array(repeating: 0, count: records - 1)
        }
        // A record and its list are two.
        #expect(try refusal(lists, message(512)) == nil)
        #expect(try refusal(lists, message(513))?.reason == .tooDeep)
        let next = #"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#
        #expect(try refusal(next, Array(repeating: 2, count: 1023) + [0]) == nil)
        #expect(try refusal(next, Array(repeating: 2, count: 1024) + [0])?.reason == .tooDeep)
        let endless = #"{"type":"record","name":"L","fields":[{"name":"next","type":"L"}]}"#
        #expect(try refusal(endless, [0])?.reason == .tooDeep)
    }

    @Test("who stops looking into a list, or looks twice, gets the same")
    func looking() throws {
        let schema = try AvroSchema(#"{"type":"array","items":{"type":"array","items":"int"}}"#)
        let decoder = AvroRecordDecoder(schema, paths: [.whole])
        let message: [UInt8] = [4, 4, 2, 4, 0, 2, 6, 0, 0] + [UInt8](repeating: 0, count: AvroCursor.padding)
        try message.withUnsafeBytes { bytes in
            let field = try decoder.decode(UnsafeRawBufferPointer(rebasing: bytes[..<9]))[0]
            var first: Field?
            try decoder.visit(field) { _, value in
                first = value
                return false
            }
            #expect(told(try #require(first), by: decoder) == "[i:1,i:2]")
            #expect(told(field, by: decoder) == "[[i:1,i:2],[i:3]]")
            var kinds: [Field.Kind] = []
            try decoder.visit(field) { _, value in
                kinds.append(value.kind)
                return true
            }
            #expect(kinds == [.list, .list])
            #expect(told(field, by: decoder) == "[[i:1,i:2],[i:3]]")
        }
    }

    // MARK: Names

    @Test("a field by another name is taken where its path takes other names, the last of them, and its own before it")
    func names() throws {
        let schema = try AvroSchema(
            """
            {"type": "record", "name": "R", "fields": [{"name": "customerName", "type": "int"},
                {"name": "CustomerName", "type": "int"}, {"name": "total", "type": "int"}, {"name": "Total", "type": "int"}]}
            """)
        let name = FieldPath(["customer_name"], names: .snakeCase)
        let total = FieldPath(["total"], names: .snakeCase)
        let message: [UInt8] = [2, 4, 6, 8]
        #expect(read(schema, name, total, name, message: message) == .success(["i:2", "i:3", "i:2"]))
        #expect(read(schema, FieldPath(["customer_name"]), message: message) == .success(["absent"]))
        let own = FieldPath(["CustomerName"])
        #expect(read(schema, name, own, message: message) == .success(["i:1", "i:2"]))
        let long = String(repeating: "n", count: 70)
        let cut = try AvroSchema(#"{"type":"record","name":"R","fields":[{"name":"\#(long)","type":"int"}]}"#)
        let path = FieldPath([String(long.prefix(63))], names: .cut)
        #expect(read(cut, path, message: [2]) == .success(["i:1"]))
    }

    @Test("a map's keys are names as a record's fields are")
    func mapNames() throws {
        let schema = try AvroSchema(#"["null",{"type":"map","values":"int"}]"#)
        let paths = [FieldPath(["a_b"], names: .snakeCase), FieldPath(["c"])]
        let decoder = AvroRecordDecoder(schema, paths: paths)
        func entry(_ name: String, _ value: Int64) -> [UInt8] {
            number(Int64(name.utf8.count)) + Array(name.utf8) + number(value)
        }
        #expect(told([2, 4] + entry("aB", 1) + entry("c", 2) + [0], by: decoder) == .success(["i:1", "i:2"]))
        #expect(told([2, 4] + entry("a_b", 3) + entry("aB", 4) + [0], by: decoder) == .success(["i:3", "absent"]))
        #expect(told([2, 0], by: decoder) == .success(["absent", "absent"]))
        #expect(told([0], by: decoder) == .success(["absent", "absent"]))
    }

    @Test("an index of an array is written without zeros or a sign before it")
    func indexes() throws {
        let schema = try record(#"{"type":"array","items":"int"}"#)
        let paths = ["0", "1", "01", "+1", "-1", "x", "18446744073709551615"].map { FieldPath(["a", $0]) }
        let decoder = AvroRecordDecoder(schema, paths: paths)
        let absent = Array(repeating: "absent", count: 5)
        #expect(told([1, 2, 8, 2, 10, 0], by: decoder) == .success(["i:4", "i:5"] + absent))
    }

    // MARK: Meaning

    @Test("logical types are of their own kind, at their edges too")
    func logicalTypes() throws {
        func meant(_ base: String, _ logical: String) -> String { #"{"type":"\#(base)","logicalType":"\#(logical)"}"# }
        let day: Int64 = 86_400_000
        let all: [(String, [UInt8], String)] = [
            (meant("int", "date"), number(-719_162), "day:-719162"),
            (meant("int", "time-millis"), number(day), "t:86400000000"),
            (meant("long", "time-micros"), number(-1), "t:-1"),
            (meant("long", "timestamp-millis"), number(-1), "@:-1000"),
            (meant("long", "timestamp-millis"), number(.max), "@:9223372036854775807"),
            (meant("long", "timestamp-millis"), number(.min), "@:-9223372036854775808"),
            (meant("long", "timestamp-micros"), number(.max), "@:9223372036854775807"),
            (meant("long", "timestamp-nanos"), number(-1), "@:-1"),
            (meant("long", "timestamp-nanos"), number(1999), "@:1"),
            (meant("long", "local-timestamp-millis"), number(2), "l:2000"),
            (meant("long", "local-timestamp-micros"), number(2), "l:2"),
            (meant("long", "local-timestamp-nanos"), number(-1000), "l:-1"),
            (#"{"type":"bytes","logicalType":"big-decimal"}"#, [8, 2, 0xFF, 6, 0], "b:02ff0600"),
            (#"{"type":"bytes","logicalType":"big-decimal"}"#, [6, 2, 0xFF, 6], "n:-1e3"),
            (#"{"type":"bytes","logicalType":"big-decimal"}"#, [0], "b:"),
            (
                #"{"type":"fixed","name":"F","size":12,"logicalType":"duration"}"#,
                [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0], "v:1,2,3000"
            ),
            (
                #"{"type":"fixed","name":"F","size":12,"logicalType":"duration"}"#,
                [0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0], "b:000000800000000000000000"
            ),
            (#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#, [0], "n:0e2"),
            (#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#, [4, 0xFF, 0x85], "n:-123e2"),
        ]
        for (schema, message, value) in all { #expect(try read(schema, message) == value, "\(schema) \(message)") }
    }

    @Test("Kafka Connect's and Debezium's names say what a value is, before its logical type")
    func semanticNames() throws {
        func named(_ base: String, _ name: String, _ more: String = "") -> String {
            #"{"type":"\#(base)","connect.name":"\#(name)"\#(more)}"#
        }
        let connect = "org.apache.kafka.connect.data"
        let variable = { (fields: String) in
            #"{"type":"record","name":"VariableScaleDecimal","namespace":"io.debezium.data","fields":[\#(fields)]}"#
        }
        let (scale, value) = (#"{"name":"scale","type":"int"}"#, #"{"name":"value","type":"bytes"}"#)
        let all: [(String, [UInt8], String)] = [
            (named("int", "\(connect).Date"), [2], "day:1"), (named("int", "io.debezium.time.Date"), [1], "day:-1"),
            (named("int", "\(connect).Time"), [2], "t:1000"), (named("int", "io.debezium.time.Time"), [2], "t:1000"),
            (named("long", "io.debezium.time.MicroTime"), [2], "t:1"),
            (named("long", "io.debezium.time.NanoTime"), number(1999), "t:1"),
            (named("long", "\(connect).Timestamp"), [2], "@:1000"),
            (named("long", "io.debezium.time.Timestamp", #","logicalType":"timestamp-millis""#), [2], "l:1000"),
            (named("long", "io.debezium.time.MicroTimestamp"), [2], "l:1"),
            (named("long", "io.debezium.time.NanoTimestamp"), number(-1), "l:-1"),
            (named("long", "io.debezium.time.MicroTimestamp"), number(9_223_372_036_825_200_000), "s:696e66696e697479"),
            (named("long", "io.debezium.time.Timestamp"), number(-9_223_372_036_832_400_000), "s:2d696e66696e697479"),
            (named("long", "io.debezium.time.NanoTimestamp"), number(.max), "s:696e66696e697479"),
            (named("long", "io.debezium.time.MicroDuration"), [2], "v:0,0,1"),
            (named("long", "io.debezium.time.NanoDuration"), number(2000), "v:0,0,2"),
            (named("bytes", "\(connect).Decimal", #","connect.parameters":{"scale":"-2"}"#), [2, 5], "n:5e-2"),
            (named("bytes", "\(connect).Decimal"), [2, 5], "b:05"),
            (named("string", "io.debezium.data.Json"), [0], "s:"),
            (named("string", "\(connect).Date"), [0], "s:"), (variable("\(scale),\(value)"), [4, 2, 0xFF], "n:-1e2"),
            (variable("\(value),\(scale)"), [2, 0xFF, 4], "n:-1e2"), (variable(scale), [4], "{7363616c65=i:2}"),
        ]
        for (schema, message, value) in all {
            #expect(try read(schema, message) == value, "\(schema) \(message)")
            let list = #"{"type":"array","items":\#(schema)}"#
            #expect(try read(list, [4] + message + message + [0]) == "[\(value),\(value)]", "\(list)")
        }
    }

    // MARK: What is refused

    @Test("each way in which bytes can be no message of their schema is told apart, with its place")
    func refusals() throws {
        func said(_ words: String) -> String { "\(Self.broken) (\(words))" }
        let early = said("it ends too early")
        let array = #"{"type":"array","items":"double"}"#
        let map = #"{"type":"map","values":"null"}"#
        let all: [(schema: String, message: [UInt8], words: String, offset: Int?)] = [
            ("int", [], "is empty", nil), ("int", [0x80], early, 0),
            ("long", Array(repeating: 0x80, count: 9), early, 0),
            ("long", Array(repeating: 0xFF, count: 10), said("a number has more than 64 bits"), 0),
            ("long", Array(repeating: 0xFF, count: 9) + [2], said("a number has more than 64 bits"), 0),
            ("int", number(1 << 31), said("an int has more than 32 bits"), 0),
            ("boolean", [2], said("a boolean is neither 0 nor 1"), 0),
            ("string", number(-1), said("a length is negative"), 0), ("string", [4, 0x61], early, 0),
            ("string", number(.max) + [0x61], early, 0), ("string", [2, 0xFF], "is not valid UTF-8", 0),
            ("string", [6, 0xED, 0xA0, 0x80], "is not valid UTF-8", 0), ("bytes", [2], early, 0),
            ("double", [1, 2, 3], early, 0),
            (#"{"type":"enum","name":"E","symbols":["A"]}"#, [2], said("an enum has no such symbol"), 0),
            (#"{"type":"enum","name":"E","symbols":["A"]}"#, [1], said("an enum has no such symbol"), 0),
            (#"["null","int"]"#, [4], said("a union has no such branch"), 0),
            ("[]", [0], said("a union has no such branch"), 0),
            (#"["int","long","string"]"#, [2, 2, 0], said("something stands behind it"), 2),
            (array, [2], early, 1), (array, [1, 0, 0], early, nil), (array, number(.min) + [0], early, nil),
            (array, number(-1) + number(-1), said("a length is negative"), 1),
            (array, number(-1) + number(.max), early, 1),
            (
                array, number(-1) + number(9) + Array(repeating: 0, count: 10),
                said("a block is not as long as it says"), 10
            ),
            (
                array, number(-1) + number(7) + Array(repeating: 0, count: 9),
                said("a block is not as long as it says"), 10
            ),
            (map, [2, 1], said("a length is negative"), 1), (map, [2, 2, 0xFF, 0], "is not valid UTF-8", 1),
        ]
        for (schema, message, words, offset) in all {
            let failure = try refusal(schema, message)
            #expect(failure?.words == words, "\(schema) \(message)")
            if let offset { #expect(failure?.offset == offset, "\(schema) \(message)") }
        }
    }

    @Test("elements without a byte are as many as a message may have, and more are refused at once")
    func emptyElements() throws {
        let nulls = #"{"type":"array","items":"null"}"#
        #expect(try refusal(nulls, number(65536) + [0]) == nil)
        #expect(try refusal(nulls, number(70000) + [0])?.words == "has too many elements without a byte")
        #expect(try refusal(nulls, number(.max) + [0])?.words == "has too many elements without a byte")
        #expect(try refusal(nulls, number(.min) + [0, 0])?.words == "has too many elements without a byte")
        // In all of them together.
        let both = #"{"type":"array","items":\#(nulls)}"#
        #expect(try refusal(both, [4] + number(65536) + [0] + [2, 0, 0]) == nil)
        #expect(try refusal(both, [4] + number(65536) + [0] + number(100) + [0, 0]) != nil)
        let first = AvroRecordDecoder(try AvroSchema(nulls), paths: [FieldPath(["0"])])
        #expect(told(number(3) + [0], by: first) == .success(["null"]))
        guard case .failure = told(number(.max) + [0], by: first) else { return #expect(Bool(false)) }
    }

    @Test("a message without a byte is one where its type has none")
    func emptyMessages() throws {
        let schema = try record("\"null\"")
        #expect(read(schema, .whole, FieldPath(["a"]), message: []) == .success(["{61=null}", "null"]))
        let decoder = AvroRecordDecoder(schema, paths: [FieldPath(["a"])])
        let nowhere = try? decoder.decode(UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(nowhere?[0].kind == .null)
    }
}
