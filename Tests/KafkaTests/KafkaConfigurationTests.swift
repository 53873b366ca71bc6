import CRdKafka
import Testing

@testable import Kafka

@Suite("Configuration of librdkafka")
struct KafkaConfigurationTests {
    @Test("a property that librdkafka does not know is refused by name")
    func unknownProperty() {
        let error = #expect(throws: KafkaError.self) {
            _ = try KafkaConfiguration([("client.id", "loader"), ("no.such.property", "1")])
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.operation == "configuration property no.such.property")
        #expect(error?.isRetriable == false)
    }

    @Test("properties that contradict each other stop the start of the client")
    func contradiction() {
        let error = #expect(throws: KafkaError.self) {
            let configuration = try KafkaConfiguration([
                ("group.id", "g"), ("session.timeout.ms", "60000"), ("max.poll.interval.ms", "1000"),
            ])
            rd_kafka_destroy(try configuration.makeClient(RD_KAFKA_CONSUMER))
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.reason.contains("max.poll.interval.ms") == true)
    }

    @Test("a user's properties are checked one by one, each fault reported")
    func passThrough() {
        let problems = KafkaLibrary.problems(in: [
            "fetch.min.bytes": "1", "zzz": "1", "fetch.wait.max.ms": "soon", "compression.type": "lzma",
            "auto.offset.reset": "error",
        ])
        #expect(
            problems.map(\.operation) == [
                "configuration property compression.type", "configuration property fetch.wait.max.ms",
                "configuration property zzz",
            ])
        #expect(problems.allSatisfy { !$0.reason.isEmpty })
    }

    @Test("global and topic properties of every kind of value are known; an invented one is not")
    func supports() {
        for property in [
            "group.id", "fetch.min.bytes", "enable.auto.commit", "isolation.level", "auto.offset.reset",
            "sasl.password",
        ] {
            #expect(KafkaLibrary.supports(property: property), "\(property)")
        }
        #expect(!KafkaLibrary.supports(property: "fetch.queue.enthusiasm"))
        // Came with 2.2.0.
        #expect(KafkaLibrary.supports(property: "fetch.queue.backoff.ms") == (KafkaLibrary.version >= 0x0202_0000))
    }
}
