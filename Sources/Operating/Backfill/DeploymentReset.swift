import Foundation
import Kafka
import Loading
import Logging
import Postgres

/// Sets a group back to the first messages there are, once for a deployment: `RESET_OFFSET_ON_START`, for development.
///
/// The ledger remembers the deployments in rows of its own, whose topic no topic of Kafka can have, and in the transaction
/// that moves the positions. So neither a crash, nor another instance, nor an older one that comes back does it again.
public struct DeploymentReset {
    private let options: LoadingOptions
    private let deployment: String
    private static let timeout: Duration = .seconds(15)

    /// - Parameter deployment: the name it is remembered by.
    public init(_ options: LoadingOptions, deployment: String) {
        self.options = options
        self.deployment = deployment
    }

    /// - Throws: `LoadingError` where it would double rows; `KafkaError` and `PostgresError`.
    public func run(_ preflight: Preflight, on connection: Connection, logger: Logger) throws {
        let ledger = Ledger(group: options.group)
        let memory = TopicPartition(topic: LedgerMemory.reset + deployment, partition: 0)
        if try ledger.positions(of: [memory.topic], on: connection)[memory] != nil {
            logger.notice(
                "reset_on_start: this deployment has been reset before; going on from the ledger",
                metadata: ["group": "\(options.group)", "deployment": "\(deployment)"])
            return
        }
        let admin = try Admin(properties: options.clientProperties)
        let patterns = options.routes.flatMap(\.topics)
        let places = try admin.partitionCounts(timeout: Self.timeout)
            .filter { topic, _ in patterns.contains { $0.matches(topic) } }
            .flatMap { topic, count in (0..<Int32(count)).map { TopicPartition(topic: topic, partition: $0) } }
        let positions = try ledger.states(of: Array(Set(places.map(\.topic))), on: connection)
        let watermarks = try admin.watermarks(of: places, timeout: Self.timeout)
        if let place = places.first(where: { watermarks[$0] == nil }) {
            throw KafkaError(
                code: .timedOut, operation: "watermarks", reason: "no leader answers", topic: place.topic,
                partition: place.partition)
        }
        let moves = watermarks.mapValues(\.low).sorted { $0.key < $1.key }
        let loaded = moves.compactMap { place, low -> (topic: String, messages: Int64)? in
            let high = watermarks[place]?.high ?? low
            return positions[place].map { (place.topic, $0.loaded(of: low..<max(low, high))) }
        }
        let repeated = loaded.reduce(0) { $0 + $1.messages }
        let doubled = loaded.filter { $0.messages > 0 }.compactMap { topic, messages in
            options.target(doubledBy: topic, among: preflight.targets).map { (target: $0, messages: messages) }
        }
        if let target = doubled.first?.target {
            throw LoadingError(
                .unsafeReplay,
                "reset_on_start: \(target.route.label) only appends to \(target.name), and the rows of "
                    + "\(doubled.reduce(0) { $0 + $1.messages }) "
                    + "messages would double",
                mend: "use mode ignore or upsert with a key, accept the doubles with --allow-duplicates, "
                    + "or unset RESET_OFFSET_ON_START")
        }
        // An offset without a mark would count for more than the ledger. Before the ledger is moved: a crash in between
        // leaves the ledger as it was, and the next start does it again.
        if let mark = preflight.mark {
            let unmarked = try admin.committedOffsets(ofGroup: options.group, partitions: places, timeout: Self.timeout)
                .filter { LedgerMark(metadata: $0.metadata) == nil }
            if !unmarked.isEmpty {
                try admin.alterOffsets(
                    ofGroup: options.group,
                    to: unmarked.map { offset in
                        CommittedOffset(
                            partition: offset.partition, offset: watermarks[offset.partition]?.low ?? 0,
                            metadata: mark.metadata)
                    }, timeout: Self.timeout)
            }
        }
        guard try move(moves.map { (partition: $0.key, offset: $0.value, detour: nil) }, memory, ledger, on: connection)
        else {
            logger.notice(
                "reset_on_start: another instance has just done it", metadata: ["deployment": "\(deployment)"])
            return
        }
        logger.warning(
            "reset_on_start: THE GROUP BEGINS AT THE EARLIEST MESSAGES AGAIN, once for this deployment",
            metadata: [
                "group": "\(options.group)", "deployment": "\(deployment)",
                "messages_loaded_again": .stringConvertible(repeated), "partitions": .stringConvertible(moves.count),
            ])
    }

    /// - Returns: false if another instance has done it in the meantime.
    private func move(
        _ moves: [(partition: TopicPartition, offset: Int64, detour: Detour?)], _ memory: TopicPartition,
        _ ledger: Ledger,
        on connection: Connection
    ) throws(PostgresError) -> Bool {
        try connection.beginWriting()
        do {
            let first = try connection.query(
                """
                INSERT INTO loader.positions (consumer_group, topic, partition, next_offset) VALUES ($1, $2, 0, 0)
                ON CONFLICT DO NOTHING
                """, [.text(options.group), .text(memory.topic)])
            guard first.affectedRows == 1 else {
                try connection.execute("ROLLBACK")
                return false
            }
            // A member that still runs is fenced off by its next batch, and begins again as well.
            if !moves.isEmpty { try ledger.set(moves, on: connection) }
            try connection.execute("COMMIT")
            return true
        } catch {
            if connection.isOpen { _ = try? connection.execute("ROLLBACK") }
            throw error
        }
    }
}
