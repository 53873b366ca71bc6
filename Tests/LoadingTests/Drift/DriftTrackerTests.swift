import Kafka
import LoadingFixtures
import Postgres
import Records
import TestSupport
import Testing

@testable import Loading

@Suite("Messages and routes that drift apart")
struct DriftTrackerTests {
    /// Feeds messages as a running loader does, a look now and then, and keeps what is told.
    private final class Watch {
        var tracker: DriftTracker
        private var offset: Int64 = 0
        private let batch = Batch()
        private let range: Int32

        init(_ targets: Target...) {
            tracker = DriftTracker(targets)
            range = batch.addRange(of: TopicPartition(topic: "orders", partition: 0), expected: 0)
        }

        /// `+ new: coupon, gift`, `- vanished: total`.
        func look(_ messages: [String], each size: Int = 50) -> [String] {
            var told: [String] = []
            for (index, message) in messages.enumerated() {
                Array(message.utf8).withUnsafeBytes { bytes in
                    tracker.look(
                        at: batch.append(
                            value: bytes, key: UnsafeRawBufferPointer(start: nil, count: 0), offset: offset,
                            range: range), in: batch)
                }
                offset += 1
                if (index + 1) % size == 0 || index == messages.count - 1 { told += tracker.events().map(\.told) }
            }
            return told
        }

        func look(_ message: String, times count: Int) -> [String] {
            look(Array(repeating: message, count: count))
        }

        var notes: [DriftNote] { tracker.notes.flatMap(\.self) }
    }

    private func target(_ route: Route = .made(), _ columns: Table.Column...) throws -> Target {
        try .made(route, .made([.made("id", .int8)] + columns))
    }

    @Test("a field that nobody takes and that comes while it runs is told once, by name, with the column that it needs")
    func new() throws {
        let watch = Watch(try target())
        #expect(watch.look(#"{"id": 1}"#, times: 10) == [])
        #expect(watch.look(#"{"id": 1, "coupon": "a", "gift": true}"#, times: 1000) == ["+ new: coupon, gift"])
        #expect(watch.notes.map(\.field) == ["coupon", "gift"])
        #expect(watch.notes.map(\.place) == ["orders[0]@10", "orders[0]@10"])
        #expect(watch.notes[0].mend == additions([.init(name: "coupon", type: "text")]))
        // Known by now.
        #expect(watch.look(#"{"id": 1}"#, times: 50) + watch.look(#"{"id": 1, "coupon": "a"}"#, times: 50) == [])
    }

    @Test("of change events the row is looked at, whole or unwrapped, and not what is around it; deletions say nothing")
    func changeEvents() throws {
        var route = Route.made()
        route.envelopeOptions.form = .debezium
        let watch = Watch(try target(route, .made("total")))
        func event(_ row: String) -> String {
            #"{"before": null, "after": \#(row), "source": {"lsn": 1}, "op": "u", "ts_ms": 1}"#
        }
        let deletion = #"{"before": {"id": 1, "gone": 2}, "after": null, "source": {"lsn": 1}, "op": "d", "ts_ms": 1}"#
        #expect(watch.look(event(#"{"id": 1, "total": "2"}"#), times: 20) == [])
        #expect(watch.look(deletion, times: 500) == [])
        #expect(watch.look(#"{"id": 1, "total": "2", "__op": "u", "__deleted": "false"}"#, times: 20) == [])
        #expect(watch.look(event(#"{"id": 1, "total": "2", "coupon": "a"}"#), times: 20) == ["+ new: coupon"])
        #expect(watch.look(event(#"{"id": 1}"#), times: 400) == ["+ vanished: total", "- new: coupon"])
    }

    @Test("what holds a route's elements is taken, and their fields are no fields of the message")
    func elements() throws {
        var route = Route.made(columns: [.init(name: "id", source: .parent(levels: 1, FieldPath(["id"])))])
        route.each = ElementPath(parsing: "items")
        let watch = Watch(try target(route, .made("sku")))
        #expect(watch.look(#"{"id": 1, "items": [{"sku": "a", "n": 1}]}"#, times: 500) == [])
        #expect(watch.look(#"{"id": 1, "items": [{"sku": "a"}], "note": "x"}"#, times: 20) == ["+ new: note"])
    }

