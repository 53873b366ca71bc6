import Records
import TestSupport
import Testing

@Suite("Connect's JSON with a schema")
struct ConnectJSONDecoderTests {
    private static func field(_ name: String, _ type: String, _ semantic: String? = nil, _ more: String = "") -> String
    {
        #"{"type":"\#(type)","optional":true,\#(semantic.map { #""name":"\#($0)","version":1,"# } ?? "")\#(more)"field":"\#(name)"}"#
    }

    private static func message(_ fields: [String], _ payload: String) -> String {
        #"{"schema":{"type":"struct","fields":[\#(fields.joined(separator: ","))],"optional":false,"name":"v"},"payload":\#(payload)}"#
    }

    private func read(_ message: String, _ paths: [[String]], by decoder: ConnectJSONDecoder? = nil) -> [String] {
        let decoder = decoder ?? ConnectJSONDecoder(paths: paths.map { FieldPath($0) })
        switch told(Array(message.utf8), by: decoder) {
        case .success(let fields): return fields
        case .failure(let failure): return ["\(failure.reason): \(failure.words)"]
        }
    }

    @Test(
        "each semantic name is the kind that it is in Avro",
        arguments: [
            ("int32", "org.apache.kafka.connect.data.Date", "", "20000", "day:20000"),
            ("int32", "io.debezium.time.Date", "", "-1", "day:-1"),
            ("int32", "org.apache.kafka.connect.data.Time", "", "1", "t:1000"),
            ("int32", "io.debezium.time.Time", "", "86400000", "t:86400000000"),
            ("int64", "io.debezium.time.MicroTime", "", "5", "t:5"),
            ("int64", "io.debezium.time.NanoTime", "", "5999", "t:5"),
            ("int64", "org.apache.kafka.connect.data.Timestamp", "", "-1", "@:-1000"),
            ("int64", "io.debezium.time.Timestamp", "", "1", "l:1000"),
            ("int64", "io.debezium.time.MicroTimestamp", "", "1", "l:1"),
            ("int64", "io.debezium.time.NanoTimestamp", "", "-1", "l:-1"),
            ("int64", "io.debezium.time.NanoTimestamp", "", "9223372036854775807", "s:696e66696e697479"),
            ("int64", "io.debezium.time.MicroTimestamp", "", "-9223372036832400000", "s:2d696e66696e697479"),
            ("int64", "io.debezium.time.MicroDuration", "", "7", "v:0,0,7"),
            ("int64", "io.debezium.time.NanoDuration", "", "7000", "v:0,0,7"),
            ("bytes", "org.apache.kafka.connect.data.Decimal", #""parameters":{"scale":"2"},"#, #""AJY=""#, "n:150e2"),
            ("bytes", "org.apache.kafka.connect.data.Decimal", #""parameters":{"scale":"-3"},"#, #""/w==""#, "n:-1e-3"),
            ("bytes", "org.apache.kafka.connect.data.Decimal", #""parameters":{"scale":"2"},"#, "1.50", "number"),
            ("bytes", "io.debezium.data.Bits", #""parameters":{"length":"10"},"#, #""BQI=""#, "s:31303030303030313031"),
            ("bytes", "io.debezium.data.Bits", "", #""Aw==""#, "s:3030303030303131"),
            ("bytes", "other", "", #""AP8=""#, "b:00ff"), ("int32", "other", "", "5", "number"),
            (
                "string", "io.debezium.time.ZonedTimestamp", "", #""2024-01-01T00:00:00Z""#,
                "s:323032342d30312d30315430303a30303a30305a"
            ),
            ("int64", "io.debezium.time.MicroTime", "", "null", "null"),
        ])
    func meanings(type: String, name: String, more: String, value: String, told: String) {
        let message = Self.message([Self.field("v", type, name, more)], #"{"v":\#(value)}"#)
        #expect(read(message, [["v"]]) == [told])
    }

    @Test("what is nested is opened by its types, and left as JSON where they say no more than that")
    func nested() {
        let time = #"{"type":"int64","optional":false,"name":"io.debezium.time.MicroTimestamp","version":1}"#
        let decimal = Self.field("n", "bytes", "org.apache.kafka.connect.data.Decimal", #""parameters":{"scale":"1"},"#)
        let fields = [
            Self.field("times", "array", nil, #""items":\#(time),"#),
            Self.field("plain", "array", nil, #""items":{"type":"int32","optional":false},"#),
            Self.field("map", "map", nil, #""keys":{"type":"string"},"values":\#(time),"#),
            Self.field("pairs", "map", nil, #""keys":{"type":"int32"},"values":\#(time),"#),
            Self.field("in", "struct", nil, #""fields":[\#(decimal),\#(Self.field("s", "string"))],"#),
            Self.field(
                "free", "struct", "io.debezium.data.VariableScaleDecimal",
                #""fields":[\#(Self.field("scale", "int32")),\#(Self.field("value", "bytes"))],"#),
        ]
        let message = Self.message(
            fields,
            #"{"times":[1,null],"plain":[1,2],"map":{"a":2},"pairs":[[7,3]],"in":{"n":"Dw==","s":"x"},"free":{"scale":2,"value":"ZA=="}}"#
        )
        let paths = [
            ["times"], ["plain"], ["map"], ["pairs"], ["in"], ["free"], ["in", "n"], ["times", "0"], ["map", "a"],
            ["none"],
        ]
        #expect(
            read(message, paths) == [
                "[l:1,null]", "array", "{61=l:2}", "{37=l:3}", "{6e=n:15e1,73=s:78}", "n:100e2", "n:15e1", "l:1", "l:2",
                "absent",
            ])
    }

    @Test("only what the converter writes is an envelope, and a path of the envelope's own gets the message as it is")
    func envelopes() {
        let schema = #"{"type":"struct","fields":[\#(Self.field("id", "bytes"))]}"#
        let envelope = #"{"schema":\#(schema),"payload":{"id":"AA=="}}"#
        #expect(read(envelope, [["id"]]) == ["b:00"])
        for other in [
            #"{"schema":\#(schema),"payload":{"id":"AA=="},"id":1}"#,
            #"{ "schema":\#(schema),"payload":{"id":"AA=="},"id":1}"#,
            #"{"schema":"s","payload":{},"id":1}"#, #"{"schema":{"type":"unheard"},"payload":{},"id":1}"#,
            #"{"schema":{},"payload":{"a":1},"id":1}"#,
        ] {
            #expect(read(other, [["id"]]) == ["number"], "\(other)")
        }
        #expect(read(envelope, [["id"], ["payload", "id"]]) == ["absent", "s:41413d3d"])
        #expect(read(envelope, [["schema", "type"]]) == ["s:737472756374"])
        #expect(read(#"{"schema":null,"payload":{"id":"AA=="}}"#, [["id"]]) == ["s:41413d3d"])
        #expect(
            read(#"{"schema":\#(schema),"payload":{"id":"A"}}"#, [["id"]])[0].hasPrefix(
                "invalidSyntax: has bytes that are no base64"))
        #expect(read(#"{"schema":\#(schema),"payload":{"id":}}"#, [["id"]])[0].hasPrefix("invalidSyntax"))
        #expect(ConnectJSONDecoder.isTombstone(Array(#"{"schema":null,"payload":null}"#.utf8).bytes))
        #expect(!ConnectJSONDecoder.isTombstone(Array(#"{"schema":null,"payload":nul}"#.utf8).bytes))
    }

    @Test("a key that is one value in an envelope is that value")
    func scalars() {
        let decoder = ConnectJSONDecoder(paths: [.whole, FieldPath(["id"])])
        for (type, payload, told) in [
            ("int64", "7", "number"), ("string", #""a\"b""#, "s:612262"), ("bytes", #""AA==""#, "b:00"),
            ("boolean", "true", "true"),
        ] {
            let message = #"{"schema":{"type":"\#(type)","optional":false},"payload":\#(payload)}"#
            #expect(read(message, [], by: decoder) == [told, "absent"])
            #expect(decoder.payload != nil)
        }
        #expect(read(#"{"id":1,"a":"1234567890123456"}"#, [], by: decoder) == ["object", "number"])
        #expect(decoder.payload == nil)
    }

    @Test("schemas that take turns are each read right, more than are remembered as well")
    func turns() {
        let decoder = ConnectJSONDecoder(paths: [FieldPath(["v"])])
        for round in 0..<3 {
            for version in 0..<40 {
                let isTime = (version + round) % 2 == 0
                let field = Self.field("v", "int64", isTime ? "io.debezium.time.MicroTimestamp" : "other\(version)")
                let message = Self.message([field, Self.field("x\(version)", "int32")], #"{"v":5}"#)
                for _ in 0..<2 { #expect(read(message, [], by: decoder) == [isTime ? "l:5" : "number"]) }
            }
        }
    }

    @Test("a damaged envelope is read or refused, and never beyond itself")
    func hostile() throws {
        let message = Array(
            Self.message(
                [
                    Self.field("a", "bytes"),
                    Self.field("m", "map", nil, #""keys":{"type":"int32"},"values":{"type":"bytes"},"#),
                ],
                #"{"a":"AAAA","m":[[1,"AA=="]]}"#
            ).utf8)
        let decoder = ConnectJSONDecoder(paths: [FieldPath(["a"]), FieldPath(["m"]), .whole])
        try Fuzzing.rounds(20, of: "connect json") { generator in
            for _ in 0..<200 {
                var changed = message
                for _ in 0..<Int.random(in: 0...3, using: &generator) {
                    changed[Int.random(in: changed.indices, using: &generator)] =
                        #"{}[]":,"an0 \"#.utf8.randomElement(using: &generator) ?? 0
                }
                _ = told(changed, by: decoder, padding: 0x22)
            }
            return 200
        }
    }
}

extension [UInt8] {
    fileprivate var bytes: UnsafeRawBufferPointer {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: count + 64, alignment: 1)
        copy.copyBytes(from: self)
        return UnsafeRawBufferPointer(rebasing: copy[..<count])
    }
}
