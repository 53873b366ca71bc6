import Testing

@testable import Loading

@Suite("Batch policy")
struct BatchPolicyTests {
    @Test("whichever limit comes first fills the batch")
    func limits() {
        let policy = BatchPolicy(maxRows: 10, maxBytes: 1000)
        #expect(!policy.isFull(rows: 0, bytes: 0))
        #expect(!policy.isFull(rows: 9, bytes: 999))
        #expect(policy.isFull(rows: 10, bytes: 0))
        #expect(policy.isFull(rows: 1, bytes: 1000))
        #expect(policy.isFull(rows: 1, bytes: 50_000_000))
    }

    @Test("the defaults are those of the reference")
    func defaults() {
        #expect(BatchPolicy() == BatchPolicy(maxRows: 50_000, maxBytes: 33_554_432, maxDelay: .seconds(1)))
    }
}
