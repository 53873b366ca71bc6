import Foundation
import Kafka
import TestSupport
import Testing

/// What the tests' own writer of change events writes, held against Debezium's documentation.
@Suite("Events as Debezium writes them")
struct DebeziumWriterTests {
    private static let customers = SourceTable(
        columns: [
            .init("id", .int4),
            .init("first_name", .varchar(255)),
            .init("email", .text, isNullable: true),
        ], keyCount: 1)
    private static let anne: [SourceValue] = [.int(1), .text("Anne"), .text("annek@noanswer.org")]

    private static func event(
        _ kind: ChangeEvent.Kind, before: [SourceValue]? = nil, after: [SourceValue]? = nil
    ) -> ChangeEvent {
        ChangeEvent(
            kind, key: [.int(1)], before: before, after: after, position: 24_023_128, transaction: 555)
    }

    private static func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    private static let source = #"""
        {"version":"3.2.0.Final","connector":"postgresql","name":"shop","ts_ms":1700003001891,"snapshot":"false",\#
        "db":"shop","sequence":"[\"24023120\",\"24023128\"]","ts_us":1700003001891000,"ts_ns":1700003001891000000,\#
        "schema":"public","table":"source","txId":555,"lsn":24023128,"xmin":null}
        """#

    @Test("a creation, an update, a delete and its tombstone are whole, with the key in the message's key")
    func whole() throws {
        let writer = DebeziumWriter(Self.customers, ChangeModes())
        let end = #""transaction":null,"op":"#
        let anne = #"{"id":1,"first_name":"Anne","email":"annek@noanswer.org"}"#
        func expect(_ event: ChangeEvent, _ value: String?) throws {
            let message = try #require(writer.message(event))
            #expect(Self.text(message.key) == #"{"id":1}"#)
            #expect(Self.text(message.value) == value)
        }
        try expect(
            Self.event(.create, after: Self.anne),
            #"{"before":null,"after":\#(anne),"source":\#(Self.source),\#(end)"c","ts_ms":1700003002891}"#)
        try expect(
            Self.event(.update, before: Self.anne, after: Self.anne),
            #"{"before":\#(anne),"after":\#(anne),"source":\#(Self.source),\#(end)"u","ts_ms":1700003002891}"#)
        let key = #"{"id":1,"first_name":null,"email":null}"#
        try expect(
            Self.event(.delete, before: [.int(1), .null, .null]),
            #"{"before":\#(key),"after":null,"source":\#(Self.source),\#(end)"d","ts_ms":1700003002891}"#)
        try expect(Self.event(.tombstone), nil)
    }

    @Test("a truncation has no key, and neither row")
    func truncation() throws {
        var event = Self.event(.truncate)
        event.key = nil
        let message = try #require(DebeziumWriter(Self.customers, ChangeModes()).message(event))
        #expect(message.key == nil)
        #expect(
            Self.text(message.value)
                == #"{"before":null,"after":null,"source":\#(Self.source),"transaction":null,"op":"t","ts_ms":1700003002891}"#
        )
    }

    @Test("a change of a key tells each of its events the other's key in a header")
    func keys() throws {
        let writer = DebeziumWriter(Self.customers, ChangeModes())
        var event = Self.event(.delete, before: Self.anne)
        event.otherKey = [.int(7)]
        let header = Header(name: "__debezium.newkey", value: Array(#"{"id":7}"#.utf8))
        #expect(writer.message(event)?.headers == [header])
        event.kind = .create
        event.after = Self.anne
        #expect(writer.message(event)?.headers.map(\.name) == ["__debezium.oldkey"])
    }

    @Test("unwrapped, a delete is what the transformation is set to make of it", arguments: ChangeModes.Shape.allCases)
    func unwrapped(shape: ChangeModes.Shape) throws {
        guard shape != .whole else { return }
        var modes = ChangeModes()
        modes.shape = shape
        modes.hasOtherEvents = false
        let writer = DebeziumWriter(Self.customers, modes)
        let row = try #require(writer.message(Self.event(.create, after: Self.anne)))
        let delete = writer.message(Self.event(.delete, before: [.int(1), .null, .null]))
        let tombstone = writer.message(Self.event(.tombstone))
        let anne = #"{"id":1,"first_name":"Anne","email":"annek@noanswer.org""#
        if shape == .rewrite || shape == .rewriteWithTombstone {
            #expect(Self.text(row.value) == anne + #","__deleted":"false","__op":"c"}"#)
            #expect(
                Self.text(delete?.value)
                    == #"{"id":1,"first_name":null,"email":null,"__deleted":"true","__op":"d"}"#)
            #expect((tombstone != nil) == (shape == .rewriteWithTombstone))
        } else {
            #expect(Self.text(row.value) == anne + "}")
            // Only one of the two is left, without a value.
            let left = try #require(shape == .tombstone ? tombstone : delete)
            #expect(left.value == nil)
            #expect((shape == .tombstone ? delete : tombstone) == nil)
        }
    }

    @Test("events of no row are as the connector writes them")
    func others() throws {
        let writer = DebeziumWriter(Self.customers, ChangeModes())
        #expect(Self.text(writer.message(Self.event(.heartbeat))?.value) == #"{"ts_ms":1700000000000}"#)
        let begin = Self.text(writer.message(Self.event(.begin))?.value)
        #expect(
            begin == #"""
                {"status":"BEGIN","id":"555:24023128","event_count":null,"data_collections":null,"ts_ms":1700000000000}
                """#)
        let end = Self.text(writer.message(Self.event(.end))?.value)
        #expect(
            end == #"""
                {"status":"END","id":"555:24023128","event_count":3,"data_collections":[\#
                {"data_collection":"public.source","event_count":3}],"ts_ms":1700000000000}
                """#)
        let message = try #require(Self.text(writer.message(Self.event(.message))?.value))
        #expect(message.hasSuffix(#""transaction":null,"message":{"prefix":"foo","content":"YmFy"}}"#))
    }

    // MARK: Types and modes

    private static func value(
        _ type: SourceType, _ value: SourceValue, _ change: (inout ChangeModes) -> Void = { _ in }
    ) -> String? {
        var modes = ChangeModes()
        modes.shape = .deleteToTombstone
        modes.hasOtherEvents = false
        change(&modes)
        let table = SourceTable(
            columns: [
                .init("id", .int4), .init("v", type, isNullable: true),
            ],
            keyCount: 1)
        let text = text(DebeziumWriter(table, modes).message(event(.create, after: [.int(1), value]))?.value)
        return text.map { String($0.dropFirst(#"{"id":1,"v":"#.count).dropLast()) }
    }

    private static func time(_ type: SourceType, _ value: SourceValue, _ mode: ChangeModes.Time) -> String? {
        self.value(type, value) { $0.time = mode }
    }

    @Test("times are what the mode of their precision makes of them")
    func times() {
        // 2018-06-20 15:13:16.945104 is the documentation's example.
        let stamp = SourceValue.local(1_529_507_596_945_104)
        #expect(Self.time(.timestamp(6), stamp, .adaptive) == "1529507596945104")
        #expect(Self.time(.timestamp(3), .local(1_529_507_596_945_000), .adaptive) == "1529507596945")
        #expect(Self.time(.timestamp(6), stamp, .nanoseconds) == "1529507596945104000")
        #expect(Self.time(.timestamp(3), .local(1_529_507_596_945_000), .microseconds) == "1529507596945000")
        #expect(Self.time(.timestamp(6), stamp, .connect) == "1529507596945")
        #expect(Self.time(.timestamp(6), stamp, .isostring) == #""2018-06-20T15:13:16.945104Z""#)
        #expect(Self.time(.timestamp(6), .local(-1_000), .isostring) == #""1969-12-31T23:59:59.999Z""#)
        #expect(Self.time(.date, .day(17_424), .adaptive) == "17424")
        #expect(Self.time(.date, .day(17_424), .isostring) == #""2017-09-15Z""#)
        let clock = SourceValue.clock(14_711_789_000)
        #expect(Self.time(.time(3), clock, .adaptive) == "14711789")
        #expect(Self.time(.time(3), clock, .adaptiveTimeMicroseconds) == "14711789000")
        #expect(Self.time(.time(6), clock, .adaptive) == "14711789000")
        #expect(Self.time(.time(6), clock, .connect) == "14711789")
        #expect(Self.time(.time(6), clock, .isostring) == #""04:05:11.789Z""#)
        #expect(Self.value(.timestamptz, .instant(1_529_507_596_945_104)) == #""2018-06-20T15:13:16.945104Z""#)
        #expect(Self.value(.interval, .interval(months: 0, days: 0, microseconds: 5)) == "5")
        let interval = SourceValue.interval(months: 14, days: 3, microseconds: 14_706_780_000)
        #expect(Self.value(.interval, interval) { $0.intervals = .string } == #""P1Y2M3DT4H5M6.78S""#)
    }

    @Test("decimals, bytes, bits and maps are what their modes make of them")
    func values() {
        let price = SourceValue.decimal(SourceDecimal("-150", scale: 2))
        let numeric = SourceType.numeric(precision: 12, scale: 2)
        #expect(Self.value(numeric, price) == #""/2o=""#)
        #expect(Self.value(numeric, price) { $0.decimals = .double } == "-1.5")
        #expect(Self.value(numeric, price) { $0.decimals = .string } == #""-1.50""#)
        #expect(Self.value(.anyNumeric, .decimal(SourceDecimal("1", scale: 0))) == #"{"scale":0,"value":"AQ=="}"#)
        #expect(Self.value(.float8, .double(12_345_678.5)) == "1.23456785E7")
        #expect(Self.value(.float8, .double(0.0001)) == "1.0E-4")
        #expect(Self.value(.float8, .double(.nan)) == "\"NaN\"")
        #expect(Self.value(.float4, .float(1.1)) == "1.1")
        #expect(Self.value(.bytea, .bytes([0xFB, 0xFF])) == #""+/8=""#)
        #expect(Self.value(.bytea, .bytes([0xFB, 0xFF])) { $0.binary = .base64URLSafe } == #""-_8=""#)
        #expect(Self.value(.bytea, .bytes([0xFB, 0xFF])) { $0.binary = .hex } == #""fbff""#)
        #expect(Self.value(.bit(1), .bits([true])) == "true")
        // 00000000101: the lowest byte first, and none of zeros.
        let bits = Array(repeating: false, count: 8) + [true, false, true]
        #expect(Self.value(.bit(11), .bits(bits)) == #""BQ==""#)
        let pairs = SourceValue.pairs([.init("a", "b\""), .init("c", nil)])
        #expect(Self.value(.hstore, pairs) == #""{\"a\":\"b\\\"\",\"c\":null}""#)
        #expect(Self.value(.hstore, pairs) { $0.hstore = .map } == #"{"a":"b\"","c":null}"#)
        #expect(Self.value(.texts, .texts(["a", nil])) == #"["a",null]"#)
        #expect(
            Self.value(.point, .point(1, 2.5))
                == #"{"x":1.0,"y":2.5,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAARA","srid":null}"#)
    }

    @Test("a value out of line has the placeholder of its type")
    func placeholders() {
        let text = "__debezium_unavailable_value"
        for type in [SourceType.text, .json, .jsonb, .xml] { #expect(Self.value(type, .unavailable) == "\"\(text)\"") }
        #expect(Self.value(.bytea, .unavailable) == #""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==""#)
        #expect(Self.value(.bytea, .unavailable) { $0.binary = .hex } == "\"\(text)\"")
        #expect(Self.value(.texts, .unavailable) == "[\"\(text)\"]")
        let bytes = text.utf8.map { "\($0)" }.joined(separator: ",")
        #expect(Self.value(.ints, .unavailable) == "[\(bytes)]")
        #expect(Self.value(.bigints, .unavailable) == "[\(bytes)]")
        #expect(Self.value(.uuids, .unavailable) == #"["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]"#)
        #expect(Self.value(.hstore, .unavailable) == #""{\"\#(text)\":\"\#(text)\"}""#)
        #expect(Self.value(.hstore, .unavailable) { $0.hstore = .map } == #"{"\#(text)":"\#(text)"}"#)
    }

    @Test("with its schema a message says what each value is, in JSON and in Avro")
    func schemas() throws {
        var modes = ChangeModes()
        modes.shape = .deleteToTombstone
        modes.hasOtherEvents = false
        modes.encoding = .connect
        let table = SourceTable(
            columns: [
                .init("id", .int2),
                .init("price", .numeric(precision: 12, scale: 2), isNullable: true),
            ], keyCount: 1)
        let event = Self.event(.create, after: [.int(1), .decimal(SourceDecimal("150", scale: 2))])
        #expect(
            Self.text(DebeziumWriter(table, modes).message(event)?.value)
                == #"""
                {"schema":{"type":"struct","fields":[{"type":"int16","optional":false,"field":"id"},\#
                {"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,\#
                "parameters":{"scale":"2","connect.decimal.precision":"12"},"field":"price"}],\#
                "optional":false,"name":"shop.public.source.Value"},"payload":{"id":1,"price":"AJY="}}
                """#)
        modes.encoding = .avro
        var registered: [String] = []
        let writer = DebeziumWriter(table, modes) { schema in
            registered.append(schema)
            return registered.count
        }
        #expect(
            registered.last == #"""
                {"type":"record","name":"Value","namespace":"shop.public.source","fields":[\#
                {"name":"id","type":{"type":"int","connect.type":"int16"}},\#
                {"name":"price","type":["null",{"type":"bytes","connect.version":1,\#
                "connect.parameters":{"scale":"2","connect.decimal.precision":"12"},\#
                "connect.name":"org.apache.kafka.connect.data.Decimal",\#
                "scale":2,"precision":12,"logicalType":"decimal"}],"default":null}],\#
                "connect.name":"shop.public.source.Value"}
                """#)
        #expect(writer.message(event)?.value == [0, 0, 0, 0, 2, 2, 2, 4, 0, 0x96])
    }
}
