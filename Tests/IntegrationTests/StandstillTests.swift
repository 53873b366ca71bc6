import Foundation
import Kafka
import KafkaMock
import Loading
import Operating
import TestSupport
import Testing

@testable import Loader

/// What the brokers refuse or damage, on a mock cluster of each test's own.
@Suite("Standstills of a loader")
struct StandstillTests {
    private func withLanding(
        partitions: Int = 2, _ body: (_ landing: Landing, _ mock: MockCluster) async throws -> Void
    ) async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: partitions) { landing in
            try await body(landing, mock)
        }
    }

    private func status(_ run: LoaderRun) -> ServiceStatus { ServiceStatus(run.statistics.snapshot) }

    private func hasTold(_ run: LoaderRun, _ code: String, mend: String, at place: String) -> Bool {
        run.log.lines.contains {
            $0.level == .error && $0.metadata["code"] == code && $0.metadata["mend"]?.contains(mend) == true
                && $0.metadata["at"]?.hasPrefix(place) == true
        }
    }

    @Test("a member that another one has fenced stops at once, says why, and does not try to leave")
    func fenced() async throws {
        try await withLanding { landing, mock in
            try landing.produce(0..<100)
            let run = try LoaderRun(landing.options(["group.instance.id": "twin"]))
            try await landing.waitForRows(100)
            mock.fail(.heartbeat, with: [.fencedInstance])
            let error = await #expect(throws: LoadingError.self) { try await run.waitForEnd(within: .seconds(60)) }
            #expect(error?.code == .kafka)
            #expect(error?.message.contains("FENCED_INSTANCE_ID") == true)
            #expect(error?.mend.words.contains("group.instance.id") == true)
            #expect(run.log.lines.contains { $0.level == .critical && $0.message.contains("FENCED_INSTANCE_ID") })
        }
    }

    @Test(
        "what the group refuses is told with its mend, keeps the loader from being ready, and passes by itself",
        arguments: [
            (KafkaErrorCode.invalidSessionTimeout, "session.timeout.ms"),
            (.inconsistentGroupProtocol, "partition.assignment.strategy"), (.groupMaxSizeReached, "group.max.size"),
            (.groupAuthorizationFailed, "READ"),
        ])
    func group(code: KafkaErrorCode, mend: String) async throws {
        try await withLanding { landing, mock in
            try landing.produce(0..<100)
            mock.fail(.joinGroup, with: Array(repeating: code, count: 100))
            let run = try LoaderRun(landing.options())
            try await eventually("it is told") { hasTold(run, code.name, mend: mend, at: landing.group) }
            try await eventually("it is not ready") {
                status(run).obstacles.contains { $0.contains(landing.group) && $0.contains(code.name) }
            }
            #expect(status(run).condition == .partly([Standstill(.group, code: code.name, at: landing.group)]))
            mock.stopFailing(.joinGroup)
            try await landing.waitForRows(100)
            try await eventually("it is ready") { status(run).isReady }
            try await run.finish()
            // However often it was refused.
            #expect(run.log.lines.count { $0.metadata["code"] == code.name } == 1)
        }
    }

    @Test("a right to read that is lost is told with what gives it, keeps the loader from being ready, and is survived")
    func topicRight() async throws {
        try await withLanding { landing, mock in
            try landing.produce(0..<100)
            let run = try LoaderRun(landing.options())
            try await landing.waitForRows(100)
            mock.fail(.fetch, with: Array(repeating: .topicAuthorizationFailed, count: 1000))
            try await eventually("it is told") {
                hasTold(run, "TOPIC_AUTHORIZATION_FAILED", mend: "READ", at: landing.topic)
            }
            try await eventually("it is not ready") {
                status(run).obstacles.contains { $0.hasPrefix(landing.topic) }
            }
            try await eventually("both partitions are counted") {
                PrometheusText(status(run)).text.contains(#"loader_standstills{reason="refused"} 2"#)
            }
            try landing.produce(100..<200)
            mock.stopFailing(.fetch)
            try await landing.waitForRows(200)
            try await eventually("it is ready") { status(run).isReady }
            try await run.finish()
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }

    @Test("what the group refuses to be told is an incident, while rows go on to be loaded")
    func commits() async throws {
        try await withLanding { landing, mock in
            try landing.produce(0..<100)
            mock.fail(.offsetCommit, with: Array(repeating: .groupAuthorizationFailed, count: 1000))
            let run = try LoaderRun(landing.options())
            try await landing.waitForRows(100)
            try await eventually("it is told") {
                hasTold(run, "GROUP_AUTHORIZATION_FAILED", mend: "READ", at: landing.group)
            }
            #expect(!status(run).isReady)
            mock.stopFailing(.offsetCommit)
            try await eventually("it is ready") { status(run).isReady }
            try await run.finish()
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }

    /// librdkafka says that it could not read something and goes on behind it, so what the loader would take next lies
    /// behind a gap that is none.
    @Test(
        "messages that are damaged on their way are not stepped over: it is told and counted, and goes on when they come whole"
    )
    func damage() async throws {
        try await withLanding(partitions: 2) { landing, mock in
            let proxy = try RewritingProxy(to: mock.bootstrapServers)
            proxy.damaged = Array("4242424242".utf8)
            // A batch each, as the broker keeps them.
            for numbers in [0..<10, 4_242_424_242..<4_242_424_243, 10..<20] {
                try landing.broker.produce(
                    numbers.map { TestMessage(partition: 0, value: Landing.value($0)) }, to: landing.topic)
            }
            try landing.broker.produce(
                (20..<30).map { TestMessage(partition: 1, value: Landing.value($0)) }, to: landing.topic)
            var options = landing.options()
            options.brokers = proxy.bootstrapServers
            let run = try LoaderRun(options)
            // The other partition, and what comes before the damage.
            try await landing.waitForRows(20)
            let place = "\(landing.topic)[0]@10"
            try await eventually("it is told") { hasTold(run, "_BAD_MSG", mend: "--to-offset", at: place) }
            try await eventually("it is not ready") { status(run).obstacles.contains { $0.hasPrefix(place) } }
            let reads = proxy.damageCount
            try await eventually("it is fetched again") { proxy.damageCount > reads }
            #expect(try landing.rowCount() == 20)
            #expect(PrometheusText(status(run)).text.contains(#"loader_standstills{reason="unreadable"} 1"#))
            let document = String(decoding: try StatusDocument(status(run)).encoded(), as: UTF8.self)
            #expect(document.contains(#""reason":"unreadable""#))
            // The others go on meanwhile.
            try landing.broker.produce([TestMessage(partition: 1, value: Landing.value(30))], to: landing.topic)
            try await landing.waitForRows(21)
            proxy.damaged = nil
            try await landing.waitForRows(32)
            try await eventually("it is ready") { status(run).isReady }
            try await run.finish()
            try landing.expectExactlyOnce()
            try await landing.expectGroupFollowsLedger()
        }
    }

    @Test("a routed topic that is not there keeps the loader from being ready until it is, and stops no other")
    func missingTopic() async throws {
        try await withLanding(partitions: 1) { landing, mock in
            let late = Broker.randomName("late")
            mock.setError(.unknownTopicOrPartition, of: late)
            var options = landing.options(["topic.metadata.refresh.interval.ms": "1000"])
            options.routes[0].topics.append(.name(late))
            try landing.produce(0..<100)
            let run = try LoaderRun(options)
            try await landing.waitForRows(100)
            try await eventually("it is told") { hasTold(run, "UNKNOWN_TOPIC_OR_PART", mend: "create", at: late) }
            #expect(status(run).obstacles.contains { $0.hasPrefix(late) })
            mock.setError(.none, of: late)
            try await eventually("it is ready") { status(run).isReady }
            try landing.broker.produce((0..<10).map { TestMessage(partition: 0, value: Landing.value($0)) }, to: late)
            try await landing.waitForRows(110)
            try await run.finish()
        }
    }
}
