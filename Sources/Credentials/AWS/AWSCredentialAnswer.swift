import Foundation

/// Credentials as AWS's endpoints and programs print them in JSON.
struct AWSCredentialAnswer: Decodable {
    private var keyID: String?
    private var secret: String?
    private var token: String?
    private var sessionToken: String?
    private var expiration: String?
    /// Of ECS.
    private var role: String?
    /// Of programs: 1.
    var version: Int?
    /// Of the instance's metadata: `Success`.
    var code: String?

    private enum CodingKeys: String, CodingKey {
        case keyID = "AccessKeyId"
        case secret = "SecretAccessKey"
        case token = "Token"
        case sessionToken = "SessionToken"
        case expiration = "Expiration"
        case role = "RoleArn"
        case version = "Version"
        case code = "Code"
    }

    /// - Returns: nil for what is no JSON of this form.
    init?(_ bytes: [UInt8]) {
        guard let answer = try? JSONDecoder().decode(Self.self, from: Data(bytes)) else { return nil }
        self = answer
    }

    /// Nil: a part of them is missing, or cannot be read.
    var credentials: AWSCredentials? {
        guard let keyID, let secret, !keyID.isEmpty, !secret.isEmpty else { return nil }
        let expires = expiration.flatMap(Token.date)
        if expiration != nil, expires == nil { return nil }
        return AWSCredentials(
            accessKeyID: keyID, secretAccessKey: secret, sessionToken: token ?? sessionToken, expires: expires,
            holder: role)
    }
}

extension AWSCredentialAnswer: CustomStringConvertible, CustomReflectable {
    var description: String { "an answer with credentials" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
