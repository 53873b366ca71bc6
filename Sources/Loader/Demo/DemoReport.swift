import Foundation
import Kafka
import Postgres

/// What lies in the demo's topic and in its tables.
struct DemoReport {
    let messages: Int64
    let lag: Int64
    let rows: Int64
    let deadLetters: [(reason: String, count: Int64)]
    /// Headings, then rows of text.
    let samples: [[String]]

    init(_ admin: Admin, _ database: Connection, group: String, topics: [String]) throws {
        var messages: Int64 = 0
        var lag: Int64 = 0
        for topic in topics {
            let count = try admin.partitionCounts(of: topic, timeout: .seconds(30))[topic] ?? 0
            let places = (0..<Int32(count)).map { TopicPartition(topic: topic, partition: $0) }
            let committed = try admin.committedOffsets(ofGroup: group, partitions: places, timeout: .seconds(30))
            let next = Dictionary(committed.map { ($0.partition, $0.offset) }, uniquingKeysWith: { $1 })
            for place in places {
                let watermarks = try admin.watermarks(of: place, timeout: .seconds(30))
                messages += watermarks.high - watermarks.low
                lag += watermarks.high - (next[place] ?? watermarks.low)
            }
        }
        self.messages = messages
        self.lag = lag
        rows = try database.query("SELECT count(*) FROM public.orders").int(0, 0) ?? 0
        let letters = try database.query(
            """
            SELECT concat_ws(' ', reason, column_name, sqlstate), count(*)
            FROM loader.dead_letters GROUP BY 1 ORDER BY 2 DESC, 1
            """)
        deadLetters = (0..<letters.rowCount).map { (letters.string($0, 0) ?? "", letters.int($0, 1) ?? 0) }
        let orders = try database.query(
            """
            SELECT order_id, status, total_price, currency, item_count AS items, created_at, country, customer_name
            FROM public.orders ORDER BY updated_at DESC, order_id LIMIT 3
            """)
        samples =
            [orders.columnNames]
            + (0..<orders.rowCount).map { row in
                (0..<orders.columnCount).map { orders.string(row, $0) ?? "–" }
            }
    }

    func text(seconds: Double?) -> String {
        let bad = deadLetters.reduce(0) { $0 + $1.count }
        var lines = ["", "  messages      \(grouped(messages))"]
        lines.append("  rows          \(grouped(rows))   in public.orders: the latest state of every order")
        lines.append(
            "  dead letters  \(grouped(bad))   in loader.dead_letters, with key, value, headers and the reason")
        let width = deadLetters.map { $0.reason.count }.max() ?? 0
        for letter in deadLetters {
            let padding = String(repeating: " ", count: width - letter.reason.count)
            lines.append("                  \(letter.reason)\(padding)  \(letter.count)")
        }
        lines.append("  lag           \(grouped(lag))   messages that are still to load")
        if let seconds {
            let rate = grouped(Int64(Double(messages) / seconds))
            lines.append(
                "  time          \(String(format: "%.1f", seconds)) s   \(rate) messages/s, from start to exit, joining the group included"
            )
        }
        lines.append("")
        let widths = (samples.first ?? []).indices.map { column in samples.map { $0[column].count }.max() ?? 0 }
        for row in samples {
            // The last one, which may be of any script and so of any width, stays as it is.
            let cells = zip(row, widths).dropLast().map { $0 + String(repeating: " ", count: $1 - $0.count) }
            lines.append("  " + (cells + row.suffix(1)).joined(separator: "  "))
        }
        return lines.joined(separator: "\n")
    }

    /// 200,000
    private func grouped(_ number: Int64) -> String {
        var digits = Array(String(number))
        for place in stride(from: digits.count - 3, to: number < 0 ? 1 : 0, by: -3) { digits.insert(",", at: place) }
        return String(digits)
    }
}
