import Foundation
import Kafka
import Loading
import Postgres

/// What an operator asks of the table of dead letters, and has deleted from it.
extension DeadLetterTable {
    /// Every reason there is, as it stands in the table.
    package static let reasons = DeadLetter.Reason.allCases.map(\.rawValue)

    /// How many letters have the same fault.
    package struct Fault: Sendable, Equatable {
        package var reason: String
        package var sqlState: String?
        package var table: String
        package var column: String?
        package var count: Int64
        /// The times of the first and the last failure, in milliseconds since 1970.
        package var first: Int64
        package var last: Int64
    }

    package func faults(_ filter: DeadLetterFilter) throws(PostgresError) -> [Fault] {
        let (condition, parameters) = filter.condition()
        let result = try connection.query(
            """
            SELECT reason, sqlstate, target, column_name, count(*), \(Self.milliseconds("min(failed_at)")),
              \(Self.milliseconds("max(failed_at)"))
            FROM \(name.quoted) AS d WHERE \(condition) GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 3, 4
            """, parameters)
        return (0..<result.rowCount).map { row in
            Fault(
                reason: result.string(row, 0) ?? "", sqlState: result.string(row, 1),
                table: result.string(row, 2) ?? "",
                column: result.string(row, 3), count: result.int(row, 4) ?? 0, first: result.int(row, 5) ?? 0,
                last: result.int(row, 6) ?? 0)
        }
    }

    /// The latest failures first, without their keys, values and headers.
    package func list(_ filter: DeadLetterFilter, limit: Int, skip: Int) throws(PostgresError) -> [StoredDeadLetter] {
        let (condition, parameters) = filter.condition()
        let result = try connection.query(
            """
            SELECT \(Self.columns), NULL, NULL, NULL, NULL FROM \(name.quoted) AS d WHERE \(condition)
            ORDER BY failed_at DESC, id DESC LIMIT \(limit) OFFSET \(skip)
            """, parameters)
        return (0..<result.rowCount).map { Self.letter(result, $0) }
    }

    /// One letter with all it has.
    package func letter(_ id: Int64) throws(PostgresError) -> StoredDeadLetter? {
        var filter = DeadLetterFilter()
        filter.ids = [id]
        return try read(filter, after: nil, limit: 1, bytes: .max).first
    }

    /// Deletes what the filter means.
    ///
    /// - Returns: how many there were.
    package func purge(_ filter: DeadLetterFilter) throws(PostgresError) -> Int {
        let (condition, parameters) = filter.condition()
        return try connection.query("DELETE FROM \(name.quoted) AS d WHERE \(condition)", parameters).affectedRows
    }

    /// The rows of letters that were read from a topic, with their attempts; nil where there is none any more.
    func rows(
        ofCopies copies: [(message: KeptMessage, table: String)], group: String
    ) throws(PostgresError) -> [(id: Int64, attempts: Int32)?] {
        let result = try connection.query(
            """
            SELECT v.i, d.id, d.attempts FROM \(name.quoted) AS d
            JOIN unnest($2::text[], $3::int[], $4::bigint[], $5::text[]) WITH ORDINALITY
              AS v (topic, partition, "offset", target, i)
              ON d.topic = v.topic AND d.partition = v.partition AND d."offset" = v."offset" AND d.target = v.target
            WHERE d.consumer_group = $1
            """,
            [
                .text(group), .array(copies.map(\.message.partition.topic)),
                .array(copies.map(\.message.partition.partition)), .array(copies.map(\.message.offset)),
                .array(copies.map(\.table)),
            ])
        var found = [(id: Int64, attempts: Int32)?](repeating: nil, count: copies.count)
        for row in 0..<result.rowCount {
            if let position = result.int(row, 0), let id = result.int(row, 1), let attempts = result.int(row, 2) {
                found[Int(position) - 1] = (id, Int32(attempts))
            }
        }
        return found
    }
}
