import Foundation

/// Who asks AWS. Whatever prints it, prints no secret.
public struct AWSCredentials: Sendable, Equatable {
    public var accessKeyID: String
    var secretAccessKey: String
    /// Of credentials that end by themselves.
    var sessionToken: String?
    /// When they end, by AWS's clock; nil: nobody says.
    public var expires: Date?

    public init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expires: Date? = nil) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expires = expires
    }
}

extension AWSCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "credentials of AWS" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
