/// A type of column that Debezium's connector for PostgreSQL writes.
public enum SourceType: Hashable, Sendable {
    case bool, int2, int4, int8, float4, float8
    case numeric(precision: Int, scale: Int)
    /// Each value has its own scale.
    case anyNumeric
    case text
    case varchar(Int)
    case date
    /// With so many digits behind the seconds.
    case time(Int)
    case timestamp(Int)
    case timestamptz, timetz, interval, uuid, bytea, json, jsonb, xml, inet, hstore, point
    case texts, ints, bigints, uuids
    case bit(Int)
    /// An enum of the tests' own.
    case mood

    public static let all: [SourceType] = [
        .bool, .int2, .int4, .int8, .float4, .float8, .numeric(precision: 12, scale: 2),
        .numeric(precision: 38, scale: 10), .numeric(precision: 9, scale: 0), .anyNumeric, .text, .text, .varchar(40),
        .date, .time(3), .time(6), .timestamp(3), .timestamp(6), .timestamptz, .timetz, .interval, .uuid, .bytea, .json,
        .jsonb, .xml, .inet, .hstore, .point, .texts, .ints, .bigints, .uuids, .bit(1), .bit(11), .mood,
    ]

    /// Those that keys are made of here.
    static let ofKeys: [SourceType] = [
        .int4, .int8, .text, .uuid, .date, .numeric(precision: 12, scale: 2), .timestamptz,
    ]

    static let moods = ["calm", "very glad", "Größe"]

    /// As CREATE TABLE has it.
    public var sql: String {
        switch self {
        case .numeric(let precision, let scale): "numeric(\(precision),\(scale))"
        case .anyNumeric: "numeric"
        case .varchar(let length): "varchar(\(length))"
        case .time(let digits): "time(\(digits))"
        case .timestamp(let digits): "timestamp(\(digits))"
        case .texts: "text[]"
        case .ints: "int[]"
        case .bigints: "bigint[]"
        case .uuids: "uuid[]"
        case .bit(let count): "bit(\(count))"
        default: "\(self)"
        }
    }

    /// What has to be there before a table can have such columns, as far as the server has come with it.
    public static let prerequisites = """
        DO $$ BEGIN
            PERFORM pg_advisory_xact_lock(15); -- IF NOT EXISTS alone fails where two are at it
            IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hstore') THEN
                CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public;
            END IF;
        END $$;
        CREATE TYPE mood AS ENUM (\(moods.map { "'\($0)'" }.joined(separator: ", ")));
        """

    /// Whether its long values are stored out of line, so that an event of an update that leaves one alone does not have it.
    ///
    /// No such value is told in the modes of binary values that encode it in base 64: there the connector knows no placeholder.
    func isOutOfLine(_ modes: ChangeModes) -> Bool {
        switch self {
        case .text, .json, .jsonb, .xml, .hstore, .texts, .ints, .bigints, .uuids: true
        case .bytea: modes.binary == .bytes || modes.binary == .hex
        default: false
        }
    }

    /// Whether EXCEPT compares it as it is. What has no equality, or one that takes different values for the same, is text.
    var isComparedAsText: Bool {
        switch self {
        case .json, .xml, .point, .interval, .float8, .float4: true
        default: false
        }
    }
}
