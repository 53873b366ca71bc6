/// What a client is made with: librdkafka's properties in order, of which a later one wins, and where its tokens come from.
public struct ClientProperties: Sendable {
    public var list: [(name: String, value: String)]
    /// For `sasl.mechanisms=OAUTHBEARER`; nil: none.
    public var tokens: (any TokenProvider)?

    public init(_ list: [(String, String)], tokens: (any TokenProvider)? = nil) {
        self.list = list
        self.tokens = tokens
    }

    /// The value that wins; nil where none is set.
    public subscript(name: String) -> String? { list.last { $0.name == name }?.value }

    /// The same with more behind them, which win.
    public static func + (properties: ClientProperties, more: [(String, String)]) -> ClientProperties {
        ClientProperties(properties.list + more, tokens: properties.tokens)
    }

    /// The same with defaults before them.
    public static func + (defaults: [(String, String)], properties: ClientProperties) -> ClientProperties {
        ClientProperties(defaults + properties.list, tokens: properties.tokens)
    }
}

extension ClientProperties: ExpressibleByArrayLiteral {
    public init(arrayLiteral list: (String, String)...) { self.init(list) }
}
