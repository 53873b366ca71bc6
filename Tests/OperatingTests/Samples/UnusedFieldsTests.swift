import LoadingFixtures
import Records
import Testing

@testable import Loading
@testable import Operating

@Suite("Fields that land nowhere")
struct UnusedFieldsTests {
    private func target(_ expressions: [String]) throws -> Target {
        let names = expressions.indices.map { "c\($0)" }
        let columns = try zip(names, expressions).map { name, expression in
            let source: ColumnSource = try #require(ColumnSource(expression))
            return Route.Column(name: name, source: source)
        }
        return try .made(.made(columns: columns), .made(names.map { .made($0, .jsonb) }))
    }

    private func unused(_ expressions: [String], _ messages: [String?]) throws -> [String] {
        let target = try target(expressions)
        let batch = Batch.filled(messages.map { (nil, $0) }, for: target)
        return UnusedFields(takenBy: [target]).find(in: batch).outermost.map { "\($0.path) \($0.count)" }
    }

    @Test("only the outermost field is named, the most frequent first; of an object that is used in part, what is left")
    func outermost() throws {
        let message =
            #"{"id": 1, "customer": {"id": 2, "name": "x", "tags": {"a": 1}}, "shipping": {"city": "y"}, "n": null}"#
        #expect(
            try unused(["id", "customer.id"], [message, #"{"n": 2}"#, nil, "{", "3"])
                == ["n 2", "customer.name 1", "customer.tags 1", "shipping 1"])
    }

    @Test("in a format with schemas, what is nested is looked into as well")
    func avro() throws {
        let schema = try AvroSchema(
            """
            {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"},
              {"name": "customer", "type": {"type": "record", "name": "Customer", "fields": [
                {"name": "id", "type": "long"}, {"name": "name", "type": "string"}]}},
              {"name": "coupon", "type": ["null", "string"]}]}
            """)
        var target = try target(["id", "customer.id"])
        target.messageFormat = .avro(schema)
        let batch = Batch.holding([(nil, [2, 4, 2, 0x61, 0]), (nil, [4, 4, 2, 0x61, 2, 2, 0x62]), (nil, [1])])
        let (outermost, paths) = UnusedFields(takenBy: [target]).find(in: batch)
        #expect(outermost.map { "\($0.path) \($0.count)" } == ["coupon 2", "customer.name 2"])
        #expect(outermost.map(\.example) == ["b", "a"] && paths == ["coupon", "customer.name"])
    }

    @Test("what lands as a whole lands with everything in it")
    func whole() throws {
        #expect(try unused(["customer"], [#"{"customer": {"id": 1}}"#]).isEmpty)
        #expect(try unused(["$value"], [#"{"a": 1}"#]).isEmpty)
    }

    @Test("a path is written as a route would read it")
    func escaped() throws {
        let found = try unused(["id"], [#"{"a.b": 1, "$x": 2, "c\\d": 3}"#])
        #expect(Set(found) == [#"a\.b 1"#, "$$x 1", #"c\\d 1"#])
        for path in [#"a\.b"#, "$$x", #"c\\d"#] {
            #expect(ColumnSource(path)?.expression == path)
        }
    }
}
