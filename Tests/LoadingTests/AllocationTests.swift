import AllocationCounter
import Kafka
import LoadingFixtures
import Postgres
import Records
import TestSupport
import Testing

@testable import Loading

/// What a batch allocates grows with its buffers, which double, and not with its messages.
///
/// Calls of malloc are counted by thread, so that tests beside these do not matter, and without what only a build without
/// optimization allocates; `scripts/bench --hot-path` counts all of them in one with.
@Suite("Allocations", .enabled(if: object_allocation_count() >= 0, "malloc cannot be counted here"))
struct AllocationTests {
    /// Twice as many messages may cost so many more: each buffer is larger once or twice more.
    private static let mostMore: Int64 = 48

    /// - Parameter work: does the same for so many messages, and counts its own allocations.
    private func expectNoMore(
        _ messages: Int, _ place: SourceLocation = #_sourceLocation, _ work: (_ messages: Int) throws -> Int64
    ) throws {
        // What is made once in a process, as metadata of types, is made here.
        _ = try work(messages)
        let (few, many) = (try work(messages), try work(2 * messages))
        #expect(
            many - few <= Self.mostMore, "\(few) for \(messages) messages, \(many) for twice as many",
            sourceLocation: place)
    }

    private func count(_ body: () throws -> Void) rethrows -> Int64 {
        let before = object_allocation_count()
        try body()
        return object_allocation_count() - before
    }

    @Test("an array, a string or a closure for each message would be noticed")
    func noticed() {
        var kept: [[Int]] = []
        var words: [String] = []
        var closures: [() -> Int] = []
        kept.reserveCapacity(1000)
        words.reserveCapacity(1000)
        closures.reserveCapacity(1000)
        #expect(count { for number in 0..<1000 { kept.append([number]) } } == 1000)
        #expect(
            count { for number in 0..<1000 { words.append("a text of more than 15 bytes \(number % 10)") } } >= 1000)
        #expect(count { for number in 0..<1000 { closures.append { number } } } == 1000)
    }

    // MARK: Messages

    /// Messages as they come, in one piece.
    private struct Messages {
        var bytes: [UInt8] = []
        var places: [(value: Range<Int>, key: Range<Int>)] = []

        /// - Parameter first: the first key's number.
        init(_ count: Int, from first: Int = 0) {
            for number in first..<first + count {
                let start = bytes.count
                bytes += Self.value(number).utf8
                let middle = bytes.count
                bytes += "key-\(number)".utf8
                places.append((start..<middle, middle..<bytes.count))
            }
        }

        static func value(_ number: Int) -> String {
            // Escapes, a number of each kind, a time, a document, a path, and fields that some leave out, more than get
            // statements of their own.
            let optional =
                (number % 3 == 0 ? "" : #""note":"note \#(number)","#) + (number % 2 == 0 ? "" : #""tag":null,"#)
                + (number % 5 == 0 ? "" : #""rank":\#(number % 7),"#)
            return #"{"id":\#(number),"name":"Zo\u00eb \#(number)","price":\#(number).25,\#(optional)"#
                + #""at":"2026-01-0\#(1 + number % 9)T10:00:00.\#(100 + number % 900)+02:00","#
                + #""items":[{"sku":"SKU-\#(number)","qty":\#(number % 9)}],"paid":true,"#
                + #""customer":{"city":"Berlin \#(number)"},"address":"10.0.0.\#(number % 256)"}"#
        }

        func fill(_ batch: Batch) {
            bytes.withUnsafeBytes { bytes in
                let range = batch.addRange(of: TopicPartition(topic: "orders", partition: 0), expected: 0)
                for (offset, place) in places.enumerated() {
                    _ = batch.append(
                        value: UnsafeRawBufferPointer(rebasing: bytes[place.value]),
                        key: UnsafeRawBufferPointer(rebasing: bytes[place.key]), offset: Int64(offset), range: range)
                    batch.advance(range, past: Int64(offset))
                }
            }
        }
    }

    private func route(_ mode: Route.Mode) -> Route {
        .made(
            mode: mode,
            columns: [
                .init(name: "city", source: .field(FieldPath(["customer", "city"]))),
                .init(name: "source_offset", source: .offset),
            ])
    }

    private func target(_ mode: Route.Mode, _ format: Target.Format) throws -> Target {
        let timestamptz = PostgresType(oid: 1184, name: "timestamptz", formatted: "timestamp with time zone")
        let bool = PostgresType(oid: 16, name: "bool", formatted: "boolean")
        var columns: [Table.Column] = [
            .made("id", .int8), .made("name"), .made("price", .numeric), .made("at", timestamptz),
            .made("items", .jsonb), .made("paid", bool), .made("city"), .made("source_offset", .int8),
            .made("note", default: "f()"), .made("tag", default: "f()"), .made("rank", .int4, default: "f()"),
        ]
        if format == .text { columns.append(.made("address", .inet)) }
        let target = try Target.made(route(mode), .made(columns, key: ["id"]))
        #expect(target.format == format)
        return target
    }

    // MARK: Stages

    @Test("a message that comes from Kafka is taken and copied into its batch without any but librdkafka's")
    func taking() async throws {
        let broker = try Broker.sharedMock()
        try await broker.withTopic(partitions: 1) { topic in
            let partition = TopicPartition(topic: topic, partition: 0)
            let most = 2000
            try broker.produce((0..<most).map { TestMessage(partition: 0, value: Messages.value($0)) }, to: topic)
            let reader = try PartitionReader(
                properties: broker.properties(), patience: .each(.seconds(60)), mayBeGone: false)
            try expectNoMore(most / 2) { messages in
                let now = ContinuousClock.now
                var member = Member(.init(), at: now)
                _ = member.handle(.given([partition], isCooperative: false), at: now)
                _ = member.handle(.tick, at: now)
                _ = member.handle(
                    .found(.init(places: [.init(partition: partition, start: 0, end: Int64(most))])), at: now)
                let batch = Batch()
                var taken = 0
                var allocations: Int64 = 0
                let reading = try reader.read([.init(partition: partition, start: 0, end: Int64(messages))])
                while let message = try reading.next() {
                    allocations += count {
                        guard let index = member.partitions.place(of: message),
                            case .take(let range) = member.take(index, offset: message.offset, at: { now })
                        else { return }
                        batch.append(message, range: range)
                        taken += 1
                    }
                    // librdkafka reads a message's headers anew at each question, if it has none: twice malloc.
                    allocations -= count { message.forEachHeader { _, _ in } }
                    _ = member.takeActions()
                }
                #expect(taken == messages)
                return allocations
            }
        }
    }

    @Test(
        "a message is decoded, and its row built, without any",
        arguments: [Route.Mode.insert, .upsert], [Target.Format.binary, .text])
    func rows(mode: Route.Mode, format: Target.Format) throws {
        let all = [1000: Messages(1000), 2000: Messages(2000)]
        for messageFormat in [MessageFormat.json, .framed(.json, nil)] {
            var target = try target(mode, format)
            target.messageFormat = messageFormat
            try expectNoMore(1000) { messages in
                let batch = Batch()
                all[messages]?.fill(batch)
                var builders = RowBuilders([target])
                let allocations = count { builders.build(batch) }
                #expect(batch.sections.first?.rows.count == messages)
                #expect(batch.deadLetters.isEmpty)
                return allocations
            }
        }
    }

    @Test("elements of messages become rows without any", arguments: [Target.Format.binary, .text])
    func elements(format: Target.Format) throws {
        let all = [1000: Messages(1000), 2000: Messages(2000)]
        var route = Route.made(
            mode: .upsert,
            columns: [.init(name: "id", source: ColumnSource("$parent.id")), .init(name: "line", source: .index)])
        route.each = ElementPath(parsing: "items")
        var columns: [Table.Column] = [.made("id", .int8), .made("line", .int4), .made("sku"), .made("qty", .int4)]
        if format == .text { columns.append(.made("address", .inet)) }
        let target = try Target.made(route, .made(columns, key: ["id", "line"]))
        #expect(target.format == format)
        for messageFormat in [MessageFormat.json, .framed(.json, nil)] {
            var target = target
            target.messageFormat = messageFormat
            try expectNoMore(1000) { messages in
                let batch = Batch()
                all[messages]?.fill(batch)
                var builders = RowBuilders([target])
                let allocations = count { builders.build(batch) }
                #expect(batch.sections.map(\.rows.count) == [messages, messages])
                #expect(batch.deadLetters.isEmpty)
                return allocations
            }
        }
    }

    @Test("fields of any kind become a row without any", arguments: [Target.Format.binary, .text])
    func kinds(format: Target.Format) throws {
        func type(_ oid: UInt32, _ name: String) -> PostgresType {
            PostgresType(oid: oid, name: name, formatted: name)
        }
        var columns: [Table.Column] = [
            .made("integer", .int4), .made("unsigned", .numeric), .made("double", type(701, "float8")),
            .made("decimal", .numeric), .made("bytes", type(17, "bytea")), .made("day", type(1082, "date")),
            .made("instant", type(1184, "timestamptz")), .made("uuid", type(2950, "uuid")), .made("record", .jsonb),
        ]
        // The same as text, some of it with a `null_if` to compare with.
        let kinds = ["integer", "double", "float", "decimal", "bytes", "day", "instant", "interval", "uuid"]
        columns += kinds.map { .made("\($0)_text") }
        if format == .text { columns.append(.made("interval", type(1186, "interval"))) }
        let route = Route.made(
            columns: kinds.map {
                .init(name: "\($0)_text", source: .field(FieldPath([$0])), nullIf: $0 == "day" ? [] : ["none"])
            })
        let target = try Target.made(route, .made(columns))
        #expect(target.format == format)
        let plan = MessagePlan(targets: [0], of: [target], format: .fixed)
        let all = [1000: Messages(1000), 2000: Messages(2000)]
        try expectNoMore(1000) { messages in
            let batch = Batch()
            all[messages]?.fill(batch)
            let builder = RowBuilder(plan: plan, targets: [target])
            let allocations = count { for message in 0..<messages { builder.build(message, in: batch) } }
            #expect(batch.sections.first?.rows.count == messages, "\(batch.deadLetters.prefix(1))")
            return allocations
        }
    }

    @Test("a message in Avro is decoded, and its row built, without any", arguments: [Target.Format.binary, .text])
    func avro(format: Target.Format) throws {
        let schema = try AvroSchema(
            """
            {"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}, {"name": "name", "type": "string"},
                {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
                {"name": "note", "type": ["null", "string"]}, {"name": "unrouted", "type": {"type": "array", "items": "double"}},
                {"name": "tags", "type": {"type": "map", "values": ["null", "long", "string"]}},
                {"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "I", "fields": [
                    {"name": "sku", "type": "string"}, {"name": "qty", "type": "int"}]}}}]}
            """)
        var columns: [Table.Column] = [
            .made("id", .int8), .made("name"), .made("price", .numeric), .made("note"), .made("items", .jsonb),
            .made("tag", .int8), .made("tags", .jsonb),
        ]
        if format == .text { columns.append(.made("address", .inet)) }
        let route = Route.made(columns: [.init(name: "tag", source: .field(FieldPath(["tags", "b"])))])
        let target = try Target.made(route, .made(columns))
        #expect(target.format == format)
        let value: [UInt8] =
            [14, 6, 0x61, 0xC3, 0xA9, 4, 0x30, 0x39, 2, 2, 0x6E, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            + [4, 2, 0x61, 0, 2, 0x62, 2, 8, 0] + [3, 12, 2, 0x78, 2, 2, 0x79, 4, 0]
        try expectNone(building: value, .avro(schema), target)
    }

    @Test(
        "a message in Protobuf, MessagePack, CBOR or CSV is decoded, and its row built, without any",
        arguments: [Target.Format.binary, .text])
    func otherFormats(format: Target.Format) throws {
        let schema = try ProtobufSchema(
            .text(
                Array(
                    """
                    syntax = "proto3"; package p;
                    message R { int64 id = 1; string name = 2; double unrouted = 3; repeated I items = 4; map<string, int64> tags = 5; }
                    message I { string sku = 1; int32 qty = 2; }
                    """.utf8)), named: "r.proto")
        let protobuf: [UInt8] = [
            0x08, 7, 0x12, 2, 0xC3, 0xA9, 0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0x22, 5, 0x0A, 1, 0x78, 0x10, 1, 0x2A, 5, 0x0A,
            1, 0x62,
            0x10, 4,
        ]
        func text(_ text: String, _ short: UInt8) -> [UInt8] { [short + UInt8(text.utf8.count)] + text.utf8 }
        /// The same, in what names its fields itself: a map of so many, a list, and a text begin with these.
        func named(_ map: UInt8, _ list: UInt8, _ short: UInt8) -> [UInt8] {
            let parts: [[UInt8]] = [
                [map + 4], text("id", short), [7], text("name", short), text("é", short), text("items", short),
                [list + 1, map + 2], text("sku", short), text("x", short), text("qty", short), [1], text("tags", short),
                [map + 1], text("b", short), [4],
            ]
            return Array(parts.joined())
        }
        var csv = CSVDialect()
        csv.fields = ["id", "name", "items", "tags"]
        let messages: [(MessageFormat, [UInt8])] = [
            (.protobuf(schema, message: try #require(schema.message(forRoute: "p.R"))), protobuf),
            (.messagePack, named(0x80, 0x90, 0xA0)), (.cbor, named(0xA0, 0x80, 0x60)),
            (.csv(csv), Array("7,é,\"[{\"\"sku\"\": 1}]\",x".utf8)),
        ]
        var columns: [Table.Column] = [
            .made("id", .int8), .made("name"), .made("items", .jsonb), .made("tag", .int8), .made("tags", .jsonb),
        ]
        if format == .text { columns.append(.made("address", .inet)) }
        let route = Route.made(columns: [.init(name: "tag", source: .field(FieldPath(["tags", "b"])))])
        let target = try Target.made(route, .made(columns))
        #expect(target.format == format)
        for (format, value) in messages { try expectNone(building: value, format, target) }
    }

    /// - Parameter value: of all messages.
    private func expectNone(building value: [UInt8], _ format: MessageFormat, _ target: Target) throws {
        let plan = MessagePlan(targets: [0], of: [target], format: format)
        try expectNoMore(1000) { messages in
            let batch = Batch()
            value.withUnsafeBytes { bytes in
                let range = batch.addRange(of: TopicPartition(topic: "orders", partition: 0), expected: 0)
                for offset in 0..<Int64(messages) {
                    _ = batch.append(value: bytes, key: bytes, offset: offset, range: range)
                }
            }
            let builder = RowBuilder(plan: plan, targets: [target])
            let allocations = count { for message in 0..<messages { builder.build(message, in: batch) } }
            #expect(batch.sections.first?.rows.count == messages, "\(batch.deadLetters.prefix(1))")
            return allocations
        }
    }

    @Test("a key's last row is found without any", arguments: [Target.Format.binary, .text])
    func selection(format: Target.Format) throws {
        let target = try target(.upsert, format)
        let all = [1000: Messages(1000), 2000: Messages(2000)]
        try expectNoMore(1000) { messages in
            let batch = Batch()
            all[messages]?.fill(batch)
            var builders = RowBuilders([target])
            builders.build(batch)
            return count {
                let selection = RowSelection(batch: batch, target: target)
                let states = selection.finalStates(selection.rows.indices) { _ in [] }
                let groups = RowGroup.groups(
                    of: states.rows, target, states.sections, selection.omissions, nulls: selection.nulls)
                #expect(groups.reduce(0) { $0 + $1.rows.count } == messages)
            }
        }
    }

    @Test(
        "a row goes from its batch into the table without any",
        arguments: [Route.Mode.insert, .upsert], [500, 6000])
    func transaction(mode: Route.Mode, messages: Int) throws {
        try TestDatabase.shared().withSchema { schema in
            let connection = try schema.connect()
            try connection.execute(
                """
                CREATE TABLE orders (
                    id bigint PRIMARY KEY, name text, price numeric, at timestamptz, items jsonb, paid bool, city text,
                    source_offset bigint, note text DEFAULT 'none', tag text DEFAULT 'none', rank int DEFAULT 0)
                """)
            var route = route(mode)
            route.table.schema = schema.name
            let options = LoadingOptions(
                brokers: "", group: "allocations", database: .init(url: schema.url), routes: [route])
            let targets = try CompiledRoutes.targets(options, on: connection)
            var next = 0
            try expectNoMore(messages) { messages in
                // Keys that are new are looked up and copied, those of few rows merged.
                let batch = Batch()
                Messages(messages, from: next).fill(batch)
                next += messages
                var builders = RowBuilders(targets)
                builders.build(batch)
                let transaction = BatchTransaction(
                    batch: batch, targets: targets, connection: connection, ledger: nil, database: options.database,
                    deadLetters: DeadLetterSink(group: options.group, options: options.deadLetters),
                    mayReject: { _, _ in nil })
                var care: Care?
                let allocations = try count { _ = try transaction.run(care: &care) }
                #expect(try connection.query("SELECT count(*) FROM orders").int(0, 0) == Int64(next))
                return allocations
            }
        }
    }
}

/// Says the same of each message, a field of each kind, and allocates nothing for it.
private final class FixedDecoder: RecordDecoder {
    let padding = 0
    private let memory: UnsafeMutableRawBufferPointer
    private let fields: UnsafeMutableBufferPointer<Field>

    init(_ paths: [FieldPath]) {
        memory = .allocate(byteCount: 20, alignment: 1)
        for index in memory.indices { memory[index] = UInt8(0x41 + index) }
        fields = .allocate(capacity: paths.count)
        let bytes = UnsafeRawBufferPointer(memory)
        let all: [String: Field] = [
            "integer": .integer(-7), "unsigned": .unsigned(.max), "double": .double(0.1 + 0.2), "float": .float(0.1),
            "decimal": .decimal(bytes, scale: 9), "bytes": Field(.bytes, bytes), "day": .day(sinceUnixEpoch: 20487),
            "instant": .instant(microseconds: 1), "interval": .interval(months: 1, days: -2, microseconds: 3),
            "uuid": .uuid(high: 1, low: 2), "record": .record(0, node: 0),
        ]
        for (index, path) in paths.enumerated() {
            fields.initializeElement(at: index, to: all[path.description] ?? Field(.absent))
        }
    }

    deinit {
        memory.deallocate()
        fields.deallocate()
    }

    func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        UnsafeBufferPointer(fields)
    }

    func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        let name = UnsafeRawBufferPointer(rebasing: memory[..<3])
        guard body(name, .double(0.3)), body(name, Field(.bytes, UnsafeRawBufferPointer(memory))) else { return }
        if container.node < 3 { _ = body(name, .list(0, node: container.node + 1)) }
    }
}

extension MessageFormat {
    fileprivate static let fixed = MessageFormat(
        decoder: { FixedDecoder($0) }, hasFields: { _ in false }, describe: { _, _ in nil }, refusal: .badSyntax,
        isJSON: false)
}
