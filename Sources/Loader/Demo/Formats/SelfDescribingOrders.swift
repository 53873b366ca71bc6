/// Orders in the formats that say of each value what it is.
enum SelfDescribingOrders {
    static func message(_ order: OrderValues, _ writer: some SelfDescribingWriter) -> [UInt8] {
        var writer = writer
        writer.map(12)
        for (name, text) in [("order_id", order.id), ("status", order.status), ("currency", order.currency)] {
            writer.text(name)
            writer.text(text)
        }
        for (name, time) in [("created_at", order.createdAt), ("updated_at", order.updatedAt)] {
            writer.text(name)
            writer.time(time)
        }
        writer.text("customer")
        writer.map(3)
        writer.text("id")
        writer.integer(order.customerID)
        for (name, text) in [("name", order.customerName), ("email", order.customerEmail)] {
            writer.text(name)
            writer.text(text)
        }
        writer.text("total")
        writer.decimal(hundredths: order.total)
        writer.text("item_count")
        writer.integer(Int64(order.items.count))
        writer.text("items")
        items(order.items, &writer)
        writer.text("shipping")
        writer.map(3)
        for (name, text) in [("street", order.street), ("city", order.city), ("country", order.country)] {
            writer.text(name)
            writer.text(text)
        }
        writer.text("tags")
        writer.list(order.tags.count)
        for tag in order.tags { writer.text(tag) }
        writer.text("note")
        if let note = order.note { writer.text(note) } else { writer.null() }
        return writer.bytes
    }

    private static func items(_ items: [OrderValues.Item], _ writer: inout some SelfDescribingWriter) {
        writer.list(items.count)
        for item in items {
            writer.map(4)
            for (name, text) in [("sku", item.sku), ("name", item.name)] {
                writer.text(name)
                writer.text(text)
            }
            writer.text("quantity")
            writer.integer(item.quantity)
            writer.text("unit_price")
            writer.decimal(hundredths: item.unitPrice)
        }
    }
}

/// Writes values one behind the other, containers before what is in them.
protocol SelfDescribingWriter {
    var bytes: [UInt8] { get }

    mutating func map(_ count: Int)
    mutating func list(_ count: Int)
    mutating func text(_ text: String)
    mutating func integer(_ number: Int64)
    mutating func decimal(hundredths: Int64)
    /// - Parameter time: microseconds since 1970.
    mutating func time(_ time: Int64)
    mutating func null()
}

/// https://github.com/msgpack/msgpack/blob/master/spec.md
struct MessagePackWriter: SelfDescribingWriter {
    private(set) var bytes: [UInt8] = []

    mutating func map(_ count: Int) { append(0xDE, UInt16(count)) }
    mutating func list(_ count: Int) { append(0xDC, UInt16(count)) }

    mutating func text(_ text: String) {
        append(0xDA, UInt16(text.utf8.count))
        bytes += text.utf8
    }

    mutating func integer(_ number: Int64) { append(0xD3, number) }

    /// There is no decimal; a text keeps all digits.
    mutating func decimal(hundredths: Int64) {
        text("\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)")
    }

    /// The extension -1 of eight bytes: 30 bits of nanoseconds, 34 of seconds.
    mutating func time(_ time: Int64) {
        bytes += [0xD7, 0xFF]
        let word = UInt64(time % 1_000_000 * 1000) << 34 | UInt64(time / 1_000_000)
        bytes += withUnsafeBytes(of: word.bigEndian) { Array($0) }
    }

    mutating func null() { bytes.append(0xC0) }

    private mutating func append<Word: FixedWidthInteger>(_ code: UInt8, _ word: Word) {
        bytes.append(code)
        bytes += withUnsafeBytes(of: word.bigEndian) { Array($0) }
    }
}

/// RFC 8949.
struct CBORWriter: SelfDescribingWriter {
    private(set) var bytes: [UInt8] = []

    mutating func map(_ count: Int) { append(5, UInt64(count)) }
    mutating func list(_ count: Int) { append(4, UInt64(count)) }

    mutating func text(_ text: String) {
        append(3, UInt64(text.utf8.count))
        bytes += text.utf8
    }

    mutating func integer(_ number: Int64) {
        if number < 0 { append(1, UInt64(-1 - number)) } else { append(0, UInt64(number)) }
    }

    /// A decimal fraction, tag 4: an exponent and a number.
    mutating func decimal(hundredths: Int64) {
        append(6, 4)
        list(2)
        integer(-2)
        integer(hundredths)
    }

    /// Seconds, tag 1, as a double where there is a fraction: 53 bits hold microseconds until 2255.
    mutating func time(_ time: Int64) {
        append(6, 1)
        guard time % 1_000_000 != 0 else { return integer(time / 1_000_000) }
        bytes.append(0xFB)
        bytes += withUnsafeBytes(of: (Double(time) / 1_000_000).bitPattern.bigEndian) { Array($0) }
    }

    mutating func null() { bytes.append(0xF6) }

    /// A major type with its number, in as few bytes as hold it.
    private mutating func append(_ major: UInt8, _ number: UInt64) {
        switch number {
        case 0..<24: bytes.append(major << 5 | UInt8(number))
        case 24..<256: bytes += [major << 5 | 24, UInt8(number)]
        case 256..<65_536:
            bytes.append(major << 5 | 25)
            bytes += withUnsafeBytes(of: UInt16(number).bigEndian) { Array($0) }
        case 65_536..<4_294_967_296:
            bytes.append(major << 5 | 26)
            bytes += withUnsafeBytes(of: UInt32(number).bigEndian) { Array($0) }
        default:
            bytes.append(major << 5 | 27)
            bytes += withUnsafeBytes(of: number.bigEndian) { Array($0) }
        }
    }
}
