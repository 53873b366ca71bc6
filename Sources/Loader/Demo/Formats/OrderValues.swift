import Records

/// What an order's event says, for formats that have types of their own. Read from its JSON, so that the event is the same
/// in each of them.
struct OrderValues {
    struct Item {
        var sku: String
        var name: String
        var quantity: Int64
        /// Hundredths.
        var unitPrice: Int64
    }

    var id = ""
    var status = ""
    /// Microseconds since 1970; and as RFC 3339 writes them.
    var createdAt: Int64
    var updatedAt: Int64
    var createdAtText = ""
    var updatedAtText = ""
    var customerID: Int64 = 0
    var customerName = ""
    var customerEmail = ""
    /// Hundredths, and as it was written.
    var total: Int64 = 0
    var totalText = ""
    var currency = ""
    var items: [Item] = []
    var street = ""
    var city = ""
    var country = ""
    var tags: [String] = []
    var note: String?
    /// The texts of arrays and objects in JSON.
    var itemsText = ""
    var shippingText = ""
    var tagsText = ""
}

/// Takes the JSON of orders apart.
struct OrderReader {
    private let decoder = JSONRecordDecoder(
        paths: [
            "order_id", "status", "created_at", "updated_at", "customer.id", "customer.name", "customer.email", "total",
            "currency", "items", "shipping", "shipping.street", "shipping.city", "shipping.country", "tags", "note",
        ].map { FieldPath($0.split(separator: ".").map(String.init)) })
    private let container = JSONContainer()

    /// - Throws: for what is no JSON.
    func values(of order: Order, _ json: [UInt8]) throws(DecodingFailure) -> OrderValues {
        let padded = json + [UInt8](repeating: 0, count: JSONRecordDecoder.padding)
        let values = padded.withUnsafeBytes { bytes -> Result<OrderValues, DecodingFailure> in
            Result { () throws(DecodingFailure) in
                try read(order, UnsafeRawBufferPointer(rebasing: bytes[..<json.count]))
            }
        }
        return try values.get()
    }

    private func read(_ order: Order, _ json: UnsafeRawBufferPointer) throws(DecodingFailure) -> OrderValues {
        let fields = try decoder.decode(json)
        container.reset()
        var values = OrderValues(createdAt: order.created, updatedAt: order.updated)
        (values.id, values.status) = (fields[0].text, fields[1].text)
        (values.createdAtText, values.updatedAtText) = (fields[2].text, fields[3].text)
        (values.customerID, values.customerName) = (Int64(fields[4].text) ?? 0, fields[5].text)
        (values.customerEmail, values.totalText) = (fields[6].text, fields[7].text)
        (values.total, values.currency) = (Self.hundredths(fields[7].text), fields[8].text)
        (values.itemsText, values.shippingText) = (fields[9].text, fields[10].text)
        (values.street, values.city, values.country) = (fields[11].text, fields[12].text, fields[13].text)
        values.tagsText = fields[14].text
        values.note = fields[15].kind == .null ? nil : fields[15].text
        values.tags = try container.elements(of: fields[14].bytes).map(\.text)
        for item in try container.elements(of: fields[9].bytes) {
            let members = try container.members(of: item.bytes)
            func text(_ name: String) -> String { members.first { $0.name == name }?.value.text ?? "" }
            values.items.append(
                OrderValues.Item(
                    sku: text("sku"), name: text("name"), quantity: Int64(text("quantity")) ?? 0,
                    unitPrice: Self.hundredths(text("unit_price"))))
        }
        return values
    }

    private static func hundredths(_ text: String) -> Int64 {
        let parts = text.split(separator: ".", maxSplits: 1)
        let whole = Int64(parts.first ?? "") ?? 0
        let rest = parts.count > 1 ? Int64(parts[1]) ?? 0 : 0
        return whole * 100 + rest
    }
}

extension Field {
    fileprivate var text: String { String(decoding: bytes, as: UTF8.self) }
}
