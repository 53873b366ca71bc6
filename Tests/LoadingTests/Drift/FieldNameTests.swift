import Testing

@testable import Loading

@Suite("Names of fields that are shown")
struct FieldNameTests {
    @Test(
        "a name that looks like one is shown",
        arguments: [
            "coupon", "orderNote", "order_note", "address2", "X-Request-Id", "$schema", "@type", "größe", "facade",
        ])
    func shown(name: String) { #expect(FieldName.isShown(name)) }

    @Test(
        "a name that looks like a value is not",
        arguments: [
            "", "4711", "user_12345", "anna@example.com", "7d444840-9dc0-11d1-b245-5ffdce74fad2", "Anna Bell", "a\nb",
            "+49301234", "deadbeef01", "2026-01-31", "c3ab8ff1", String(repeating: "a", count: 64), "k\u{0}",
            "a1b2c3d4e5",
        ])
    func hidden(name: String) { #expect(!FieldName.isShown(name)) }
}
