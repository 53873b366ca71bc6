import Records
import Testing

@Suite("Avro schemas")
struct AvroSchemaTests {
    private func failure(_ text: String, references: [(name: String, text: String)] = []) -> AvroSchemaFailure? {
        do throws(AvroSchemaFailure) {
            _ = try AvroSchema(text, references: references)
            return nil
        } catch {
            return error
        }
    }

    private func shape(_ text: String, _ way: Int...) throws -> AvroSchema.Node {
        let schema = try AvroSchema(text)
        var place = schema.root
        for step in way {
            switch schema[place].shape {
            case .record(let members): place = members[step].type
            case .union(let branches): place = branches[step]
            case .array(let inner), .map(let inner): place = inner
            default: Issue.record("\(text) has no \(way)")
            }
        }
        return schema[place]
    }

    @Test(
        "a primitive type is a schema by its name, with quotes, in an object, and bare",
        arguments: ["null", "boolean", "int", "long", "float", "double", "bytes", "string"])
    func primitives(name: String) throws {
        let shapes = try ["\"\(name)\"", name, #"{"type":"\#(name)"}"#, #" {"type" : {"type":"\#(name)"}} "#].map {
            try shape($0).shape
        }
        #expect(Set(shapes.map { "\($0)" }) == [name])
    }

    @Test("types have the namespace of their own, of their name, or of what is around them")
    func namespaces() throws {
        let schema = try AvroSchema(
            """
            {"type": "record", "name": "Outer", "namespace": "a.b", "fields": [
                {"name": "x", "type": {"type": "enum", "name": "E", "symbols": ["S"]}},
                {"name": "y", "type": {"type": "record", "name": "c.Inner", "namespace": "passed.over", "fields": [
                    {"name": "z", "type": {"type": "fixed", "name": "F", "size": 3}}, {"name": "e", "type": "a.b.E"}]}},
                {"name": "f", "type": "c.F"}, {"name": "again", "type": ["null", "Outer"]},
                {"name": "bare", "type": {"type": "fixed", "name": "G", "namespace": "", "size": 1}},
                {"name": "g", "type": "G"}]}
            """)
        let names = Set(schema.nodes.compactMap(\.name))
        #expect(names == ["a.b.Outer", "a.b.E", "c.Inner", "c.F", "G"])
        guard case .record(let members) = schema[schema.root].shape else { return #expect(Bool(false)) }
        #expect(schema[members[2].type].shape == .fixed(size: 3))
        #expect(schema[members[3].type].shape == .union([members[3].type + 1, schema.root]))
        #expect(members[5].type == members[4].type)
    }

    @Test("a type may be named before it is defined, and by schemas that are given beside, in any order")
    func references() throws {
        let customer = """
            {"type": "record", "name": "Customer", "namespace": "shop", "fields": [{"name": "at", "type": "shop.Address"}]}
            """
        let address = #"{"type": "record", "name": "shop.Address", "fields": [{"name": "city", "type": "string"}]}"#
        let order = """
            {"type": "record", "name": "Order", "namespace": "shop", "fields": [
                {"name": "customer", "type": "Customer"}, {"name": "state", "type": "State"},
                {"name": "then", "type": {"type": "enum", "name": "State", "symbols": ["A"]}}]}
            """
        for references in [[("a", address), ("c", customer)], [("c", customer), ("a", address)]] {
            let schema = try AvroSchema(order, references: references)
            let decoder = AvroRecordDecoder(schema, paths: [FieldPath(["customer", "at", "city"])])
            #expect(told([2, 0x7A, 0, 0], by: decoder) == .success(["s:7a"]))
        }
        let alone = try AvroSchema("\"shop.Customer\"", references: [("c", customer), ("a", address)])
        #expect(alone[alone.root].name == "shop.Customer")
        let missing = failure(order, references: [("c", customer)])
        #expect(missing?.code == .unknownName)
        #expect(
            missing?.description == "the schema c names a type shop.Address that nothing defines, at /fields/0/type")
    }

