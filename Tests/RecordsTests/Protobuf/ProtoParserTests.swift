import SwiftProtobuf
import Testing

@testable import Records

@Suite("The text of .proto files")
struct ProtoParserTests {
    private func failure(_ text: String, imports: [String: String] = [:]) -> String {
        do {
            _ = try ProtobufSchema(.text(Array(text.utf8)), named: "orders.proto") { name in
                imports[name].map { .text(Array($0.utf8)) }
            }
            return "none"
        } catch {
            return "\(error)"
        }
    }

    @Test(
        "a mistake is told with the file, the line, the column and what was expected",
        arguments: [
            ("message A { optional int32 a = 1 }", "orders.proto:1:34 has } where ; is expected"),
            (
                "syntax = \"proto3\";\nmessage A {\n\tstring ä",
                "orders.proto:3:9 has a character that stands outside of a text"
            ),
            ("message A {", "orders.proto:1:12 has the end of the file where } is expected"),
            ("syntax = \"proto4\";", "orders.proto:1:10 is of a syntax that is not known: proto4"),
            ("edition = \"2022\";", "orders.proto:1:11 is of an edition that is not known: 2022"),
            ("message A { int32 a = 1; }", "orders.proto:1:13 has a field without required, optional or repeated"),
            (
                "edition = \"2023\"; message A { optional int32 a = 1; }",
                "orders.proto:1:31 has optional, which editions have no more"
            ),
            (
                "message A { optional int32 a = 0; }",
                "orders.proto:1:32 has a field with the number 0, and they go from 1 to 536870911"
            ),
            (
                "message A { optional int32 a = 19500; }",
                "orders.proto:1:32 has a field with the number 19500: 19000 to 19999 are Protobuf's own"
            ),
            ("message A {} enum A { X = 0; }", "orders.proto:1:19 defines A a second time"),
            (
                "message A { optional int32 a = 1; optional int64 a = 2; }",
                "orders.proto:1:50 defines A.a a second time"
            ),
            (
                "message A { map<bytes, string> m = 1; }",
                "orders.proto:1:17 has a map whose keys are no integers, booleans or strings"
            ),
            ("/* never", "orders.proto:1:1 begins a comment that does not end"),
            ("import \"a\nb\";", "orders.proto:1:8 has a text that does not end in its line"),
            ("import \"\\q\";", "orders.proto:1:9 has a text with an escape that there is none of"),
            ("option (a) = { b: [1 };", "orders.proto:1:22 has } in a value of an option where nothing is open for it"),
            ("option (a) = { b: 1", "orders.proto:1:14 has a value of an option that does not end"),
            (
                "edition = \"2023\"; option features.colour = RED;",
                "orders.proto:1:26 says features.colour, which is not known"
            ),
            ("message A { extensions 5 to 3; }", "orders.proto:1:24 has a range that ends before it begins"),
            ("enum E { A = 99999999999; }", "orders.proto:1:14 has a number that is too large there"),
            (
                "{\"type\": \"record\"}",
                "orders.proto:1:1 has { where message, enum, extend, service, import, package or option is expected"
            ),
        ])
    func mistakes(text: String, words: String) {
        #expect(failure(text) == words)
    }

