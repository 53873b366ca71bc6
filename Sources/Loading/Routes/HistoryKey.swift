/// The columns of a history that say which message a row is of, and which of its elements.
struct HistoryKey {
    private(set) var columns: [String] = []
    /// What no column takes, as a route writes it.
    private(set) var missing: [String] = []

    init(_ route: Route) {
        let sources = (route.columns ?? []).map { (name: $0.name, source: route.source(of: $0)) }
        var wanted: [ColumnSource] = [.topic, .partition, .offset]
        if let each = route.elements {
            // Of each step: which element it was, by its place or its name.
            for level in (0..<each.steps.count).reversed() {
                let ways: [ColumnSource] =
                    level == 0 ? [.index, .name] : [.parentIndex(levels: level), .parentName(levels: level)]
                wanted.append(ways.first { way in sources.contains { $0.source == way } } ?? ways[0])
            }
        }
        for source in wanted {
            if let column = sources.first(where: { $0.source == source }) {
                columns.append(column.name)
            } else if source != .topic || !route.takesOneTopic {
                missing.append("\(source)")
            }
        }
    }
}

extension Route {
    /// All of its messages are of the same topic.
    fileprivate var takesOneTopic: Bool {
        guard topics.count == 1, case .name = topics[0] else { return false }
        return true
    }
}
