import Foundation
import Kafka

/// The changes of a shop's database as Debezium's connector for PostgreSQL tells them, with its defaults, in JSON without schemas.
///
/// So a price is the base64 of its digits, a date a number of days; a long text that an update leaves alone is not told but
/// by a placeholder; a key that changes is a delete and a creation. The same seed and the same shop give the same changes.
struct ShopChanges {
    struct Message: Equatable {
        let table: Shop.Table
        let key: String
        /// Nil for a tombstone.
        let value: String?
        let headers: [Header]
    }

    /// How often what has happened.
    struct Counts: Equatable {
        var created = 0
        var updated = 0
        var deleted = 0
        var movedKeys = 0
        /// Events without the value of a column.
        var withoutValues = 0
    }

    private(set) var shop: Shop
    private(set) var counts = Counts()
    private var random: SplitMix64
    private var customers: [Int64]
    private var orders: [Int64]
    private var lastCustomer: Int64
    private var lastOrder: Int64
    /// Of the last change in the database's log.
    private var position: Int64
    /// Microseconds since 1970.
    private var clock: Int64

    /// - Parameter clock: when the first change is made, in microseconds since 1970.
    init(of shop: Shop, seed: UInt64, at clock: Int64) {
        self.shop = shop
        self.clock = clock
        position = clock / 16
        random = SplitMix64(state: seed)
        customers = shop.customers.keys.sorted()
        orders = shop.orders.keys.sorted()
        lastCustomer = customers.last ?? 0
        lastOrder = orders.last ?? 0
    }

    /// The next change: most are one message, a delete is two, a key that changes three.
    mutating func next() -> [Message] {
        clock += Int64(1 + random.below(200_000))
        position += 48
        let choice = customers.count < 50 ? 0 : random.below(100)
        switch choice {
        case 0..<12: return addCustomer()
        case 12..<40: return addOrder()
        case 40..<72: return orders.isEmpty ? addOrder() : advanceOrder()
        case 72..<88: return changeCustomer()
        case 88..<90: return moveCustomer()
        case 90..<92: return removeCustomer()
        default: return orders.isEmpty ? addOrder() : removeOrder()
        }
    }

    // MARK: Changes

    private mutating func addCustomer() -> [Message] {
        lastCustomer += 1
        return put(Shop.Customer(id: lastCustomer, at: clock, random: &random))
    }

    private mutating func put(_ customer: Shop.Customer, headers: [Header] = []) -> [Message] {
        shop.customers[customer.id] = customer
        customers.append(customer.id)
        counts.created += 1
        return [message(.customers, customer.id, "c", after: customer.json(), headers: headers)]
    }

    private mutating func changeCustomer() -> [Message] {
        let id = random.element(customers)
        guard var customer = shop.customers[id] else { return [] }
        let old = customer
        customer.change(at: clock, random: &random)
        shop.customers[id] = customer
        counts.updated += 1
        let isTold = customer.profile != old.profile || !Shop.isOutOfLine(customer.profile)
        if !isTold { counts.withoutValues += 1 }
        let after = isTold ? customer.json() : customer.json(profile: Self.unavailable)
        return [message(.customers, id, "u", after: after)]
    }

    /// Two accounts become one: the row gets another key.
    private mutating func moveCustomer() -> [Message] {
        let id = Self.take(&customers, &random)
        guard var customer = shop.customers.removeValue(forKey: id) else { return [] }
        lastCustomer += 1
        customer.id = lastCustomer
        // With a new profile, or the event of the new key would be without it, and nothing else would ever tell it.
        customer.rewriteProfile(at: clock, random: &random)
        counts.movedKeys += 1
        counts.deleted += 1
        let deletion = delete(.customers, id, headers: [Header("__debezium.newkey", #"{"id":\#(customer.id)}"#)])
        return deletion + put(customer, headers: [Header("__debezium.oldkey", #"{"id":\#(id)}"#)])
    }

    private mutating func removeCustomer() -> [Message] {
        let id = Self.take(&customers, &random)
        shop.customers[id] = nil
        counts.deleted += 1
        return delete(.customers, id)
    }

    private mutating func addOrder() -> [Message] {
        lastOrder += 1
        let id = lastOrder
        let order = Shop.Order(id: id, customer: random.element(customers), at: clock, random: &random)
        shop.orders[id] = order
        orders.append(id)
        counts.created += 1
        return [message(.orders, id, "c", after: order.json())]
    }

    private mutating func advanceOrder() -> [Message] {
        let id = random.element(orders)
        guard var order = shop.orders[id] else { return [] }
        order.advance(random: &random)
        shop.orders[id] = order
        counts.updated += 1
        guard Shop.isOutOfLine(order.note ?? "") else { return [message(.orders, id, "u", after: order.json())] }
        counts.withoutValues += 1
        return [message(.orders, id, "u", after: order.json(note: Self.unavailable))]
    }

    private mutating func removeOrder() -> [Message] {
        let id = Self.take(&orders, &random)
        shop.orders[id] = nil
        counts.deleted += 1
        return delete(.orders, id)
    }

    /// Takes one of them out.
    private static func take(_ ids: inout [Int64], _ random: inout SplitMix64) -> Int64 {
        ids.swapAt(random.below(ids.count), ids.count - 1)
        return ids.removeLast()
    }

    // MARK: Messages

    static let unavailable = "__debezium_unavailable_value"

    private func delete(_ table: Shop.Table, _ id: Int64, headers: [Header] = []) -> [Message] {
        let deletion = message(table, id, "d", before: table.keyAlone(id), after: "null", headers: headers)
        return [deletion, Message(table: table, key: deletion.key, value: nil, headers: [])]
    }

    private func message(
        _ table: Shop.Table, _ id: Int64, _ operation: String, before: String = "null", after: String,
        headers: [Header] = []
    ) -> Message {
        let milliseconds = clock / 1000
        let source =
            #"{"version":"3.2.0.Final","connector":"postgresql","name":"demo","ts_ms":\#(milliseconds),"#
            + #""snapshot":"false","db":"shop","schema":"shop","table":"\#(table)","txId":\#(position / 96),"#
            + #""lsn":\#(position),"xmin":null}"#
        return Message(
            table: table, key: #"{"id":\#(id)}"#,
            value: #"{"before":\#(before),"after":\#(after),"source":\#(source),"transaction":null,"#
                + #""op":"\#(operation)","ts_ms":\#(milliseconds + 40)}"#,
            headers: headers)
    }
}
