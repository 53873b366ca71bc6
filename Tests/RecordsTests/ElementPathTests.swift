import Records
import Testing

@Suite("Paths to elements") struct ElementPathTests {
    private typealias Step = ElementPath.Step

    @Test(
        "a path is read as it is written",
        arguments: [
            ("items", [Step("items")]), ("items.options", [Step("items"), Step("options")]),
            ("rows.*", [Step("rows", .object)]), ("*", [Step(nil, .object)]),
            ("a.*.*", [Step("a", .object), Step(nil, .object)]),
            ("$value", [Step(nil)]), ("$value.items", [Step(nil), Step("items")]),
            ("$value.*", [Step(nil), Step(nil, .object)]), (#"a\.b.\*"#, [Step("a.b"), Step("*")]),
            ("$$x", [Step("$x")]),
        ])
    private func reading(text: String, steps: [Step]) {
        #expect(ElementPath(parsing: text)?.steps == steps)
        #expect(ElementPath(parsing: text)?.description == text)
    }

    @Test("what leads to no elements is no path", arguments: ["", ".", "a.", "$values", "$value.", "$key", "a..b"])
    func refusing(text: String) { #expect(ElementPath(parsing: text) == nil) }
}
