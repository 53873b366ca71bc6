import Loading
import Postgres
import Records

/// Messages of one shape, and the table they go to.
struct Workload {
    private(set) var name: String
    /// Values and keys one behind the other, with room behind them for a decoder to read past the last.
    private(set) var bytes: [UInt8] = []
    private(set) var messages: [(value: Range<Int>, key: Range<Int>)] = []
    private let columns: [Table.Column]
    private(set) var format: MessageFormat

    /// - Parameter value: makes a message of a key and a number that differs from message to message.
    private init(
        _ name: String, count: Int, columns: [Table.Column], value: (_ key: String, _ random: inout Generator) -> String
    ) {
        self.init(name, .json, count: count, columns: columns) { Array(value($0, &$1).utf8) }
    }

    private init(
        _ name: String, _ format: MessageFormat, count: Int, columns: [Table.Column],
        value: (_ key: String, _ random: inout Generator) -> [UInt8]
    ) {
        self.name = name
        self.columns = columns
        self.format = format
        var random = Generator(state: 1)
        messages.reserveCapacity(count)
        for _ in 0..<count {
            let key = random.identifier()
            let start = bytes.count
            bytes += value(key, &random)
            let middle = bytes.count
            bytes += key.utf8
            messages.append((start..<middle, middle..<bytes.count))
        }
        bytes += [UInt8](repeating: 0, count: JSONRecordDecoder.padding)
    }

