import Postgres

/// Rows of `loader.positions` that are no positions: what a group has done once, under names that no topic can have.
package enum LedgerMemory {
    /// The group was set back for a deployment.
    package static let reset = "reset_on_start: "
    /// The group has begun with a subscription: what matches it and has no position is new.
    private static let subscription = "subscribed: "
    /// The group has loaded a topic into a table.
    private static let loaded = "loaded into "

    static func loaded(_ topic: String, into table: TableName) -> String { "\(loaded)\(table.quoted): \(topic)" }

    /// What such a row says; nil for any other. No topic has a colon in its name, whatever a table has.
    package static func loaded(_ memory: String) -> (topic: String, table: String)? {
        guard memory.hasPrefix(loaded), let colon = memory.lastIndex(of: ":") else { return nil }
        return (
            String(memory[colon...].dropFirst(2)), String(memory[..<colon].dropFirst(loaded.count))
        )
    }

    static func topic(of pattern: Route.TopicPattern) -> String { subscription + pattern.subscription }

    /// Whether a row of the ledger only remembers something.
    package static func isMemory(_ topic: String) -> Bool {
        [reset, subscription, loaded].contains { topic.hasPrefix($0) }
    }

    /// Whether a group has begun with a subscription before: it says so, or has positions of topics that match it.
    ///
    /// - Parameter topics: of all rows that the ledger has of the group.
    static func hasBegun(_ pattern: Route.TopicPattern, _ topics: some Sequence<String>) -> Bool {
        let memory = topic(of: pattern)
        return topics.contains { $0 == memory || !isMemory($0) && pattern.matches($0) }
    }

    /// Whether a topic without a position is new to a group that has begun with a route of it.
    package static func isNew(
        _ topic: String, _ patterns: [Route.TopicPattern], _ topics: some Sequence<String>
    ) -> Bool {
        patterns.contains { $0.matches(topic) && hasBegun($0, topics) }
    }
}
