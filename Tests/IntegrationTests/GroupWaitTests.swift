import Loading
import TestSupport
import Testing

/// What a loader says while its group has nothing for it.
@Suite("A group that lets a loader wait")
struct GroupWaitTests {
    private static let waits = "the group gives this member nothing yet: mostly it waits for others of its members"
    private static let gives = "the group no longer lets this member wait"

    @Test(
        "a loader whose group waits for others says so with what to type, without being less than well, and when it is over"
    )
    func waits() async throws {
        // The mock lets each rebalance last as long as that of a group in which somebody has died: nearly the whole session.
        let broker = try Broker(mockBrokers: 1)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 2) { landing in
            // It gives all that it has back at each rebalance, and so has nothing meanwhile.
            var options = landing.options(["partition.assignment.strategy": "range"])
            options.groupPatience = .seconds(1)
            try landing.produce(0..<100)
            let run = try LoaderRun(options)
            try await landing.waitForRows(100)
            let other = try LoaderRun(options)
            try await eventually("it is said") { run.log.count(of: Self.waits) > 0 }
            let line = try #require(run.log.lines.first { $0.message == Self.waits })
            #expect(line.level == .notice)
            #expect(line.metadata["at"] == landing.group)
            #expect(
                line.metadata["mend"]?
                    .contains("kafka-consumer-groups.sh --describe --members --group \(landing.group)") == true)
            try await eventually("that it is over is said, too, each time") {
                run.log.count(of: Self.gives) > 0 && run.log.count(of: Self.gives) == run.log.count(of: Self.waits)
            }
            #expect(run.log.lines.first { $0.message == Self.gives }?.metadata["waited_seconds"] != nil)
            // Beside other tests the database may be slow, which is another matter.
            #expect(
                run.log.lines.allSatisfy {
                    $0.level < .warning || $0.metadata["mend"]?.contains("postgres.url") == true
                }, "\(run.log.lines)")
            try await eventually("nothing of it is left on the page") {
                run.statistics.snapshot.incidents.contains { $0.summary == Self.waits && !$0.goesOn }
            }
            // More members than partitions: nothing is an answer, too.
            let third = try LoaderRun(options)
            let all = [run, other, third]
            try await eventually("one is given nothing, and none is left waiting") {
                all.contains { member in
                    member.log.lines.contains {
                        $0.message == "the group has given partitions" && $0.metadata["partitions"] == "0"
                    }
                } && all.allSatisfy { $0.log.count(of: Self.gives) == $0.log.count(of: Self.waits) }
            }
            try landing.produce(100..<200)
            try await landing.waitForRows(200)
            try await third.finish()
            try await other.finish()
            try await run.finish()
            try landing.expectExactlyOnce()
        }
    }
}
