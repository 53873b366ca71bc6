import Foundation
import Postgres

/// Which dead letters are meant. Empty lists and nil restrict nothing.
public struct DeadLetterFilter: Sendable, Equatable {
    public var ids: [Int64] = []
    public var group: String?
    public var topics: [String] = []
    public var reasons: [String] = []
    /// Whole codes, or classes of two characters.
    public var sqlStates: [String] = []
    /// With or without their schema.
    public var tables: [String] = []
    public var columns: [String] = []
    /// Failed at this time or later.
    public var since: Date?
    /// Failed before this time.
    public var until: Date?

    public init() {}

    /// Whether it means some of a group's letters rather than all.
    public var isRestricted: Bool {
        var whole = DeadLetterFilter()
        whole.group = group
        return self != whole
    }

    /// A condition over `loader.dead_letters AS d`, with its parameters from `$1` on.
    package func condition() -> (sql: String, parameters: [QueryParameter]) {
        var terms: [String] = []
        var parameters: [QueryParameter] = []
        func add(_ parameter: QueryParameter, _ term: (String) -> String) {
            parameters.append(parameter)
            terms.append(term("$\(parameters.count)"))
        }
        func add(_ names: [String], _ term: (String) -> String) {
            if !names.isEmpty { add(.array(names), term) }
        }
        if !ids.isEmpty { add(.array(ids)) { "d.id = ANY (\($0)::bigint[])" } }
        if let group { add(.text(group)) { "d.consumer_group = \($0)" } }
        add(topics) { "d.topic = ANY (\($0)::text[])" }
        add(reasons) { "d.reason = ANY (\($0)::text[])" }
        add(sqlStates.map { $0 + "%" }) { "d.sqlstate LIKE ANY (\($0)::text[])" }
        add(tables) {
            "(d.target = ANY (\($0)::text[]) OR regexp_replace(d.target, '^[^.]*\\.', '') = ANY (\($0)::text[]))"
        }
        add(columns) { "d.column_name = ANY (\($0)::text[])" }
        func milliseconds(_ time: Date) -> QueryParameter {
            .int64(Int64((time.timeIntervalSince1970 * 1000).rounded()))
        }
        if let since { add(milliseconds(since)) { "d.failed_at >= to_timestamp(\($0)::bigint / 1000.0)" } }
        if let until { add(milliseconds(until)) { "d.failed_at < to_timestamp(\($0)::bigint / 1000.0)" } }
        return (terms.isEmpty ? "true" : terms.joined(separator: " AND "), parameters)
    }
}
