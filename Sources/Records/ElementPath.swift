/// Which elements of a message each make a row.
public struct ElementPath: Sendable, Hashable {
    /// Where they are, from the message inwards: `items.options` are the options of each item. `*` in place of a name stands for
    /// all members of an object.
    public var steps: FieldPath

    public init(steps: FieldPath) { self.steps = steps }
}
