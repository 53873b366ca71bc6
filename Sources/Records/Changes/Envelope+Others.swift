/// The envelopes of other programs that read a database's changes.
extension Envelope {
    /// Maxwell's. `old` has only the columns that have changed. Source: Maxwell's documentation, "Data format".
    public static let maxwell = Envelope(
        after: FieldPath(["data"]), before: FieldPath(["old"]), operation: FieldPath(["type"]),
        words: [
            "insert": .change(.create), "bootstrap-insert": .change(.read), "update": .change(.update),
            "delete": .change(.delete), "bootstrap-start": .skip, "bootstrap-complete": .skip, "database-create": .skip,
            "database-alter": .skip, "database-drop": .skip, "table-create": .skip, "table-alter": .skip,
            "table-drop": .skip,
        ], origin: FieldPath([]))

    /// Oracle GoldenGate's. Source: the JSON formatter of its handlers for big data.
    public static let goldenGate = Envelope(
        after: FieldPath(["after"]), before: FieldPath(["before"]), operation: FieldPath(["op_type"]),
        words: ["I": .change(.create), "U": .change(.update), "D": .change(.delete), "T": .change(.truncate)],
        origin: FieldPath([]))

    /// AWS's Database Migration Service, whose control records say what was done to tables. Source: its user guide, "Using
    /// Apache Kafka as a target".
    public static let dms = Envelope(
        after: FieldPath(["data"]), operation: FieldPath(["metadata", "operation"]),
        words: [
            "load": .change(.read), "insert": .change(.create), "update": .change(.update), "delete": .change(.delete),
            "create-table": .skip, "drop-table": .skip, "rename-table": .skip, "add-column": .skip,
            "drop-column": .skip,
            "rename-column": .skip, "change-columns": .skip, "column-type-change": .skip, "create-index": .skip,
            "drop-index": .skip,
        ], origin: FieldPath(["metadata"]))

    /// Canal's messages in JSON, each of which is about the rows that one statement changed, and TiCDC's in that form, which put
    /// `_tidb` and marks of time beside them. `old` has what has changed, or the whole rows. Source: Canal's `FlatMessage` and
    /// `EventType`; TiDB's documentation, "TiCDC Canal-JSON Protocol".
    public static let canal: Envelope = {
        var envelope = Envelope(
            after: FieldPath(["data"]), before: FieldPath(["old"]), operation: FieldPath(["type"]),
            words: [
                "INSERT": .change(.create), "UPDATE": .change(.update), "DELETE": .change(.delete),
                "TRUNCATE": .change(.truncate), "CREATE": .skip, "ALTER": .skip, "ERASE": .skip, "QUERY": .skip,
                "RENAME": .skip, "CINDEX": .skip, "DINDEX": .skip, "GTID": .skip, "XACOMMIT": .skip,
                "XAROLLBACK": .skip, "MHEARTBEAT": .skip, "TIDB_WATERMARK": .skip,
            ], origin: FieldPath([]))
        envelope.isOfRows = true
        envelope.notice = FieldPath(["isDdl"])
        return envelope
    }()

    /// That of Debezium's connector for MongoDB, whose rows are texts of Extended JSON, and whose changes may say only what they
    /// have changed. What its transformation ExtractNewDocumentState makes of it is a row of `debezium`. Source: the connector's
    /// documentation, "Data change events".
    public static let mongoDB: Envelope = {
        var envelope = Envelope.debezium
        (envelope.flat, envelope.unavailable) = (nil, nil)
        envelope.documents = Documents(
            key: FieldPath(["id"]), identifier: "_id", updated: FieldPath(["updateDescription", "updatedFields"]),
            removed: FieldPath(["updateDescription", "removedFields"]),
            truncated: FieldPath(["updateDescription", "truncatedArrays"]))
        return envelope
    }()
}
