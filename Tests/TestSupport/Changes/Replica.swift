import Foundation
import Kafka
import Postgres
import RegistryMock

/// A topic of a table's changes, the table `replica` that a loader makes of them, and the table `source` to hold it against.
public struct Replica: Sendable {
    public let landing: Landing
    public let table: SourceTable
    public let modes: ChangeModes
    public let writer: DebeziumWriter
    /// Of the schemas; nil where messages have none of a registry.
    public let registryURL: String?
    /// A file of the loader's configuration.
    private let configuration: String

    /// Makes the tables beside a landing's own, whose topic is that of the changes, and a registry where messages need one.
    ///
    /// - Parameter definition: of the replica; nil: the source's own.
    public static func with<Result>(
        _ landing: Landing, _ table: SourceTable, _ modes: ChangeModes, definition: String? = nil,
        isolation: isolated (any Actor)? = #isolation, _ body: (Replica) async throws -> Result
    ) async throws -> Result {
        let registry = modes.encoding == .avro ? try RegistryMock() : nil
        defer { registry?.stop() }
        var count = 0
        let writer = DebeziumWriter(
            table, modes, partitions: try landing.broker.partitionCount(of: landing.topic)
        ) { schema in
            count += 1
            return registry?.register(schema, as: "\(landing.topic)-\(count)") ?? 0
        }
        let tables = [definition ?? table.definition("replica"), table.definition("source")]
        try landing.schema.connect().execute(
            "SET client_min_messages = warning; \(SourceType.prerequisites); \(tables.joined(separator: "; "))")
        let file = FileManager.default.temporaryDirectory.appending(path: "\(landing.topic).yaml")
        try configuration(table, modes).write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        return try await body(
            Replica(
                landing: landing, table: table, modes: modes, writer: writer, registryURL: registry?.url,
                configuration: file.path()))
    }

    /// What columns say of themselves where no event does: what bytes are written in, and that a text is a document.
    private static func configuration(_ table: SourceTable, _ modes: ChangeModes) -> String {
        let columns = table.columns.compactMap { column -> String? in
            let decoding: String? =
                switch (column.type, modes.binary) {
                case (.json, _), (.jsonb, _): "json"
                case (.bytea, .base64): "base64"
                case (.bytea, .base64URLSafe): "base64url"
                case (.bytea, .hex): "hex"
                default: nil
                }
            return decoding.map { "      \(column.name): { decode: \($0) }\n" }
        }
        return columns.isEmpty ? "{}\n" : "routes:\n  - columns:\n" + columns.joined()
    }

    /// The settings of a loader that replicates the table.
    public var environment: [String: String] {
        var settings = landing.environment.filter { !$0.key.hasPrefix("LOADER_ROUTES_0_COLUMNS") }
        settings["LOADER_TABLE"] = "replica"
        settings["LOADER_ROUTES_0_ENVELOPE"] = "debezium"
        settings["LOADER_ROUTES_0_MODE"] = "upsert"
        settings["LOADER_SCHEMA_REGISTRY_URL"] = registryURL
        settings["LOADER_POSTGRES_STATEMENT_TIMEOUT"] = "60s"
        // What it is about does not say it itself there.
        if modes.encoding == .json {
            if table.columns.contains(where: \.type.isTime) {
                settings["LOADER_ROUTES_0_TEMPORAL"] = modes.time.rawValue
            }
            if modes.decimals != .double, table.columns.contains(where: \.type.isDecimal) {
                settings["LOADER_ROUTES_0_DECIMALS"] = modes.decimals.rawValue
            }
        }
        if modes.hasTruncates { settings["LOADER_ROUTES_0_ON_TRUNCATE"] = "truncate" }
        settings["LOADER_CONFIG"] = configuration
        return settings
    }

    // MARK: What came of it

    /// What is not as it should be.
    public struct Comparison: Sendable {
        public var rows = 0
        public var deadLetters = 0
        public var differences: [String] = []
    }

