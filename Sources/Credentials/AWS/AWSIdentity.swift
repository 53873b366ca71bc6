/// Who the loader shall be to AWS, where its own configuration says more than AWS's variables and files do.
public struct AWSIdentity: Sendable, Hashable {
    /// The profile of AWS's files; nil: the one of `AWS_PROFILE`, or `default`.
    public var profile: String?
    /// A role that it takes on in the end.
    public var roleARN: String?
    /// What that role's owner wants to hear beside.
    public var externalID: String?
    /// What AWS's log of requests calls its sessions; nil: `loader-` and something that stays for the process.
    public var sessionName: String?

    public init(
        profile: String? = nil, roleARN: String? = nil, externalID: String? = nil, sessionName: String? = nil
    ) {
        self.profile = profile
        self.roleARN = roleARN
        self.externalID = externalID
        self.sessionName = sessionName
    }
}