    @Test("in Avro the fields of a schema that nobody takes are told, with the types that its values have")
    func avro() throws {
        let schema = try AvroSchema(
            """
            {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"},
              {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
              {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}
            """)
        var target = try target()
        target.messageFormat = .avro(schema)
        var tracker = DriftTracker([target])
        let batch = Batch.holding([(nil, [2, 4, 4, 0xD2, 0x80, 0x80, 0xE2, 0xB3, 0xE0, 0x67])])
        tracker.look(at: 0, in: batch)
        let events = tracker.events()
        #expect(events.map(\.told) == ["+ unrouted: price, at"])
        #expect(
            events.first?.mend
                == additions([.init(name: "price", type: "numeric"), .init(name: "at", type: "timestamptz")]))
    }

    /// What loads a field that nobody takes.
    private func additions(
        _ columns: [Mend.Additions.Column] = [], _ mappings: [Mend.Additions.Mapping] = [],
        isOtherSpelling: Bool = false
    ) -> Mend {
        .drift(
            .take(
                Mend.Additions(
                    table: TableName(schema: "public", name: "orders"), route: "routes[0]", columns: columns,
                    mappings: mappings, isOtherSpelling: isOtherSpelling)))
    }

    @Test("what nobody took from the beginning is told once, and is not new")
    func unrouted() throws {
        let watch = Watch(try target())
        #expect(watch.look(#"{"id": 1, "a": 1, "b": {"c": 2}}"#, times: 500) == ["+ unrouted: a, b"])
        #expect(watch.notes.map(\.kind) == [.unrouted, .unrouted])
    }

    @Test(
        "the mend is what `infer` would propose, and says what the route needs for it",
        arguments: [
            (
                #""orderNote": "x""#, .init(name: "order_note", type: "text"),
                [.init(column: "order_note", field: "orderNote")]
            ),
            (
                #""createdAt": 1767225600000"#, .init(name: "created_at", type: "timestamptz"),
                [.init(column: "created_at", field: "createdAt", unit: .milliseconds)]
            ),
            (#""tags": [1]"#, .init(name: "tags", type: "jsonb"), []),
            (#""select": 1.5"#, .init(name: "select", type: "numeric"), []),
        ] as [(String, Mend.Additions.Column, [Mend.Additions.Mapping])])
    func mend(member: String, column: Mend.Additions.Column, mappings: [Mend.Additions.Mapping]) throws {
        let watch = Watch(try target())
        _ = watch.look(#"{"id": 1}"#, times: 5)
        #expect(watch.look("{\"id\": 1, \(member)}", times: 5).count == 1)
        #expect(watch.notes.first?.mend == additions([column], mappings), "\(watch.notes)")
    }

    @Test("a column that gets nothing and has nearly the name is named in place of a new one")
    func idleColumn() throws {
        let watch = Watch(try target(.made(), .made("customer_name"), .made("note")))
        _ = watch.look(#"{"id": 1}"#, times: 5)
        #expect(watch.look(#"{"id": 1, "customerName": "x", "code": "y"}"#, times: 5) == ["+ new: customerName, code"])
        #expect(watch.notes.map(\.column) == ["customer_name", nil])
        #expect(
            watch.notes[0].mend
                == additions([], [.init(column: "customer_name", field: "customerName")], isOtherSpelling: true))
    }

    private func vanished(_ note: DriftNote) -> Mend.Vanished? {
        if case .drift(.vanished(let vanished)) = note.mend { vanished } else { nil }
    }

    @Test("a field that a column takes and that vanishes is told once, with what comes of it, and its return once")
    func vanished() throws {
        let watch = Watch(
            try target(
                .made(), .made("total", .numeric), .made("must", isNotNull: true), .made("filled", default: "'x'")))
        _ = watch.look(#"{"id": 1, "total": 2, "must": "m", "filled": "f"}"#, times: 100)
        #expect(watch.look(#"{"id": 1}"#, times: 5000) == ["+ vanished: total, must, filled"])
        #expect(watch.notes.map(\.place) == Array(repeating: "orders[0]@99", count: 3))
        #expect(
            watch.notes.map { vanished($0)?.consequence } == [.null(overwrites: false), .deadLetters, .tablesDefault])
        #expect(watch.notes.allSatisfy { vanished($0)?.successor == nil })
        #expect(watch.look(#"{"id": 1, "total": null}"#, times: 100) == ["- vanished: total"])
        #expect(watch.notes.map(\.field) == ["must", "filled"])
    }

    @Test(
        "a field that was renamed is told as gone with the one that came for it, and as new with the column it is for")
    func renamed() throws {
        let watch = Watch(try target(.made(mode: .insert), .made("customer_name")))
        _ = watch.look(#"{"id": 1, "customer_name": "a"}"#, times: 100)
        let told = watch.look(#"{"id": 1, "customerName": "a"}"#, times: 1000)
        #expect(told == ["+ new: customerName", "+ vanished: customer_name"])
        #expect(watch.notes.first?.column == "customer_name")
        #expect(
            watch.notes.first?.mend
                == additions([], [.init(column: "customer_name", field: "customerName")], isOtherSpelling: true))
        #expect(watch.notes.last.flatMap(vanished)?.successor == "customerName")
        #expect(watch.notes.last.flatMap(vanished)?.isOtherSpelling == true)
    }

    @Test("a column whose field only some messages have is named for a field of nearly its name")
    func twoSpellings() throws {
        let watch = Watch(try target(.made(), .made("customer_name")))
        let both = (0..<20).map { #"{"id": 1, "\#($0 % 2 == 0 ? "customerName" : "customer_name")": "a"}"# }
        #expect(watch.look(both) == ["+ unrouted: customerName"])
        #expect(watch.notes.map(\.column) == ["customer_name"])
    }

    @Test("values of another kind are told once, with the column's type and a statement for it")
    func changed() throws {
        let watch = Watch(try target(.made(), .made("total", .numeric), .made("doc", .jsonb), .made("a", .text)))
        _ = watch.look(#"{"id": 1, "total": 2, "doc": {"x": 1}, "a": "x"}"#, times: 100)
        let told = watch.look(#"{"id": 1, "total": "many", "doc": "x", "a": [1]}"#, times: 500)
        #expect(told == ["+ changed: total, doc, a"])
        #expect(watch.notes[0].words == "number → string, for a column of numeric")
        let changes = watch.notes.compactMap { note -> Mend.Changed? in
            if case .drift(.changed(let changed)) = note.mend { changed } else { nil }
        }
        #expect(changes.map(\.column) == ["total", "doc", "a"])
        #expect(changes.map(\.type) == ["text", nil, "jsonb"])
        #expect(changes.map(\.conversion) == [nil, nil, "to_jsonb($)"])
        #expect(watch.look(#"{"id": 1, "total": 3, "doc": {}, "a": "x"}"#, times: 500) == ["- changed: total, doc, a"])
        #expect(watch.notes.isEmpty)
    }

    @Test("optional fields that come and go are no news", arguments: 1...5)
    func optional(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let watch = Watch(try target(.made(), .made("often"), .made("seldom")))
        let messages = (0..<20_000).map { _ in
            var message = #"{"id": 1"#
            if Bool.random(using: &generator) { message += #", "often": "x""# }
            if Int.random(in: 0..<500, using: &generator) == 0 { message += #", "seldom": "x""# }
            if Int.random(in: 0..<100, using: &generator) < 20 { message += #", "extra": 1"# }
            return message + "}"
        }
        #expect(watch.look(messages) == ["+ unrouted: extra"], "seed \(seed)")
    }

    @Test("an object with ids for names is not told by them, and neither fills the memory nor the log")
    func mapLike() throws {
        let watch = Watch(try target())
        _ = watch.look(#"{"id": 1}"#, times: 10)
        let byID = (0..<5000).map { #"{"id": 1, "user-\#(100_000 + $0)": 1, "anna\#($0)@example.com": 1}"# }
        #expect(watch.look(byID) == ["+ more"])
        #expect(watch.notes.isEmpty)
        // Names that cannot be told from a field's.
        func word(_ number: Int) -> String {
            String(String(number, radix: 26).map { Character(Unicode.Scalar(UInt8(97 + $0.hexDigitOr36))) })
        }
        let byWord = (0..<5000).map { #"{"id": 1, "\#(word($0))x": 1}"# }
        let told = watch.look(byWord)
        let names = told.flatMap { $0.split(separator: ",") }
        #expect(told.allSatisfy { $0.hasPrefix("+ new") } && names.count <= UnroutedFields.freely, "\(told)")
        #expect(watch.tracker.hasMore)
    }

    @Test("of many new fields that stay so many are told, in few lines, and that there are more")
    func flood() throws {
        let watch = Watch(try target())
        _ = watch.look(#"{"id": 1}"#, times: 10)
        let members = (0..<500).map { "\"field\(String($0, radix: 36))z\": 1" }.joined(separator: ", ")
        let told = watch.look("{\"id\": 1, \(members)}", times: 300)
        #expect(told.count <= 4 && told.contains("+ more"), "\(told)")
        #expect(watch.notes.count <= UnroutedFields.mostNew)
    }

    @Test("only the parts of an object that no column takes count, and nothing where a column takes the message")
    func parts() throws {
        let columns = [Route.Column(name: "name", source: ColumnSource("customer.name"))]
        let watch = Watch(try target(.made(columns: columns), .made("name")))
        #expect(
            watch.look(#"{"id": 1, "customer": {"name": "x", "vip": true}}"#, times: 10) == ["+ unrouted: customer.vip"]
        )
        let whole = [Route.Column(name: "raw", source: .value)]
        let all = Watch(try target(.made(columns: whole), .made("raw", .jsonb)))
        #expect(all.look(#"{"id": 1, "more": 1}"#, times: 10) == [])
    }

    @Test("what another route of the topic takes is not left over, and each route is told of its own fields")
    func twoRoutes() throws {
        let first = try Target.compile(.made(), index: 0, table: .made([.made("id", .int8), .made("a")])).get()
        let second = try Target.compile(.made(), index: 1, table: .made([.made("id", .int8), .made("b")])).get()
        let watch = Watch(first, second)
        #expect(watch.look(#"{"id": 1, "a": "x", "b": "y"}"#, times: 100) == [])
        #expect(watch.look(#"{"id": 1, "a": "x"}"#, times: 500) == ["+ vanished: b"])
        #expect(watch.tracker.notes.map(\.count) == [0, 1])
    }

    @Test("a column that is added takes the field up, and the note is over; so is that of a column that fits now")
    func tableChanges() throws {
        let total = Table.Column.made("total", .numeric)
        let watch = Watch(try target(.made(), total))
        _ = watch.look(#"{"id": 1, "total": 1}"#, times: 100)
        _ = watch.look(#"{"id": 1, "total": "x", "coupon": "c"}"#, times: 100)
        #expect(watch.notes.map(\.kind) == [.changed, .new])
        let events = watch.tracker.replace([try target(.made(), .made("total", .text), .made("coupon"))])
        #expect(Set(events.map(\.told)) == ["- new: coupon", "- changed: total"])
        #expect(watch.notes.isEmpty)
        #expect(watch.look(#"{"id": 1, "total": "x", "coupon": "c"}"#, times: 100) == [])
    }

    @Test("what is no object, or no JSON, is passed over")
    func noObjects() throws {
        let watch = Watch(try target(.made(), .made("total")))
        _ = watch.look(#"{"id": 1, "total": 1}"#, times: 100)
        #expect(watch.look(["", "null", "[1]", "{", "\u{FEFF}{\"id\": 1, \"total\": 1}", "{\"id\": 1, \"x"]) == [])
        #expect(watch.tracker.messages == 101)
    }

    @Test(
        "messages to look at are taken from all of a batch, the first and the last among them, none twice",
        arguments: 1...5)
    func choice(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for (count, all) in [(1, 1), (1, 9), (2, 9), (3, 9), (256, 256), (256, 257), (256, 50_000)] {
            let chosen = DriftWatch.choice(of: count, among: all, &generator)
            #expect(chosen.count == count && Set(chosen).count == chosen.count, "seed \(seed)")
            #expect(chosen == chosen.sorted() && chosen.allSatisfy { (0..<all).contains($0) }, "seed \(seed)")
            if count > 1 { #expect(chosen.first == 0 && chosen.last == all - 1) }
        }
    }

    @Test("what may be looked at is bounded by messages and by bytes, and one large message is not passed over")
    func budget() {
        let start = ContinuousClock.now
        var budget = LookBudget(now: start)
        let taken = [0, 0, 500].map { budget.messages(of: 50_000, at: start + .milliseconds($0)) }
        #expect(taken == [256, 0, 128])
        let large = [8 << 20, 1].map { budget.take(bytes: $0) }
        #expect(large == [true, false])
        let later = [2, 60].map { budget.messages(of: 10, at: start + .seconds($0)) }
        #expect(later == [0, 10])
    }
}

extension DriftTracker.Event {
    fileprivate var told: String {
        hasMore ? "+ more" : "\(isOver ? "-" : "+") \(kind): \(notes.map(\.field).joined(separator: ", "))"
    }
}

extension Character {
    /// Its value as a digit of base 36.
    fileprivate var hexDigitOr36: Int { Int(String(self), radix: 36) ?? 0 }
}
