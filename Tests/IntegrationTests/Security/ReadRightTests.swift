import Foundation
import Kafka
import KafkaMock
import TestSupport
import Testing

/// The right to read the topics, without which brokers show them and give nothing out.
@Suite("The right to read the topics")
struct ReadRightTests {
    @Test(
        "a topic that is shown and may not be read ends a start with 78 and with what gives the right, and with it it loads"
    )
    func missing() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.produce(0..<10)
            var settings = landing.environment
            settings["LOADER_WAIT_AT_START"] = "false"
            mock.fail(.fetch, with: Array(repeating: .topicAuthorizationFailed, count: 1000))
            for command in [["run", "--until-end"], ["check"]] {
                let ended = try await Command.run(command, settings)
                let said = (ended.output + ended.errors).split(whereSeparator: \.isWhitespace).joined(separator: " ")
                #expect(ended.status == 78, "\(ended)")
                #expect(
                    said.contains("the brokers show this user the topic \(landing.topic) and do not let it read it"),
                    "\(said)")
                #expect(said.contains("give this user READ on \(landing.topic)"), "\(said)")
            }
            mock.stopFailing(.fetch)
            let run = try await Command.run(["run", "--until-end"], settings)
            #expect(run.status == 0, "\(run.errors)")
            try landing.expectExactlyOnce()
        }
    }
}
