import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

/// Each dead letter gets where it belongs before its batch commits, whatever is in it.
@Suite("Delivery of dead letters")
struct LetterDeliveryTests {
    private func header(_ name: String, _ message: TestMessage) -> String? {
        message.headers.last { $0.name == "__connect.errors." + name }?.value.map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    private func origins(_ letters: [TestMessage]) -> Set<String> {
        Set(letters.map { "\(header("partition", $0) ?? "")@\(header("offset", $0) ?? "")" })
    }

    @Test("with two writers and a topic whose leader comes and goes, no position passes a letter that is not there")
    func leaderAway() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 4) { landing in
            try await broker.withTopic(partitions: 1) { letters in
                let place = TopicPartition(topic: letters, partition: 0)
                var options = landing.options()
                options.writers = 2
                options.database.statementTimeout = .seconds(2)
                options.batch.maxRows = 20
                options.deadLetters = .init(table: nil, topic: letters, maxShare: 1)
                let connection = try landing.schema.connect()
                var count = 0
                let run = try LoaderRun(options)
                try await eventually("loading") { run.statistics.snapshot.isAssigned }
                for round in 1...3 {
                    let before = try broker.readAll(letters).count
                    try mock.setLeader(nil, of: place)
                    try landing.produce(count..<count + 200, isBad: { _ in true })
                    try await eventually("it is told") {
                        run.statistics.snapshot.outages == [.deadLetterTopic]
                            && run.statistics.snapshot.outageCounts[.deadLetterTopic] ?? 0 >= round
                    }
                    #expect(try landing.loadedCount(on: connection) == count)
                    try mock.setLeader(1, of: place)
                    count += 200
                    try await eventually("all is in") { try landing.loadedCount(on: connection) == count }
                    #expect(before <= count)
                    #expect(origins(try broker.readAll(letters)).count == count)
                }
                try await eventually("the outage is over") { run.statistics.snapshot.outages.isEmpty }
                try await run.finish()
            }
        }
    }

    @Test("what fails for a while is waited for, and what the brokers refuse for good stops with the code")
    func refusals() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            try await broker.withTopic(partitions: 1) { letters in
                var options = landing.options()
                options.deadLetters = .init(table: nil, topic: letters, maxShare: 1)
                try landing.produce(0..<3, isBad: { _ in true })
                // NOT_ENOUGH_REPLICAS
                mock.fail(.produce, with: [KafkaErrorCode(rawValue: 19), KafkaErrorCode(rawValue: 7)])
                try await LoaderRun.toTheEnd(options)
                #expect(origins(try broker.readAll(letters)).count == 3)
                try landing.produce(3..<4, isBad: { _ in true })
                // POLICY_VIOLATION
                let code = KafkaErrorCode(rawValue: 44)
                mock.fail(.produce, with: [code])
                let error = await #expect(throws: LoadingError.self) { try await LoaderRun.toTheEnd(options) }
                #expect(error?.code == .kafka && error?.message.contains(code.name) == true)
                #expect(try landing.loadedCount(on: landing.schema.connect()) == 3)
            }
        }
    }

    @Test(
        "a right that is lost is an outage of that name, and once it is given again each row and each letter is there once",
        arguments: [KafkaErrorCode.topicAuthorizationFailed, .clusterAuthorizationFailed])
    func lostRight(code: KafkaErrorCode) async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            try await broker.withTopic(partitions: 1) { letters in
                var options = landing.options()
                options.database.statementTimeout = .seconds(2)
                options.deadLetters = .init(table: nil, topic: letters, maxShare: 1)
                try landing.produce(0..<10, isBad: { $0 % 2 == 0 })
                mock.fail(.produce, with: Array(repeating: code, count: 1000))
                let run = try LoaderRun(options)
                try await eventually("it is told") {
                    run.log.lines.contains {
                        $0.message.hasPrefix("the dead-letter topic takes nothing: ")
                            && $0.metadata["code"] == code.name
                            && $0.metadata["mend"]?.contains("give this user WRITE on \(letters)") == true
                    }
                }
                #expect(run.statistics.snapshot.outages.contains(.deadLetterTopic))
                if code == .clusterAuthorizationFailed {
                    // As brokers before 2.8 do, which do not even let it begin.
                    for _ in 1...3 { try mock.fail(.initProducerID, of: 1, with: code) }
                    try await eventually("other producers are refused as well") {
                        try mock.failuresToCome(.initProducerID, of: 1) == 0
                    }
                }
                #expect(try landing.rowCount() == 0 && !run.hasEnded)
                mock.stopFailing(.produce)
                let connection = try landing.schema.connect()
                try await eventually("all is in") { try landing.loadedCount(on: connection) == 10 }
                try await eventually("the outage is over") { run.statistics.snapshot.outages.isEmpty }
                try await run.finish()
                #expect(try landing.rowCount() == 5)
                let found = try broker.readAll(letters)
                #expect(found.count == 5 && origins(found).count == 5)
            }
        }
    }

    @Test("a letter that its topic does not take goes without its value, and says so; its neighbours keep theirs")
    func tooLarge() async throws {
        try await Scenario.with("CREATE TABLE t (id int2)") { scenario in
            let large = #"{"id": "\#(String(repeating: "x", count: 50_000))"}"#
            var crowded = TestMessage(key: "k", value: #"{"id": 70000}"#)
            crowded.headers = [Header(name: "h", value: Array(repeating: 1, count: 50_000))]
            let topic = try scenario.topic([
                TestMessage(key: "a", value: #"{"id": 80000}"#), TestMessage(key: "b", value: large), crowded,
                TestMessage(key: "c", value: #"{"id": 1}"#),
            ])
            let letters = try scenario.topic()
            try await scenario.load([Route(topic, "t")]) {
                $0.deadLetters = .init(table: nil, topic: letters, maxShare: 1)
                $0.properties["message.max.bytes"] = "20000"
            }
            let found = try scenario.broker.readAll(letters).sorted {
                header("offset", $0) ?? "" < header("offset", $1) ?? ""
            }
            try #require(found.count == 3)
            #expect(found[0].value == Array(#"{"id": 80000}"#.utf8) && header("value.bytes", found[0]) == nil)
            #expect(found[1].value == nil && header("value.bytes", found[1]) == String(large.utf8.count))
            #expect(found[1].key == Array("b".utf8))
            #expect(found[2].value == nil && found[2].key == nil && header("value.bytes", found[2]) == "13")
            #expect(!found[2].headers.contains { $0.name == "h" })
            #expect(try scenario.rows("SELECT id FROM t") == ["1"])
        }
    }

    @Test("a letter without its value is no tombstone when it is replayed")
    func noTombstone() async throws {
        try await Scenario.with("CREATE TABLE t (id int2 PRIMARY KEY, v int2)") { scenario in
            let topic = try scenario.topic([
                TestMessage(key: "1", value: #"{"v": 1}"#),
                TestMessage(key: "1", value: #"{"v": "\#(String(repeating: "x", count: 50_000))"}"#),
            ])
            let letters = try scenario.topic()
            var options = scenario.options([
                Route(
                    topic, "t", mode: .upsert, onTombstone: .delete,
                    columns: [.init("id", "$key"), .init("v", "v")])
            ])
            options.deadLetters = .init(table: nil, topic: letters, maxShare: 1)
            options.properties["message.max.bytes"] = "20000"
            try await LoaderRun.toTheEnd(options)
            #expect(try scenario.broker.readAll(letters).count == 1)
            for round in 1...2 {
                let replay = try DeadLetterReplay(options, logger: .init(label: "test"))
                let outcome = try replay.run(fromTopic: letters)
                #expect(outcome.unrouted == 1 && outcome.loaded == 0, "round \(round): \(outcome)")
            }
            #expect(try scenario.rows("SELECT id FROM t") == ["1"])
            _ = try scenario.connection.query(
                "DELETE FROM loader.positions WHERE consumer_group = $1", [.text(scenario.group + "-dead-letters")])
        }
    }

    @Test("a timestamp that the brokers of the letters refuse stays with the letter as a header")
    func refusedTimestamp() async throws {
        let broker = try Broker(mockBrokers: 1)
        let mock = try #require(broker.mock)
        try await Landing.with(broker: broker, server: TestDatabase.shared(), partitions: 1) { landing in
            try await broker.withTopic(partitions: 1) { letters in
                var options = landing.options()
                options.deadLetters = .init(table: nil, topic: letters, maxShare: 1)
                try broker.produce(
                    [
                        TestMessage(
                            partition: 0, key: nil, value: Landing.badValue(1), timestamp: 1_700_000_000_000_000_000)
                    ],
                    to: landing.topic)
                // Among others, and by itself.
                mock.fail(.produce, with: [.invalidTimestamp, .invalidTimestamp])
                try await LoaderRun.toTheEnd(options)
                let letter = try #require(try broker.readAll(letters).first)
                #expect(header("timestamp", letter) == "1700000000000000000")
                #expect(letter.value == Array(Landing.badValue(1).utf8))
            }
        }
    }

    @Test("whatever a message's timestamp and headers are, its letter is in the table, and its neighbours load")
    func anything() async throws {
        try await Scenario.with("CREATE TABLE t (id int2)") { scenario in
            let bad = #"{"id": 70000}"#
            let timestamps: [Int64] = [
                1_700_000_000_000_000_000, .max, 9_224_318_016_000_000, 9_224_318_015_999_999, 1_700_000_000_123,
            ]
            var messages = timestamps.map { TestMessage(partition: 0, key: nil, value: bad, timestamp: $0) }
            let names = [#"a"b\c{},'"#, "NULL", "", "größer", "a\u{0}b"]
            messages[4].headers =
                names.map { Header($0, $0) } + [
                    Header(name: "none", value: nil), Header(name: "empty", value: []),
                    Header(name: "bytes", value: [0, 255, 92, 34]),
                ]
            messages.append(TestMessage(partition: 0, key: nil, value: #"{"id": 7}"#))
            let topic = try scenario.topic(messages)
            try await scenario.load([Route(topic, "t")]) { $0.deadLetters.maxShare = 1 }
            #expect(try scenario.rows("SELECT id FROM t") == ["7"])
            let letters = try scenario.deadLetters()
            #expect(letters.count == 5)
            let kept = letters.map { letter in
                letter.headers.last { $0.name == "__connect.errors.timestamp" }?.value.map {
                    String(decoding: $0, as: UTF8.self)
                }
            }
            #expect(kept == ["1700000000000000000", "9223372036854775807", "9224318016000000", nil, nil])
            #expect(letters.map(\.timestamp)[3...] == [9_224_318_015_999_999, 1_700_000_000_123])
            var expected = messages[4].headers
            // librdkafka ends a name there.
            expected[4] = Header("a", "a\u{0}b")
            #expect(letters[4].headers == expected)

            // What reads them has the message's own timestamp again.
            let table = DeadLetterTable(TableName(schema: "loader", name: "dead_letters"), on: scenario.connection)
            var filter = DeadLetterFilter()
            filter.group = scenario.group
            let ids = try table.list(filter, limit: 10, skip: 0).map(\.id).sorted()
            #expect(try ids.compactMap { try table.letter($0)?.message.timestamp } == timestamps)
        }
    }

    @Test("a message that is bad for two routes into one table is one letter, tried twice")
    func twice() async throws {
        try await Scenario.with("CREATE TABLE t (id int2, n int2)") { scenario in
            let topic = try scenario.topic(
                (0..<50).map { _ in TestMessage(key: nil, value: #"{"id": 70000, "n": 80000}"#) })
            let routes = [
                Route(topic, "t", columns: [.init("id", "id")]),
                Route(topic, "t", columns: [.init("n", "n")], label: "routes[1]"),
            ]
            try await scenario.load(routes) { $0.deadLetters.maxShare = 1 }
            let letters = try scenario.deadLetters()
            #expect(letters.count == 50)
            #expect(letters.allSatisfy { $0.attempts == 2 && $0.column == "n" })
        }
    }

    @Test("a table of dead letters that refuses one stops the loader, names itself, and nothing is lost")
    func refusingTable() async throws {
        try await Scenario.with(
            """
            CREATE TABLE t (id int2);
            CREATE TABLE letters (LIKE loader.dead_letters INCLUDING ALL, CHECK (octet_length(value) < 10))
            """
        ) { scenario in
            let topic = try scenario.topic([TestMessage(key: nil, value: #"{"id": 70000}"#)])
            let error = await #expect(throws: LoadingError.self) {
                try await scenario.load([Route(topic, "t")]) {
                    $0.deadLetters = .init(table: TableName(schema: scenario.schema.name, name: "letters"), maxShare: 1)
                }
            }
            #expect(error?.message.contains("letters refuses a dead letter") == true)
            #expect(error?.message.contains("23514") == true)
            #expect(
                try scenario.rows(
                    "SELECT sum(next_offset) FROM loader.positions WHERE consumer_group = '\(scenario.group)'")
                    == ["0"])
        }
    }
}