    /// Compares the replica with the rows of the source, both ways.
    ///
    /// - Parameters:
    ///   - excused: the messages that may be dead letters, for want of a row whose value they do not have.
    ///   - rowsOfReplica: those that count, as FROM has them.
    public func compare(
        _ rows: some Sequence<[SourceValue]>, excused: Set<TopicPartition.Offset>,
        with rowsOfReplica: String = "replica"
    ) throws -> Comparison {
        let connection = try landing.schema.connect()
        try connection.execute("SET TimeZone = 'UTC'; TRUNCATE source")
        try fill(connection, rows)
        var comparison = Comparison()
        comparison.rows = Int(try connection.query("SELECT count(*) FROM source").int(0, 0) ?? 0)
        let columns = table.columns.map { column in
            let isText = column.type.isComparedAsText || (column.type == .anyNumeric && modes.decimals != .double)
            return "\"\(column.name)\"" + (isText ? "::text" : "")
        }.joined(separator: ", ")
        let source = "SELECT \(columns) FROM source"
        let replica = "SELECT \(columns) FROM \(rowsOfReplica)"
        for (what, sql) in [
            ("missing", "\(source) EXCEPT ALL \(replica)"), ("too many", "\(replica) EXCEPT ALL \(source)"),
        ] {
            let found = try connection.query("SELECT d::text FROM (\(sql)) d")
            if found.rowCount > 0 {
                let first = (0..<min(2, found.rowCount)).map {
                    String((found.string($0, 0) ?? "").prefix(500)).replacing("\n", with: "⏎")
                }
                comparison.differences.append("\(found.rowCount) \(what), first \(first.joined(separator: " and "))")
            }
        }
        try compareLetters(connection, excused, &comparison)
        return comparison
    }

    private func compareLetters(
        _ connection: Connection, _ excused: Set<TopicPartition.Offset>, _ comparison: inout Comparison
    ) throws {
        let letters = try connection.query(
            """
            SELECT partition, "offset", reason, coalesce(column_name, ''), message FROM loader.dead_letters
            WHERE consumer_group = $1 ORDER BY partition, "offset"
            """, [.text(landing.group)])
        comparison.deadLetters = letters.rowCount
        var strangers: [String] = []
        for row in 0..<letters.rowCount {
            let place = TopicPartition.Offset(Int32(letters.int(row, 0) ?? -1), letters.int(row, 1) ?? -1)
            if letters.string(row, 2) == "unavailable_value", excused.contains(place) { continue }
            strangers.append((0..<5).map { letters.string(row, $0) ?? "" }.joined(separator: " | "))
        }
        if !strangers.isEmpty {
            comparison.differences.append(
                "\(strangers.count) dead letters, first \(strangers.prefix(2).joined(separator: " and "))")
        }
    }

    /// In COPY's text format.
    private func fill(_ connection: Connection, _ rows: some Sequence<[SourceValue]>) throws {
        var data: [UInt8] = []
        for row in rows {
            for (index, value) in row.enumerated() {
                if index > 0 { data.append(UInt8(ascii: "\t")) }
                guard let literal = value.literal else {
                    data += "\\N".utf8
                    continue
                }
                for byte in literal.utf8 {
                    switch byte {
                    case UInt8(ascii: "\\"): data += "\\\\".utf8
                    case UInt8(ascii: "\n"): data += "\\n".utf8
                    case UInt8(ascii: "\r"): data += "\\r".utf8
                    case UInt8(ascii: "\t"): data += "\\t".utf8
                    default: data.append(byte)
                    }
                }
            }
            data.append(UInt8(ascii: "\n"))
        }
        _ = try connection.copyIn("COPY source FROM STDIN") { stream throws(PostgresError) in
            let result: Result<Void, PostgresError> = data.withUnsafeBytes { bytes in
                Result { () throws(PostgresError) in try stream.send(bytes) }
            }
            try result.get()
        }
    }
}

extension TopicPartition {
    /// A place in one topic.
    public struct Offset: Hashable, Sendable {
        public var partition: Int32
        public var offset: Int64

        public init(_ partition: Int32, _ offset: Int64) { (self.partition, self.offset) = (partition, offset) }
    }
}

extension SourceType {
    /// What its numbers count depends on how the connector is set up.
    fileprivate var isTime: Bool {
        switch self {
        case .time, .timestamp: true
        default: false
        }
    }

    fileprivate var isDecimal: Bool {
        switch self {
        case .numeric, .anyNumeric: true
        default: false
        }
    }
}
