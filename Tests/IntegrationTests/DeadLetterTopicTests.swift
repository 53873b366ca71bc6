import Foundation
import Kafka
import Loading
import TestSupport
import Testing

/// What other programs see of dead letters in a topic, and what they may write there.
@Suite(
    "Dead letters and other Kafka clients",
    .enabled(
        if: PlainKafkaClient.python != nil,
        "confluent-kafka is in no python3 of PATH or .local/venv/bin; scripts/test installs it"))
struct DeadLetterTopicTests {
    private struct Letter: Decodable {
        var key: String?
        var value: String?
        var timestamp: Int64
        var headers: [[String?]]
    }

    private static let consumer = """
        import sys, json
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "plain", "enable.partition.eof": True,
            **secured})
        consumer.assign([TopicPartition(sys.argv[2], 0, 0)])
        text = lambda data: None if data is None else data.decode()
        letters = []
        while True:
            message = consumer.poll(30)
            if message is None or message.error():
                break
            letters.append({"key": text(message.key()), "value": text(message.value()),
                "timestamp": message.timestamp()[1], "headers": [[n, text(v)] for n, v in message.headers()]})
        consumer.close()
        print(json.dumps(letters))
        """

    @Test("a plain consumer finds the message as it was, and Kafka Connect's headers under their names")
    func read() async throws {
        try await Scenario.with("CREATE TABLE t (id int2)") { scenario in
            var bad = TestMessage(key: "k", value: #"{"id": 70000}"#)
            bad.headers = [Header("trace", "abc"), Header(name: "empty", value: nil)]
            let topic = try scenario.topic([bad])
            let letters = try scenario.topic()
            try await scenario.load([Route(topic, "t")]) { $0.deadLetters.topic = letters }
            let found = try JSONDecoder().decode(
                [Letter].self,
                from: try await PlainKafkaClient.run(Self.consumer, on: scenario.broker, [letters]))
            let letter = try #require(found.first)
            #expect(found.count == 1 && letter.key == "k" && letter.value == #"{"id": 70000}"#)
            #expect(letter.timestamp == (try scenario.broker.readAll(topic).first?.timestamp))
            #expect(Array(letter.headers.prefix(2)) == [["trace", "abc"], ["empty", nil]])
            let told = Dictionary(uniqueKeysWithValues: letter.headers.dropFirst(2).map { ($0[0] ?? "", $0[1]) })
            #expect(told["__connect.errors.topic"] == topic)
            #expect(told["__connect.errors.partition"] == "0")
            #expect(told["__connect.errors.offset"] == "0")
            #expect(told["__connect.errors.connector.name"] == scenario.group)
            #expect(told["__connect.errors.task.id"] == "0")
            #expect(told["__connect.errors.stage"] == "VALUE_CONVERTER")
            #expect(told["__connect.errors.class.name"] == "loader")
            #expect(told["__connect.errors.exception.class.name"] == "out_of_range")
            #expect(told["__connect.errors.exception.message"]??.contains("beyond smallint") == true)
            #expect(told["__connect.errors.dead.letters.table"] == "loader.dead_letters")
        }
    }

    @Test("letters that a plain producer writes with Kafka Connect's headers are replayed by the command, once")
    func write() async throws {
        try await Scenario.with("CREATE TABLE t (id int, p int, at bigint)") { scenario in
            let letters = try scenario.topic()
            let producer = """
                import sys
                from confluent_kafka import Producer
                producer = Producer({"bootstrap.servers": sys.argv[1], **secured})
                prefix = "__connect.errors."
                for n in range(10):
                    producer.produce(sys.argv[2], partition=0, value='{"id": %d}' % n, headers=[
                        (prefix + "topic", "payments"), (prefix + "partition", "3"), (prefix + "offset", str(100 + n)),
                        (prefix + "connector.name", "jdbc-sink"), (prefix + "exception.stacktrace", None)])
                producer.flush()
                """
            _ = try await PlainKafkaClient.run(producer, on: scenario.broker, [letters])
            let environment = [
                "KAFKA_BROKERS": scenario.broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": scenario.group,
                "KAFKA_TOPIC": "payments", "DATABASE_URL": scenario.schema.url, "LOADER_TABLE": "t",
                "LOADER_ROUTES_0_COLUMNS_ID": "id", "LOADER_ROUTES_0_COLUMNS_P": "$partition",
                "LOADER_ROUTES_0_COLUMNS_AT": "$offset",
            ]
            for _ in 0..<2 {
                let replay = try await Command.run(["dead-letters", "replay", "--from-topic", letters], environment)
                #expect(replay.status == 0, "\(replay.errors)")
            }
            #expect(
                try scenario.rows("SELECT count(*), count(DISTINCT id), min(p), min(at), max(at) FROM t") == [
                    "10|10|3|100|109"
                ])
            _ = try scenario.connection.query(
                "DELETE FROM loader.positions WHERE consumer_group = $1", [.text(scenario.group + "-dead-letters")])
        }
    }
}
