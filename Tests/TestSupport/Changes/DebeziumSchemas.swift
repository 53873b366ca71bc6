/// What Connect says of Debezium's records besides rows.
enum DebeziumSchemas {
    static func envelope(_ row: ConnectSchema) -> ConnectSchema {
        record(
            "shop.public.source.Envelope",
            [
                ("before", row), ("after", row), ("source", source), ("transaction", block.optional), ("op", string),
                ("ts_ms", long.optional),
            ])
    }

    static let heartbeatKey = record("io.debezium.connector.common.ServerNameKey", [("serverName", string)])
    static let heartbeat = record("io.debezium.connector.common.Heartbeat", [("ts_ms", long)])

    static let transactionKey = record("io.debezium.connector.common.TransactionMetadataKey", [("id", string)])
    static let transaction = record(
        "io.debezium.connector.common.TransactionMetadataValue",
        [
            ("status", string), ("id", string), ("event_count", long.optional),
            ("data_collections", ConnectSchema(.array(collection), isOptional: true)), ("ts_ms", long),
        ])

    static let messageKey = record("io.debezium.connector.postgresql.MessageKey", [("prefix", string.optional)])
    static let message = record(
        "io.debezium.connector.postgresql.MessageValue",
        [
            ("op", string), ("ts_ms", long.optional), ("source", source), ("transaction", block.optional),
            (
                "message",
                record(
                    "io.debezium.connector.postgresql.Message",
                    [
                        ("prefix", string.optional), ("content", ConnectSchema(.bytes, isOptional: true)),
                    ])
            ),
        ])

    static let schemaChangeKey = record(
        "io.debezium.connector.postgresql.SchemaChangeKey", [("databaseName", string)])
    static let schemaChange = record(
        "io.debezium.connector.postgresql.SchemaChangeValue",
        [
            ("source", source), ("ts_ms", long), ("databaseName", string.optional), ("schemaName", string.optional),
            ("ddl", string.optional),
            ("tableChanges", ConnectSchema(.array(record("io.debezium.connector.schema.Change", [("type", string)])))),
        ])

    private static let source = record(
        "io.debezium.connector.postgresql.Source",
        [
            ("version", string), ("connector", string), ("name", string), ("ts_ms", long),
            (
                "snapshot",
                ConnectSchema(
                    .string, "io.debezium.data.Enum",
                    parameters: [
                        (
                            "allowed",
                            "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"
                        )
                    ],
                    isOptional: true)
            ),
            ("db", string), ("sequence", string.optional), ("ts_us", long.optional), ("ts_ns", long.optional),
            ("schema", string), ("table", string), ("txId", long.optional), ("lsn", long.optional),
            ("xmin", long.optional),
        ])
    private static let block = record(
        "event.block", [("id", string), ("total_order", long), ("data_collection_order", long)])
    private static let collection = record("event.collection", [("data_collection", string), ("event_count", long)])

    private static let string = ConnectSchema(.string)
    private static let long = ConnectSchema(.int64)

    private static func record(_ name: String, _ fields: [(String, ConnectSchema)]) -> ConnectSchema {
        ConnectSchema(.record(fields.map { ConnectField($0, $1) }), name)
    }
}
