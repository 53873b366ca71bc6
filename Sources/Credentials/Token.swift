import Foundation

/// What lets somebody in for a while. Whatever prints it, prints no secret.
public struct Token: Sendable, Equatable {
    /// The secret itself.
    public var text: String
    /// Until when it is good, by this machine's clock; nil: nobody says.
    public var expires: Date?
    /// Whom it is for, as far as it says so.
    public var principal: String?
    /// SASL's extensions (RFC 7628, 3.1) that go with it to a broker, `logicalCluster`.
    public var extensions: [String: String]

    public init(_ text: String, expires: Date? = nil, principal: String? = nil, extensions: [String: String] = [:]) {
        self.text = text
        self.expires = expires
        self.principal = principal
        self.extensions = extensions
    }
}

extension Token: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "a token" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
