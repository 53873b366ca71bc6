import Foundation
import Testing

@testable import Credentials

@Suite("Where AWS's credentials come from")
struct AWSCredentialPlanTests {
    private func source(
        _ environment: [String: String] = [:], _ config: String = "", _ credentials: String = "",
        _ identity: AWSIdentity = AWSIdentity()
    ) throws -> AWSCredentialSource {
        try AWSCredentialPlan(
            identity, environment: environment, profiles: try AWSProfiles(config: config, credentials: credentials)
        ).source()
    }

    private func failure(
        _ environment: [String: String] = [:], _ config: String = "", _ credentials: String = "",
        _ identity: AWSIdentity = AWSIdentity()
    ) throws -> CredentialFailure? {
        do {
            _ = try source(environment, config, credentials, identity)
            return nil
        } catch let failure as CredentialFailure {
            return failure
        }
    }

    private static let variables = ["AWS_ACCESS_KEY_ID": "V", "AWS_SECRET_ACCESS_KEY": "s"]
    private static let keys = "aws_access_key_id = K\naws_secret_access_key = s\n"
    private static let written = AWSCredentialSource.written(AWSCredentials(accessKeyID: "K", secretAccessKey: "s"))
    private static let byVariables = AWSCredentialSource.written(
        AWSCredentials(accessKeyID: "V", secretAccessKey: "s"))
    private static let instance = AWSCredentialSource.instance(endpoint: "http://169.254.169.254")

