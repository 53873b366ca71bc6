/// Orders as lines of CSV (RFC 4180), with what is nested as JSON in a field.
enum CSVOrders {
    /// The fields, in the order of a line; deploy/demo/loader-csv.yaml names them likewise.
    static let fields = [
        "order_id", "status", "created_at", "updated_at", "customer_id", "customer_name", "customer_email", "total",
        "currency", "item_count", "items", "shipping", "country", "tags", "note",
    ]

    static func line(_ order: OrderValues) -> String {
        let values = [
            order.id, order.status, order.createdAtText, order.updatedAtText, String(order.customerID),
            order.customerName, order.customerEmail, order.totalText, order.currency, String(order.items.count),
            order.itemsText, order.shippingText, order.country, order.tagsText,
        ]
        // No quotes at all are null, which an empty text is not.
        return values.map(quoted).joined(separator: ",") + "," + (order.note.map(quoted) ?? "") + "\r\n"
    }

    private static func quoted(_ text: String) -> String {
        let isPlain = !text.isEmpty && !text.utf8.contains { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }
        return isPlain ? text : "\"" + text.replacing("\"", with: "\"\"") + "\""
    }
}
