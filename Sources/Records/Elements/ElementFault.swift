/// Why the elements of a message cannot be told.
public enum ElementFault: Error, Equatable, Sendable {
    /// What should hold elements is something else.
    case notElements(step: Int, Field.Kind)
    case tooMany
    /// What is in them cannot be read.
    case unreadable(DecodingFailure)
}
