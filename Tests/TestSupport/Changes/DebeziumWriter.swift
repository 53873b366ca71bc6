import Kafka

/// Writes events as Debezium's connector for PostgreSQL does, by its documentation, in each of its modes.
///
/// It is the tests' own reading of that: nothing of the loader's is in it.
public struct DebeziumWriter: Sendable {
    public let table: SourceTable
    public let modes: ChangeModes
    /// How many partitions there are: what is of a key is in one of them.
    public let partitions: Int

    private let key: Encoded
    private let value: Encoded
    private let others: [Other: (key: Encoded, value: Encoded)]

    /// A schema, ready for its encoding.
    private struct Encoded: Sendable {
        var schema: ConnectSchema
        var encoding: ChangeModes.Encoding
        var text: [UInt8] = []
        var id = 0

        init(_ schema: ConnectSchema, _ encoding: ChangeModes.Encoding, _ register: (String) -> Int) {
            self.schema = schema
            self.encoding = encoding
            switch encoding {
            case .json: break
            case .connect: text = Array(ConnectJSON.schema(schema).utf8)
            case .avro: id = register(ConnectAvro.schema(schema))
            }
        }

        func bytes(_ value: ConnectValue) -> [UInt8] {
            switch encoding {
            case .json: ConnectJSON.value(value, schema)
            case .connect: ConnectJSON.envelope(value, schema, schemaText: text)
            case .avro: ConnectAvro.message(value, schema, id: id)
            }
        }
    }

    private enum Other: Hashable { case heartbeat, transaction, message, schemaChange }

    /// - Parameter register: puts a schema into the registry, and returns its id. Called only where the encoding is Avro.
    public init(
        _ table: SourceTable, _ modes: ChangeModes, partitions: Int = 1, register: (String) -> Int = { _ in 0 }
    ) {
        self.table = table
        self.modes = modes
        self.partitions = partitions
        let fields = table.columns.map { column in
            let schema = column.type.schema(modes)
            return ConnectField(column.name, column.isNullable ? schema.optional : schema)
        }
        func encoded(_ schema: ConnectSchema) -> Encoded { Encoded(schema, modes.encoding, register) }
        key = encoded(ConnectSchema(.record(Array(fields.prefix(table.keyCount))), "shop.public.source.Key"))
        // In the schema of a change all columns may be absent: a delete has but the key's.
        let row = ConnectSchema(
            .record(
                fields.prefix(table.keyCount)
                    + fields.dropFirst(table.keyCount).map { ConnectField($0.name, $0.schema.optional) }),
            "shop.public.source.Value", isOptional: true)
        if modes.shape == .whole {
            value = encoded(DebeziumSchemas.envelope(row))
        } else if case .record(let columns) = row.kind {
            let marks = modes.shape.isRewritten ? ["__deleted", "__op"] : []
            let more = marks.map { ConnectField($0, ConnectSchema(.string, isOptional: true)) }
            value = encoded(ConnectSchema(.record(columns + more), "shop.public.source.Value"))
        } else {
            value = encoded(row)
        }
        guard modes.hasOtherEvents else {
            others = [:]
            return
        }
        others = [
            .heartbeat: (encoded(DebeziumSchemas.heartbeatKey), encoded(DebeziumSchemas.heartbeat)),
            .transaction: (encoded(DebeziumSchemas.transactionKey), encoded(DebeziumSchemas.transaction)),
            .message: (encoded(DebeziumSchemas.messageKey), encoded(DebeziumSchemas.message)),
            .schemaChange: (encoded(DebeziumSchemas.schemaChangeKey), encoded(DebeziumSchemas.schemaChange)),
        ]
    }

    /// The message of an event; nil if the transformation lets none through.
    public func message(_ event: ChangeEvent) -> TestMessage? {
        switch event.kind {
        case .heartbeat, .begin, .end, .message, .schemaChange: return other(event)
        case .truncate:
            guard modes.shape == .whole else { return nil }
            return TestMessage(partition: 0, key: nil, bytes: value.bytes(envelope(event)))
        default: break
        }
        guard let names = event.key else { return nil }
        let keyValue = record(names)
        let headers: [Header] =
            event.otherKey.map { other in
                let text = ConnectJSON.value(record(other), key.schema)
                return [Header(name: event.kind == .delete ? "__debezium.newkey" : "__debezium.oldkey", value: text)]
            } ?? []
        guard let bytes = body(event) else { return nil }
        return TestMessage(
            partition: partition(of: names), key: key.bytes(keyValue), bytes: bytes, headers: headers)
    }

