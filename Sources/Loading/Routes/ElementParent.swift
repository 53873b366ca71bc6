import Records

/// What holds elements that are rows, and by which columns of the key it is told from others: those are the key's first.
///
/// Its rows are a set: what the last message has for it is all of it.
package struct ElementParent: Sendable, Equatable {
    var keyCount: Int
    /// Of which step of the path it is an element; -1: it is the message.
    var step: Int
    /// Rows of it that the last message has no element for are deleted.
    var deletesMissing: Bool

    static let message = -1
}

extension Target {
    /// With the key of what holds its elements, which is what their deletion says; nil where nothing does.
    var asParent: Target? {
        guard let parent else { return nil }
        var target = self
        target.keyCount = parent.keyCount
        return target
    }
}

extension ElementParent {
    /// The step of which a column is, -1 for the message; nil for what is the same in all rows.
    static func step(of source: ColumnSource, _ path: ElementPath) -> Int? {
        let innermost = path.steps.count - 1
        return switch source {
        case .field, .element, .index, .name: innermost
        case .parent(let levels, _), .parentIndex(let levels), .parentName(let levels): innermost - levels
        case .constant: nil
        default: message
        }
    }

    /// Which columns of a key are the parent's, of all elements or of those that an element holds.
    ///
    /// - Returns: nil where each element has its own key, and none in common with others.
    static func columns(
        of key: [(name: String, source: ColumnSource)], _ path: ElementPath
    ) -> (names: [String], step: Int)? {
        let steps = key.map { step(of: $0.source, path) }
        guard let outermost = steps.compactMap(\.self).min(), outermost < path.steps.count - 1,
            steps.contains(where: { $0 != nil && $0 != outermost })
        else { return nil }
        let names = zip(key, steps).filter { $0.1 == nil || $0.1 == outermost }.map(\.0.name)
        return (names, outermost)
    }
}
