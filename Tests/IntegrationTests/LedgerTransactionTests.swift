import Kafka
import Loading
import TestSupport
import Testing

/// Kafka's own transactions leave offsets that no message has.
@Suite("Ledger: transactions in the topic")
struct LedgerTransactionTests {
    private let broker: Broker

    init() throws { broker = try Broker.sharedReal() }

    private func producer(_ scenario: LedgerScenario, _ number: Int = 0) throws -> TransactionalProducer {
        try TransactionalProducer(broker, id: "\(scenario.options.group)-\(number)")
    }

    @Test("aborted messages are left out, committed ones are all there, and a bounded run ends behind control records")
    func aborted() async throws {
        try await LedgerScenario.with(broker) { scenario in
            let first = try producer(scenario)
            func write(_ count: Int, commit: Bool, by producer: TransactionalProducer? = nil) throws {
                let producer = producer ?? first
                try producer.begin()
                try producer.produce(scenario.nextValues(count), to: scenario.place(0))
                if commit { try producer.commit() } else { try producer.abort() }
            }
            try write(3, commit: true)
            try write(2, commit: false)
            try scenario.produce(2)
            try write(4, commit: true)
            try write(2, commit: false)
            let committed = [0, 1, 2, 5, 6, 7, 8, 9, 10]
            #expect(try await scenario.load().messages == committed.count)
            #expect(try scenario.ids() == committed)
            // The end is a control record: there is nothing more to take, and the run ends all the same.
            #expect(try await scenario.load().messages == 0)
            // By another producer: the tests' own broker names the first one's older aborted transactions to a fetch that
            // begins behind them, and librdkafka then takes what that producer writes next for aborted.
            try write(1, commit: true, by: try producer(scenario, 1))
            #expect(try await scenario.load().messages == 1)
            #expect(try scenario.ids() == committed + [13])
        }
    }

    @Test("a transaction that is still open is loaded once it is committed")
    func open() async throws {
        try await LedgerScenario.with(broker) { scenario in
            let producer = try producer(scenario)
            try scenario.produce(3)
            try producer.begin()
            try producer.produce(scenario.nextValues(2), to: scenario.place(0))
            let loader = try scenario.start()
            try await eventually("what lies before it is loaded") { loader.statistics.snapshot.rows == 3 }
            try producer.commit()
            try await eventually("it is loaded") { loader.statistics.snapshot.rows == 5 }
            try await loader.finish()
            #expect(try scenario.ids() == Array(0..<5))
        }
    }

    @Test("when retention deletes a topic that is loaded to its end, its last control record is no lost message")
    func retention() async throws {
        try await LedgerScenario.with(broker) { scenario in
            let producer = try producer(scenario)
            try producer.begin()
            try producer.produce(scenario.nextValues(3), to: scenario.place(0))
            try producer.commit()
            try await scenario.load()
            try broker.withAdmin { admin in
                let end = try admin.watermarks(of: scenario.place(0), timeout: .seconds(30)).high
                #expect(end == 4)
                _ = try admin.deleteRecords(before: [scenario.place(0): end], timeout: .seconds(30))
            }
            #expect(try await scenario.load().messages == 0)
        }
    }
}
