import ArgumentParser
import CSimulation
import Foundation
import Kafka

/// Holds the simulated brokers to what Kafka promises: members of a group that are killed, frozen and started again take every message, in
/// order, and from no further on than what was committed.
struct BrokersCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "brokers", abstract: "Checks the simulated brokers with a plain consumer in place of the loader.")

    @Option(help: "How many seeds.")
    var seeds = 200
    @Option(help: "The first seed.")
    var from = 0

    func run() throws {
        _ = Story(.max).tell()
        for seed in from..<(from + seeds) {
            let answer = try SeedProcess { Array(Story(UInt64(seed)).tell().utf8) }.answer()
            guard answer.isEmpty else {
                throw ValidationError("seed \(seed): \(String(decoding: answer, as: UTF8.self))")
            }
        }
        print("\(seeds) seeds")
    }

    /// What all members have taken. Under the baton.
    private final class Taken: @unchecked Sendable {
        var offsets: [TopicPartition: Set<Int64>] = [:]
        var problems: [String] = []
    }

    private struct Story {
        let seed: UInt64
        private let taken = Taken()
        private let topic = "orders"

        init(_ seed: UInt64) { self.seed = seed }

        /// - Returns: what is wrong.
        func tell() -> String {
            sim_begin(seed)
            Processes.forget()
            let cluster = SimulatedCluster()
            SimulatedCluster.current = cluster
            let partitions = Draw.from(1...4)
            cluster.create(topic, partitions: partitions)
            cluster.faults.loss = Draw.chance(0.5) ? 0 : 0.05
            let isCooperative = Draw.chance(0.5)
            for _ in 0..<Draw.from(20...200) {
                let place = TopicPartition(topic: topic, partition: Int32(Draw.from(0...partitions - 1)))
                Moments.after(Draw.from(0..<60 * Moments.second)) {
                    cluster.append(place, key: nil, value: [1], kind: Draw.chance(0.1) ? .aborted : .data)
                }
            }
            var next = 1
            for _ in 0..<3 {
                start(&next, isCooperative)
            }
            for _ in 0..<Draw.from(0...5) {
                let other = next
                next += 1
                Moments.after(Draw.from(0..<60 * Moments.second)) {
                    let victim = Draw.from(1...other - 1)
                    Processes.kill(victim)
                    cluster.lose(process: victim)
                    Member.start(other, taken, isCooperative)
                }
            }
            sim_run(sim_now() + 300 * Moments.second)
            let missing = (0..<partitions).flatMap { number -> [String] in
                let place = TopicPartition(topic: topic, partition: Int32(number))
                let all = cluster.partition(place)?.records.filter { $0.kind == .data }.map(\.offset) ?? []
                let lost = all.filter { !(taken.offsets[place] ?? []).contains($0) }
                return lost.isEmpty ? [] : ["\(place) lacks \(lost.count) of \(all.count), first \(lost[0])"]
            }
            sim_end()
            return (taken.problems + missing).joined(separator: "; ")
        }

        private func start(_ next: inout Int, _ isCooperative: Bool) {
            Member.start(next, taken, isCooperative)
            next += 1
        }
    }

    /// A consumer that commits what it has taken.
    private final class Member: Consumer.Delegate {
        private let taken: Taken
        private let consumer: Consumer
        private var positions: [TopicPartition: Int64] = [:]
        private var given: [TopicPartition] = []
        private var hasTaken = false

        static func start(_ process: Int, _ taken: Taken, _ isCooperative: Bool) {
            let start = Unmanaged.passRetained(Start(taken, isCooperative)).toOpaque()
            sim_spawn(
                Int32(process),
                { opaque in
                    guard let opaque else { return }
                    let start = Unmanaged<Start>.fromOpaque(opaque).takeRetainedValue()
                    guard let member = try? Member(start) else { return }
                    member.run()
                }, start)
        }

        private final class Start {
            let taken: Taken
            let isCooperative: Bool
            init(_ taken: Taken, _ isCooperative: Bool) { (self.taken, self.isCooperative) = (taken, isCooperative) }
        }

        private init(_ start: Start) throws {
            taken = start.taken
            let properties: [(String, String)] = [
                ("group.id", "g"), ("session.timeout.ms", "6000"), ("isolation.level", "read_committed"),
                ("partition.assignment.strategy", start.isCooperative ? "cooperative-sticky" : "range"),
            ]
            consumer = try Consumer(properties: ClientProperties(properties), queues: 1, wakeup: Wakeup())
            consumer.delegate = self
            try consumer.subscribe(to: ["orders"])
        }

        private func run() {
            while true {
                _ = consumer.serve()
                if !given.isEmpty { begin() }
                while let message = consumer.take(from: 0) { take(message) }
                // An answer rings, and would be answered by another commit.
                if hasTaken {
                    consumer.commit(
                        positions.map { CommittedOffset(partition: $0.key, offset: $0.value, metadata: "") })
                }
                hasTaken = false
                consumer.wakeup.wait(for: .milliseconds(500))
            }
        }

        private func begin() {
            let wanted = given
            guard let known = try? consumer.committed(wanted, timeout: .seconds(5)) else { return }
            // A rebalance may have come meanwhile: only from within `serve`.
            for place in wanted { positions[place] = known[place]?.offset ?? 0 }
            given = []
            try? consumer.assign(positions.map { ($0.key, $0.value, 0) }, restarting: Set(wanted))
        }

        private func take(_ message: borrowing Message) {
            guard message.errorCode == nil else { return }
            let place = TopicPartition(topic: message.topic, partition: message.partition)
            guard let position = positions[place] else {
                return taken.problems.append("\(place)@\(message.offset) comes without being assigned")
            }
            if message.offset < position {
                taken.problems.append("\(place)@\(message.offset) comes behind \(position)")
            }
            positions[place] = message.offset + 1
            hasTaken = true
            taken.offsets[place, default: []].insert(message.offset)
        }

        func consumer(_ consumer: Consumer, wasGiven partitions: [TopicPartition]) {
            if !consumer.isCooperative { positions = [:] }
            given += partitions
        }

        func consumer(_ consumer: Consumer, mustGive partitions: [TopicPartition], lost: Bool) {
            for place in partitions { positions[place] = nil }
            given.removeAll { partitions.contains($0) }
        }

        func consumer(_ consumer: Consumer, reports error: KafkaError) {}
        func consumer(_ consumer: Consumer, hasLostBrokers error: KafkaError?) {}
        func consumer(_ consumer: Consumer, committed offsets: [CommittedOffset], error: KafkaError?) {}
    }
}
