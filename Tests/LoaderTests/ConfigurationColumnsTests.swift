import Loading
import Postgres
import Records
import Testing

@testable import Loader

extension Route.Column {
    /// A column that a variable in upper case names.
    static func loose(_ name: String, source: ColumnSource? = nil) -> Route.Column {
        var column = Route.Column(name: name, source: source)
        column.isNameLoose = true
        return column
    }
}

@Suite struct ConfigurationColumnsTests {
    private static let options = """
        { from: order.total, trim: true, null_if: ["", "n/a", -1], default: 0, on_error: null }
        """

    private func columns(_ route: String, environment: [String: String] = [:], set: [String] = []) throws -> [Route
        .Column]
    {
        try read(completeYAML + route, environment: environment, set: set).loading.routes[0].columns ?? []
    }

    private func paths(_ route: String, environment: [String: String] = [:]) throws -> [String?] {
        try mistakes(completeYAML + route, environment: environment).map(\.path)
    }

    @Test("the file, a variable and --set say the same of a column in the same words")
    func threeWays() throws {
        let right = Route.Column(
            name: "Total", source: .field(FieldPath(["order", "total"])), trims: true, nullIf: ["", "n/a", "-1"],
            fallback: "0", onError: .null)
        #expect(try columns("\n    columns: { Total: \(Self.options) }") == [right])
        #expect(try columns("", environment: ["LOADER_ROUTES_0_COLUMNS_Total": Self.options]) == [right])
        #expect(try columns("", set: ["routes.0.columns.Total=\(Self.options)"]) == [right])
        var loose = right
        (loose.name, loose.isNameLoose) = ("total", true)
        #expect(try columns("", environment: ["LOADER_ROUTES_0_COLUMNS_TOTAL": Self.options]) == [loose])
    }

    @Test("a variable goes over the file's column that is called so but for the case, option by option")
    func precedence() throws {
        let file = "\n    columns: { CustomerName: { from: a, trim: true }, \"Order total\": b }"
        let found = try columns(
            file,
            environment: [
                "LOADER_ROUTES_0_COLUMNS_CUSTOMERNAME": "{ from: c.name, required: true }",
                "LOADER_ROUTES_0_COLUMNS_ORDER_TOTAL": "total", "LOADER_ROUTES_0_COLUMNS_OTHER": "x",
            ], set: ["routes.0.columns.Other.required=true"])
        #expect(
            found == [
                Route.Column(
                    name: "CustomerName", source: .field(FieldPath(["c", "name"])), isRequired: true, trims: true),
                Route.Column(name: "Order total", source: .field(FieldPath(["total"]))),
                Route.Column(name: "Other", source: .field(FieldPath(["x"])), isRequired: true),
            ])
    }

    @Test("a mistake in a variable's options is told with the variable's name, and takes in other variables")
    func mistakesOfVariables() throws {
        let name = "LOADER_ROUTES_0_COLUMNS_TOTAL"
        let unknown = try mistakes(environment: [name: "{ form: total }"])
        #expect(unknown.map(\.code) == [.unknownKey])
        #expect(unknown.map(\.origin) == [.variable(name)])
        #expect(unknown.first?.mend == "Did you mean `from`?")
        #expect(try mistakes(environment: [name: "{ from: total"]).map(\.code) == [.syntax])
        #expect(try mistakes(environment: [name: "{ unit: weeks }"]).map(\.path) == ["routes[0].columns.total.unit"])
        let fallback = try columns("", environment: [name: #"{ default: "${NONE}" }"#, "NONE": "0"]).first?.fallback
        #expect(fallback == "0")
    }

    @Test("a key may be named by the column that a variable fills")
    func keyOfVariable() throws {
        let route = "\n    mode: upsert\n    rest: none\n    key: [OrderId]"
        #expect(try paths(route, environment: ["LOADER_ROUTES_0_COLUMNS_ORDERID": "id"]).isEmpty)
        #expect(try paths(route, environment: ["LOADER_ROUTES_0_COLUMNS_ORDER": "id"]) == ["routes[0].key"])
    }

    @Test("texts for null and defaults are texts, however YAML would read them")
    func texts() throws {
        let found = try columns(
            """

                columns:
                  a: { null_if: "", default: "" }
                  b: { null_if: [0, true, "null", " "], default: 1.50 }
                  c: { constant: 2024-01-01 }
                  d: { on_error: dead_letter }
                  e: { on_error: "null", trim: yes }
            """)
        #expect(found.map(\.nullIf) == [[""], ["0", "true", "null", " "], [], [], []])
        #expect(found.map(\.fallback) == ["", "1.50", nil, nil, nil])
        #expect(found.map(\.constant) == [nil, nil, "2024-01-01", nil, nil])
        #expect(found.map(\.onError) == [.deadLetter, .deadLetter, .deadLetter, .deadLetter, .null])
        #expect(found.map(\.trims) == [false, false, false, false, true])
        for bad in ["null_if: []", "null_if: [a, a]", "default:", "constant: [a]", "default: {}", "on_error: skip"] {
            #expect(try !mistakes(completeYAML + "\n    columns: { a: { \(bad) } }").isEmpty, "\(bad)")
        }
    }

    @Test(
        "what contradicts another option of the column, or does nothing beside it, is told at its place",
        arguments: [
            ("{ constant: x, from: a }", "from"), ("{ constant: x, required: true }", "required"),
            ("{ constant: x, default: y }", "default"), ("{ constant: x, trim: true }", "trim"),
            ("{ constant: x, null_if: y }", "null_if"), ("{ constant: x, on_error: null }", "on_error"),
            ("{ constant: x, unit: s }", "unit"), ("{ constant: x, decode: hex }", "decode"),
            ("{ constant: x, zone: UTC }", "zone"), ("{ constant: x, on_nul: strip }", "on_nul"),
            ("{ required: true, default: x }", "default"), ("{ required: true, on_error: null }", "on_error"),
        ])
    func contradictions(options: String, place: String) throws {
        let found = try mistakes(completeYAML + "\n    columns: { a: \(options) }")
        #expect(found.map(\.path) == ["routes[0].columns.a.\(place)"])
        #expect(found.map(\.code) == [.contradiction])
        if case .file(_, let line, _, _) = found.first?.origin { #expect(line == 9) } else { Issue.record("no line") }
    }
}
