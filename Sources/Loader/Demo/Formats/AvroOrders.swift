/// Orders in Avro's binary encoding.
enum AvroOrders {
    static let schema = """
        {"type": "record", "name": "Order", "namespace": "demo", "fields": [
          {"name": "order_id", "type": "string", "doc": "The shop's number, the message's key"},
          {"name": "status", "type": "string"},
          {"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
          {"name": "updated_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
          {"name": "customer", "type": {"type": "record", "name": "Customer", "fields": [
            {"name": "id", "type": "long"}, {"name": "name", "type": "string"}, {"name": "email", "type": "string"}]}},
          {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
          {"name": "currency", "type": "string"},
          {"name": "item_count", "type": "int"},
          {"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "Item", "fields": [
            {"name": "sku", "type": "string"}, {"name": "name", "type": "string"}, {"name": "quantity", "type": "int"},
            {"name": "unit_price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}}]}}},
          {"name": "shipping", "type": {"type": "record", "name": "Address", "fields": [
            {"name": "street", "type": "string"}, {"name": "city", "type": "string"},
            {"name": "country", "type": "string"}]}},
          {"name": "tags", "type": {"type": "array", "items": "string"}},
          {"name": "note", "type": ["null", "string"], "default": null}]}
        """

    static func message(_ order: OrderValues) -> [UInt8] {
        var bytes = Bytes()
        bytes.append(order.id)
        bytes.append(order.status)
        bytes.append(order.createdAt)
        bytes.append(order.updatedAt)
        bytes.append(order.customerID)
        bytes.append(order.customerName)
        bytes.append(order.customerEmail)
        bytes.append(decimal: order.total)
        bytes.append(order.currency)
        bytes.append(Int64(order.items.count))
        bytes.append(block: order.items) { bytes, item in
            bytes.append(item.sku)
            bytes.append(item.name)
            bytes.append(item.quantity)
            bytes.append(decimal: item.unitPrice)
        }
        for text in [order.street, order.city, order.country] { bytes.append(text) }
        bytes.append(block: order.tags) { bytes, tag in bytes.append(tag) }
        bytes.append(Int64(order.note == nil ? 0 : 1))
        if let note = order.note { bytes.append(note) }
        return bytes.bytes
    }

    private struct Bytes {
        var bytes: [UInt8] = []

        /// Zigzag, seven bits a byte, the lowest first.
        mutating func append(_ number: Int64) {
            bytes.append(varint: UInt64(bitPattern: number << 1 ^ number >> 63))
        }

        mutating func append(_ text: String) {
            append(Int64(text.utf8.count))
            bytes += text.utf8
        }

        /// Two's complement, the highest byte first.
        mutating func append(decimal hundredths: Int64) {
            append(8 as Int64)
            bytes += withUnsafeBytes(of: hundredths.bigEndian) { Array($0) }
        }

        mutating func append<Element>(block elements: [Element], _ body: (inout Bytes, Element) -> Void) {
            if !elements.isEmpty { append(Int64(elements.count)) }
            for element in elements { body(&self, element) }
            append(0 as Int64)
        }
    }
}

extension [UInt8] {
    mutating func append(varint number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }
}
