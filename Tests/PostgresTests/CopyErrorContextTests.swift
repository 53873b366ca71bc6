import Testing

@testable import Postgres

@Suite struct CopyErrorContextTests {
    @Test(
        "the row is found in every language that PostgreSQL ships",
        arguments: [
            "COPY t, line 42, column a: \"7\"", "COPY t, line 42", "COPY t, Zeile 42, Spalte a: »7«",
            "COPY t, línea 42, columna a: «7»", "COPY t, ligne 42, colonne a : « 7 »",
            "COPY t, riga 42, colonna a: \"7\"",
            "tのCOPY、行 42、列 a: \"7\"", "COPY t, ხაზი 42, სვეტი a: \"7\"", "t 복사, 42번째 줄, a 열: \"7\"",
            "COPY t, строка 42, столбец a: \"7\"", "COPY t, rad 42, kolumn a: \"7\"", "COPY t, рядок 42",
            "COPY t, 第 42 行, 列 a: \"7\"", "COPY t, 第 42 行, 欄位 a: \"7\"",
            "PL/pgSQL function f() line 3 at RAISE\nCOPY t, line 42: \"7\"",
            "COPY t, line 42, column a: \"7\nCOPY t, line 99\"",
        ])
    func languages(context: String) {
        #expect(CopyErrorContext.line(in: context, relation: "t") == 42)
    }

    @Test(
        "a context that names no row gives none",
        arguments: [
            "COPY t", "COPY t2, line 42", "COPY other, line 42", "", "SQL statement \"SELECT 1\"",
            "PL/pgSQL function t_check() line 3 at RAISE", "COPY t, column a: \"a long value, then 42\"",
        ])
    func none(context: String) {
        #expect(CopyErrorContext.line(in: context, relation: "t") == nil)
    }

    @Test("digits and commas in the table's name are not taken for the row")
    func oddNames() {
        #expect(CopyErrorContext.line(in: "COPY a, line 7, line 2", relation: "a, line 7") == 2)
        #expect(CopyErrorContext.line(in: "COPY 2024, line 3, column a", relation: "2024") == 3)
    }

    @Test("the column is the one that stands before the value, of those that there are")
    func columns() {
        func column(_ context: String) -> String? {
            CopyErrorContext.column(in: context, line: 42, among: ["b", "a", "the a"])
        }
        #expect(column("COPY t, line 42, column a: \"7, column b: 8\"") == "a")
        #expect(column("COPY t, line 42, column a") == "a")
        #expect(column("COPY t, ligne 42, colonne a : « 7 »") == "a")
        #expect(column("SQL function \"f\"\nCOPY t, line 42, column b: \"7\"") == "b")
        #expect(column("COPY t, line 42: \"7 a\"") == nil)
        #expect(column("COPY t, line 42, column c: \"7\"") == nil)
    }

    @Test(
        "the table is read from the COPY statement",
        arguments: [
            ("COPY t FROM STDIN", "t"), ("copy Public.T (a) from stdin", "t"), ("COPY \"S\".\"T\" (a) FROM STDIN", "T"),
            ("COPY \"a.b\".\"c\"\"d\"(a) FROM STDIN", "c\"d"), ("  COPY  s . t(a)FROM STDIN", "t"), ("SELECT 1", nil),
            ("COPY ", nil),
        ])
    func relation(sql: String, expected: String?) {
        #expect(CopyErrorContext.relation(ofCopy: sql) == expected)
    }
}
