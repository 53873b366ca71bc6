import Postgres

/// The shop's own tables, in the schema `shop` of the demo's database: what a replica is held against.
struct ShopTables {
    let connection: Connection

    /// The shop as its tables have it.
    func read() throws -> Shop {
        var shop = Shop()
        let customers = try connection.query(
            """
            SELECT id, name, email, country, (credit * 100)::bigint, born - date '1970-01-01', profile,
              (extract(epoch FROM updated_at) * 1000000)::bigint FROM shop.customers
            """)
        for row in 0..<customers.rowCount {
            guard let id = customers.int(row, 0), let credit = customers.int(row, 4), let born = customers.int(row, 5),
                let updatedAt = customers.int(row, 7)
            else { continue }
            let texts = [1, 2, 3, 6].map { customers.string(row, $0) ?? "" }
            shop.customers[id] = Shop.Customer(
                id: id, name: texts[0], email: texts[1], country: texts[2], credit: credit, born: born,
                profile: texts[3], updatedAt: updatedAt)
        }
        let orders = try connection.query(
            """
            SELECT id, customer_id, status, (total * 100)::bigint, ordered_on - date '1970-01-01', note FROM shop.orders
            """)
        for row in 0..<orders.rowCount {
            guard let id = orders.int(row, 0), let customer = orders.int(row, 1), let total = orders.int(row, 3),
                let day = orders.int(row, 4)
            else { continue }
            shop.orders[id] = Shop.Order(
                id: id, customerID: customer, status: orders.string(row, 2) ?? "", total: total, orderedOn: day,
                note: orders.string(row, 5))
        }
        return shop
    }

    /// Makes the tables what the shop is now.
    func write(_ shop: Shop) throws {
        try connection.execute("BEGIN; TRUNCATE shop.customers, shop.orders")
        try insert(
            "shop.customers",
            "name text, email text, country text, credit bigint, born int, profile text, updated_at bigint",
            "name, email, country, credit / 100.0, date '1970-01-01' + born, profile, "
                + "timestamptz 'epoch' + updated_at * interval '1 microsecond'",
            shop.customers.values.map { customer in
                #"{"id":\#(customer.id),"name":\#(jsonString(customer.name)),"email":\#(jsonString(customer.email)),"#
                    + #""country":"\#(customer.country)","credit":\#(customer.credit),"born":\#(customer.born),"#
                    + #""profile":\#(jsonString(customer.profile)),"updated_at":\#(customer.updatedAt)}"#
            })
        try insert(
            "shop.orders", "customer_id bigint, status text, total bigint, ordered_on int, note text",
            "customer_id, status, total / 100.0, date '1970-01-01' + ordered_on, note",
            shop.orders.values.map { order in
                #"{"id":\#(order.id),"customer_id":\#(order.customerID),"status":"\#(order.status)","#
                    + #""total":\#(order.total),"ordered_on":\#(order.orderedOn),"#
                    + #""note":\#(order.note.map(jsonString) ?? "null")}"#
            })
        try connection.execute("COMMIT")
    }

    /// - Parameters:
    ///   - fields: of the rows' JSON, besides the id.
    ///   - values: what the columns behind the id are made of.
    private func insert(_ table: String, _ fields: String, _ values: String, _ rows: [String]) throws {
        var start = 0
        while start < rows.count {
            let end = min(start + 1000, rows.count)
            _ = try connection.query(
                "INSERT INTO \(table) SELECT id, \(values) FROM json_to_recordset($1::json) AS row (id bigint, \(fields))",
                [.text("[" + rows[start..<end].joined(separator: ",") + "]")])
            start = end
        }
    }
}
