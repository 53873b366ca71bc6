import Records
import Testing

/// What is in a record is found by names as what the message itself has.
@Suite("Other names within a record")
struct LooseNamesTests {
    private static let long = String(repeating: "n", count: 70)

    private static let paths = [
        FieldPath(["after", "customer_name"], names: .snakeCase), FieldPath(["after", "total"], names: .snakeCase),
        FieldPath(["before", "customer_name"], names: .snakeCase), FieldPath(["customer_name"], names: .snakeCase),
        FieldPath(["after", String(long.prefix(63))], names: .cut),
    ]

    private let text = #"{"before":{"Customer-Name":5},"after":{"customerName":1,"total":2,"Total":3,"\#(long)":4}}"#

    @Test("in JSON, with a schema of Connect's and without")
    func json() {
        let expected = ["1", "2", "5", "absent", "4"]
        #expect(numbers(text, JSONRecordDecoder(paths: Self.paths)) == expected)
        let fields = { (names: [String]) in
            names.map { #"{"type":"int64","optional":true,"field":"\#($0)"}"# }.joined(separator: ",")
        }
        let schema =
            #"{"type":"struct","optional":false,"fields":[{"type":"struct","optional":true,"field":"before","fields":[\#(fields(["Customer-Name"]))]},"#
            + #"{"type":"struct","optional":true,"field":"after","fields":[\#(fields(["customerName", "total", "Total", Self.long]))]}]}"#
        let message = #"{"schema":\#(schema),"payload":\#(text)}"#
        #expect(numbers(message, ConnectJSONDecoder(paths: Self.paths)) == expected)
        let dates = #"{"type":"int32","name":"io.debezium.time.Date","field":"customerName"}"#
        let typed =
            #"{"schema":{"type":"struct","fields":[{"type":"struct","field":"after","fields":[\#(dates)]}]},"payload":{"after":{"customerName":7}}}"#
        #expect(
            told(Array(typed.utf8), by: ConnectJSONDecoder(paths: Array(Self.paths.prefix(1)))) == .success(["day:7"]))
    }

    @Test("of a record that comes twice only the last counts, by other names, too")
    func again() {
        let message = #"{"after":{"customerName":1},"after":{"total":2}}"#
        #expect(numbers(message, JSONRecordDecoder(paths: Array(Self.paths.prefix(2)))) == ["absent", "2"])
    }

    @Test("in MessagePack and CBOR")
    func items() {
        func message(_ map: (UInt8) -> UInt8, _ text: (String) -> [UInt8]) -> [UInt8] {
            [map(2)] + text("before") + [map(1)] + text("Customer-Name") + [5] + text("after") + [map(4)]
                + text("customerName") + [1] + text("total") + [2] + text("Total") + [3] + text(Self.long) + [4]
        }
        let expected = ["i:1", "i:2", "i:5", "absent", "i:4"]
        func packedText(_ text: String) -> [UInt8] {
            (text.utf8.count < 32 ? [0xA0 | UInt8(text.utf8.count)] : [0xD9, UInt8(text.utf8.count)]) + Array(text.utf8)
        }
        let packed = message({ 0x80 | $0 }, packedText)
        #expect(told(packed, by: MessagePackRecordDecoder(paths: Self.paths)) == .success(expected))
        func conciseText(_ text: String) -> [UInt8] {
            (text.utf8.count < 24 ? [0x60 | UInt8(text.utf8.count)] : [0x78, UInt8(text.utf8.count)]) + Array(text.utf8)
        }
        let concise = message({ 0xA0 | $0 }, conciseText)
        #expect(told(concise, by: CBORRecordDecoder(paths: Self.paths)) == .success(expected))
    }

    @Test("in Avro, in records and in maps")
    func avro() throws {
        func fields(_ names: [String]) -> String {
            names.map { #"{"name":"\#($0)","type":"int"}"# }.joined(separator: ",")
        }
        let schema = try AvroSchema(
            """
            {"type":"record","name":"E","fields":[
              {"name":"before","type":["null",{"type":"map","values":"int"}]},
              {"name":"after","type":["null",{"type":"record","name":"R","fields":[\(fields(["customerName", "total", "Total", Self.long]))]}]}]}
            """)
        let name = Array("Customer-Name".utf8)
        let before: [UInt8] = [2, 2, UInt8(name.count * 2)] + name + [10, 0]
        let decoder = AvroRecordDecoder(schema, paths: Self.paths)
        #expect(
            told(before + [2, 2, 4, 6, 8], by: decoder) == .success(["i:1", "i:2", "i:5", "absent", "i:4"]))
        // Nothing of one message is left for the next.
        #expect(told([0, 0], by: decoder) == .success(Array(repeating: "absent", count: 5)))
    }

    @Test("in Protobuf")
    func protobuf() throws {
        let text = """
            syntax = "proto3"; message R { int32 customerName = 1; int32 total = 2; }
            message E { R before = 1; R after = 2; }
            """
        let schema = try ProtobufSchema(.text(Array(text.utf8)), named: "e.proto")
        let decoder = ProtobufRecordDecoder(
            schema, message: try #require(schema.message(named: "E")),
            paths: [
                FieldPath(["after", "customer_name"], names: .snakeCase),
                FieldPath(["after", "total"], names: .snakeCase),
                FieldPath(["before", "customer_name"], names: .snakeCase),
            ])
        #expect(told([0x12, 4, 8, 1, 16, 2], by: decoder) == .success(["i:1", "i:2", "absent"]))
    }

    private func numbers(_ text: String, _ decoder: any RecordDecoder) -> [String] {
        let padded = Array(text.utf8) + [UInt8](repeating: 0, count: decoder.padding)
        return padded.withUnsafeBytes { bytes in
            let fields = try? decoder.decode(UnsafeRawBufferPointer(rebasing: bytes[..<text.utf8.count]))
            return fields?.map { $0.kind == .absent ? "absent" : String(decoding: $0.bytes, as: UTF8.self) } ?? []
        }
    }
}
