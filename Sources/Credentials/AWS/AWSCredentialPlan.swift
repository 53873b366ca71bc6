import Foundation

/// Decides where credentials of AWS come from, by what is set and nothing else: the first of these that is there. That it then
/// fails makes no other of them right.
///
/// The order is botocore's, so that the loader is whoever AWS's own programs are in the same place: variables, the profile's
/// role, a web identity, the profile's sign-on, its keys in the file `credentials`, its program, its keys in the file `config`,
/// the container's endpoint, the instance's metadata.
struct AWSCredentialPlan {
    let environment: [String: String]
    let profiles: AWSProfiles
    let wanted: AWSIdentity

    init(_ wanted: AWSIdentity, environment: [String: String], profiles: AWSProfiles) {
        self.wanted = wanted
        self.environment = environment
        self.profiles = profiles
    }

    private func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// The profile that somebody has named; nil: nobody, and then it is `default`.
    private var named: String? {
        wanted.profile ?? variable("AWS_DEFAULT_PROFILE") ?? variable("AWS_PROFILE")
    }

    /// Of the profile that is in force.
    func setting(_ key: String) -> String? { profiles[named ?? "default"]?[key] }

    func source() throws(CredentialFailure) -> AWSCredentialSource {
        let source = try sourceOfEnvironment()
        guard let arn = wanted.roleARN else { return source }
        let role = AWSRole(arn: arn, sessionName: wanted.sessionName, externalID: wanted.externalID)
        return .role(role, source)
    }

