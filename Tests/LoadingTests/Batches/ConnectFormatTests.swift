import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Rows of Connect's JSON with a schema")
struct ConnectFormatTests {
    private static let valueSchema =
        #"{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"bytes","optional":true,"#
        + #""name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"total"},{"type":"array","#
        + #""items":{"type":"int32","optional":false,"name":"io.debezium.time.Date"},"optional":true,"field":"days"}],"optional":true}"#
    private static let value = Array(
        #"{"schema":\#(valueSchema),"payload":{"id":7,"total":"AJY=","days":[0,1]}}"#.utf8)
    private static let none = Array(#"{"schema":null,"payload":null}"#.utf8)

    private static func key(_ type: String, _ payload: String) -> [UInt8] {
        Array(#"{"schema":{"type":"\#(type)","optional":false},"payload":\#(payload)}"#.utf8)
    }

    private static let structKey = Array(
        #"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"}],"optional":false},"payload":{"id":9}}"#
            .utf8)

    /// What a topic may be read as, with a registry for others and without.
    private static let formats: [MessageFormat] = [.json, .framed(.json, nil)]

    private func target(_ columns: [Route.Column], onTombstone: Route.OnTombstone? = nil) throws -> Target {
        try Target.made(
            .made(mode: .upsert, key: ["id"], onTombstone: onTombstone, columns: columns),
            .made(
                [.made("id", .int8), .made("total", .numeric), .made("days", .jsonb), .made("x", .inet)], key: ["id"]))
    }

    @Test("a value has the types of its schema, and a null in the envelope deletes by the key in another")
    func values() throws {
        let target = try target([.init(name: "total")])
        for format in Self.formats {
            let messages: [(key: [UInt8]?, value: [UInt8]?)] = [
                (nil, Self.value), (Self.structKey, Self.none), (Self.key("int64", "8"), nil),
                (Array("6".utf8), Self.none),
                (Array(#"{"id":5}"#.utf8), nil),
            ]
            let batch = Batch.built(messages, target, format: format, keyFormat: format)
            #expect(batch.deadLetters.isEmpty, "\(batch.deadLetters)")
            #expect(
                batch.lines == [["7", "150e-2", #"["1970-01-01","1970-01-02"]"#, #"\N"#], ["9"], ["8"], ["6"], ["5"]])
        }
    }

    @Test("$key is what is in the envelope, and its bytes are as they came")
    func wholeKeys() throws {
        let bytea = PostgresType(oid: 17, name: "bytea", formatted: "bytea")
        let columns = [Route.Column(name: "id", source: .key(nil)), .init(name: "raw", source: .key(nil))]
        let target = try Target.made(
            .made(columns: columns), .made([.made("id"), .made("raw", bytea), .made("x", .inet)]))
        for format in Self.formats {
            for (key, text) in [
                (Self.key("string", #""a\"b""#), #"a"b"#), (Self.key("int32", "12"), "12"),
                (Array("plain".utf8), "plain"),
                (Array(#"{"id":5}"#.utf8), #"{"id":5}"#),
            ] {
                let batch = Batch.built([(key, Array("{\"x\":null}".utf8))], target, format: .json, keyFormat: format)
                let hexadecimal = key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                #expect(batch.lines == [[text, #"\\x"# + hexadecimal, #"\N"#]], "\(batch.deadLetters)")
            }
        }
    }

    @Test("a route of the envelope's own fields loads each message as it is, the empty one as well")
    func ownFields() throws {
        let columns = [
            Route.Column(name: "id", source: .field(FieldPath(["payload", "id"]))),
            .init(name: "total", source: .field(FieldPath(["payload", "total"]))),
            .init(name: "days", source: .field(FieldPath(["payload"]))),
        ]
        let table = Table.made([.made("id", .int8), .made("total", .numeric), .made("days", .jsonb), .made("x", .inet)])
        let target = try Target.made(.made(columns: columns), table)
        let batch = Batch.built([(nil, Self.value), (nil, Self.none)], target, format: .json)
        #expect(batch.deadLetters.map(\.reason) == [.badSyntax])
        #expect(batch.deadLetters.map(\.column) == ["total"])
        #expect(batch.lines == [[#"\N"#, #"\N"#, #"\N"#, #"\N"#]])
    }
}
