import Foundation
import Kafka
import Postgres

/// The letters of the table that wait for the rows they refer to.
///
/// All that is known of them stands there: that one waits is its reason, and since when is `failed_at`. So whoever has its
/// partition next goes on with it.
struct WaitingLetters {
    let table: DeadLetterTable
    let group: String
    let partitions: [TopicPartition]

    private static let reason = DeadLetter.Reason.waiting.rawValue

    /// The ages at which a letter is tried again: longer and longer pauses, and for the last time when its time is over.
    ///
    /// - Parameter patience: how long it is waited at most, for each route.
    static func ages(_ patience: some Sequence<Duration>) -> [Duration] {
        let longest = patience.max() ?? .zero
        var ages = Set(patience)
        var age = Duration.seconds(1)
        while age < longest {
            ages.insert(age)
            age = age * 2
        }
        return ages.filter { $0 > .zero }.sorted()
    }

    /// Those whose turn it is, in the order in which they would have been loaded.
    ///
    /// - Parameters:
    ///   - then: when it was asked before, in the server's milliseconds since 1970; nil for all letters.
    ///   - now: up to when their turn has come.
    func due(
        since then: Int64?, until now: Int64, ages: [Duration]
    ) throws(PostgresError) -> [Int64] {
        let condition =
            then == nil
            ? "true"
            : """
            (failed_at <= \(Self.time("$5")) - $7::bigint * interval '1 ms'
              OR EXISTS (
                SELECT FROM unnest($6::bigint[]) AS age
                WHERE failed_at <= \(Self.time("$5")) - age * interval '1 ms'
                  AND failed_at > \(Self.time("$4")) - age * interval '1 ms'))
            """
        let result = try table.connection.query(
            """
            SELECT id FROM \(table.name.quoted) AS d
            WHERE consumer_group = $1 AND reason = '\(Self.reason)' AND \(Self.ofPartitions) AND \(condition)
            ORDER BY topic, partition, "offset", id
            """,
            parameters
                + (then.map { then in
                    [
                        .int64(then), .int64(now), .array(ages.map(\.inMilliseconds)),
                        .int64(ages.last?.inMilliseconds ?? 0),
                    ]
                } ?? []))
        return (0..<result.rowCount).compactMap { result.int($0, 0) }
    }

    /// How many wait, by topic.
    func counts() throws(PostgresError) -> [String: Int] {
        let result = try table.connection.query(
            """
            SELECT topic, count(*) FROM \(table.name.quoted) AS d
            WHERE consumer_group = $1 AND reason = '\(Self.reason)' AND \(Self.ofPartitions) GROUP BY 1
            """, parameters)
        var counts: [String: Int] = [:]
        for row in 0..<result.rowCount {
            if let topic = result.string(row, 0) { counts[topic] = Int(result.int(row, 1) ?? 0) }
        }
        return counts
    }

    /// Those of one table that were given up.
    struct GivenUp {
        var table: String
        var count: Int
        /// One of them: `topic[partition]@offset`.
        var place: String
    }

    /// Makes dead letters like any other of those among these that still wait.
    func giveUp(_ ids: [Int64]) throws(PostgresError) -> [GivenUp] {
        guard !ids.isEmpty else { return [] }
        // Who else has one at hand decides about it.
        let result = try table.connection.query(
            """
            WITH given_up AS (
              UPDATE \(table.name.quoted) SET reason = '\(DeadLetter.Reason.refused.rawValue)', failed_at = now()
              WHERE id IN (
                SELECT id FROM \(table.name.quoted) WHERE id = ANY ($1::bigint[]) AND reason = '\(Self.reason)'
                ORDER BY id FOR UPDATE SKIP LOCKED)
              RETURNING target, topic, partition, "offset")
            SELECT target, count(*), max(topic || '[' || partition || ']@' || "offset") FROM given_up GROUP BY 1
            """, [.array(ids)])
        return (0..<result.rowCount).map { row in
            GivenUp(
                table: result.string(row, 0) ?? "", count: Int(result.int(row, 1) ?? 0),
                place: result.string(row, 2) ?? "")
        }
    }

    private var parameters: [QueryParameter] {
        [.text(group), .array(partitions.map { $0.topic as String? }), .array(partitions.map(\.partition))]
    }

    private static let ofPartitions =
        "(topic, partition) IN (SELECT * FROM unnest($2::text[], $3::int[]) AS p (topic, partition))"

    private static func time(_ parameter: String) -> String {
        "(timestamptz 'epoch' + \(parameter)::bigint * interval '1 ms')"
    }
}
