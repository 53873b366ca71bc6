import Foundation
import Testing

@testable import Loader

@Suite("The demo's orders")
struct OrderEventsTests {
    private static func all(_ count: Int = 20_000, malformed: Int = 50, seed: UInt64 = 1) -> [OrderEvents.Event] {
        Array(OrderEvents(count: count, malformed: malformed, seed: seed))
    }

    @Test("the same seed gives the same events, another seed others")
    func deterministic() {
        #expect(Self.all(1000) == Self.all(1000))
        #expect(Self.all(1000) != Self.all(1000, seed: 2))
    }

    @Test(
        "as many events and broken ones as asked for, the broken ones of every kind", arguments: [0, 1, 14, 50, 1000])
    func counts(malformed: Int) {
        let events = Self.all(1000, malformed: malformed)
        #expect(events.count == 1000)
        let kinds = events.compactMap { if case .malformed(let kind) = $0.kind { kind } else { nil } }
        #expect(kinds.count == malformed)
        #expect(Set(kinds).count == min(malformed, OrderEvents.Malformation.allCases.count))
    }

    @Test("the rows to expect are the keys whose last message is an order")
    func liveOrders() {
        var events = OrderEvents(count: 20_000, malformed: 50, seed: 1)
        var live: Set<String> = []
        var tombstones = 0
        while let event = events.next() {
            switch event.kind {
            case .order: live.insert(event.key)
            case .tombstone:
                tombstones += 1
                #expect(event.value == nil && live.remove(event.key) != nil)
            case .malformed: #expect(!live.contains(event.key))
            }
        }
        #expect(events.liveOrders == live.count)
        #expect(tombstones > 100 && live.count > 3000)
    }

    @Test("orders are JSON of the shape that the demo's route reads, and their total is the sum of their items")
    func json() throws {
        var statuses: Set<String> = []
        for event in Self.all() where event.kind == .order {
            let value = try #require(event.value)
            let order = try #require(try JSONSerialization.jsonObject(with: Data(value)) as? [String: Any])
            #expect(order["order_id"] as? String == event.key)
            statuses.insert(try #require(order["status"] as? String))
            let items = try #require(order["items"] as? [[String: Any]])
            #expect(order["item_count"] as? Int == items.count)
            let sum = try items.reduce(0.0) { sum, item in
                sum + (try #require(item["unit_price"] as? Double)) * Double(try #require(item["quantity"] as? Int))
            }
            #expect(abs(sum - (try #require(order["total"] as? Double))) < 0.001)
            for field in ["created_at", "updated_at"] {
                let text = try #require(order[field] as? String)
                #expect(Self.time(text) != nil, "\(text)")
            }
        }
        #expect(statuses == ["placed", "paid", "shipped", "delivered", "cancelled", "refunded"])
    }

    @Test(
        "an order's timestamps name the time of its first and of its latest event, whatever offset they are written in")
    func timestamps() throws {
        var firstSeen: [String: Double] = [:]
        for event in Self.all() where event.kind == .order {
            let value = try #require(event.value)
            let order = try #require(try JSONSerialization.jsonObject(with: Data(value)) as? [String: Any])
            let time = Double(event.timestamp) / 1000
            let first = firstSeen[event.key, default: time]
            firstSeen[event.key] = first
            // A timestamp is cut to the digits that it shows.
            for (field, expected) in [("created_at", first), ("updated_at", time)] {
                let text = try #require(order[field] as? String)
                let written = try #require(Self.time(text))
                #expect(written <= expected + 0.001 && expected - written < 1.001, "\(text)")
            }
        }
    }

    /// Seconds since 1970, by Foundation's reading.
    private static func time(_ text: String) -> Double? {
        let withFraction = Date.ISO8601FormatStyle(includingFractionalSeconds: text.contains("."))
        return (try? withFraction.parse(text))?.timeIntervalSince1970
    }

    @Test("the values together hold unicode, escapes, surrogate pairs and offsets of half and quarter hours")
    func variety() {
        let text = Self.all(2000).compactMap { $0.value.map { String(decoding: $0, as: UTF8.self) } }.joined()
        for part in [
            "\\u00fc", "\\ud83c\\udf82", "\\\"", "\\\\", "\\n", "🙏", "東京", "+05:30\"", "+05:45\"", "-08:00\"", "Z\"",
        ] {
            #expect(text.contains(part), "\(part)")
        }
    }
}