    @Test("each mistake has a code and its place in the schema")
    func mistakes() {
        let field = { (type: String) in
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":\#(type)}]}"#
        }
        let all: [(text: String, code: AvroSchemaFailure.Code, place: String)] = [
            ("", .notJSON, ""), ("{", .notJSON, ""), (#""int","int""#, .notJSON, ""), ("7", .notAType, ""),
            ("{}", .notAType, ""), ("null ", .notAType, ""), (#""Order""#, .unknownName, ""),
            (field("{}"), .notAType, "/fields/1/type"), (field("7"), .notAType, "/fields/1/type"),
            (field("\"S\""), .unknownName, "/fields/1/type"),
            (field(#"["null",["int"]]"#), .nestedUnion, "/fields/1/type/1"),
            (field(#"{"type":"array"}"#), .incomplete, "/fields/1/type"),
            (field(#"{"type":"map","items":"int"}"#), .incomplete, "/fields/1/type"),
            (field(#"{"type":"map","values":"inf"}"#), .unknownName, "/fields/1/type/values"),
            (field(#"{"type":"enum","name":"E"}"#), .incomplete, "/fields/1/type"),
            (field(#"{"type":"enum","name":"E","symbols":[1]}"#), .incomplete, "/fields/1/type/symbols"),
            (field(#"{"type":"fixed","name":"F","size":-1}"#), .incomplete, "/fields/1/type"),
            (field(#"{"type":"fixed","name":"F","size":9999999999}"#), .incomplete, "/fields/1/type"),
            (field(#"{"type":"fixed","size":1}"#), .incomplete, "/fields/1/type"),
            (field(#"{"type":"fixed","name":"R","size":1}"#), .definedTwice, "/fields/1/type"),
            (#"{"type":"record","name":"R"}"#, .incomplete, ""),
            (#"{"type":"record","name":"R","fields":[7]}"#, .incomplete, "/fields/0"),
            (#"{"type":"record","name":"R","fields":[{"name":"a"}]}"#, .incomplete, "/fields/0"),
            (
                #"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
                .definedTwice, "/fields/1"
            ),
        ]
        for mistake in all {
            let failure = failure(mistake.text)
            #expect(failure?.code == mistake.code, "\(mistake.text)")
            #expect(failure?.place == mistake.place, "\(mistake.text)")
        }
    }

    @Test("other people's schemas cannot take all memory, all stack or all time")
    func limits() throws {
        let deep = { (count: Int) in
            String(repeating: #"{"type":"array","items":"#, count: count) + "\"int\""
                + String(repeating: "}", count: count)
        }
        #expect(failure(deep(128)) == nil)
        #expect(failure(deep(129))?.code == .tooDeep)
        #expect(failure(deep(20000))?.code == .tooDeep || failure(deep(20000))?.code == .notJSON)
        #expect(failure(String(repeating: " ", count: 1 << 20) + "\"int\"")?.code == .tooLarge)
        let part = #"{"type":"fixed","name":"F","size":1}"# + String(repeating: " ", count: (1 << 20) - 40)
        #expect(failure("F", references: (0..<5).map { ("\($0)", part) })?.code == .definedTwice)
        let many = "[" + Array(repeating: #"{"type":"int"}"#, count: 65536).joined(separator: ",") + "]"
        #expect(failure(many)?.code == .tooLarge)
        // Each record twice in the next: more values than atoms, without a byte.
        let records = { (last: String) in
            #"{"type":"record","name":"R0","fields":[\#(last)]}"#
                + (1...100).map {
                    #",{"type":"record","name":"R\#($0)","fields":[{"name":"a","type":"R\#($0 - 1)"},"#
                        + #"{"name":"b","type":"R\#($0 - 1)"}]}"#
                }.joined()
        }
        #expect(failure("[\(records(""))]")?.code == .tooManyEmptyValues)
        // The same with a byte each is a plan of a few hundred steps.
        let schema = try AvroSchema("[\(records(#"{"name":"a","type":"int"}"#))]")
        let decoder = AvroRecordDecoder(schema, paths: [.whole, FieldPath(["a", "b", "a"])])
        #expect(told([2, 2, 4], by: decoder) == .success(["{61={61=i:1},62={61=i:2}}", "absent"]))
    }

    @Test("a chain of types is as deep as a message may be, and no type in it costs stack where a schema is compiled")
    func chains() throws {
        let chain = (0..<3000).map {
            #"{"type":"record","name":"R\#($0)","fields":[{"name":"a","type":"R\#($0 + 1)"}]}"#
        }
        let last = #"{"type":"record","name":"R3000","fields":[{"name":"a","type":"int"}]}"#
        let schema = try AvroSchema("[" + (chain + [last]).joined(separator: ",") + "]")
        let decoder = AvroRecordDecoder(schema, paths: [.whole, FieldPath(["a", "a"])])
        let shallow = told(RandomAvro.varint(2990) + [2], by: decoder)
        #expect((try? shallow.get())?[0].hasSuffix("i:1}}}}}}}}}}}") == true)
        guard case .failure(let failure) = told([0, 2], by: decoder) else { return #expect(Bool(false)) }
        #expect(failure.reason == .tooDeep)
    }

    // MARK: Meaning

    @Test("a logical type is kept where it can be said of its type, and passed over elsewhere, with a word about it")
    func logicalTypes() throws {
        let kept: [(String, AvroSchema.Logical)] = [
            (#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#, .decimal(precision: 9, scale: 2)),
            (#"{"type":"bytes","logicalType":"decimal","precision":9}"#, .decimal(precision: 9, scale: 0)),
            (
                #"{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":9,"scale":9}"#,
                .decimal(precision: 9, scale: 9)
            ),
            (#"{"type":"bytes","logicalType":"big-decimal"}"#, .bigDecimal),
            (#"{"type":"string","logicalType":"uuid"}"#, .uuid),
            (#"{"type":"fixed","name":"F","size":16,"logicalType":"uuid"}"#, .uuid),
            (#"{"type":"fixed","name":"F","size":12,"logicalType":"duration"}"#, .duration),
            (#"{"type":"int","logicalType":"date"}"#, .date),
            (#"{"type":"int","logicalType":"time-millis"}"#, .timeMillis),
            (#"{"type":"long","logicalType":"local-timestamp-nanos"}"#, .localTimestampNanos),
        ]
        for (text, logical) in kept { #expect(try shape(text).logical == logical, "\(text)") }
        let passedOver = [
            #"{"type":"bytes","logicalType":"decimal"}"#,
            #"{"type":"bytes","logicalType":"decimal","precision":0}"#,
            #"{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}"#,
            #"{"type":"bytes","logicalType":"decimal","precision":2,"scale":-1}"#,
            #"{"type":"bytes","logicalType":"decimal","precision":2,"scale":1.5}"#,
            #"{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":10}"#,
            #"{"type":"fixed","name":"F","size":0,"logicalType":"decimal","precision":1}"#,
            #"{"type":"string","logicalType":"decimal","precision":9}"#, #"{"type":"long","logicalType":"date"}"#,
            #"{"type":"int","logicalType":"time-micros"}"#, #"{"type":"int","logicalType":"timestamp-millis"}"#,
            #"{"type":"fixed","name":"F","size":15,"logicalType":"uuid"}"#,
            #"{"type":"fixed","name":"F","size":13,"logicalType":"duration"}"#,
            #"{"type":"string","logicalType":"money"}"#,
        ]
        for text in passedOver {
            let schema = try AvroSchema(#"{"type":"array","items":\#(text)}"#)
            #expect(schema.nodes.allSatisfy { $0.logical == nil }, "\(text)")
            #expect(schema.ignored.map(\.place) == ["/items"], "\(text)")
        }
    }

    @Test("what Kafka Connect and Debezium say of a type stays with it")
    func connect() throws {
        let node = try shape(
            """
            {"type": "record", "name": "R", "fields": [{"name": "a", "doc": "of the field", "type": ["null",
                {"type": "bytes", "scale": 2, "precision": 64, "connect.version": 1, "doc": "of the type",
                 "connect.parameters": {"scale": "2", "connect.decimal.precision": "10"},
                 "connect.name": "org.apache.kafka.connect.data.Decimal", "logicalType": "decimal"}]},
                {"name": "b", "type": {"type": "int", "connect.type": "int16"}}]}
            """, 0, 1)
        #expect(node.connectName == "org.apache.kafka.connect.data.Decimal")
        #expect(node.connectParameters == ["scale": "2", "connect.decimal.precision": "10"])
        #expect(node.documentation == "of the type")
        #expect(try shape(#"{"type":"int","connect.type":"int16"}"#).connectType == "int16")
    }

    @Test("schemas that read messages alike have one fingerprint, which is Avro's own")
    func fingerprint() throws {
        // Of the specification's own cases (share/test/data/schema-tests.txt).
        let known: [(String, UInt64)] = [
            ("\"null\"", 0x63dd_24e7_cc25_8f8a), ("{\"type\": \"boolean\"}", 0x9f42_fc78_a4d4_f764),
            ("\"int\"", 0x7275_d51a_3f39_5c8f),
        ]
        for (text, fingerprint) in known { #expect(try AvroSchema(text).fingerprint == fingerprint, "\(text)") }
        let one = try AvroSchema(
            #"{"type":"record","name":"R","namespace":"a.b","doc":"x","fields":[{"name":"f","type":{"type":"fixed","name":"F","size":4},"default":"abcd"},{"name":"g","type":["null","F"]},{"name":"h","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"e","type":{"type":"enum","name":"c.E","symbols":["X","Y"],"aliases":["Z"]}},{"name":"r","type":{"type":"map","values":{"type":"array","items":"R"}}}]}"#
        )
        #expect(
            one.canonicalForm
                == #"{"name":"a.b.R","type":"record","fields":[{"name":"f","type":{"name":"a.b.F","type":"fixed","size":4}},{"name":"g","type":["null","a.b.F"]},{"name":"h","type":"long"},{"name":"e","type":{"name":"c.E","type":"enum","symbols":["X","Y"]}},{"name":"r","type":{"type":"map","values":{"type":"array","items":"a.b.R"}}}]}"#
        )
        #expect(try AvroSchema(one.canonicalForm).fingerprint == one.fingerprint)
    }
}
