/// How a text of values is divided (RFC 4180), and what its values are called.
public struct CSVDialect: Sendable, Hashable {
    /// Between two fields. ASCII.
    public var delimiter = UInt8(ascii: ",")
    /// Around a field that holds a delimiter, a line end or a quote, which is doubled then; nil: there are none. ASCII.
    public var quote: UInt8? = UInt8(ascii: "\"")
    /// The first line of each message names its fields.
    public var hasHeader = false
    /// What the fields are called where no header says it; empty: by their position, from `0`.
    public var fields: [String] = []
    /// What a field without quotes is that is null.
    public var null = ""

    public init() {}
}
