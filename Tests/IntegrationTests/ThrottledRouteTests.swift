import Kafka
import Loading
import TestSupport
import Testing

@Suite("Throttled routes")
struct ThrottledRouteTests {
    @Test("what comes faster than a route may load waits in Kafka, is told as that, and is loaded once in the end")
    func waits() async throws {
        try await Scenario.with("CREATE TABLE t (id int)") { scenario in
            let topic = try scenario.topic((1...3).map { TestMessage(key: nil, value: #"{"id":\#($0)}"#) })
            var route = Route(topic, "t")
            route.throttle = Throttle(messagesPerSecond: 1.0 / 60)
            var options = scenario.options([route])
            options.shutdownTimeout = .seconds(2)
            let run = try LoaderRun(options)
            try await eventually("the second waits", within: .seconds(50)) {
                run.statistics.snapshot.routes.first?.notes.contains { $0.kind == "throttled" && $0.over == nil }
                    == true
            }
            #expect(try scenario.rows("SELECT id FROM t") == ["1"])
            #expect(run.statistics.snapshot.outages.isEmpty)
            // Not even a stop has it loaded sooner.
            try await run.finish()
            #expect(try scenario.rows("SELECT id FROM t") == ["1"])
            route.throttle = nil
            try await scenario.load([route])
            #expect(try scenario.rows("SELECT id FROM t ORDER BY id") == ["1", "2", "3"])
        }
    }
}
