/// A message's header. Names may repeat, and their order counts.
public struct Header: Hashable, Sendable {
    public var name: String
    /// Nil is a value of its own, other than the empty one.
    public var value: [UInt8]?

    public init(name: String, value: [UInt8]?) {
        self.name = name
        self.value = value
    }

    public init(_ name: String, _ value: String) {
        self.init(name: name, value: Array(value.utf8))
    }
}
