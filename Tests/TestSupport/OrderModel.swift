import Kafka
import Postgres

/// What the last message of each order says: the oracle.
public struct OrderModel: Sendable {
    /// Children refer to what holds them.
    public static let tables = """
        CREATE TABLE orders (id int PRIMARY KEY, note text, revision int);
        CREATE TABLE items (order_id int REFERENCES orders, sku text, qty int, line int, at timestamptz DEFAULT now(),
                            PRIMARY KEY (order_id, sku));
        CREATE TABLE options (code int, sku text, order_id int, price numeric, PRIMARY KEY (code, order_id, sku),
                              FOREIGN KEY (order_id, sku) REFERENCES items);
        CREATE INDEX ON options (order_id);
        """

    public init() {}

    public private(set) var items: [Int: String] = [:]
    private(set) var notes: [Int: String] = [:]

    /// Makes up what happens to an order next.
    public mutating func message(_ revision: Int, orders: Int, using random: inout SeededGenerator) -> TestMessage {
        let id = Int.random(in: 1...orders, using: &random)
        var message = TestMessage(partition: Int32(id % 3), key: "\(id)", value: nil)
        if Int.random(in: 0..<8, using: &random) == 0 {
            (items[id], notes[id]) = (nil, nil)
            return message
        }
        // No other order has it at the same time, but one may have had it in the same batch.
        let note = Int.random(in: 0..<3, using: &random) == 0 ? "\(revision)" : (notes[id] ?? "\(revision)")
        var text = #"{"id":\#(id),"note":"\#(note)","revision":\#(revision)"#
        switch Int.random(in: 0..<8, using: &random) {
        case 0: break
        case 1:
            text += #","items":null"#
            items[id] = "[]"
        default:
            let list = Self.items(using: &random)
            text += #","items":\#(list)"#
            items[id] = list
        }
        notes[id] = note
        items[id] = items[id] ?? "[]"
        message.value = Array((text + "}").utf8)
        return message
    }

    private static func items(using random: inout SeededGenerator) -> String {
        let all = (0..<Int.random(in: 0...5, using: &random)).map { _ in
            let sku = "s\(Int.random(in: 0..<6, using: &random))"
            var options = ""
            switch Int.random(in: 0..<4, using: &random) {
            case 0: break
            case 1: options = #","options":null"#
            default:
                let some = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                    #"{"code":\#(Int.random(in: 0..<4, using: &random)),"price":\#(Int.random(in: 0..<99, using: &random)).5}"#
                }
                options = #","options":[\#(some.joined(separator: ","))]"#
            }
            return #"{"sku":"\#(sku)","qty":\#(Int.random(in: 0..<9, using: &random))\#(options)}"#
        }
        return "[\(all.joined(separator: ","))]"
    }

    /// The rows that are in a table and not in the model, and the other way round.
    public func differences(_ connection: Connection) throws -> [String] {
        try connection.execute("CREATE TEMP TABLE IF NOT EXISTS model (id int, note text, items jsonb); TRUNCATE model")
        for (id, items) in items {
            _ = try connection.query(
                "INSERT INTO model VALUES ($1, $2, $3::jsonb)",
                [.int32(Int32(id)), .text(notes[id] ?? ""), .text(items)])
        }
        let expected = [
            "orders": "SELECT id, note FROM model",
            "items": """
            SELECT DISTINCT ON (1, 2) id, e->>'sku', (e->>'qty')::int, n::int - 1
            FROM model, jsonb_array_elements(items) WITH ORDINALITY AS t (e, n) ORDER BY 1, 2, n DESC
            """,
            "options": """
            SELECT DISTINCT ON (1, 2, 3) id, e->>'sku', (o->>'code')::int, (o->>'price')::numeric
            FROM model, jsonb_array_elements(items) WITH ORDINALITY AS t (e, n),
              jsonb_array_elements(CASE jsonb_typeof(e->'options') WHEN 'array' THEN e->'options' ELSE '[]' END)
                WITH ORDINALITY AS u (o, m)
            ORDER BY 1, 2, 3, n DESC, m DESC
            """,
        ]
        let found = [
            "orders": "SELECT id, note FROM orders", "items": "SELECT order_id, sku, qty, line FROM items",
            "options": "SELECT order_id, sku, code, price FROM options",
        ]
        var all: [String] = []
        for (table, expected) in expected {
            for (one, other) in [(expected, found[table] ?? ""), (found[table] ?? "", expected)] {
                let result = try connection.query("(\(one)) EXCEPT (\(other)) LIMIT 5")
                for row in 0..<result.rowCount {
                    let values = (0..<result.columnCount).map { result.string(row, $0) ?? "∅" }
                    all.append("\(table) \(one == expected ? "lacks" : "has") \(values.joined(separator: "|"))")
                }
            }
        }
        return all
    }
}
