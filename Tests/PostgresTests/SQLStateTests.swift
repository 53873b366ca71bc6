import Testing

@testable import Postgres

@Suite struct SQLStateTests {
    @Test("the class is the first two characters")
    func classCode() { #expect(SQLState.uniqueViolation.classCode == "23") }

    @Test(
        "a failed start's SQLSTATE is read from libpq's verbose text, the last host's",
        arguments: [
            ("connection to server failed: FATAL:  28P01: password authentication failed\nLOCATION:  x", "28P01"),
            ("a failed: FATAL:  57P03: starting up\nb failed: FATAL:  3D000: no database", "3D000"),
            ("FATAL:  geheim: 28P01: x", nil), ("could not connect: Connection refused", nil), ("", nil),
            ("Schwerwiegend:  53300: zu viele Clients", "53300"),
        ])
    func verbose(message: String, expected: String?) {
        #expect(SQLState(inVerboseMessage: message)?.rawValue == expected)
    }
}
