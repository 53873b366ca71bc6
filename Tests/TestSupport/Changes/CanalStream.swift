import Foundation

/// A source table that statements change at random, several rows each, and the messages that Canal writes of them.
public struct CanalStream {
    public struct Key: Hashable, Sendable {
        var tenant: Int
        var id: Int
    }

    public struct Row: Hashable, Sendable {
        var name: String?
        var amount: String
        var bytes: [UInt8]
        var at: String
        var isPaid: Bool
    }

    public static let columns =
        "tenant int, id int, name text, amount numeric(12,2), bytes bytea, at timestamp, paid boolean, PRIMARY KEY (tenant, id)"

    public private(set) var rows: [Key: Row] = [:]
    private var generator: SeededGenerator
    private var time = 1_700_000_000_000

    public init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// The message of one more statement; nil where there is nothing for it to change.
    public mutating func next() -> String? {
        time += Int.random(in: 0...1, using: &generator)
        switch Int.random(in: 0..<20, using: &generator) {
        case 0: return message("ALTER", [], isDdl: true)
        case 1: return message("INSERT", nil)
        case 2..<8: return insert()
        case 8..<12: return delete()
        case 12..<16: return update()
        default: return move()
        }
    }

    private mutating func insert() -> String? {
        var made: [(Key, Row)] = []
        for _ in 0..<Int.random(in: 1...5, using: &generator) {
            let key = Key(
                tenant: Int.random(in: 1...2, using: &generator), id: Int.random(in: 1...60, using: &generator))
            guard rows[key] == nil else { continue }
            let row = row()
            rows[key] = row
            made.append((key, row))
        }
        return made.isEmpty ? nil : message("INSERT", made.map { fields($0, $1) })
    }

    private mutating func delete() -> String? {
        let gone = some()
        let data = gone.map { fields($0, rows[$0]) }
        for key in gone { rows[key] = nil }
        return gone.isEmpty ? nil : message("DELETE", data)
    }

    private mutating func update() -> String? {
        var changes: [(data: [String: String?], old: [String: String?])] = []
        for key in some() {
            let before = fields(key, rows[key])
            rows[key] = row()
            changes.append((fields(key, rows[key]), before))
        }
        return changes.isEmpty ? nil : message("UPDATE", changes)
    }

    /// Takes rows to other keys: `SET id = id + 1`, the last ones first, as a server must do it.
    private mutating func move() -> String? {
        var changes: [(data: [String: String?], old: [String: String?])] = []
        let isOtherTenant = Int.random(in: 0..<3, using: &generator) == 0
        for key in some().sorted(by: { $0.id > $1.id }) {
            let other =
                isOtherTenant ? Key(tenant: 3 - key.tenant, id: key.id) : Key(tenant: key.tenant, id: key.id + 1)
            guard rows[other] == nil, let row = rows.removeValue(forKey: key) else { continue }
            rows[other] = row
            changes.append((fields(other, row), fields(key, row)))
        }
        return changes.isEmpty ? nil : message("UPDATE", changes)
    }

    private mutating func some() -> [Key] {
        let keys = rows.keys.sorted { ($0.tenant, $0.id) < ($1.tenant, $1.id) }
        return Array(keys.shuffled(using: &generator).prefix(Int.random(in: 1...6, using: &generator)))
    }

    private mutating func row() -> Row {
        Row(
            name: Bool.random(using: &generator) ? nil : "n\(Int.random(in: 0..<1000, using: &generator)) é",
            amount:
                "\(Int.random(in: -9...9_999_999, using: &generator)).\(Int.random(in: 10...99, using: &generator))",
            bytes: (0..<Int.random(in: 0...6, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            },
            at:
                "2026-01-\(Int.random(in: 10...28, using: &generator)) 03:04:05.\(Int.random(in: 100...999, using: &generator))",
            isPaid: Bool.random(using: &generator))
    }

    // MARK: What Canal writes

    private func fields(_ key: Key, _ row: Row?) -> [String: String?] {
        var fields: [String: String?] = ["tenant": "\(key.tenant)", "id": "\(key.id)"]
        guard let row else { return fields }
        fields["name"] = .some(row.name)
        fields["amount"] = row.amount
        fields["bytes"] = String(String.UnicodeScalarView(row.bytes.map { Unicode.Scalar($0) }))
        fields["at"] = row.at
        fields["paid"] = row.isPaid ? "1" : "0"
        return fields
    }

    private mutating func message(_ type: String, _ changes: [(data: [String: String?], old: [String: String?])])
        -> String
    {
        // Canal has in `old` what has changed; TiCDC, and others, have all of the row.
        let isWhole = Bool.random(using: &generator)
        let old = changes.map { change in
            change.old.filter { isWhole || change.data[$0.key] != .some($0.value) }
        }
        return message(type, changes.map(\.data), old: old)
    }

    private func message(
        _ type: String, _ data: [[String: String?]]?, old: [[String: String?]]? = nil, isDdl: Bool = false
    ) -> String {
        """
        {"data":\(data.flatMap { $0.isEmpty ? nil : Self.json($0) } ?? "null"),"database":"shop","es":\(time),"id":1,\
        "isDdl":\(isDdl),"mysqlType":{"tenant":"int"},"old":\(old.map { Self.json($0) } ?? "null"),"pkNames":["tenant","id"],\
        "sql":"","table":"orders","ts":\(time + 5),"type":"\(type)"}
        """
    }

    private static func json(_ rows: [[String: String?]]) -> String {
        let rows = rows.map { row in
            row.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value.map(text) ?? "null")" }.joined(
                separator: ",")
        }
        return "[" + rows.map { "{\($0)}" }.joined(separator: ",") + "]"
    }

    private static func text(_ value: String) -> String {
        "\""
            + value.unicodeScalars.map { scalar in
                scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
                    ? String(format: "\\u%04x", scalar.value) : String(scalar)
            }.joined() + "\""
    }

    /// What makes a table of the same rows.
    public func inserts(into table: String) -> String {
        rows.map { key, row in
            let bytes = row.bytes.map { String(format: "%02x", $0) }.joined()
            let name = row.name.map { "'\($0)'" } ?? "NULL"
            return
                "INSERT INTO \(table) VALUES (\(key.tenant), \(key.id), \(name), \(row.amount), '\\x\(bytes)', '\(row.at)', \(row.isPaid));"
        }.joined()
    }
}
