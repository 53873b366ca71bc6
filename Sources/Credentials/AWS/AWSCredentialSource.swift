/// Where credentials of AWS come from, once it is decided: how, but not yet done.
indirect enum AWSCredentialSource: Sendable, Equatable {
    /// They stand somewhere: in variables or in a file.
    case written(AWSCredentials)
    /// Another role, that whoever comes from the other source may take on.
    case role(AWSRole, AWSCredentialSource)
    /// A role, for whoever has a token of another authority: what Kubernetes gives to its pods (IRSA).
    case webIdentity(AWSRole, tokenFile: String)
    /// What `aws sso login` has left.
    case signOn(AWSSignOn)
    /// A program that prints them: `credential_process`.
    case command([String])
    /// The endpoint that ECS and EKS Pod Identity give to their containers.
    case container(AWSContainerEndpoint)
    /// The metadata service of EC2.
    case instance(endpoint: String)
}

/// A role that somebody takes on, and how.
struct AWSRole: Sendable, Equatable {
    /// `arn:aws:iam::111122223333:role/loader`
    var arn: String
    /// What the session is called in AWS's log of requests; nil: the process's own name, which stays the same.
    var sessionName: String?
    var externalID: String?
    /// In seconds.
    var duration: Int?
}

extension AWSCredentialSource {
    /// What it is, for people, without a secret.
    var place: String {
        switch self {
        case .written: "AWS's variables or files"
        case .role(let role, _): "AWS's STS for the role \(role.arn)"
        case .webIdentity(let role, _): "AWS's STS for the role \(role.arn) and a web identity"
        case .signOn(let session): "the sign-on of the profile \(session.profile)"
        case .command(let words): "the credential_process \(words.first ?? "")"
        case .container(let endpoint): "the container's endpoint \(endpoint.url)"
        case .instance(let endpoint): "the instance's metadata service \(endpoint)"
        }
    }
}
