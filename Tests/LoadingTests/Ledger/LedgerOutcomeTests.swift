import Kafka
import Testing

@testable import Loading

@Suite("What became of a batch whose COMMIT got no answer")
struct LedgerOutcomeTests {
    private let partition = TopicPartition(topic: "orders", partition: 0)

    private func message(_ fingerprint: Int64, at offset: Int64 = 8) -> LastMessage {
        LastMessage(offset: offset, timestamp: 1, fingerprint: fingerprint)
    }

    private func outcome(_ position: Ledger.Position, last: LastMessage?) -> Ledger.Outcome {
        Ledger.Outcome(
            of: [Batch.PartitionRange(partition: partition, expected: 5, next: 9, last: last)],
            known: [partition: position])
    }

    @Test("it is in where the position stands behind its last message")
    func committed() {
        #expect(outcome(Ledger.Position(next: 9, last: message(1)), last: message(1)) == .committed)
    }

    @Test("another member's batch that ends at the same offset of a topic that was there before is not taken for it")
    func anotherTopics() {
        #expect(outcome(Ledger.Position(next: 9, last: message(2)), last: message(1)) == .takenOver)
        #expect(outcome(Ledger.Position(next: 9, last: message(1, at: 7)), last: message(1)) == .takenOver)
    }

    @Test("where a last message is not known the offset alone tells")
    func unknown() {
        #expect(outcome(Ledger.Position(next: 9), last: message(1)) == .committed)
        #expect(outcome(Ledger.Position(next: 9, last: message(1)), last: nil) == .committed)
    }
}
