import Records

/// Which messages of its topics a route takes.
public struct RouteCondition: Sendable, Equatable {
    package let condition: Condition
    /// What each of the condition's sources is.
    package let sources: [ColumnSource]

    /// - Throws: what is wrong first, and where. Whether the route has what it asks about shows later.
    public init(_ text: String) throws(ConditionMistake) {
        condition = try Condition(text)
        var sources: [ColumnSource] = []
        for source in condition.sources {
            guard let found = ColumnSource(source.expression) else {
                throw ConditionMistake(
                    "asks for \(source.expression), which is neither a field nor known", at: source.place)
            }
            guard found.isAskable else {
                throw ConditionMistake("asks for \(found), which no condition can be about", at: source.place)
            }
            sources.append(found)
        }
        self.sources = sources
    }

    public var text: String { condition.text }

    /// For each source, whether nobody knows it of a deletion: that has no fields but its key's, and, if it is an event, those
    /// beside its row.
    func unknown(ofEvents: Bool) -> [Bool] {
        sources.map { source in
            switch source {
            case .field, .before: true
            case .origin: !ofEvents
            default: false
            }
        }
    }

    /// Where a source stands in the text, for messages.
    func place(of source: Int) -> Int { condition.sources[source].place }
}

/// What becomes of the row of a message that the route's condition does not let through.
public enum OnFiltered: String, Sendable, CaseIterable {
    /// The row is deleted: it may be there from a message that was let through.
    case delete
    case keep
}

extension ColumnSource {
    /// A condition can ask for it.
    fileprivate var isAskable: Bool {
        switch self {
        case .field, .key, .header, .topic, .partition, .offset, .timestamp, .operation, .before, .origin: true
        default: false
        }
    }
}

extension ColumnSource {
    /// It is about a change event and not about the row.
    var isOfEvent: Bool {
        switch self {
        case .origin, .operation: true
        default: false
        }
    }
}

extension Route {
    /// A message that the condition does not let through may have a row in the table, or its elements may, and those are deleted.
    var deletesFiltered: Bool {
        condition != nil && mode == .upsert && (onFiltered ?? .delete) == .delete
    }
}