    @Test("nothing set at all is the instance's metadata, of either family of addresses or elsewhere on this machine")
    func instance() throws {
        #expect(try source() == Self.instance)
        #expect(
            try source(["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"])
                == .instance(endpoint: "http://[fd00:ec2::254]"))
        #expect(
            try source([:], "[default]\nec2_metadata_service_endpoint = http://127.0.0.1:1338/")
                == .instance(endpoint: "http://127.0.0.1:1338"))
    }

    @Test(
        "a profile's role is taken on from what its source says, over several of them, and by a role of the loader's own"
    )
    func roles() throws {
        let config = """
            [profile top]
            role_arn = arn:top
            source_profile = middle
            external_id = e
            role_session_name = n
            duration_seconds = 900
            [profile middle]
            role_arn = arn:middle
            credential_source = EcsContainer
            """
        let container = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials", "AWS_PROFILE": "top"]
        let endpoint = AWSCredentialSource.container(
            AWSContainerEndpoint(url: "http://169.254.170.2/v2/credentials"))
        let top = AWSCredentialSource.role(
            AWSRole(arn: "arn:top", sessionName: "n", externalID: "e", duration: 900),
            .role(AWSRole(arn: "arn:middle"), endpoint))
        #expect(try source(container, config) == top)
        let own = AWSIdentity(profile: "top", roleARN: "arn:own", externalID: "x", sessionName: "y")
        #expect(
            try source(container, config, "", own)
                == .role(AWSRole(arn: "arn:own", sessionName: "y", externalID: "x"), top))
    }

    @Test("variables go before a profile that a variable names, and behind one that the loader's configuration names")
    func named() throws {
        let file = "[a]\n\(Self.keys)"
        var environment = Self.variables
        environment["AWS_PROFILE"] = "a"
        #expect(try source(environment, "", file) == Self.byVariables)
        #expect(try source(environment, "", file, AWSIdentity(profile: "a")) == Self.written)
    }

    @Test("a web identity is EKS's variables, or a profile's")
    func webIdentity() throws {
        let irsa = [
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
            "AWS_ROLE_ARN": "arn:pod", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        ]
        let file = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
        #expect(try source(irsa) == .webIdentity(AWSRole(arn: "arn:pod"), tokenFile: file))
        let config = "[default]\nweb_identity_token_file = /t\nrole_arn = arn:p\n"
        #expect(try source([:], config) == .webIdentity(AWSRole(arn: "arn:p"), tokenFile: "/t"))
    }

    @Test("EKS Pod Identity and ECS have a container's endpoint, with a token of their own")
    func container() throws {
        let pod = [
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t",
        ]
        #expect(
            try source(pod)
                == .container(AWSContainerEndpoint(url: "http://169.254.170.23/v1/credentials", tokenFile: "/token")))
    }

    @Test(
        "an endpoint that is no one's of this machine is refused: whatever answers there would be believed",
        arguments: [
            ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/v1"],
            ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.169.254/v1"],
            ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1@evil.example/v1"],
            ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.1/v1"],
            ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "ftp://127.0.0.1/v1"],
            ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://10.0.0.1"],
            ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://169.254.169.254.evil.example"],
            ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://user:p@169.254.169.254"],
            ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "nonsense"],
        ])
    func endpoints(environment: [String: String]) throws {
        let failure = try self.failure(environment)
        #expect(failure?.code == .unusable)
        #expect(failure?.mend.isEmpty == false)
    }

    @Test(
        "each mistake is told with its place",
        arguments: [
            ("AWS_SECRET_ACCESS_KEY", ["AWS_ACCESS_KEY_ID": "V"], ""),
            ("the profile b", ["AWS_PROFILE": "b"], "[profile a]\n"),
            ("mfa_serial", [:], "[default]\nrole_arn = r\nsource_profile = default\nmfa_serial = 1\n\(keys)"),
            ("who takes it on", [:], "[default]\nrole_arn = r\n"),
            (
                "source_profile and", [:],
                "[default]\nrole_arn = r\nsource_profile = a\ncredential_source = Environment\n"
            ),
            ("source_profile a", [:], "[default]\nrole_arn = r\nsource_profile = a\n"),
            (
                "leads round: default, a, default", [:],
                "[default]\nrole_arn = r\nsource_profile = a\n[profile a]\nrole_arn = s\nsource_profile = default\n"
            ),
            ("leads round: default, default", [:], "[default]\nrole_arn = r\nsource_profile = default\n"),
            ("a has no credentials", [:], "[default]\nrole_arn = r\nsource_profile = a\n[profile a]\nregion = x\n"),
            ("there is no such source", [:], "[default]\nrole_arn = r\ncredential_source = Elsewhere\n"),
            ("AWS_ACCESS_KEY_ID is not set", [:], "[default]\nrole_arn = r\ncredential_source = Environment\n"),
            ("RELATIVE_URI", [:], "[default]\nrole_arn = r\ncredential_source = EcsContainer\n"),
            ("no aws_secret_access_key", [:], "[default]\naws_access_key_id = K\n"),
            ("no role", ["AWS_WEB_IDENTITY_TOKEN_FILE": "/t"], ""),
            ("sso_role_name", [:], "[default]\nsso_account_id = 1\nsso_start_url = u\nsso_region = r\n"),
            ("sso_session work", [:], "[default]\nsso_account_id = 1\nsso_role_name = r\nsso_session = work\n"),
            (
                "another sso_region", [:],
                "[default]\nsso_account_id = 1\nsso_role_name = r\nsso_session = w\nsso_region = a\n[sso-session w]\nsso_region = b\nsso_start_url = u\n"
            ),
            ("aws login", [:], "[default]\nlogin_session = arn\n"),
            ("quote", [:], "[default]\ncredential_process = a 'b\n"),
            ("AWS_EC2_METADATA_DISABLED", ["AWS_EC2_METADATA_DISABLED": "TRUE"], ""),
        ])
    func mistakes(words: String, environment: [String: String], config: String) throws {
        let failure = try #require(try self.failure(environment, config))
        #expect(failure.code == .unusable)
        #expect("\(failure) \(failure.mend)".contains(words), "\(failure)")
        #expect(!failure.mend.isEmpty)
    }

    @Test(
        "a host of AWS's says its region, and another none",
        arguments: [
            ("b-1.shop.abc123.c2.kafka.eu-west-1.amazonaws.com", "eu-west-1"),
            ("boot-abc.c1.kafka-serverless.us-east-2.amazonaws.com", "us-east-2"),
            ("b-2-public.shop.abc.c3.kafka.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("b-1.shop.abc.c2.kafka.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("Shop.cluster-abc.AP-southeast-4.rds.amazonaws.com", "ap-southeast-4"),
            ("shop.abc.rds.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"),
            ("abc123.dsql.us-east-1.on.aws", "us-east-1"), ("kafka.eu-west-1.example.com", nil),
            ("eu-west-1.amazonaws.com.evil.example", nil), ("s3.amazonaws.com", nil), ("localhost", nil),
        ] as [(String, String?)])
    func hosts(host: String, region: String?) {
        #expect(AWSRegion.region(ofHost: host) == region)
    }
}
