import Foundation
import Kafka
import KafkaMock
import TestSupport
import Testing

/// The right to the group, without which no loader begins.
@Suite("The right to the group")
struct GroupRightTests {
    @Test(
        "without it a start ends with 78, along with all other mistakes and with the line that gives it, and with it it loads"
    )
    func missing() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<10)
            var settings = landing.environment
            settings["LOADER_WAIT_AT_START"] = "false"
            var wrong = settings
            wrong["KAFKA_TOPIC"] = "\(landing.topic),no-such-topic"
            // As Apache Kafka answers who may not even describe a group.
            mock.fail(.findCoordinator, with: Array(repeating: .groupAuthorizationFailed, count: 200))
            for command in [["run", "--until-end"], ["check"]] {
                let ended = try await Command.run(command, wrong)
                let said = (ended.output + ended.errors).split(whereSeparator: \.isWhitespace).joined(separator: " ")
                #expect(ended.status == 78, "\(ended)")
                #expect(said.contains("the brokers do not let this user use the group \(landing.group)"), "\(said)")
                #expect(said.contains("give this user READ on it"), "\(said)")
                #expect(said.contains("the brokers show no topic no-such-topic"), "\(said)")
                #expect(!said.contains("the positions cannot be read"), "it is said once: \(said)")
            }
            mock.stopFailing(.findCoordinator)
            let run = try await Command.run(["run", "--until-end"], settings)
            #expect(run.status == 0, "\(run.errors)")
            try landing.expectExactlyOnce()
        }
    }
}
