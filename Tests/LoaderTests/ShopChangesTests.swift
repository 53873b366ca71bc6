import Foundation
import Testing

@testable import Loader

@Suite("The demo's changes")
struct ShopChangesTests {
    private static func made(_ seed: UInt64 = 1) -> ShopChanges {
        ShopChanges(of: Shop(), seed: seed, at: 1_740_800_000_000_000)
    }

    @Test("the same seed makes the same changes, another seed others, and they go on with the shop as it is")
    func seeds() {
        var (one, same, other) = (Self.made(), Self.made(), Self.made(2))
        let first = (0..<500).map { _ in one.next() }
        #expect(first == (0..<500).map { _ in same.next() })
        #expect(first != (0..<500).map { _ in other.next() })
        #expect(one.shop == same.shop)
        var later = ShopChanges(of: one.shop, seed: 1, at: 1_740_900_000_000_000)
        for message in (0..<500).flatMap({ _ in later.next() }) where message.value?.contains(#""op":"c""#) ?? false {
            #expect(!first.joined().contains { $0.key == message.key && $0.table == message.table })
        }
    }

    @Test("events are JSON of Debezium's, and who does what they say has the shop's keys")
    func events() throws {
        var changes = Self.made()
        var keys: [Shop.Table: Set<String>] = [:]
        var operations: [String: Int] = [:]
        for _ in 0..<5000 {
            for message in changes.next() {
                guard let value = message.value else {
                    operations["tombstone", default: 0] += 1
                    #expect(!keys[message.table, default: []].contains(message.key))
                    continue
                }
                let event = try #require(
                    try JSONSerialization.jsonObject(with: Data(value.utf8)) as? [String: Any])
                let operation = try #require(event["op"] as? String)
                operations[operation, default: 0] += 1
                let row = try #require((event["after"] as? [String: Any]) ?? (event["before"] as? [String: Any]))
                #expect(message.key == #"{"id":\#(try #require(row["id"] as? Int))}"#)
                if operation == "d" {
                    keys[message.table]?.remove(message.key)
                } else {
                    keys[message.table, default: []].insert(message.key)
                }
            }
        }
        #expect(keys[.customers] == Set(changes.shop.customers.keys.map { #"{"id":\#($0)}"# }))
        #expect(keys[.orders] == Set(changes.shop.orders.keys.map { #"{"id":\#($0)}"# }))
        #expect(operations["c"] == changes.counts.created && operations["u"] == changes.counts.updated)
        #expect(operations["d"] == changes.counts.deleted && operations["tombstone"] == changes.counts.deleted)
        #expect(changes.counts.withoutValues > 200 && changes.counts.movedKeys > 20)
    }

    @Test("amounts are the fewest bytes of their hundredths, times have all of their digits")
    func values() {
        #expect(Shop.decimal(150) == "AJY=" && Shop.decimal(-150) == "/2o=" && Shop.decimal(0) == "AA==")
        #expect(Shop.instant(1_529_507_596_945_104) == "2018-06-20T15:13:16.945104Z")
        #expect(Shop.instant(1_529_507_596_000_004) == "2018-06-20T15:13:16.000004Z")
    }
}