    /// The same messages, each looked at for what it says of its schema.
    func byItself() -> Workload {
        var workload = self
        workload.name += ", auto"
        workload.format = .framed(.json, nil)
        return workload
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

    /// The orders in Avro: the same columns, and the same fields that none takes.
    static func avroOrders(count: Int) throws -> Workload {
        let schema = try AvroSchema(
            """
            {"type": "record", "name": "Order", "fields": [{"name": "order_id", "type": "string"},
                {"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
                {"name": "customer_name", "type": ["null", "string"]}, {"name": "total_price", "type": \(Self.price)},
                {"name": "line_items", "type": {"type": "array", "items": {"type": "record", "name": "Item", "fields": [
                    {"name": "sku", "type": "string"}, {"name": "qty", "type": "int"},
                    {"name": "price", "type": \(Self.price)}]}}},
                {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": [
                    "new", "paid", "packed", "shipped"]}},
                {"name": "quantity", "type": ["null", "int"]},
                {"name": "shop", "type": {"type": "record", "name": "Shop", "fields": [
                    {"name": "id", "type": "long"}, {"name": "city", "type": "string"}]}}]}
            """)
        return Workload("orders, Avro", .avro(schema), count: count, columns: orderColumns) { key, random in
            var message = AvroMessage()
            message.put(key)
            message.put(1_770_000_000_000_000 + random.below(30_000_000_000_000))
            message.put(1)
            message.put(["Zoë Müller", "李雷 Khan", #"Maria "Mia" Jones"#, "Søren Ångström"][random.below(4)])
            message.put(price: random.below(4_000_000))
            let items = 1 + random.below(3)
            message.put(items)
            for _ in 0..<items {
                message.put("SKU-\(random.below(90000) + 10000)")
                message.put(random.below(9) + 1)
                message.put(price: random.below(40000))
            }
            message.put(0)
            message.put(random.below(4))
            message.put(1)
            message.put(random.below(30))
            message.put(random.below(50))
            message.put("Berlin")
            return message.bytes
        }
    }

    /// 10 columns and about 143 bytes in Avro, none of them nested and each of them taken.
    static func avroScalars(count: Int) throws -> Workload {
        let types = [
            ("order_id", PostgresType.text, #""string""#),
            ("created_at", .timestamptz, #"{"type": "long", "logicalType": "timestamp-micros"}"#),
            ("customer_name", .text, #"["null", "string"]"#), ("total_price", .numeric, Self.price),
            ("status", .text, #"{"type": "enum", "name": "Status", "symbols": ["new", "paid"]}"#),
            ("quantity", .int4, #"["null", "int"]"#), ("note", .text, #""string""#), ("address", .text, #""string""#),
            ("weight", .float8, #""double""#), ("paid", .bool, #""boolean""#),
        ]
        let fields = types.map { #"{"name": "\#($0.0)", "type": \#($0.2)}"# }.joined(separator: ",")
        let schema = try AvroSchema(#"{"type": "record", "name": "Order", "fields": [\#(fields)]}"#)
        let columns = types.map { column($0.0, $0.1) }
        return Workload("scalars, Avro", .avro(schema), count: count, columns: columns) { key, random in
            var message = AvroMessage()
            message.put(key)
            message.put(1_770_000_000_000_000 + random.below(30_000_000_000_000))
            message.put(1)
            message.put(["Zoë Müller", "Mary Jones", "Maria Jones", "Alan Smith"][random.below(4)])
            message.put(price: random.below(4_000_000))
            message.put(random.below(2))
            message.put(1)
            message.put(random.below(30))
            message.put("please leave it with neighbours")
            message.put("\(random.below(900)) Long Street, 10115 Berlin")
            message.bytes += [0, 0, 0, 0, 0, 0, 0xF0, 0x3F, UInt8(random.below(2))]
            return message.bytes
        }
    }

    /// The orders in Protobuf: the same columns, and the same fields that none takes.
    static func protobufOrders(count: Int) throws -> Workload {
        let schema = try ProtobufSchema(
            .text(
                Array(
                    """
                    syntax = "proto3"; import "google/protobuf/timestamp.proto"; import "confluent/type/decimal.proto";
                    message Order {
                      string order_id = 1; google.protobuf.Timestamp created_at = 2; optional string customer_name = 3;
                      confluent.type.Decimal total_price = 4; repeated Item line_items = 5; Status status = 6;
                      optional int32 quantity = 7; Shop shop = 8;
                      message Item { string sku = 1; int32 qty = 2; confluent.type.Decimal price = 3; }
                      message Shop { int64 id = 1; string city = 2; }
                      enum Status { new = 0; paid = 1; packed = 2; shipped = 3; }
                    }
                    """.utf8)), named: "orders.proto")
        return Workload("orders, Protobuf", .protobuf(schema, message: schema.own[0]), count: count, columns: orderColumns) {
            key, random in
            var message = ProtobufMessage()
            message.put(1, key)
            message.put(2, time: 1_770_000_000_000_000 + random.below(30_000_000_000_000))
            message.put(3, ["Zoë Müller", "李雷 Khan", #"Maria "Mia" Jones"#, "Søren Ångström"][random.below(4)])
            message.put(4, price: random.below(4_000_000))
            for _ in 0..<1 + random.below(3) {
                var item = ProtobufMessage()
                item.put(1, "SKU-\(random.below(90000) + 10000)")
                item.put(2, random.below(9) + 1)
                item.put(3, price: random.below(40000))
                message.put(5, item)
            }
            message.put(6, random.below(4))
            message.put(7, random.below(30))
            var shop = ProtobufMessage()
            shop.put(1, random.below(50))
            shop.put(2, "Berlin")
            message.put(8, shop)
            return message.bytes
        }
    }

    /// The columns of `avroScalars`, and a price of less than it takes in Avro by its message.
    static func protobufScalars(count: Int) throws -> Workload {
        let types = [
            ("order_id", PostgresType.text, "string"), ("created_at", .timestamptz, "google.protobuf.Timestamp"),
            ("customer_name", .text, "optional string"), ("total_price", .numeric, "confluent.type.Decimal"),
            ("status", .text, "Status"), ("quantity", .int4, "optional int32"), ("note", .text, "string"),
            ("address", .text, "string"), ("weight", .float8, "double"), ("paid", .bool, "bool"),
        ]
        let fields = types.enumerated().map { "\($1.2) \($1.0) = \($0 + 1);" }.joined(separator: " ")
        let schema = try ProtobufSchema(
            .text(
                Array(
                    """
                    syntax = "proto3"; import "google/protobuf/timestamp.proto"; import "confluent/type/decimal.proto";
                    message Order { \(fields) } enum Status { new = 0; paid = 1; }
                    """.utf8)), named: "orders.proto")
        let columns = types.map { column($0.0, $0.1) }
        return Workload("scalars, Protobuf", .protobuf(schema, message: schema.own[0]), count: count, columns: columns) {
            key, random in
            var message = ProtobufMessage()
            message.put(1, key)
            message.put(2, time: 1_770_000_000_000_000 + random.below(30_000_000_000_000))
            message.put(3, ["Zoë Müller", "Mary Jones", "Maria Jones", "Alan Smith"][random.below(4)])
            message.put(4, price: random.below(4_000_000))
            message.put(5, random.below(2))
            message.put(6, random.below(30))
            message.put(7, "please leave it with neighbours")
            message.put(8, "\(random.below(900)) Long Street, 10115 Berlin")
            message.bytes += [9 << 3 | 1, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F]
            message.put(10, 1)
            return message.bytes
        }
    }

    private static let price = #"{"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}"#

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

/// A message in Avro as it is written.
private struct AvroMessage {
    var bytes: [UInt8] = []

    mutating func put(_ number: Int) {
        var rest = UInt64(bitPattern: Int64((number << 1) ^ (number >> 63)))
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func put(_ text: String) {
        put(text.utf8.count)
        bytes += text.utf8
    }

    /// In hundredths, as bytes.
    mutating func put(price: Int) {
        put(4)
        bytes += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: price >> $0) }
    }
}

/// A message in Protobuf as it is written.
private struct ProtobufMessage {
    var bytes: [UInt8] = []

    private mutating func put(varint number: Int) {
        var rest = UInt64(bitPattern: Int64(number))
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Defaults are not written.
    mutating func put(_ field: Int, _ number: Int) {
        if number == 0 { return }
        put(varint: field << 3)
        put(varint: number)
    }

    mutating func put(_ field: Int, _ text: String) { put(field, bytes: Array(text.utf8)) }

    mutating func put(_ field: Int, _ message: ProtobufMessage) { put(field, bytes: message.bytes) }

    private mutating func put(_ field: Int, bytes: [UInt8]) {
        put(varint: field << 3 | 2)
        put(varint: bytes.count)
        self.bytes += bytes
    }

    /// A `google.protobuf.Timestamp`.
    mutating func put(_ field: Int, time: Int) {
        var message = ProtobufMessage()
        message.put(1, time / 1_000_000)
        message.put(2, time % 1_000_000 * 1000)
        put(field, message)
    }

    /// In hundredths, as a `confluent.type.Decimal`.
    mutating func put(_ field: Int, price: Int) {
        var message = ProtobufMessage()
        message.put(1, bytes: [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: price >> $0) })
        message.put(3, 2)
        put(field, message)
    }
}

private func column(_ name: String, _ type: PostgresType) -> Table.Column {
    Table.Column(name: name, number: 1, type: type)
}

extension PostgresType {
    fileprivate static let text = PostgresType(oid: 25, name: "text", formatted: "text")
    fileprivate static let int4 = PostgresType(oid: 23, name: "int4", formatted: "integer")
    fileprivate static let float8 = PostgresType(oid: 701, name: "float8", formatted: "double precision")
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
