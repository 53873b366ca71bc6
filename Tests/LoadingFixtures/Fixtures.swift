import Kafka
import Loading
import Postgres
import Records

extension PostgresType {
    package static let int4 = PostgresType(oid: 23, name: "int4", formatted: "integer")
    package static let int8 = PostgresType(oid: 20, name: "int8", formatted: "bigint")
    package static let text = PostgresType(oid: 25, name: "text", formatted: "text")
    package static let numeric = PostgresType(oid: 1700, name: "numeric", formatted: "numeric")
    /// Has no binary encoder, so its table is copied as text.
    package static let inet = PostgresType(oid: 869, name: "inet", formatted: "inet")
    package static let jsonb = PostgresType(oid: 3802, name: "jsonb", formatted: "jsonb")
}

extension Table {
    /// A table whose columns are numbered in order; `key` is its primary key.
    package static func made(
        _ columns: [Column], key: [String] = [], uniqueIndexes: [UniqueIndex] = [], maySelect: Bool = true,
        mayDelete: Bool = true
    ) -> Table {
        let primary = key.isEmpty ? [] : [UniqueIndex(name: "orders_pkey", columns: key, isPrimary: true)]
        return Table(
            oid: 1, name: TableName(schema: "public", name: "orders"), columns: columns,
            uniqueIndexes: primary + uniqueIndexes, maySelect: maySelect, mayDelete: mayDelete)
    }
}

extension Table.Column {
    package static func made(
        _ name: String, _ type: PostgresType = .text, isNotNull: Bool = false, default expression: String? = nil,
        constant: ConstantDefault? = nil, identity: Identity = .none, isGenerated: Bool = false, mayInsert: Bool = true,
        mayUpdate: Bool = true
    ) -> Table.Column {
        Table.Column(
            name: name, number: 1, type: type, isNotNull: isNotNull, defaultExpression: expression,
            constantDefault: constant, identity: identity, isGenerated: isGenerated, mayInsert: mayInsert,
            mayUpdate: mayUpdate)
    }
}

extension Route {
    package static func made(
        mode: Mode = .insert, key: [String]? = nil, onTombstone: OnTombstone? = nil, tombstones: [TombstoneForm] = [],
        onNoFields: OnNoFields = .deadLetter, names: Names = .exact, rest: Rest = .fields, columns: [Column]? = nil,
        timeZone: String? = nil, onNul: OnNul = .deadLetter
    ) -> Route {
        Route(
            topics: [.name("orders")], table: TableName(schema: "public", name: "orders"), mode: mode, key: key,
            onTombstone: onTombstone, tombstones: tombstones, onNoFields: onNoFields, names: names, rest: rest,
            columns: columns, timeZone: timeZone, onNul: onNul)
    }
}

extension Target {
    /// Compiles a route that has no mistakes.
    package static func made(_ route: Route, _ table: Table) throws -> Target {
        try Target.compile(route, index: 0, table: table).get()
    }
}

extension Batch {
    /// A batch of one partition, filled as the consumer's thread fills it, with messages from offset 0 on.
    package static func filled(
        _ messages: [(key: String?, value: String?)], for target: Target, headers: [(String, String)] = [],
        timestamp: Int64 = 0
    ) -> Batch {
        filled(messages, for: [target], headers: headers, timestamp: timestamp)
    }

    package static func filled(
        _ messages: [(key: String?, value: String?)], for targets: [Target], headers: [(String, String)] = [],
        timestamp: Int64 = 0
    ) -> Batch {
        let batch = holding(
            messages.map { ($0.key.map { Array($0.utf8) }, $0.value.map { Array($0.utf8) }) }, headers: headers,
            timestamp: timestamp)
        let builder = RowBuilder(
            plan: MessagePlan(targets: Array(targets.indices), of: targets), targets: targets)
        for message in batch.messages.indices { builder.build(message, in: batch) }
        // As each batch that is to be loaded.
        RowBuilders(forCommand: targets).account(for: batch, [[builder]], [messages.count])
        precondition(batch.violation == nil, batch.violation?.description ?? "")
        return batch
    }

    /// The same without rows, of any bytes.
    package static func holding(
        _ messages: [(key: [UInt8]?, value: [UInt8]?)], headers: [(String, String)] = [], timestamp: Int64 = 0
    ) -> Batch {
        let batch = Batch()
        let range = batch.addRange(of: TopicPartition(topic: "orders", partition: 0), expected: 0)
        for (offset, message) in messages.enumerated() {
            let start = batch.arena.count
            func append(_ bytes: [UInt8]?) -> Int32 {
                guard let bytes else { return -1 }
                bytes.withUnsafeBytes { batch.arena.append($0) }
                return Int32(bytes.count)
            }
            let valueCount = append(message.value)
            let keyCount = append(message.key)
            let beforeHeaders = batch.arena.count
            for (name, value) in headers {
                batch.arena.append(Int32(name.utf8.count))
                _ = append(Array(name.utf8))
                batch.arena.append(Int32(value.utf8.count))
                _ = append(Array(value.utf8))
            }
            _ = batch.append(
                MessageRecord(
                    partition: range, offset: Int64(offset), timestamp: timestamp, start: start,
                    valueCount: valueCount, keyCount: keyCount,
                    headersCount: Int32(batch.arena.count - beforeHeaders)))
            batch.advance(range, past: Int64(offset))
        }
        return batch
    }
}

extension Batch {
    /// The fields of all rows that text COPY would send, in the order of the messages.
    package var lines: [[String]] {
        sections.flatMap { section in
            section.rows.map { row in
                let text = String(decoding: section.buffer.bytes[row.start..<row.end].dropLast(), as: UTF8.self)
                return (row.message, text.split(separator: "\t", omittingEmptySubsequences: false).map(String.init))
            }
        }.sorted { $0.0 < $1.0 }.map(\.1)
    }
}
