import Kafka
import Testing

@testable import Loading
@testable import Operating

@Suite("Position findings")
struct PositionFindingTests {
    private static let ours = LedgerMark(ledger: "11111111-1111-4111-8111-111111111111")
    private static let partition = TopicPartition(topic: "orders", partition: 3)

    /// With a partition that holds 10…100.
    private func finding(
        ledger: Int64?, group: (offset: Int64, metadata: String)?, lost: LoadingOptions.OnLostOffsets = .stop,
        doubles: Bool = false, isActive: Bool = false
    ) -> (finding: PositionFinding, start: Int64?) {
        PositionFinding.of(
            StartPosition.Facts(
                partition: Self.partition, ledger: ledger,
                group: group.map {
                    CommittedOffset(partition: Self.partition, offset: $0.offset, metadata: $0.metadata)
                }, watermarks: Watermarks(low: 10, high: 100), isNew: false),
            StartPosition.Rules(mark: Self.ours, offsetReset: .earliest, onLostOffsets: lost, replayDoubles: doubles),
            isActive: isActive)
    }

    private static let mark = ours.metadata
    private static let theirs = "loader/1 22222222-2222-4222-8222-222222222222"

    @Test(
        "each row of the start table has its finding, and where a start begins",
        arguments: [
            (Int64?(50), Optional((Int64(50), mark)), PositionFinding.Code.ok, Int64?(50)),
            (50, (40, mark), .groupBehind, 50), (50, (60, mark), .groupAhead, 50), (50, nil, .groupMissing, 50),
            (50, (20, ""), .resetPending, 20), (50, (50, ""), .markMissing, 50), (nil, (20, ""), .adoption, 20),
            (nil, nil, .notBegun, 10), (50, (50, theirs), .otherLedger, nil), (nil, (50, mark), .lostPosition, nil),
            (5, (5, mark), .lostOffsets, nil), (101, nil, .lostOffsets, nil),
        ] as [(Int64?, (Int64, String)?, PositionFinding.Code, Int64?)])
    func codes(ledger: Int64?, group: (Int64, String)?, code: PositionFinding.Code, start: Int64?) {
        let found = finding(ledger: ledger, group: group)
        #expect(found.finding.code == code)
        #expect(found.start == start)
        #expect((found.finding.severity == .stops) == (start == nil))
        #expect(found.finding.message.isEmpty == (code == .ok))
        #expect(found.finding.severity != .stops || found.finding.next.contains("loader backfill"))
    }

    @Test("a reset that would double rows stops; one that is pending names both ways on")
    func reset() {
        let refused = finding(ledger: 50, group: (20, ""), doubles: true).finding
        #expect(refused.code == .unsafeReplay && refused.severity == .stops)
        let pending = finding(ledger: 50, group: (20, "")).finding
        #expect(pending.message.contains("30 messages are loaded again"))
        #expect(pending.next.contains("start the loader") && pending.next.contains("--partitions 3 --to-offset 50"))
        #expect(finding(ledger: 50, group: (70, "")).finding.message.contains("20 messages are skipped"))
    }

    @Test(
        "without a ledger the group's offset counts, and what a start would do is told as it would do it",
        arguments: [
            (
                Int64?(50), LoadingOptions.OffsetReset.earliest, LoadingOptions.OnLostOffsets.stop,
                PositionFinding.Code.ok, Int64?(50)
            ),
            (nil, .earliest, .stop, .notBegun, 10), (nil, .latest, .stop, .notBegun, 100),
            (nil, .error, .stop, .noPosition, nil), (5, .earliest, .stop, .lostOffsets, nil),
            (5, .latest, .earliest, .skipPending, 10), (101, .earliest, .latest, .skipPending, 100),
        ])
    func withoutLedger(
        group: Int64?, reset: LoadingOptions.OffsetReset, lost: LoadingOptions.OnLostOffsets,
        code: PositionFinding.Code, start: Int64?
    ) {
        let options = LoadingOptions(
            brokers: "", group: "g", routes: [], delivery: .atLeastOnce, autoOffsetReset: reset, onLostOffsets: lost)
        let found = PositionFinding.withoutLedger(
            Self.partition, group, Watermarks(low: 10, high: 100), options, isActive: false)
        #expect(found.finding.code == code && found.start == start)
        #expect((found.finding.severity == .stops) == (start == nil))
    }

    @Test("a lost position that the configuration goes on from is only noticed")
    func skip() {
        let found = finding(ledger: 5, group: (5, Self.mark), lost: .earliest)
        #expect(found.finding.code == .skipPending && found.finding.severity == .notice && found.start == 10)
    }
}
