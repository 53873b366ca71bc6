import Foundation
import Kafka
import Synchronization

/// Writes to a landing's topic all the time, from a thread of its own, to random partitions.
public final class Traffic: Sendable {
    private struct State {
        var isStopped = false
        var written = 0
        var result: Result<Int, any Error>?
    }

    private let state = Mutex(State())

    /// - Parameters:
    ///   - rate: messages a second, about.
    ///   - total: how many to write at most.
    ///   - badOneIn: one message in so many is to become a dead letter; nil for none.
    ///   - linger: how many milliseconds a message waits for others. The mock keeps what comes together as one, and looks
    ///     for an offset from the first of these on: over a long run, many small ones cost it a core.
    public init(
        _ landing: Landing, rate: Int, total: Int = .max, badOneIn: Int? = nil, linger: Int = 5,
        generator: SeededGenerator
    ) throws {
        let partitions = try landing.broker.partitionCount(of: landing.topic)
        let thread = Thread { [self] in
            let result = Result {
                try write(landing, rate: rate, total: total, badOneIn: badOneIn, linger: linger, partitions, generator)
            }
            state.withLock { $0.result = result }
        }
        thread.name = "traffic"
        thread.start()
    }

    private func write(
        _ landing: Landing, rate: Int, total: Int, badOneIn: Int?, linger: Int, _ partitions: Int,
        _ generator: SeededGenerator
    ) throws -> Int {
        var generator = generator
        var properties = [("linger.ms", String(linger)), ("message.timeout.ms", "0")]
        // The mock checks no sequence numbers. So when a leader moves and it refuses one request and takes the next, an
        // idempotent producer concludes that the first was taken as well, and reports messages that nobody has.
        if landing.broker.mock != nil { properties.append(("enable.idempotence", "false")) }
        let producer = try Producer(properties: landing.broker.properties(properties))
        let delivery = Delivery()
        var count = 0
        let began = ContinuousClock.now
        while count < total, !state.withLock({ $0.isStopped }) {
            let elapsed = ContinuousClock.now - began
            let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
            let due = min(total, Int(seconds * Double(rate)))
            while count < due {
                let isBad = badOneIn.map { Int.random(in: 0..<$0, using: &generator) == 0 } ?? false
                try producer.produce(
                    topic: landing.topic, partition: Int32.random(in: 0..<Int32(partitions), using: &generator),
                    key: nil, value: Array((isBad ? Landing.badValue(count) : Landing.value(count)).utf8),
                    in: delivery)
                count += 1
            }
            let written = count
            state.withLock { $0.written = written }
            usleep(20_000)
        }
        try producer.confirm(delivery, within: .seconds(60))
        return count
    }

    /// How many messages were written so far.
    public var written: Int { state.withLock { $0.written } }

    /// Ends the writing, and waits until everything is acknowledged.
    ///
    /// - Returns: how many messages were written.
    public func stop() async throws -> Int {
        state.withLock { $0.isStopped = true }
        try await eventually("what was written is acknowledged", within: .seconds(90)) {
            self.state.withLock { $0.result != nil }
        }
        return try state.withLock { $0.result }?.get() ?? 0
    }
}
