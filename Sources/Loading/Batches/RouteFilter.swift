import Records

/// A route's condition as the row builder decides it for each message, and what becomes of those that it does not let through.
///
/// Belongs to one thread.
final class RouteFilter {
    let target: Target
    let condition: RouteCondition
    let program: ConditionProgram
    /// For each of the condition's sources.
    let inputs: [MessagePlan.Input]
    /// The names of headers among the sources, as messages have them.
    let headers: [[UInt8]]
    /// Deletes the row that the message would have, of elements all rows of the message; nil: what is there stays.
    let deletion: RowPlan?
    /// What nobody knows of a tombstone, of an event without the fields of its row: for each of the condition's sources.
    private let ofTombstones: Unknown
    private let ofEvents: Unknown
    /// What of it may change while a row is the route's.
    private let ofRows: Unknown
    /// It asks for fields of the key, or all of it.
    let readsKey: Bool
    let topicName = TopicName()

    /// - Returns: nil for a route that takes all messages.
    init?(_ target: Target, _ shape: MessagePlan.Shape) {
        guard let condition = target.route.condition else { return nil }
        (self.target, self.condition) = (target, condition)
        program = ConditionProgram(condition.condition)
        inputs = shape.conditionInputs
        headers = condition.sources.map { if case .header(let name) = $0 { Array(name.utf8) } else { [] } }
        let deleting = (target.asParent ?? target).requiringKey
        deletion =
            target.route.deletesFiltered
            ? RowPlan(deleting, inputs: Array(shape.inputs.prefix(deleting.deletionCount)), isOfTombstones: true) : nil
        ofTombstones = Unknown(condition.unknown(ofEvents: false))
        ofEvents = Unknown(condition.unknown(ofEvents: true))
        ofRows = Unknown(condition.sources.map { !$0.isOfEvent })
        readsKey = condition.sources.contains { if case .key = $0 { true } else { false } }
    }

    private final class Unknown {
        let sources: UnsafeMutableBufferPointer<Bool>
        /// Nothing is known.
        let isAll: Bool

        init(_ unknown: [Bool]) {
            isAll = unknown.allSatisfy { $0 }
            sources = .allocate(capacity: unknown.count)
            _ = sources.initialize(from: unknown)
        }

        deinit { sources.deallocate() }
    }

    /// Whether another event of the row of the last message may pass, or may have: what an event says of itself, such as the table
    /// that it is of, no row leaves.
    var mayTakeRow: Bool {
        ofRows.isAll || (try? program.mayHold(UnsafeBufferPointer(ofRows.sources))) ?? true
    }

    /// Whether nothing of what the condition asks for is known of a message of which the row is not.
    func knowsNothing(isEvent: Bool) -> Bool { (isEvent ? ofEvents : ofTombstones).isAll }

    /// Whether the route may take a message of which the row is not known, by what is.
    func mayTake(isEvent: Bool) throws(ConditionFault) -> Bool {
        try program.mayHold(UnsafeBufferPointer((isEvent ? ofEvents : ofTombstones).sources))
    }
}
