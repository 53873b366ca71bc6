import Testing

@testable import Records

/// What messages of `google.protobuf` and `google.type` stand for, and the ways into them.
@Suite("Well-known messages of Protobuf")
struct ProtobufWellKnownTests {
    private let schema: ProtobufSchema

    init() throws {
        let text = """
            syntax = "proto3"; package t;
            import "google/protobuf/any.proto"; import "google/protobuf/struct.proto";
            import "google/protobuf/field_mask.proto"; import "google/type/money.proto";
            import "google/type/datetime.proto";
            message M {
              google.type.Money price = 1; google.type.DateTime at = 2; google.protobuf.FieldMask mask = 3;
              google.protobuf.Any any = 4; google.protobuf.Struct attrs = 5; google.protobuf.Value value = 6;
              repeated google.protobuf.Value values = 7; State state = 8;
            }
            enum State { NEW = 0; PAID = 7; }
            """
        schema = try ProtobufSchema(.text(Array(text.utf8)), named: "t.proto")
    }

    private func decoder(_ paths: String...) throws -> ProtobufRecordDecoder {
        ProtobufRecordDecoder(
            schema, message: try #require(schema.message(named: "t.M")),
            paths: paths.map { FieldPath($0.split(separator: ".").map(String.init)) })
    }

    private func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }
    private func text(_ number: UInt8, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }
    private func hexadecimal(_ text: String) -> String { text.utf8.map { String($0, radix: 16) }.joined() }

    @Test(
        "an amount of money is a record with its currency, and the number of its units and nanos where only that will do"
    )
    func money() throws {
        let decoder = try decoder("price", "price.currency_code")
        let minusOne: [UInt8] = Array(repeating: 0xFF, count: 9) + [1]
        let nanos: [UInt8] = [0x80, 0xE5, 0x9A, 0x77]  // 250,000,000
        let amounts: [([UInt8], String)] = [
            ([0x10, 12, 0x18] + nanos, "n:12250000000e9"), ([0x10] + minusOne, "n:-1000000000e9"), ([], "n:0e9"),
            ([0x10] + Array(repeating: 0xFF, count: 8) + [0x7F], "n:9223372036854775807000000000e9"),
        ]
        for (amount, number) in amounts {
            let message = field(1, text(1, "EUR") + amount)
            let told = told(message, by: decoder)
            #expect((try? told.get().last) == "s:455552" && (try? told.get().first?.hasPrefix("{")) == true)
            let padded = message + [UInt8](repeating: 0, count: decoder.padding)
            try padded.withUnsafeBytes { padded in
                let fields = try decoder.decode(UnsafeRawBufferPointer(rebasing: padded[..<message.count]))
                let found = try #require(decoder.number(of: fields[0]))
                #expect(RecordsTests.told(found, by: decoder) == number)
                #expect(decoder.number(of: fields[1]) == nil)
            }
        }
    }

    @Test("a DateTime is a moment with an offset or in UTC, and else what a clock shows")
    func dateTimes() throws {
        let decoder = try decoder("at")
        let day: [UInt8] = [0x08, 0xB2, 0x0F, 0x10, 1, 0x18, 2]  // 1970-01-02
        #expect(told(field(2, day), by: decoder) == .success(["l:86400000000"]))
        #expect(told(field(2, day + field(9, text(1, "Europe/Berlin"))), by: decoder) == .success(["l:86400000000"]))
        #expect(told(field(2, day + field(9, text(1, "UTC"))), by: decoder) == .success(["@:86400000000"]))
        #expect(told(field(2, day + field(8, [0x08, 0x90, 0x1C])), by: decoder) == .success(["@:82800000000"]))
        // Without a year it is no time.
        #expect(try told(field(2, [0x10, 1, 0x18, 2]), by: decoder).get().first?.hasPrefix("{") == true)
    }

    @Test("a FieldMask is its paths with commas, and an Any the message in it with its type")
    func masksAndAnys() throws {
        let decoder = try decoder("mask", "any")
        let url = "type.googleapis.com/t.M"
        let any = field(4, text(1, url) + field(2, [0x40, 7]))
        let told = try told(field(3, text(1, "a.b") + text(1, "") + text(1, "c")) + any, by: decoder, sorted: true)
            .get()
        #expect(told[0] == "s:\(hexadecimal("a.b,,c"))")
        #expect(told[1].contains("\(hexadecimal("@type"))=s:\(hexadecimal(url))"))
        #expect(told[1].contains("\(hexadecimal("state"))=e:7:\(hexadecimal("PAID"))"))
        // Of a type that nobody knows it is what it is.
        let unknown = try RecordsTests.told(field(4, text(1, "a/b.C") + field(2, [1])), by: decoder, sorted: true).get()
        #expect(unknown[1] == "{\(hexadecimal("type_url"))=s:\(hexadecimal("a/b.C")),\(hexadecimal("value"))=b:01}")
    }

    @Test("messages that lie in each other as bytes end in a refusal, however many they are")
    func deepAny() throws {
        let decoder = try decoder("any")
        func long(_ tag: UInt8, _ bytes: [UInt8]) -> [UInt8] {
            var (length, made) = (bytes.count, [tag])
            while length > 0x7F {
                made.append(UInt8(length & 0x7F) | 0x80)
                length >>= 7
            }
            return made + [UInt8(length)] + bytes
        }
        var message: [UInt8] = []
        for _ in 0..<2000 { message = long(0x22, text(1, "t.M") + long(0x12, message)) }
        guard case .success(let fields) = told(message, by: decoder) else { return }
        #expect(fields.first?.contains("tooDeep") == true)
    }

    @Test("paths lead into JSON's values by name and by index, whatever lies on the way")
    func values() throws {
        func string(_ text: String) -> [UInt8] { self.text(3, text) }
        func list(_ values: [UInt8]...) -> [UInt8] { field(6, values.flatMap { field(1, $0) }) }
        func object(_ members: (String, [UInt8])...) -> [UInt8] {
            members.flatMap { field(1, text(1, $0.0) + field(2, $0.1)) }
        }
        let inner = object(
            ("colour", string("red")), ("sizes", list(string("s"), field(5, object(("x", string("y")))))))
        let message =
            field(5, inner) + field(6, field(5, inner)) + field(7, field(5, inner)) + field(7, list(string("z")))
        let paths = try decoder(
            "attrs.colour", "attrs.sizes.1.x", "attrs.sizes.0", "attrs.none", "value.colour", "value.sizes.1.x",
            "values.0.colour", "values.1.0", "values.1.colour")
        let red = "s:\(hexadecimal("red"))"
        #expect(
            told(message, by: paths) == .success([red, "s:79", "s:73", "absent", red, "s:79", red, "s:7a", "absent"]))
        // The last kind of a value counts, also for what is in it.
        #expect(
            try told(field(6, field(5, inner)) + field(6, string("q")), by: decoder("value.colour", "value"))
                == .success(["absent", "s:71"]))
    }
}
