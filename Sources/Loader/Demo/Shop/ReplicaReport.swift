import Foundation
import Kafka
import Loading
import Postgres

/// What has become of the demo's changes: the replica beside the shop, and two of its rows through all their changes.
struct ReplicaReport {
    private struct Table {
        var name: String
        var messages: Int
        /// Of them, those that no loader has loaded yet.
        var due: Int64
        var source: Int64
        var replica: Int64
        /// Rows that only one of the two has.
        var missing: Int64
        var tooMany: Int64
    }

    /// What the topic says of a customer, and what that has come to.
    private struct Life {
        var customer: Int64
        var events: [CustomerEvent]
        /// Nil if the replica has no such row.
        var row: String?
    }

    private let tables: [Table]
    private let deadLetters: Int64
    private let lives: [Life]

    var isEqual: Bool { tables.allSatisfy { $0.missing + $0.tooMany == 0 } && deadLetters == 0 }

    init(_ properties: ClientProperties, group: String, _ database: Connection) throws {
        func count(_ sql: String) throws -> Int64 { try database.query("SELECT count(*) FROM \(sql)").int(0, 0) ?? 0 }
        var tables: [Table] = []
        var events: [Int64: [CustomerEvent]] = [:]
        for table in Shop.Table.allCases {
            var messages = 0
            let stretches = try Self.forEachMessage(of: table.topic, properties) { key, value in
                messages += 1
                guard table == .customers, let key = CustomerEvent.customer(ofKey: key) else { return }
                events[key, default: []].append(CustomerEvent(value))
            }
            let (source, replica) = ("shop.\(table)", "replica.\(table)")
            tables.append(
                Table(
                    name: "\(table)", messages: messages,
                    due: try Self.due(stretches, group: group, database),
                    source: try count(source), replica: try count(replica),
                    missing: try count("(TABLE \(source) EXCEPT ALL TABLE \(replica)) AS missing"),
                    tooMany: try count("(TABLE \(replica) EXCEPT ALL TABLE \(source)) AS too_many")))
        }
        self.tables = tables
        deadLetters = try count("loader.dead_letters")
        lives = try [false, true].compactMap { isDeleted in
            guard let customer = Self.chosen(of: events, isDeleted: isDeleted) else { return nil }
            return Life(
                customer: customer, events: events[customer] ?? [], row: try Self.row(of: customer, in: database))
        }
    }

    /// How many messages of these the group's positions have not come past.
    private static func due(
        _ stretches: [PartitionReader.Stretch], group: String, _ database: Connection
    ) throws -> Int64 {
        let positions = try Ledger(group: group).positions(
            of: Array(Set(stretches.map(\.partition.topic))), on: database)
        return stretches.reduce(0) { due, part in
            due + max(0, part.end - max(part.start, positions[part.partition] ?? 0))
        }
    }

    /// One whose life has an event without its profile, and the most events that still fit on a screen beside another's.
    private static func chosen(of events: [Int64: [CustomerEvent]], isDeleted: Bool) -> Int64? {
        let candidates = events.filter { _, events in
            events.count <= 8 && (events.last?.operation == CustomerEvent.tombstone) == isDeleted
                && events.contains { $0.profile == CustomerEvent.unsent }
        }
        return candidates.max { ($0.value.count, $1.key) < ($1.value.count, $0.key) }?.key
    }

    private static func row(of customer: Int64, in database: Connection) throws -> String? {
        let found = try database.query(
            """
            SELECT concat_ws(' · ', email, credit, born, length(profile) || ' characters')
            FROM replica.customers WHERE id = $1
            """, [.text("\(customer)")])
        return found.rowCount > 0 ? found.string(0, 0) : nil
    }

    /// All of a topic's, those of a key in their order.
    ///
    /// - Returns: where each partition's begin and end.
    private static func forEachMessage(
        of topic: String, _ properties: ClientProperties, _ body: (_ key: Data, _ value: Data?) -> Void
    ) throws -> [PartitionReader.Stretch] {
        let admin = try Admin(properties: properties)
        let reader = try PartitionReader(properties: properties, patience: .inAll(.seconds(60)), mayBeGone: false)
        let count = try admin.partitionCounts(of: topic, timeout: .seconds(30))[topic] ?? 0
        let stretches = try (0..<Int32(count)).map { partition in
            let place = TopicPartition(topic: topic, partition: partition)
            let ends = try admin.watermarks(of: place, timeout: .seconds(30))
            return PartitionReader.Stretch(partition: place, start: ends.low, end: ends.high)
        }
        let reading = try reader.read(stretches)
        while let message = try reading.next() {
            body(message.key.map { Data($0) } ?? Data(), message.value.map { Data($0) })
        }
        return stretches
    }

    func text(seconds: Double?) -> String {
        var lines = [""]
        let head = ["table", "messages", "rows in shop", "in replica", "missing", "too many"]
        let rows = tables.map { table in
            [
                table.name, grouped(table.messages), grouped(Int(table.source)), grouped(Int(table.replica)),
                grouped(Int(table.missing)), grouped(Int(table.tooMany)),
            ]
        }
        lines += TextTable.lines([head] + rows, numbers: [1, 2, 3, 4, 5]).map { "  " + $0 }
        lines += ["", "  dead letters  \(grouped(Int(deadLetters)))"]
        if let seconds {
            let messages = tables.reduce(0) { $0 + $1.messages }
            let rate = grouped(Int(Double(messages) / seconds))
            lines.append(
                "  time          \(String(format: "%.1f", seconds)) s   \(rate) messages/s, from start to exit, joining the group included"
            )
        }
        lines.append("")
        let due = tables.reduce(0) { $0 + $1.due }
        if isEqual {
            lines.append("The replica is the shop, row for row and value for value.")
        } else if due > 0 {
            lines.append("The replica is not the shop yet: a loader has \(grouped(Int(due))) messages to load.")
        } else {
            lines.append("The replica is not the shop.")
        }
        if !lives.isEmpty {
            lines += [
                "",
                "What change events look like, and what becomes of them: credit is the base64 of its cents, born days since",
                "1970; a long profile is not sent by an update that leaves it alone, and the replica keeps the one it has.",
            ]
        }
        for life in lives {
            lines += ["", "  customer \(life.customer) in the topic:"]
            let table = [CustomerEvent.head] + life.events.map(\.cells)
            lines += TextTable.lines(table).map { "    " + $0 }
            lines.append("  and in the replica: " + (life.row ?? "no row"))
        }
        return lines.joined(separator: "\n")
    }
}
