/// What was done to a row, in the letters that Debezium gives it; other envelopes' words are turned into these.
public enum ChangeOperation: String, Sendable, CaseIterable {
    case create = "c"
    /// A row of a snapshot.
    case read = "r"
    case update = "u"
    case delete = "d"
    case truncate = "t"
}

extension ChangeOperation {
    /// The letter, without a string being made of it.
    package var letter: StaticString {
        switch self {
        case .create: "c"
        case .read: "r"
        case .update: "u"
        case .delete: "d"
        case .truncate: "t"
        }
    }
}