    /// - Returns: nil if there is no message, a nil in it for a tombstone.
    private func body(_ event: ChangeEvent) -> [UInt8]?? {
        switch (event.kind, modes.shape) {
        case (.tombstone, .whole), (.tombstone, .tombstone), (.tombstone, .rewriteWithTombstone): .some(nil)
        case (.tombstone, _), (.delete, .tombstone): nil
        case (.delete, .deleteToTombstone): .some(nil)
        case (_, .whole): value.bytes(envelope(event))
        default: value.bytes(flat(event))
        }
    }

    // MARK: Values

    private func record(_ row: [SourceValue]) -> ConnectValue {
        .record(zip(table.columns, row).map { $0.type.converted($1, modes) })
    }

    /// What `ExtractNewRecordState` makes of it.
    private func flat(_ event: ChangeEvent) -> ConnectValue {
        guard case .record(var fields) = record(event.after ?? event.before ?? []) else { return .null }
        if modes.shape.isRewritten {
            fields += [.text(event.kind == .delete ? "true" : "false"), .text(Self.operation(event.kind))]
        }
        return .record(fields)
    }

    private func envelope(_ event: ChangeEvent) -> ConnectValue {
        .record([
            event.before.map(record) ?? .null, event.after.map(record) ?? .null, Self.source(event), .null,
            .text(Self.operation(event.kind)), .int(1_700_000_000_000 + event.position / 8),
        ])
    }

    private static func operation(_ kind: ChangeEvent.Kind) -> String {
        switch kind {
        case .create: "c"
        case .update: "u"
        case .delete: "d"
        case .read: "r"
        case .truncate: "t"
        default: "m"
        }
    }

    private static func source(_ event: ChangeEvent) -> ConnectValue {
        let milliseconds = 1_699_999_999_000 + event.position / 8
        return .record([
            .text("3.2.0.Final"), .text("postgresql"), .text("shop"), .int(milliseconds),
            .text(event.kind == .read ? "incremental" : "false"), .text("shop"),
            .text(#"["\#(event.position - 8)","\#(event.position)"]"#), .int(milliseconds * 1000),
            .int(milliseconds * 1_000_000), .text("public"), .text(event.kind == .message ? "" : "source"),
            .int(event.transaction), .int(event.position), .null,
        ])
    }

    private func other(_ event: ChangeEvent) -> TestMessage? {
        let id = ConnectValue.text("\(event.transaction):\(event.position)")
        let time = ConnectValue.int(1_700_000_000_000)
        let kind: Other
        let values: (key: [ConnectValue], value: [ConnectValue])
        switch event.kind {
        case .heartbeat: (kind, values) = (.heartbeat, ([.text("shop")], [time]))
        case .begin: (kind, values) = (.transaction, ([id], [.text("BEGIN"), id, .null, .null, time]))
        case .end:
            let counts = ConnectValue.list([.record([.text("public.source"), .int(3)])])
            (kind, values) = (.transaction, ([id], [.text("END"), id, .int(3), counts, time]))
        case .message:
            let message = ConnectValue.record([.text("foo"), .bytes(Array("bar".utf8))])
            (kind, values) = (.message, ([.text("foo")], [.text("m"), time, Self.source(event), .null, message]))
        default:
            let ddl = ConnectValue.text("ALTER TABLE source ADD COLUMN x int")
            (kind, values) = (
                .schemaChange,
                ([.text("shop")], [Self.source(event), time, .text("shop"), .text("public"), ddl, .list([])])
            )
        }
        guard let encoded = others[kind] else { return nil }
        return TestMessage(
            partition: Int32(event.position / 8 % Int64(partitions)), key: encoded.key.bytes(.record(values.key)),
            bytes: encoded.value.bytes(.record(values.value)))
    }

    private func partition(of key: [SourceValue]) -> Int32 { Self.partition(of: key, partitions: partitions) }

    /// By FNV-1a of the key: the same in every process, unlike Swift's own.
    static func partition(of key: [SourceValue], partitions: Int) -> Int32 {
        var hash: UInt64 = 14_695_981_039_346_656_037
        for value in key {
            for byte in (value.literal ?? "").utf8 { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
        }
        return Int32(hash % UInt64(partitions))
    }
}
