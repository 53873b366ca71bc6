/// A shop's order events as a real topic holds them: orders that go through their states, later messages about the same
/// key, tombstones, and a few messages that are broken in all the usual ways.
///
/// The same seed gives the same events. The key is the order's id, and the value a JSON object like this:
///
///     {"order_id":"ORD-1042","status":"paid","created_at":"2025-03-01T10:15:30.123456+02:00","updated_at":"…",
///      "customer":{"id":81237,"name":"Zoë Müller","email":"zoe@example.org"},"total":123.45,"currency":"EUR",
///      "item_count":3,"items":[{"sku":"A-17","name":"…","quantity":2,"unit_price":12.50}],
///      "shipping":{"street":"…","city":"…","country":"DE"},"tags":["express"],"note":"…"}
struct OrderEvents: Sequence, IteratorProtocol {
    struct Event: Equatable {
        enum Kind: Equatable {
            case order
            case tombstone
            case malformed(Malformation)
        }

        let kind: Kind
        let key: String
        /// Nil for a tombstone.
        let value: [UInt8]?
        /// Milliseconds since 1970.
        let timestamp: Int64
        /// What an order's value says, for other formats; nil for all else.
        var order: Order?
    }

    /// What is wrong with a malformed message.
    enum Malformation: CaseIterable {
        case truncated, notJSON, invalidUTF8, nulCharacter, wrongType, missingField, nullField, outOfRange, fraction
        case tooLong, invalidTimestamp, unknownStatus, negativeTotal, tooDeep
    }

    private let count: Int
    private let malformedCount: Int
    private var random: SplitMix64
    private var index = 0
    private var open: [Order] = []
    private var lastID: Int64 = 1000
    private var clock: Int64 = 1_740_800_000_000_000  // microseconds since 1970: 1 March 2025
    /// How many rows the events so far leave in a table.
    private(set) var liveOrders = 0

    /// - Parameter malformed: how many of the `count` events are broken, spread evenly.
    init(count: Int, malformed: Int, seed: UInt64) {
        self.count = count
        malformedCount = Swift.min(malformed, count)
        random = SplitMix64(state: seed)
    }

    mutating func next() -> Event? {
        guard index < count else { return nil }
        defer { index += 1 }
        clock += Int64(random.below(400_000))
        let isMalformed = (index + 1) * malformedCount / count > index * malformedCount / count
        if isMalformed {
            let kinds = Malformation.allCases
            return malformed(kinds[(index * malformedCount / count) % kinds.count])
        }
        if open.count < 100 || random.below(100) < 27 {
            lastID += 1
            liveOrders += 1
            let order = Order(id: lastID, createdAt: clock, random: &random)
            open.append(order)
            return event(order)
        }
        let place = random.below(open.count)
        let hasNext = open[place].advance(at: clock, random: &random)
        let order = open[place]
        if !hasNext {
            open.swapAt(place, open.count - 1)
            open.removeLast()
        }
        guard order.status != .purged else {
            liveOrders -= 1
            return Event(kind: .tombstone, key: order.key, value: nil, timestamp: clock / 1000)
        }
        return event(order)
    }

    private func event(_ order: Order) -> Event {
        Event(
            kind: .order, key: order.key, value: Array(order.json().utf8), timestamp: clock / 1000, order: order)
    }

    /// A message about an order that has no other, so that what it should have done is missing nowhere.
    private mutating func malformed(_ kind: Malformation) -> Event {
        let order = Order(id: 900_000_000 + Int64(index), createdAt: clock, random: &random)
        let value: [UInt8]
        switch kind {
        case .truncated: value = Array(order.json().utf8.prefix(200))
        case .notJSON: value = Array("<html><body>502 Bad Gateway</body></html>".utf8)
        case .invalidUTF8:
            // "café" in Latin-1.
            value = Array(order.json(note: "\"caf?\"").utf8).map { $0 == UInt8(ascii: "?") ? 0xE9 : $0 }
        case .nulCharacter: value = Array(order.json(note: "\"a\\u0000b\"").utf8)
        case .wrongType: value = Array(order.json(total: "{\"amount\":12}").utf8)
        case .missingField: value = Array(order.json(total: "").utf8)
        case .nullField: value = Array(order.json(total: "null").utf8)
        case .outOfRange: value = Array(order.json(customerID: "92233720368547758070").utf8)
        case .fraction: value = Array(order.json(itemCount: "2.5").utf8)
        case .tooLong: value = Array(order.json(currency: "EURO").utf8)
        case .invalidTimestamp: value = Array(order.json(createdAt: "2025-02-30T10:00:00Z").utf8)
        case .unknownStatus: value = Array(order.json(status: "teleported").utf8)
        case .negativeTotal: value = Array(order.json(total: "-1.00").utf8)
        case .tooDeep:
            let depth = 10_000
            let nested = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            value = Array(order.json(note: nested).utf8)
        }
        return Event(kind: .malformed(kind), key: order.key, value: value, timestamp: clock / 1000)
    }
}

/// Steele, Lea and Flood's generator: fast, and the same everywhere, which the standard library's is not.
///
/// https://doi.org/10.1145/2714064.2660195
struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }

    /// 0..<limit. `limit` is so much smaller than 2^64 that the bias does not matter here.
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

    mutating func element<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}
