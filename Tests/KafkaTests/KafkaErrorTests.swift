import Kafka
import Testing

@Suite("Kafka errors")
struct KafkaErrorTests {
    @Test("the text names the operation, the coordinates, the reason and the code")
    func description() {
        let error = KafkaError(
            code: .topicAuthorizationFailed, operation: "commit", topic: "orders", partition: 3, offset: 17)
        #expect(
            error.description
                == "commit of orders[3]@17 failed: Broker: Topic authorization failed (TOPIC_AUTHORIZATION_FAILED)")
    }

    @Test("a fatal error is never retriable")
    func fatal() {
        #expect(KafkaError(code: .transport, operation: "poll").isRetriable)
        let error = KafkaError(code: .transport, operation: "poll", isFatal: true)
        #expect(error.isFatal && !error.isRetriable)
        #expect(KafkaError(code: .fatal, operation: "poll").isFatal)
    }

    @Test("a code matches an error as a pattern, other codes and other errors do not")
    func pattern() {
        struct Other: Error {}
        func isTimeout(_ error: any Error) -> Bool {
            if case KafkaErrorCode.timedOut = error { true } else { false }
        }
        #expect(isTimeout(KafkaError(code: .timedOut, operation: "poll")))
        #expect(!isTimeout(KafkaError(code: .transport, operation: "poll")))
        #expect(!isTimeout(Other()))
    }

    @Test("a code of a later protocol version has a name and is not retriable")
    func unknownCode() {
        let code = KafkaErrorCode(rawValue: 32_000)
        #expect(!code.name.isEmpty && !code.explanation.isEmpty && !code.isRetriable)
    }

    @Test("partitions sort by topic, then by number")
    func order() {
        let places = [("b", 0), ("a", 10), ("a", 9)].map { TopicPartition(topic: $0.0, partition: Int32($0.1)) }
        #expect(places.sorted().map(\.description) == ["a[9]", "a[10]", "b[0]"])
    }
}
