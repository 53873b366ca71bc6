import Testing

@testable import Postgres

@Suite("What an error says in a log")
struct PostgresErrorTests {
    private static let value = "geheim"

    @Test(
        "nothing of the server's words where rows were under way, whatever its code",
        arguments: [nil, "22P02", "42601", "57P01", "XX000"])
    func withRows(state: String?) {
        for code in [PostgresError.Code.server, .connectionLost, .cancelled] {
            let error = PostgresError(
                code, sqlState: state.map { SQLState(rawValue: $0) }, message: Self.value, hint: Self.value,
                cameWithRows: true)
            #expect(!"\(error)".contains(Self.value), "\(code)")
        }
    }

    @Test("a connection that is lost with rows under way is no message of the server's that is held back")
    func lost() {
        let lost = PostgresError(.connectionLost, message: Self.value, cameWithRows: true)
        #expect("\(lost)" == "connection lost")
        let silent = PostgresError(.noAnswer, message: "nothing from the database for 30 s", cameWithRows: true)
        #expect("\(silent)" == "no answer: nothing from the database for 30 s")
    }
}
