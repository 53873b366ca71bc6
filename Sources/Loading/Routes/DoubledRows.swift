import Postgres

extension LoadingOptions {
    /// The first target whose rows would be there once more if messages of a topic were loaded once more.
    ///
    /// - Returns: nil where no rows would, and where that is allowed.
    package func target(doubledBy topic: String, among targets: [Target]) -> Target? {
        guard !allowDuplicates else { return nil }
        return targets.first { !$0.isReplaySafe && $0.route.topics.contains { $0.matches(topic) } }
    }
}
