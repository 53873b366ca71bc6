import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Rows of messages' elements") struct ElementRowTests {
    private static func route(
        each: String, _ columns: [(String, String)], mode: Route.Mode = .insert,
        _ change: (inout Route) -> Void = { _ in }
    ) -> Route {
        var route = Route.made(
            mode: mode, columns: columns.map { .init(name: $0.0, source: ColumnSource($0.1)) })
        route.each = ElementPath(parsing: each)
        change(&route)
        return route
    }

    private func rows(
        _ messages: [String], each: String, _ columns: [(name: String, from: String, type: PostgresType)],
        _ change: (inout Route) -> Void = { _ in }
    ) throws -> Batch {
        let route = Self.route(each: each, columns.map { ($0.name, $0.from) }, change)
        let table = Table.made(columns.map { .made($0.name, $0.type) } + [.made("net", .inet)])
        return try Batch.filled(messages.map { (nil, $0) }, for: .made(route, table))
    }

    private static let order: [(name: String, from: String, type: PostgresType)] = [
        ("order_id", "$parent.id", .int4), ("no", "$index", .int4), ("sku", "sku", .text), ("qty", "qty", .int4),
        ("at", "$offset", .int8),
    ]

    @Test("each element of a list is a row, with what holds it and where it stands")
    func list() throws {
        let batch = try rows(
            [
                #"{"id":1,"items":[{"sku":"a","qty":2},{"qty":null,"sku":"b\n"}]}"#, #"{"id":2,"items":[]}"#,
                #"{"items":null,"id":3}"#, #"{"id":4}"#, #"{"items":[{"sku":"c"}],"id":5}"#,
            ], each: "items", Self.order)
        #expect(batch.deadLetters.isEmpty)
        #expect(
            batch.lines.map { $0.dropLast() } == [
                ["1", "0", "a", "2", "0"], ["1", "1", #"b\n"#, #"\N"#, "0"], ["5", "0", "c", #"\N"#, "4"],
            ])
        #expect(batch.settled == 5)
    }

    @Test("lists within lists are rows of the innermost, with all that holds them")
    func nested() throws {
        let batch = try rows(
            [
                #"{"id":7,"items":[{"sku":"a","options":[{"code":1},{"code":2}]},{"sku":"b"},"#
                    + #"{"options":[{"code":3}],"sku":"c"}]}"#
            ], each: "items.options",
            [
                ("id", "$parent.$parent.id", .int4), ("item", "$parent.$index", .int4), ("sku", "$parent.sku", .text),
                ("no", "$index", .int4), ("code", "code", .int4),
            ])
        #expect(
            batch.lines.map { $0.dropLast() } == [
                ["7", "0", "a", "0", "1"], ["7", "0", "a", "1", "2"], ["7", "2", "c", "0", "3"],
            ])
    }

    @Test("what holds the elements may stand in objects, each part of the path being one step out")
    func throughObjects() throws {
        let batch = try rows(
            [#"{"id":1,"order":{"no":"x","items":[{"sku":"a"}]}}"#], each: "order.items",
            [("id", "$parent.$parent.id", .int4), ("no", "$parent.no", .text), ("sku", "sku", .text)])
        #expect(batch.lines.map { $0.dropLast() } == [["1", "x", "a"]])
    }

    @Test("the members of an object are rows with their names, of each name the last")
    func members() throws {
        let many = (0..<50).map { #""k\#($0)":{"v":\#($0)}"# }.joined(separator: ",")
        let batch = try rows(
            [
                #"{"day":"mon","rows":{"a\"b":{"v":1},"c":{"v":2},"a\"b":{"v":3}}}"#,
                #"{"rows":{\#(many),"k7":{"v":-7}}}"#,
            ],
            each: "rows.*",
            [("day", "$parent.day", .text), ("name", "$name", .text), ("place", "$index", .int4), ("v", "v", .int4)])
        #expect(batch.lines.prefix(2).map { $0.dropLast() } == [["mon", "c", "0", "2"], ["mon", #"a"b"#, "1", "3"]])
        #expect(batch.lines.count == 52)
        #expect(batch.lines.last?.dropLast() == [#"\N"#, "k7", "49", "-7"])
    }

    @Test("elements that are no records are taken whole, and lists by their places")
    func scalars() throws {
        let tags = try rows(
            [#"{"id":1,"tags":["a","b\u0041",3,null,{"x":1}]}"#], each: "tags",
            [("id", "$parent.id", .int4), ("tag", "$element", .text), ("no", "$index", .int4)])
        #expect(tags.deadLetters.map(\.explanation) == ["tags[4]: public.orders.tag expects text, found object"])
        let good = try rows(
            [#"{"id":1,"tags":["a","b\u0041",3,null]}"#], each: "tags",
            [("id", "$parent.id", .int4), ("tag", "$element", .text), ("no", "$index", .int4)])
        #expect(
            good.lines.map { $0.dropLast() } == [
                ["1", "a", "0"], ["1", "bA", "1"], ["1", "3", "2"], ["1", #"\N"#, "3"],
            ])
        let tuples = try rows(
            [#"{"points":[[1,"x"],[2,"y",[0]]]}"#], each: "points", [("a", "0", .int4), ("b", "1", .text)])
        #expect(tuples.lines.map { $0.dropLast() } == [["1", "x"], ["2", "y"]])
        let whole = try rows(
            [#"{"items":[{"a": 1}]}"#], each: "items", [("doc", "$element", .jsonb), ("a", "a", .int4)])
        #expect(whole.lines.map { $0.dropLast() } == [[#"{"a": 1}"#, "1"]])
    }

    @Test("a message that is many records is a row of each: an array, several behind one another, or one")
    func manyRecords() throws {
        let columns: [(name: String, from: String, type: PostgresType)] = [
            ("id", "id", .int4), ("no", "$index", .int4),
        ]
        let batch = try rows(
            [
                #"[{"id":1},{"id":2}]"#, "{\"id\":3}\n{\"id\":4}\n", #"{"id":5}"#, "[]", "\u{FEFF}[{\"id\":6}]",
                #"{"id":7} {"id":8"#, #"{"id":9},{"id":10}"#, "7", "", #"[{"id":11}] [{"id":12}]"#,
            ], each: "$value", columns)
        #expect(
            batch.lines.map { $0.dropLast() } == [
                ["1", "0"], ["2", "1"], ["3", "0"], ["4", "1"], ["5", "0"], ["6", "0"],
            ])
        #expect(batch.deadLetters.map(\.message) == [5, 6, 7, 8, 9])
        #expect(
            batch.deadLetters.map(\.reason) == [.invalidJSON, .invalidJSON, .notAnObject, .invalidJSON, .invalidJSON])
        #expect(batch.settled == 10)
        let nested = try rows(
            [#"[{"id":1,"items":[{"sku":"a"}]},{"id":2,"items":[{"sku":"b"}]}]"#], each: "$value.items",
            [("id", "$parent.id", .int4), ("sku", "sku", .text)])
        #expect(nested.lines.map { $0.dropLast() } == [["1", "a"], ["2", "b"]])
    }

    @Test("a bad element makes the whole message a dead letter, and leaves nothing of it")
    func badElements() throws {
        let messages = [
            #"{"id":1,"items":[{"sku":"a","qty":1}]}"#,
            #"{"id":2,"items":[{"sku":"a","qty":1},{"sku":"b","qty":"x"}]}"#,
            #"{"id":3,"items":[{"sku":"a"},{}]}"#, #"{"id":4,"items":[{"sku":"a"},7]}"#, #"{"id":5,"items":"none"}"#,
            #"{"id":6,"items":{"sku":"a"}}"#, #"{"id":7,"items":[{"sku":"z"}]}"#,
        ]
        let batch = try rows(messages, each: "items", Self.order)
        #expect(batch.lines.map { $0[0] } == ["1", "7"])
        #expect(batch.deadLetters.map(\.message) == [1, 2, 3, 4, 5])
        #expect(batch.deadLetters.map(\.reason) == [.badSyntax, .noFields, .noFields, .wrongType, .wrongType])
        #expect(
            batch.deadLetters.map(\.explanation) == [
                "items[1]: public.orders.qty: the string is no integer",
                "items[1]: the element has none of the 3 fields that public.orders takes",
                "items[1]: the element has none of the 3 fields that public.orders takes",
                "items is to be a list of elements, found string", "items is to be a list of elements, found object",
            ])
        let alone = try rows([messages[0], messages[6]], each: "items", Self.order)
        let (one, other) = (try #require(batch.sections.first), try #require(alone.sections.first))
        #expect(one.buffer.bytes.count == other.buffer.bytes.count)
        let skipping = try rows(messages, each: "items", Self.order) { $0.onBadElement = .skip }
        #expect(skipping.lines.map { $0[0] + $0[2] } == ["1a", "2a", "3a", "4a", "7z"])
        #expect(skipping.deadLetters.map(\.message) == [4, 5])
        #expect(skipping.operations[.skippedElement, target: 0] == 3)
    }

    @Test("a message with more elements than the route takes is a dead letter")
    func tooMany() throws {
        let batch = try rows(
            [#"{"items":[{"sku":"a"},{"sku":"b"}]}"#, #"{"items":[{"sku":"a"},{"sku":"b"},{"sku":"c"}]}"#],
            each: "items",
            Self.order
        ) { $0.maxElements = 2 }
        #expect(batch.lines.count == 2)
        #expect(batch.deadLetters.map(\.reason) == [.tooManyElements])
    }

    @Test("what is missing is said of the element, or of what holds it")
    func missing() throws {
        let batch = try rows(
            [#"{"items":[{"sku":"a"}]}"#, #"{"id":1,"items":[{"qty":2}]}"#], each: "items", Self.order
        ) { route in
            route.columns?[0].isRequired = true
            route.columns?[2].isRequired = true
        }
        #expect(
            batch.deadLetters.map(\.explanation) == [
                "items[0]: public.orders.order_id is required, and the element's parent has no field id",
                "items[0]: public.orders.sku is required, and the element has no field sku",
            ])
    }

    @Test("what elements cannot have is a mistake of the configuration")
    func mistakes() {
        let table = Table.made([.made("a"), .made("b", .int4)])
        func problems(_ each: String?, _ from: String, _ change: (inout Route) -> Void = { _ in }) -> [String] {
            var route = Route.made(columns: [.init(name: "a", source: ColumnSource(from))])
            route.each = each.flatMap { ElementPath(parsing: $0) }
            change(&route)
            guard case .failure(let problems) = Target.compile(route, index: 0, table: table) else { return [] }
            return problems.problems.map { "\($0)" }
        }
        #expect(problems("items", "$parent.id").isEmpty)
        #expect(problems("items", "$parent.$parent.id").count == 1)
        #expect(problems("$value", "$parent.id").count == 1)
        #expect(problems("$value.items", "$parent.id").isEmpty)
        #expect(problems("items", "$name").count == 1)
        #expect(problems("items.*", "$name").isEmpty)
        #expect(problems("items", "$parent.$index").count == 1)
        #expect(problems("items.options", "$parent.$index").isEmpty)
        #expect(problems("items.options", "$parent.$name").count == 1)
        #expect(problems(nil, "$element").count == 1)
        #expect(problems(nil, "x") { $0.maxElements = 5 }.count == 1)
        #expect(problems(nil, "x") { $0.onBadElement = .skip }.count == 1)
        #expect(problems("items", "$key") { $0.format = .csv }.count == 1)
        #expect(problems("$value", "x") { $0.format = .csv }.isEmpty)
        #expect(problems("items", "$key") { ($0.format, $0.rest) = (.text, .none) }.count == 1)
    }
}