    private func sourceOfEnvironment() throws(CredentialFailure) -> AWSCredentialSource {
        if let named, profiles[named] == nil {
            throw Self.unusable(
                "the profile \(named)", "is in neither of AWS's files",
                "list the profiles by `aws configure list-profiles`, or set AWS_CONFIG_FILE to the file that has it")
        }
        // Whoever names a profile to the loader itself wants that, whatever the variables are.
        if wanted.profile == nil, let written = try variables() { return written }
        let name = named ?? "default"
        if let section = profiles[name], isRole(section) {
            return try role(of: name, section, visited: [name])
        }
        if let source = try source(ofProfile: name, mayUseVariables: wanted.profile == nil) { return source }
        if let endpoint = try container() { return .container(endpoint) }
        guard let endpoint = try instance() else {
            throw Self.unusable(
                "AWS's credentials", "there are none, and AWS_EC2_METADATA_DISABLED is set",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the pod or instance a role")
        }
        return .instance(endpoint: endpoint)
    }

    // MARK: Variables

    private func variables() throws(CredentialFailure) -> AWSCredentialSource? {
        guard let key = variable("AWS_ACCESS_KEY_ID") else { return nil }
        guard let secret = variable("AWS_SECRET_ACCESS_KEY") else {
            throw Self.unusable(
                "AWS's variables", "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not",
                "set both, or neither, so that the others of AWS's sources are looked at")
        }
        let token = variable("AWS_SECURITY_TOKEN") ?? variable("AWS_SESSION_TOKEN")
        let expires = variable("AWS_CREDENTIAL_EXPIRATION").flatMap(Token.date)
        return .written(
            AWSCredentials(accessKeyID: key, secretAccessKey: secret, sessionToken: token, expires: expires))
    }

    // MARK: Profiles

    private func isRole(_ section: AWSProfiles.Section) -> Bool {
        section["role_arn"] != nil && section["web_identity_token_file"] == nil
    }

    /// The role that a profile names, with where whoever takes it on comes from.
    ///
    /// - Parameter visited: profiles on the way here.
    private func role(
        of name: String, _ section: AWSProfiles.Section, visited: [String]
    ) throws(CredentialFailure) -> AWSCredentialSource {
        let place = "the profile \(name)"
        guard section["mfa_serial"] == nil else {
            throw Self.unusable(
                place, "wants a code of a device (mfa_serial), and nobody is there to type it",
                "use a role that needs none, or credential_process with a program that keeps a session")
        }
        let role = AWSRole(
            arn: section["role_arn"] ?? "", sessionName: section["role_session_name"],
            externalID: section["external_id"], duration: section["duration_seconds"].flatMap { Int($0) })
        switch (section["source_profile"], section["credential_source"]) {
        case (nil, nil):
            throw Self.unusable(
                place, "has role_arn and does not say who takes it on",
                "add source_profile = PROFILE, or credential_source = Environment, Ec2InstanceMetadata or EcsContainer")
        case (.some, .some):
            throw Self.unusable(place, "has source_profile and credential_source", "keep one of them")
        case (nil, let kind?): return .role(role, try source(ofKind: kind, in: place))
        case (let other?, nil):
            guard let next = profiles[other] else {
                throw Self.unusable(
                    place, "its source_profile \(other) is in neither of AWS's files",
                    "add a section for \(other), or name another profile")
            }
            let isWritten = next["aws_access_key_id"] != nil || next["aws_secret_access_key"] != nil
            guard !visited.contains(other) || other == name && isWritten else {
                throw Self.unusable(
                    place, "its source_profile leads round: \((visited + [other]).joined(separator: ", "))",
                    "let one of them have credentials of its own")
            }
            if isRole(next), !isWritten {
                return .role(role, try self.role(of: other, next, visited: visited + [other]))
            }
            guard let source = try source(ofProfile: other, mayUseVariables: false) else {
                throw Self.unusable(
                    place, "its source_profile \(other) has no credentials",
                    "give \(other) keys, credential_process, a sign-on or a role of its own")
            }
            return .role(role, source)
        }
    }

    private func source(ofKind kind: String, in place: String) throws(CredentialFailure) -> AWSCredentialSource {
        let what: String
        switch kind {
        case "Environment":
            if let source = try variables() { return source }
            what = "AWS_ACCESS_KEY_ID is not set"
        case "EcsContainer":
            if let endpoint = try container() { return .container(endpoint) }
            what = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and …_FULL_URI are not set"
        case "Ec2InstanceMetadata":
            if let endpoint = try instance() { return .instance(endpoint: endpoint) }
            what = "AWS_EC2_METADATA_DISABLED is set"
        default: what = "there is no such source"
        }
        throw Self.unusable(
            place, "its credential_source is \(kind), and \(what)",
            "name the one of Environment, Ec2InstanceMetadata and EcsContainer that is there")
    }

    /// What a profile has by itself.
    private func source(
        ofProfile name: String, mayUseVariables: Bool
    ) throws(CredentialFailure) -> AWSCredentialSource? {
        let section = profiles[name] ?? [:]
        if let source = try webIdentity(section, name, mayUseVariables) { return source }
        if let session = try signOn(section, name) { return .signOn(session) }
        if let source = try keys(profiles.credentials[name], name) { return source }
        guard section["login_session"] == nil else {
            throw Self.unusable(
                "the profile \(name)", "has a session of `aws login`, which a program beside it cannot use",
                "add to the profile: credential_process = aws configure export-credentials --profile \(name) --format process"
            )
        }
        if let command = section["credential_process"] {
            guard let words = try? CommandWords.split(command), !words.isEmpty else {
                throw Self.unusable(
                    "the profile \(name)", "its credential_process has a quote that does not end",
                    "write it as you would type it in a shell")
            }
            return .command(words)
        }
        return try keys(profiles.config[name], name)
    }

    private func keys(
        _ section: AWSProfiles.Section?, _ name: String
    ) throws(CredentialFailure) -> AWSCredentialSource? {
        guard let section, let key = section["aws_access_key_id"] else { return nil }
        guard let secret = section["aws_secret_access_key"] else {
            throw Self.unusable(
                "the profile \(name)", "has aws_access_key_id and no aws_secret_access_key", "add the secret beside it")
        }
        let token = section["aws_security_token"] ?? section["aws_session_token"]
        return .written(AWSCredentials(accessKeyID: key, secretAccessKey: secret, sessionToken: token))
    }

    private func webIdentity(
        _ section: AWSProfiles.Section, _ name: String, _ mayUseVariables: Bool
    ) throws(CredentialFailure) -> AWSCredentialSource? {
        func value(_ name: String, _ key: String) -> String? {
            (mayUseVariables ? variable(name) : nil) ?? section[key]
        }
        guard let file = value("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file") else { return nil }
        guard let arn = value("AWS_ROLE_ARN", "role_arn") else {
            throw Self.unusable(
                "the web identity", "there is a file with its token and no role",
                "set AWS_ROLE_ARN; in EKS the service account wants the annotation eks.amazonaws.com/role-arn")
        }
        let role = AWSRole(arn: arn, sessionName: value("AWS_ROLE_SESSION_NAME", "role_session_name"))
        return .webIdentity(role, tokenFile: file)
    }

    private func signOn(_ section: AWSProfiles.Section, _ name: String) throws(CredentialFailure) -> AWSSignOn? {
        guard section["sso_role_name"] != nil || section["sso_account_id"] != nil else { return nil }
        let place = "the profile \(name)"
        var all = section
        if let session = section["sso_session"] {
            guard let other = profiles.sessions[session] else {
                throw Self.unusable(
                    place, "its sso_session \(session) is in no file", "add a section [sso-session \(session)]")
            }
            for (key, value) in other where section[key] ?? value != value {
                throw Self.unusable(
                    place, "says another \(key) than its sso_session \(session)", "keep it in the session alone")
            }
            all.merge(other) { first, _ in first }
        }
        guard let account = all["sso_account_id"], let role = all["sso_role_name"], let start = all["sso_start_url"],
            let region = all["sso_region"]
        else {
            let missing = ["sso_account_id", "sso_role_name", "sso_start_url", "sso_region"].filter { all[$0] == nil }
            throw Self.unusable(
                place, "signs on, and does not say \(missing.joined(separator: ", "))",
                "run `aws configure sso --profile \(name)`")
        }
        return AWSSignOn(
            profile: name, region: region, account: account, role: role, key: section["sso_session"] ?? start)
    }

    // MARK: Endpoints

    private func container() throws(CredentialFailure) -> AWSContainerEndpoint? {
        let url: String
        if let path = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            url = "http://169.254.170.2\(path)"
        } else if let whole = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            url = whole
        } else {
            return nil
        }
        guard AWSContainerEndpoint.isPermitted(url) else {
            throw Self.unusable(
                "the container's endpoint",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is not https, and its host none of a container's",
                "let ECS or EKS set it: what answers elsewhere may be anybody, and would be trusted")
        }
        let token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        return AWSContainerEndpoint(url: url, tokenFile: file, token: file == nil ? token : nil)
    }

    /// - Returns: nil where it is switched off.
    func instance() throws(CredentialFailure) -> String? {
        guard environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() != "true" else { return nil }
        let mode =
            variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") ?? setting("ec2_metadata_service_endpoint_mode") ?? ""
        let own = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? setting("ec2_metadata_service_endpoint")
        var endpoint = own ?? (mode.lowercased() == "ipv6" ? "http://[fd00:ec2::254]" : "http://169.254.169.254")
        while endpoint.last == "/" { endpoint.removeLast() }
        // EC2's own address of IPv6 is of a range that routers may pass on.
        guard MetadataPlace.isOwn(endpoint) || endpoint == "http://[fd00:ec2::254]" else {
            throw Self.unusable(
                "the instance's metadata service",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT is at no address of this machine's own",
                "unset it, or set it to http://169.254.169.254: what answers elsewhere would be trusted")
        }
        return endpoint
    }

    private static func unusable(_ place: String, _ words: String, _ mend: String) -> CredentialFailure {
        CredentialFailure(.unusable, at: place, words, mend: mend)
    }
}
