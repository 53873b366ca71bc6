import Records
import Testing

@testable import Loading

@Suite("Column source")
struct ColumnSourceTests {
    static let valid: [(String, ColumnSource)] = [
        ("total", .field(FieldPath(["total"]))),
        ("customer.name", .field(FieldPath(["customer", "name"]))),
        (#"customer\.name"#, .field(FieldPath(["customer.name"]))),
        (#"a\\.b"#, .field(FieldPath([#"a\"#, "b"]))),
        (#"a\b"#, .field(FieldPath([#"a\b"#]))),
        (#"a\"#, .field(FieldPath([#"a\"#]))),
        ("größe.Ω", .field(FieldPath(["größe", "Ω"]))),
        (" ", .field(FieldPath([" "]))),
        ("$$", .field(FieldPath(["$"]))),
        ("$$ref", .field(FieldPath(["$ref"]))),
        ("$$ref.$id", .field(FieldPath(["$ref", "$id"]))),
        ("$value", .value), ("$topic", .topic), ("$partition", .partition), ("$offset", .offset),
        ("$timestamp", .timestamp), ("$now", .now), ("$key", .key(nil)), ("$key.id", .key(FieldPath(["id"]))),
        (#"$key.a\.b.c"#, .key(FieldPath(["a.b", "c"]))),
        ("$headers.trace-id", .header("trace-id")),
        // A header's name is one name, dots and all.
        ("$headers.a.b", .header("a.b")),
    ]

    @Test("an expression reads as what it says", arguments: valid)
    func reads(_ expression: String, _ source: ColumnSource) { #expect(ColumnSource(expression) == source) }

    @Test(
        "what names nothing is refused",
        arguments: [
            "", ".", "a.", ".a", "a..b", "$", "$unknown", "$Value", "$key.", "$key.a.", "$keyid", "$headers",
            "$headers.", "$topic.name", "$value.id",
        ])
    func refused(_ expression: String) { #expect(ColumnSource(expression) == nil) }
}
