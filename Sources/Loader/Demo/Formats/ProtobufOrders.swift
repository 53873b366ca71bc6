/// Orders in Protobuf's binary encoding.
enum ProtobufOrders {
    static let schema = """
        syntax = "proto3";
        package demo;

        import "google/protobuf/timestamp.proto";
        import "google/type/decimal.proto";

        message Order {
          string order_id = 1;
          string status = 2;
          google.protobuf.Timestamp created_at = 3;
          google.protobuf.Timestamp updated_at = 4;
          Customer customer = 5;
          google.type.Decimal total = 6;
          string currency = 7;
          int32 item_count = 8;
          repeated Item items = 9;
          Address shipping = 10;
          repeated string tags = 11;
          optional string note = 12;

          message Customer { int64 id = 1; string name = 2; string email = 3; }
          message Item { string sku = 1; string name = 2; int32 quantity = 3; google.type.Decimal unit_price = 4; }
          message Address { string street = 1; string city = 2; string country = 3; }
        }

        """

    static func message(_ order: OrderValues) -> [UInt8] {
        var bytes = Bytes()
        bytes.append(1, order.id)
        bytes.append(2, order.status)
        bytes.append(3, time: order.createdAt)
        bytes.append(4, time: order.updatedAt)
        bytes.append(5) { customer in
            customer.append(1, order.customerID)
            customer.append(2, order.customerName)
            customer.append(3, order.customerEmail)
        }
        bytes.append(6) { $0.append(1, order.totalText) }
        bytes.append(7, order.currency)
        bytes.append(8, Int64(order.items.count))
        for item in order.items {
            bytes.append(9) { bytes in
                bytes.append(1, item.sku)
                bytes.append(2, item.name)
                bytes.append(3, item.quantity)
                bytes.append(4) { $0.append(1, hundredths(item.unitPrice)) }
            }
        }
        bytes.append(10) { shipping in
            shipping.append(1, order.street)
            shipping.append(2, order.city)
            shipping.append(3, order.country)
        }
        for tag in order.tags { bytes.append(11, tag) }
        if let note = order.note { bytes.append(12, note) }
        return bytes.bytes
    }

    private static func hundredths(_ amount: Int64) -> String {
        "\(amount / 100).\(amount % 100 < 10 ? "0" : "")\(amount % 100)"
    }

    private struct Bytes {
        var bytes: [UInt8] = []

        mutating func append(_ field: UInt64, _ number: Int64) {
            bytes.append(varint: field << 3)
            bytes.append(varint: UInt64(bitPattern: number))
        }

        mutating func append(_ field: UInt64, _ text: String) {
            bytes.append(varint: field << 3 | 2)
            bytes.append(varint: UInt64(text.utf8.count))
            bytes += text.utf8
        }

        mutating func append(_ field: UInt64, _ body: (inout Bytes) -> Void) {
            var message = Bytes()
            body(&message)
            bytes.append(varint: field << 3 | 2)
            bytes.append(varint: UInt64(message.bytes.count))
            bytes += message.bytes
        }

        /// - Parameter time: microseconds since 1970.
        mutating func append(_ field: UInt64, time: Int64) {
            append(field) { timestamp in
                timestamp.append(1, time / 1_000_000)
                timestamp.append(2, time % 1_000_000 * 1000)
            }
        }
    }
}
