import Kafka
import Loading
import Postgres

/// Which messages stand among the dead letters: they are in no table, and should not be.
struct StoredLetters {
    /// A message and the table that it was meant for.
    struct Place: Hashable {
        var partition: TopicPartition
        var offset: Int64
    }

    /// The tables for which each message is a letter.
    private(set) var tables: [Place: Set<String>] = [:]

    static let none = StoredLetters(tables: [:])

    private init(tables: [Place: Set<String>]) { self.tables = tables }

    /// - Parameter stretches: only letters of these messages.
    init(
        _ table: TableName, of group: String, _ stretches: [PartitionReader.Stretch], on connection: Connection
    ) throws(PostgresError) {
        let result = try connection.query(
            """
            SELECT d.topic, d.partition, d."offset", d.target FROM \(table.quoted) AS d
            JOIN unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS v (topic, partition, first, stop)
              ON d.topic = v.topic AND d.partition = v.partition AND d."offset" >= v.first AND d."offset" < v.stop
            WHERE d.consumer_group = $1
            """,
            [
                .text(group), .array(stretches.map(\.partition.topic)), .array(stretches.map(\.partition.partition)),
                .array(stretches.map(\.start)), .array(stretches.map(\.end)),
            ])
        for row in 0..<result.rowCount {
            guard let topic = result.string(row, 0), let partition = result.int(row, 1),
                let offset = result.int(row, 2), let target = result.string(row, 3)
            else { continue }
            let place = Place(
                partition: TopicPartition(topic: topic, partition: Int32(partition)), offset: offset)
            tables[place, default: []].insert(target)
        }
    }

    var isEmpty: Bool { tables.isEmpty }

    /// - Parameter names: what the table is called in letters.
    func contains(_ place: Place, for names: [String]) -> Bool {
        guard let known = tables[place] else { return false }
        // A letter that no route took is nobody's row.
        return known.contains("") || names.contains { known.contains($0) }
    }
}

extension Target {
    /// What it is called in dead letters; where its route chooses, also by what tells all tables together.
    func letterNames(_ targets: [Target]) -> [String] {
        let names = [name.description]
        return routePlace == nil ? names : names + [targets[place].name.description]
    }
}
