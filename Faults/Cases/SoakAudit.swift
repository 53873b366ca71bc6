import Foundation
import Postgres
import TestSupport

extension Soak {
    /// Compares what is loaded with what was written, piece by piece, and takes it away: neither can be kept for an hour.
    struct Audit {
        let landing: Landing
        let follower: TopicFollower

        func run(until end: ContinuousClock.Instant, _ context: FaultContext) async throws -> FaultReport {
            var report = FaultReport()
            var said = ContinuousClock.now
            while ContinuousClock.now < end {
                try await Task.sleep(for: .seconds(20))
                do {
                    report.add(try compare(), of: "behind \(report.messages) messages")
                } catch is PostgresError {
                    continue  // Restarted in between; the same piece is compared next time.
                }
                if said.age > 300 {
                    said = .now
                    context.say("\(report.messages) messages, \(report.failures.count) failures so far")
                }
            }
            return report
        }

        /// Compares everything that is both loaded and read by the follower.
        func compare() throws -> TableComparison {
            let connection = try landing.schema.connect()
            let positions = try landing.positions()
            let cuts = follower.ends.enumerated().map { min($1, positions[Int32($0)] ?? 0) }
            try connection.execute("BEGIN")
            let rows = try take(
                "DELETE FROM landed AS t USING unnest($1::bigint[]) WITH ORDINALITY AS c (cut, number) "
                    + "WHERE t.partition = c.number - 1 AND t.\"offset\" < c.cut "
                    + "RETURNING t.partition, t.\"offset\", t.n, t.seq", [.array(cuts)], on: connection)
            let letters = try take(
                "DELETE FROM loader.dead_letters AS t USING unnest($1::bigint[]) WITH ORDINALITY AS c (cut, number) "
                    + "WHERE t.partition = c.number - 1 AND t.\"offset\" < c.cut AND t.consumer_group = $2 "
                    + "RETURNING t.partition, t.\"offset\", NULL::bigint, 0", [.array(cuts), .text(landing.group)],
                on: connection)
            // Both or none: the server may go in between.
            try connection.execute("COMMIT")
            return TableComparison(
                topic: follower.take(before: cuts), table: rows, deadLetters: letters.map { $0.map(\.offset) })
        }

        /// Takes rows out, by partition and in the order in which they went in.
        private func take(
            _ sql: String, _ parameters: [QueryParameter], on connection: Connection
        ) throws -> [[TableComparison.Entry]] {
            let taken = try connection.query(
                "WITH taken (partition, at, n, seq) AS (\(sql)) SELECT partition, at, n FROM taken ORDER BY seq",
                parameters)
            var partitions: [[TableComparison.Entry]] = Array(repeating: [], count: Soak.partitions)
            for row in 0..<taken.rowCount {
                guard let partition = taken.int(row, 0), let offset = taken.int(row, 1) else { continue }
                partitions[Int(partition)].append(.init(offset: offset, number: taken.int(row, 2)))
            }
            return partitions
        }
    }
}
