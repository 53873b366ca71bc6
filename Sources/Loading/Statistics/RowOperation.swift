/// What a message does for a route, as far as it is counted. Dead letters are counted apart.
public enum RowOperation: Int, Sendable, CaseIterable {
    /// A row was written, or found to be there where what is there stays.
    case row
    /// A row's deletion was carried out, whether the row was there or not.
    case deletion
    /// A row was changed into one that says of itself that it is deleted.
    case mark
    /// The table's row was as new or newer, so that a row, a deletion or a mark did nothing.
    case notNewer
    /// The table was emptied.
    case truncation
    /// The route's condition does not let the message through.
    case filtered
    /// The route takes no such message, so that it does nothing: a tombstone, by choice; what a connector says that is of no row.
    case skipped
    /// An element of a message cannot be a row, and the route leaves such out.
    case skippedElement

    /// As metrics and pages call it.
    public var name: String {
        switch self {
        case .row: "row"
        case .deletion: "deletion"
        case .mark: "mark"
        case .notNewer: "not_newer"
        case .truncation: "truncation"
        case .filtered: "filtered"
        case .skipped: "skipped"
        case .skippedElement: "skipped_element"
        }
    }
}

/// How often each operation was done for each target. It allocates only when a target is counted that has a higher number than all
/// before.
package struct OperationCounts: Sendable, Equatable {
    /// By target, and within it by operation.
    private var counts: [Int] = []
    private static let width = RowOperation.allCases.count

    package init() {}

    @inline(__always)
    package mutating func add(_ operation: RowOperation, target: Int, _ count: Int = 1) {
        let place = target * Self.width + operation.rawValue
        if place >= counts.count { grow(to: target) }
        counts[place] += count
    }

    private mutating func grow(to target: Int) {
        counts += Array(repeating: 0, count: (target + 1) * Self.width - counts.count)
    }

    package subscript(operation: RowOperation, target target: Int) -> Int {
        let place = target * Self.width + operation.rawValue
        return counts.indices.contains(place) ? counts[place] : 0
    }

    /// How many targets may have counts.
    package var targetCount: Int { counts.count / Self.width }

    package mutating func add(_ other: OperationCounts) {
        if other.counts.count > counts.count { grow(to: other.targetCount - 1) }
        for place in other.counts.indices { counts[place] += other.counts[place] }
    }

    /// Keeps the memory.
    package mutating func removeAll() { for place in counts.indices { counts[place] = 0 } }

    /// Equal where all counts are, whatever room there is for more.
    package static func == (one: OperationCounts, other: OperationCounts) -> Bool {
        (0..<max(one.targetCount, other.targetCount)).allSatisfy { target in
            RowOperation.allCases.allSatisfy { one[$0, target: target] == other[$0, target: target] }
        }
    }
}
