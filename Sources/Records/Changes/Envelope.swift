/// What the messages of a topic say of changes to rows elsewhere, and where they say it.
public struct Envelope: Sendable, Hashable {
    /// Where a row stands as it is after the change, and as it was before.
    public var after: FieldPath
    public var before: FieldPath?
    /// Where it is said what was done, and in which words.
    public var operation: FieldPath
    public var words: [String: ChangeOperation]

    public init(after: FieldPath, before: FieldPath?, operation: FieldPath, words: [String: ChangeOperation]) {
        self.after = after
        self.before = before
        self.operation = operation
        self.words = words
    }
}
