import Loading
import Postgres
import Records

/// Messages of one shape, and the table they go to.
struct Workload {
    let name: String
    /// Values and keys one behind the other, with room behind them for a decoder to read past the last.
    private(set) var bytes: [UInt8] = []
    private(set) var messages: [(value: Range<Int>, key: Range<Int>)] = []
    private let columns: [Table.Column]

    /// - Parameter value: makes a message of a key and a number that differs from message to message.
    private init(
        _ name: String, count: Int, columns: [Table.Column], value: (_ key: String, _ random: inout Generator) -> String
    ) {
        self.name = name
        self.columns = columns
        var random = Generator(state: 1)
        messages.reserveCapacity(count)
        for _ in 0..<count {
            let key = random.identifier()
            let start = bytes.count
            bytes += value(key, &random).utf8
            let middle = bytes.count
            bytes += key.utf8
            messages.append((start..<middle, middle..<bytes.count))
        }
        bytes += [UInt8](repeating: 0, count: JSONRecordDecoder.padding)
    }

    var valueByteCount: Int { messages.reduce(0) { $0 + $1.value.count } }

    /// The table as a route's target.
    ///
    /// - Parameter format: by text if the table has a column without a binary encoder, which the messages leave null.
    func target(_ mode: Route.Mode, _ format: CopyFormat = .binary) throws -> Target {
        let inet = PostgresType(oid: 869, name: "inet", formatted: "inet")
        let table = Table(
            oid: 1, name: TableName(schema: "public", name: "orders"),
            columns: columns + (format == .text ? [column("address", inet)] : []),
            uniqueIndexes: [.init(name: "orders_pkey", columns: ["order_id"], isPrimary: true)])
        let route = Route(topics: [.name("orders")], table: table.name, mode: mode)
        return try Target.compile(route, index: 0, table: table).get()
    }

    enum CopyFormat { case binary, text }

    // MARK: Shapes

    /// Order events as the rig has them: 7 columns, about 316 bytes; half of the names have escapes.
    static func orders(count: Int) -> Workload {
        Workload("orders", count: count, columns: orderColumns) { key, random in order(key, &random) }
    }

    /// 3 columns and 100 bytes.
    static func small(count: Int) -> Workload {
        Workload(
            "3 columns, 100 B", count: count,
            columns: [column("order_id", .text), column("quantity", .int4), column("created_at", .timestamptz)]
        ) { key, random in
            #"{"order_id":"\#(key)","quantity":\#(random.below(100)),"created_at":"\#(random.time())"}"#
        }
    }

    /// 100 columns of 5 types.
    static func wide(count: Int) -> Workload {
        let types: [PostgresType] = [.int4, .text, .numeric, .timestamptz, .bool]
        let columns = (0..<99).map { column("c\($0)", types[$0 % 5]) }
        return Workload("100 columns", count: count, columns: [column("order_id", .text)] + columns) { key, random in
            let fields = (0..<99).map { index -> String in
                let value =
                    switch index % 5 {
                    case 0: "\(random.below(1_000_000))"
                    case 1: #""text \#(random.below(1000))""#
                    case 2: "\(random.below(100_000)).25"
                    case 3: "\"\(random.time())\""
                    default: "true"
                    }
                return #""c\#(index)":\#(value)"#
            }
            return #"{"order_id":"\#(key)",\#(fields.joined(separator: ","))}"#
        }
    }

    /// Orders whose jsonb column is what makes them large.
    static func large(_ name: String, items: Int, count: Int) -> Workload {
        Workload(name, count: count, columns: orderColumns) { key, random in order(key, &random, items: items) }
    }

    private static let orderColumns = [
        column("order_id", .text), column("created_at", .timestamptz), column("customer_name", .text),
        column("total_price", .numeric), column("line_items", .jsonb), column("status", .text),
        column("quantity", .int4),
    ]

    private static func order(_ key: String, _ random: inout Generator, items: Int? = nil) -> String {
        let names = [#"Zo\u00eb M\u00fcller"#, "李雷 Khan", #"Maria \"Mia\" Jones"#, "Søren Ångström"]
        let list = (0..<(items ?? 1 + random.below(3))).map { _ in
            #"{"sku":"SKU-\#(random.below(90000) + 10000)","qty":\#(random.below(9) + 1),"price":\#(random.below(400)).25}"#
        }
        return #"{"order_id":"\#(key)","created_at":"\#(random.time())","customer_name":"\#(names[random.below(4)])","#
            + #""total_price":\#(random.below(40000)).17,"line_items":[\#(list.joined(separator: ","))],"#
            + #""status":"\#(["new", "paid", "packed", "shipped"][random.below(4)])","quantity":\#(random.below(30)),"#
            + #""shop":{"id":\#(random.below(50)),"city":"Berlin"}}"#
    }
}

private func column(_ name: String, _ type: PostgresType) -> Table.Column {
    Table.Column(name: name, number: 1, type: type)
}

extension PostgresType {
    fileprivate static let text = PostgresType(oid: 25, name: "text", formatted: "text")
    fileprivate static let int4 = PostgresType(oid: 23, name: "int4", formatted: "integer")
    fileprivate static let bool = PostgresType(oid: 16, name: "bool", formatted: "boolean")
    /// `numeric(12,2)`; the modifier is `(12 << 16 | 2) + 4`.
    fileprivate static let numeric = PostgresType(
        oid: 1700, name: "numeric", formatted: "numeric(12,2)", modifier: (12 << 16 | 2) + 4)
    fileprivate static let jsonb = PostgresType(oid: 3802, name: "jsonb", formatted: "jsonb")
    fileprivate static let timestamptz = PostgresType(
        oid: 1184, name: "timestamptz", formatted: "timestamp with time zone")
}

/// The same numbers on every machine (SplitMix64).
private struct Generator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// 36 characters, in no order.
    mutating func identifier() -> String {
        let digits = String(next(), radix: 16) + String(next(), radix: 16)
        return "order-" + digits.padding(to: 30)
    }

    mutating func time() -> String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let zone = ["Z", "+02:00", "-05:30"][below(3)]
        return "2026-\(two(1 + below(12)))-\(two(1 + below(28)))T\(two(below(24))):\(two(below(60))):\(two(below(60)))"
            + ".\(100_000 + below(900_000))\(zone)"
    }
}

extension String {
    fileprivate func padding(to length: Int) -> String {
        count >= length ? String(prefix(length)) : self + String(repeating: "0", count: length - count)
    }
}
