/// How a connector is set up, as far as its events look different for it, and how they are encoded.
///
/// Debezium's documentation of its connector for PostgreSQL has the modes, "Event flattening" what becomes of deletes there.
public struct ChangeModes: Sendable, CustomStringConvertible {
    /// `time.precision.mode`
    public enum Time: String, CaseIterable, Sendable {
        case adaptive, connect, isostring, microseconds, nanoseconds
        case adaptiveTimeMicroseconds = "adaptive_time_microseconds"
    }

    /// `decimal.handling.mode`
    public enum Decimals: String, CaseIterable, Sendable { case precise, double, string }

    /// `binary.handling.mode`
    public enum Binary: String, CaseIterable, Sendable {
        case bytes, base64, hex
        case base64URLSafe = "base64-url-safe"
    }

    /// `hstore.handling.mode`
    public enum HStore: String, CaseIterable, Sendable { case json, map }

    /// `interval.handling.mode`
    public enum Intervals: String, CaseIterable, Sendable { case numeric, string }

    public enum Encoding: String, CaseIterable, Sendable {
        /// JSON without schemas.
        case json
        /// JSON, each message with its schema.
        case connect
        /// Avro behind a schema registry.
        case avro
    }

    /// What transformation the events have passed.
    public enum Shape: String, CaseIterable, Sendable {
        case whole
        /// `ExtractNewRecordState`, by its `delete.tombstone.handling.mode`.
        case tombstone, rewrite
        case rewriteWithTombstone = "rewrite-with-tombstone"
        case deleteToTombstone = "delete-to-tombstone"

        var isRewritten: Bool { self == .rewrite || self == .rewriteWithTombstone }
    }

    public var time = Time.adaptive
    public var decimals = Decimals.precise
    public var binary = Binary.bytes
    public var hstore = HStore.json
    public var intervals = Intervals.numeric
    public var encoding = Encoding.json
    public var shape = Shape.whole
    /// The table's `REPLICA IDENTITY`: with FULL an event has all of the row before it, and all values out of line.
    public var isIdentityFull = false
    /// `tombstones.on.delete`
    public var hasTombstones = true
    /// Whether heartbeats and events of transactions, schemas and the log are in the topic as well.
    public var hasOtherEvents = true
    /// Whether the table is truncated now and then: there is an order of that in one partition alone.
    public var hasTruncates = false

    public init() {}

    /// The modes of one run out of many: every value of each has its turn soon, and the combinations differ.
    public init(run: Int, using generator: inout SeededGenerator) {
        time = Time.allCases[run % Time.allCases.count]
        decimals = Decimals.allCases[(run / 2) % Decimals.allCases.count]
        binary = Binary.allCases[(run / 3) % Binary.allCases.count]
        hstore = HStore.allCases[(run / 5) % HStore.allCases.count]
        intervals = Intervals.allCases[(run / 4) % Intervals.allCases.count]
        encoding = Encoding.allCases[run % Encoding.allCases.count]
        shape = run % 2 == 0 ? .whole : Shape.allCases[1 + (run / 2) % (Shape.allCases.count - 1)]
        isIdentityFull = Int.random(in: 0..<4, using: &generator) == 0
        // Without one of the two no delete is told at all.
        hasTombstones = shape == .tombstone || Bool.random(using: &generator)
        // The transformation leaves them as they are, and nothing tells them from rows then.
        hasOtherEvents = shape == .whole
        // It lets no truncation through.
        hasTruncates = run % 4 == 2
    }

    public var description: String {
        "\(encoding), \(shape.rawValue), time \(time.rawValue), decimals \(decimals.rawValue), binary \(binary.rawValue), "
            + "hstore \(hstore.rawValue), intervals \(intervals.rawValue)"
            + (isIdentityFull ? ", full identity" : "") + (hasTombstones ? ", tombstones" : "")
            + (hasTruncates ? ", truncates" : "")
    }
}
