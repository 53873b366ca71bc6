import Postgres
import Testing

@testable import Loader

@Suite struct TableNameSyntaxTests {
    @Test(
        "names are read as PostgreSQL reads them",
        arguments: [
            ("orders", TableName(schema: nil, name: "orders")),
            ("public.orders", TableName(schema: "public", name: "orders")),
            ("Public.Orders", TableName(schema: "public", name: "orders")),
            ("\"Odd Schema\".\"Odd.Table\"", TableName(schema: "Odd Schema", name: "Odd.Table")),
            ("shop.\"a\"\"b\"", TableName(schema: "shop", name: "a\"b")),
            ("_x1$", TableName(schema: nil, name: "_x1$")),
            ("größe", TableName(schema: nil, name: "größe")), ("\"a\".B", TableName(schema: "a", name: "b")),
        ])
    func reads(text: String, expected: TableName) throws { #expect(try parseTableName(text) == expected) }

    @Test(
        "what is no table's name is refused",
        arguments: [
            "", ".", "a.", ".a", "a.b.c", "a b", "1a", "a-b", "\"a", "\"\"", "a..b", "\"a\"b", "drop table x; --", "$a",
        ])
    func refuses(text: String) { #expect(throws: ValueMistake.self) { try parseTableName(text) } }

    @Test("a name that PostgreSQL would cut off is refused; 63 bytes are not too many")
    func length() throws {
        #expect(try parseTableName(String(repeating: "a", count: 63)).name.utf8.count == 63)
        #expect(throws: ValueMistake.self) { try parseTableName(String(repeating: "a", count: 64)) }
        #expect(throws: ValueMistake.self) { try parseTableName(String(repeating: "ä", count: 32)) }
    }
}
