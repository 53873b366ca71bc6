import Kafka
import TestSupport
import Testing

/// What the other tests rest on.
@Suite("The loader as tests start it")
struct LoaderProcessTests {
    @Test("it runs with the librdkafka that the tests run with")
    func library() async throws {
        let version = try await Command.run(["version"], [:])
        #expect(version.output.contains("librdkafka \(KafkaLibrary.versionString)\n"))
        let loader = try LoaderProcess(["LOADER_KAFKA_PROPERTIES_NO_SUCH": "1"])
        #expect(try await loader.waitForExit(within: .seconds(30)) == 78)
        #expect(loader.output.contains("librdkafka \(KafkaLibrary.versionString)'s CONFIGURATION.md"))
    }

    @Test("it has nothing open of what the tests have open, so that its one server is found")
    func noInheritance() async throws {
        // Its library lets children inherit the socket.
        let receiver = try await TraceReceiver()
        try await Landing.with(broker: .sharedMock(), server: TestDatabase.shared(), partitions: 1) { landing in
            let loader = try LoaderProcess(landing.environment)
            try await loader.wait(for: "its server") { loader.metric("loader_live") != nil }
            #expect(loader.listeningPorts.count == 1)
            #expect(!loader.listeningPorts.contains(receiver.port))
        }
        await receiver.stop()
    }
}