    @Test("a type that nothing defines is told with its place, and what was not found of the imports")
    func unknownTypes() {
        let text = "syntax = \"proto3\";\npackage shop;\nimport \"money.proto\";\nmessage A { Money m = 1; }"
        #expect(
            failure(text)
                == "orders.proto:4:13 names a type Money that nothing defines; of what it imports, money.proto was not found"
        )
        #expect(
            failure(text, imports: ["money.proto": "package shop; message Coin {}"])
                == "orders.proto:4:13 names a type Money that nothing defines")
        #expect(failure(text, imports: ["money.proto": "package shop; message Money {}"]) == "none")
        #expect(
            failure(text, imports: ["money.proto": "package shop; message {"])
                == "money.proto:1:23 has { where the name of a message is expected")
        // What is imported in turn is not in reach, unless it is handed on.
        let coin = ["coin.proto": "package shop; message Money {}"]
        #expect(
            failure(text, imports: coin.merging(["money.proto": "import \"coin.proto\";"]) { $1 })
                == "orders.proto:4:13 names a type Money of coin.proto, which it does not import")
        #expect(failure(text, imports: coin.merging(["money.proto": "import public \"coin.proto\";"]) { $1 }) == "none")
        // The first part of a name decides where it is looked for.
        #expect(
            failure("package a.b; message A { optional b.C c = 1; } message b {}")
                == "orders.proto:1:35 names a type b.C that nothing defines (it would be a.b.b.C)")
    }

    @Test("what everybody has is known without being sent along")
    func wellKnown() throws {
        let text = """
            syntax = "proto3"; import "google/protobuf/timestamp.proto"; import "google/type/money.proto";
            import "confluent/meta.proto"; import "confluent/type/decimal.proto"; import "google/protobuf/descriptor.proto";
            message A {
              google.protobuf.Timestamp t = 1 [(confluent.field_meta) = { doc: "x" }];
              google.type.Money m = 2; confluent.type.Decimal d = 3; google.protobuf.FieldDescriptorProto f = 4;
            }
            """
        let schema = try ProtobufSchema(.text(Array(text.utf8)), named: "a.proto")
        let message = schema[try #require(schema.message([0], inFile: 0))]
        #expect(
            message.fields.map { schema[$0.type].name } == [
                "google.protobuf.Timestamp", "google.type.Money", "confluent.type.Decimal",
                "google.protobuf.FieldDescriptorProto",
            ])
    }

    @Test("messages, options, comments and imports of any depth or number end in a mistake or a schema")
    func hostile() throws {
        let deep = String(repeating: "message A { ", count: 20000)
        #expect(failure(deep).hasSuffix("has messages in each other that are more than 32 deep"))
        let groups = String(repeating: "optional group A = 1 { ", count: 20000)
        #expect(failure("message A { " + groups).hasSuffix("has messages in each other that are more than 32 deep"))
        #expect(
            failure("option (a) = " + String(repeating: "{a", count: 100_000))
                == "orders.proto:1:14 has a value of an option that does not end")
        #expect(
            failure("option (a) = " + String(repeating: "{", count: 9999) + String(repeating: "}", count: 9999) + ";")
                == "none")
        #expect(failure(String(repeating: " ", count: 1 << 20) + ";") == "orders.proto has more than 1 MiB")
        // A file that imports itself, and one without end.
        #expect(
            failure("import \"orders.proto\"; import \"a.proto\";", imports: ["a.proto": "import \"orders.proto\";"])
                == "none")
        let schema = Result {
            try ProtobufSchema(.text(Array("import \"1\";".utf8)), named: "0") { name in
                .text(Array("import \"\((Int(name) ?? 0) + 1)\";".utf8))
            }
        }
        #expect(throws: ProtobufSchemaFailure.self) { try schema.get() }
    }

    @Test("what stands in a text and is read by it, is what stands in its descriptor")
    func reading() throws {
        let text = """
            syntax = "proto3";
            package t; // of tests
            message Order {
              int64 id = 1; string customer_name = 2 [json_name = "who"]; optional string note = 3;
              repeated sint32 counts = 0x7 [packed = false];
              map<int32, string> tags = 011;
              oneof payment { string card = 5; Transfer transfer = 6; }
              message Transfer { string iban = 1; }
              State state = 10; enum State { NEW = 0; PAID = 2; }
            }
            """
        let schema = try ProtobufSchema(.text(Array(text.utf8)), named: "t.proto")
        let order = try #require(schema.message(named: "t.Order"))
        let decoder = ProtobufRecordDecoder(
            schema, message: order,
            paths: ["id", "who", "note", "transfer.iban", "tags.7", "state"].map {
                FieldPath($0.split(separator: ".").map(String.init))
            })
        let message: [UInt8] = [8, 1, 0x12, 1, 0x61, 0x32, 3, 0x0A, 1, 0x62, 0x4A, 5, 8, 7, 0x12, 1, 0x63, 0x50, 2]
        #expect(told(message, by: decoder) == .success(["i:1", "s:61", "absent", "s:62", "s:63", "e:2:50414944"]))
    }

    @Test("maps that are written as the messages of their entries, as registries write those of descriptors, are maps")
    func writtenEntries() throws {
        let text = """
            syntax = "proto3"; package p;
            message A {
              repeated .p.A.CountsEntry counts = 1;
              message CountsEntry { option map_entry = true; string key = 1; int64 value = 2; }
              message B { int32 id = 1; }
            }
            """
        let schema = try ProtobufSchema(.text(Array(text.utf8)), named: "a.proto")
        let decoder = ProtobufRecordDecoder(
            schema, message: try #require(schema.message([0], inFile: 0)),
            paths: [FieldPath(["counts"]), FieldPath(["counts", "x"]), FieldPath(["counts", ""])])
        // An entry without a key has the empty one.
        let message: [UInt8] = [0x0A, 5, 0x0A, 1, 0x78, 0x10, 7, 0x0A, 2, 0x10, 8]
        #expect(told(message, by: decoder) == .success(["{78=i:7,=i:8}", "i:7", "i:8"]))
        // Whoever counts a message among others counts the entries, as they stand there.
        #expect(schema.message([0, 1], inFile: 0).map { schema[$0].name } == "p.A.B")
        let other = "syntax = \"proto3\"; message A { option map_entry = true; string key = 3; }"
        #expect(failure(other) == "A is no entry of a map")
    }
}
