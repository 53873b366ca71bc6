import Testing

@testable import Loading

@Suite("Ledger mark")
struct LedgerMarkTests {
    private static let id = "0f3ad6a8-6c1e-4f6a-9a64-0a3c5a1d2e4f"

    @Test("a mark reads back from the metadata that it writes")
    func roundTrip() {
        let mark = LedgerMark(ledger: Self.id)
        #expect(mark.metadata == "loader/1 \(Self.id)")
        #expect(LedgerMark(metadata: mark.metadata) == mark)
    }

    @Test("a later version's mark still tells whose ledger it is")
    func laterVersion() { #expect(LedgerMark(metadata: "loader/2 \(Self.id)") == LedgerMark(ledger: Self.id)) }

    @Test("an id is the same in capitals")
    func capitals() {
        #expect(LedgerMark(metadata: "loader/1 \(Self.id.uppercased())") == LedgerMark(ledger: Self.id))
    }

    @Test(
        "what others write is no mark",
        arguments: [
            "", " ", "loader", "loader/1", "loader/1 ", Self.id, "other/1 \(Self.id)", "loader/1 \(Self.id) more",
            "myloader/1 \(Self.id)", "\u{0}", "consumed by airflow",
        ])
    func noMark(metadata: String) { #expect(LedgerMark(metadata: metadata) == nil) }
}
