import Foundation

/// Who asks AWS. Whatever prints it, prints no secret.
public struct AWSCredentials: Sendable, Equatable {
    public var accessKeyID: String
    var secretAccessKey: String
    /// Of credentials that end by themselves.
    var sessionToken: String?
    /// When they end, by AWS's clock; nil: nobody says.
    public var expires: Date?
    /// Whom they are for, as far as that was said along with them: `arn:aws:sts::111122223333:assumed-role/loader/loader-0`.
    public var holder: String?

    public init(
        accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expires: Date? = nil,
        holder: String? = nil
    ) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expires = expires
        self.holder = holder
    }
}

extension AWSCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "credentials of AWS" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
