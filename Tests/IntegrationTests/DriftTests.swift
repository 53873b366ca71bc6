import Foundation
import Kafka
import Loading
import Operating
import Postgres
import TestSupport
import Testing

@testable import Loader

@Suite("Messages that drift away from their route")
struct DriftTests {
    private static let secret = "s3cret"

    private func messages(_ members: String, count: Int) -> [TestMessage] {
        (0..<count).map { TestMessage(key: nil, value: #"{"id": \#($0), \#(members)}"#) }
    }

    private func load(_ messages: [TestMessage], to topic: String, _ scenario: Scenario, _ run: LoaderRun) async throws
    {
        let before = run.statistics.snapshot.messages
        try scenario.produce(messages, to: topic)
        try await eventually("the messages are loaded") {
            run.hasEnded || run.statistics.snapshot.messages == before + messages.count
        }
    }

    private func metric(_ name: String, _ run: LoaderRun) -> String? {
        PrometheusText(ServiceStatus(run.statistics.snapshot)).text.split(separator: "\n")
            .first { $0.hasPrefix(name + "{") }.flatMap { $0.split(separator: " ").last.map(String.init) }
    }

    @Test(
        "a new field is told once, by name and without a value; the statement that is named loads it, and the note is over"
    )
    func newField() async throws {
        try await Scenario.with("CREATE TABLE t (id int, total numeric)") { scenario in
            let topic = try scenario.topic()
            let run = try LoaderRun(scenario.options([Route(topic, "t")]))
            try await load(messages(#""total": 1.5"#, count: 50), to: topic, scenario, run)
            #expect(metric("loader_new_fields", run) == "0")
            let coupon = #""total": 1.5, "coupon": "\#(Self.secret)""#
            for _ in 0..<3 { try await load(messages(coupon, count: 10), to: topic, scenario, run) }
            try await eventually("the field is told") { !run.statistics.snapshot.drift.flatMap(\.notes).isEmpty }
            let lines = run.log.lines.filter { $0.message == "messages have new fields that no route takes" }
            #expect(lines.map { $0.metadata["fields"] } == ["coupon"])
            #expect(lines.map(\.level) == [.notice])
            #expect(metric("loader_new_fields", run) == "1" && metric("loader_unrouted_fields", run) == "1")

            let note = try #require(run.statistics.snapshot.drift.first?.notes.first)
            #expect(note.kind == .new && note.field == "coupon" && note.place == "\(topic)[0]@50")
            let start = try #require(note.mend.words.range(of: "ALTER TABLE "))
            let statement = try #require(note.mend.words[start.lowerBound...].split(separator: ";").first)
            try scenario.connection.execute(String(statement))
            try await load(messages(coupon, count: 10), to: topic, scenario, run)
            #expect(try scenario.rows("SELECT count(coupon) FROM t") == ["10"])
            #expect(run.statistics.snapshot.drift.flatMap(\.notes) == [])
            #expect(run.log.count(of: "fields that no route took are taken now, or no longer come") == 1)
            #expect(metric("loader_new_fields", run) == "0")
            try await run.finish()
            #expect(!run.log.lines.contains { "\($0)".contains(Self.secret) })
        }
    }

    @Test(
        "a field that vanishes and one whose type changes are warned of once, kept for the page, and their end is told")
    func vanishedAndChanged() async throws {
        try await Scenario.with("CREATE TABLE t (id int, total numeric, note text)") { scenario in
            let topic = try scenario.topic()
            let run = try LoaderRun(scenario.options([Route(topic, "t")]))
            let before = messages(#""total": 1.5, "note": "\#(Self.secret)""#, count: 100)
            try await load(before, to: topic, scenario, run)
            for _ in 0..<2 { try await load(messages(#""total": "2.5""#, count: 250), to: topic, scenario, run) }
            // What may be looked at grows again with the time.
            try await eventually("both are told") {
                guard run.statistics.snapshot.drift.flatMap(\.notes).count < 2 else { return true }
                try scenario.produce(messages(#""total": "2.5""#, count: 50), to: topic)
                return false
            }
            let vanished = "fields that columns take have vanished from the messages"
            let changed = "fields that columns take have changed their type"
            #expect(run.log.lines.filter { $0.message == vanished }.map { $0.metadata["fields"] } == ["note"])
            #expect(run.log.lines.filter { $0.message == changed }.map { $0.metadata["fields"] } == ["total"])
            let incidents = { run.statistics.snapshot.incidents.filter { [vanished, changed].contains($0.summary) } }
            #expect(incidents().count == 2 && incidents().allSatisfy(\.goesOn))
            #expect(run.statistics.snapshot.routes.first?.notes.map(\.over) == [nil, nil])
            #expect(metric("loader_vanished_fields", run) == "1" && metric("loader_changed_fields", run) == "1")
            let status = String(
                decoding: try StatusDocument(ServiceStatus(run.statistics.snapshot)).encoded(), as: UTF8.self)
            #expect(status.contains(#""field":"note","kind":"vanished""#) && !status.contains(Self.secret))

            try await eventually("both are over") {
                guard !run.statistics.snapshot.drift.flatMap(\.notes).isEmpty else { return true }
                try scenario.produce(before, to: topic)
                return false
            }
            #expect(incidents().count == 2 && !incidents().contains(where: \.goesOn))
            #expect(run.statistics.snapshot.routes.first?.notes.contains { $0.over == nil } == false)
            #expect(run.log.count(of: vanished) == 1 && run.log.count(of: changed) == 1)
            #expect(metric("loader_vanished_fields", run) == "0" && metric("loader_changed_fields", run) == "0")
            try await run.finish()
            #expect(try scenario.deadLetters().isEmpty)
            #expect(!run.log.lines.contains { "\($0)".contains(Self.secret) })
        }
    }
}
