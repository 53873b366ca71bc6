import Foundation
import Kafka
import Loading
import Postgres
import TestSupport
import Testing

@Suite("Dead letters")
struct DeadLettersTests {
    @Test("a dead letter to a topic keeps key, value and headers, and says in Kafka Connect's headers what was wrong")
    func toATopic() async throws {
        try await Scenario.with("CREATE TABLE t (id int, v int CHECK (v > 0))") { scenario in
            let headers = [Header("h", "1"), Header(name: "h", value: nil), Header(name: "bin", value: [0xFF])]
            let topic = try scenario.topic([
                TestMessage(key: "a", value: #"{"id": 1, "v": 1}"#),
                TestMessage(key: [0xFF, 0], bytes: Array(#"{"id": "x"}"#.utf8), headers: headers),
                TestMessage(key: nil, value: #"{"id": 2, "v": -1}"#), TestMessage(key: "d", value: nil),
            ])
            let letters = try scenario.topic()
            try await scenario.load([Route(topic, "t")]) { $0.deadLetters.topic = letters }
            #expect(try scenario.rows("SELECT * FROM t") == ["1|1"])
            let found = try scenario.broker.readAll(letters)
            let own = try scenario.deadLetters()
            #expect(
                own.map(\.reason) == ["wrong_type", "refused_by_server", "tombstone"]
                    || own.map(\.reason) == ["bad_syntax", "refused_by_server", "tombstone"])
            let sent = try found.map { message in
                (
                    message,
                    Dictionary(
                        message.headers.filter { $0.name.hasPrefix("__connect.errors.") }.map {
                            (String($0.name.dropFirst(17)), String(decoding: $0.value ?? [], as: UTF8.self))
                        }
                    ) { _, last in last }
                )
            }.sorted { try Int(#require($0.1["offset"])) ?? 0 < Int(#require($1.1["offset"])) ?? 0 }
            try #require(sent.count == 3)
            let (first, told) = sent[0]
            #expect(first.key == [0xFF, 0])
            #expect(first.value == Array(#"{"id": "x"}"#.utf8))
            #expect(Array(first.headers.prefix(3)) == headers)
            #expect(told["topic"] == topic && told["partition"] == "0" && told["offset"] == "1")
            #expect(told["connector.name"] == scenario.group && told["stage"] == "VALUE_CONVERTER")
            #expect(told["column"] == "id" && told["table"]?.hasSuffix(".t") == true)
            #expect(told["exception.message"]?.contains("t.id") == true)
            #expect(sent[1].1["stage"] == "TASK_PUT" && sent[1].1["sqlstate"] == "23514")
            #expect(sent[1].0.key == nil)
            #expect(sent[2].0.value == nil && sent[2].0.key == Array("d".utf8))
        }
    }

    @Test("more bad messages than max_share stop the loader, with the worst column named and nothing of the batch in")
    func tooMany() async throws {
        try await Scenario.with("CREATE TABLE t (id int, v text)") { scenario in
            let topic = try scenario.topic(
                (0..<10_000).map { id in
                    TestMessage(key: nil, value: id % 10 < 4 ? #"{"id": \#(id)}"# : #"{"id": "no\#(id)"}"#)
                })
            let whole = BatchPolicy(maxRows: 10_000, maxBytes: 32 << 20, maxDelay: .seconds(600))
            let error = await #expect(throws: LoadingError.self) {
                try await scenario.load([Route(topic, "t")]) { $0.batch = whole }
            }
            #expect(error?.code == .tooManyDeadLetters)
            #expect(error?.message.contains("60 %") == true, "\(error?.message ?? "")")
            #expect(error?.message.contains("t.id") == true)
            #expect(try scenario.rows("SELECT count(*) FROM t") == ["0"])
            #expect(try scenario.deadLetters().isEmpty)
            // Told that this is to be expected, it goes on where it stood. A message counts once, however many tables it
            // was meant for.
            let result = try await scenario.load([Route(topic, "t"), Route(topic, "t", columns: [.init("id", "id")])]) {
                $0.batch = whole
                $0.deadLetters.maxShare = 0.6
            }
            #expect(result.messages == 10_000)
            #expect(try scenario.rows("SELECT count(*) FROM t") == ["8000"])
        }
    }

    @Test("a message that is loaded again and still bad is the same dead letter with one attempt more")
    func replay() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY)") { scenario in
            let topic = try scenario.topic([
                TestMessage(key: nil, value: #"{"id": 1}"#), TestMessage(key: nil, value: "{"),
                TestMessage(key: nil, value: #"{"id": "x"}"#),
            ])
            let route = Route(topic, "t", mode: .ignore)
            try await scenario.load([route])
            _ = try scenario.connection.query(
                "UPDATE loader.positions SET next_offset = 0 WHERE consumer_group = $1", [.text(scenario.group)])
            try await scenario.load([route])
            #expect(try scenario.rows("SELECT * FROM t") == ["1"])
            #expect(
                try scenario.deadLetters().map { "\($0.offset) \($0.reason) \($0.attempts)" } == [
                    "1 invalid_json 2", "2 bad_syntax 2",
                ])
        }
    }
}
