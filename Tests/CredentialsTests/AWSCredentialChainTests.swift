import Foundation
import RegistryMock
import Synchronization
import TestSupport
import Testing

@testable import Credentials

@Suite("AWS's credentials")
final class AWSCredentialChainTests {
    /// A home directory with what AWS's programs keep there.
    private final class Home {
        let directory = FileManager.default.temporaryDirectory.appending(path: "aws-\(UUID().uuidString)")

        init(config: String = "", credentials: String = "") throws {
            try FileManager.default.createDirectory(
                at: directory.appending(path: ".aws/sso/cache"), withIntermediateDirectories: true)
            try write(config, to: ".aws/config")
            try write(credentials, to: ".aws/credentials")
        }

        deinit { try? FileManager.default.removeItem(at: directory) }

        var path: String { directory.path(percentEncoded: false) }

        @discardableResult func write(_ text: String, to name: String) throws -> String {
            let file = directory.appending(path: name)
            try Data(text.utf8).write(to: file)
            return file.path(percentEncoded: false)
        }
    }

    /// They stay for as long as the test goes on.
    private var homes: [Home] = []

    private func makeHome(config: String = "", credentials: String = "") throws -> Home {
        let home = try Home(config: config, credentials: credentials)
        homes.append(home)
        return home
    }

    private func chain(
        _ aws: AWSMock, _ home: Home, _ environment: [String: String] = [:], _ identity: AWSIdentity = AWSIdentity(),
        clock: AWSClock = AWSClock()
    ) -> AWSCredentialChain {
        var all = [
            "HOME": home.path, "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": aws.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url, "PATH": "/usr/bin:/bin",
        ]
        all.merge(environment) { $1 }
        return AWSCredentialChain(identity, environment: all.filter { !$0.value.isEmpty }, clock: clock)
    }

    private func failure(_ chain: AWSCredentialChain) -> CredentialFailure? {
        do throws(CredentialFailure) {
            _ = try chain.credentials()
            return nil
        } catch {
            return error
        }
    }

    private struct Case: Decodable {
        var environment: [String: String]
        var profile: String?
        var key: String?
    }

    @Test(
        "whom AWS's own library takes its user for, the loader takes itself for, whatever variables and files there are",
        .enabled(if: PythonScript.has("botocore"), "scripts/test installs botocore"))
    func order() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let home = try makeHome()
        let seed = UInt32.random(in: 0...UInt32.max)
        let lines = try PythonScript.lines(of: "aws-chain", [String(seed), "250", aws.url, home.path])
        #expect(lines.count == 250)
        var found: Set<String> = []
        for line in lines {
            let one = try JSONDecoder().decode(Case.self, from: line)
            let chain = AWSCredentialChain(AWSIdentity(profile: one.profile), environment: one.environment)
            let key = try? chain.credentials().accessKeyID
            #expect(
                key == one.key, "seed \(seed): \(one.environment) \(one.profile ?? "-") \(failure(chain)?.words ?? "")")
            found.insert(one.key.map { String($0.prefix { $0 != "." && $0 != "-" }) } ?? "none")
        }
        #expect(
            found.isSuperset(of: ["variable", "key", "role", "process", "sso", "container", "instance", "none"]),
            "\(found)")
    }

    @Test("a role is asked for with all that its profile says, in the region's own STS, and its answer is read in full")
    func role() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let home = try makeHome(
            config: """
                [default]
                role_arn = arn:aws:iam::1:role/shop
                source_profile = default
                external_id = e+x
                role_session_name = name
                duration_seconds = 1200
                """, credentials: "[default]\naws_access_key_id = K\naws_secret_access_key = s\n")
        let credentials = try chain(aws, home).credentials()
        #expect(credentials.accessKeyID == "shop.by.K.external")
        #expect(credentials.secretAccessKey == "s3cret&more")
        #expect(credentials.sessionToken == "t0ken/+==")
        #expect(credentials.holder == "arn:aws:iam::1:role/shop")
        #expect((3500...3600).contains(credentials.expires?.timeIntervalSinceNow ?? 0))
        let request = try #require(aws.requests.first)
        let body = String(decoding: request.body, as: UTF8.self)
        #expect(body.contains("DurationSeconds=1200") && body.contains("ExternalId=e%2Bx"))
        #expect(body.contains("RoleSessionName=name&"))
        #expect(request.headers["authorization"]?.contains("/eu-west-1/sts/aws4_request") == true)
    }

    @Test(
        "STS is asked in the region, or where AWS's settings want it",
        arguments: [
            ("eu-west-1", [:], "https://sts.eu-west-1.amazonaws.com", "eu-west-1"),
            ("cn-north-1", [:], "https://sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            (
                "us-gov-west-1", ["AWS_USE_FIPS_ENDPOINT": "true"], "https://sts-fips.us-gov-west-1.amazonaws.com",
                "us-gov-west-1"
            ),
            ("eu-west-1", ["AWS_STS_REGIONAL_ENDPOINTS": "legacy"], "https://sts.amazonaws.com", "us-east-1"),
            (nil, [:], "https://sts.amazonaws.com", "us-east-1"),
            (
                "eu-west-1", ["AWS_ENDPOINT_URL_STS": "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com/"],
                "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com", "eu-west-1"
            ),
        ] as [(String?, [String: String], String, String)])
    func regional(region: String?, environment: [String: String], url: String, signed: String) throws {
        let endpoint = try AWSTokenService.endpoint(region: region, environment: environment) { _ in nil }
        #expect(endpoint.url == url && endpoint.region == signed)
    }

    @Test("an endpoint of STS without encryption is refused, but on this machine")
    func plain() {
        #expect(throws: CredentialFailure.self) {
            try AWSTokenService.endpoint(region: nil, environment: ["AWS_ENDPOINT_URL": "http://sts.example"]) { _ in
                nil
            }
        }
    }

    @Test("the session's name is the same for the process, and one that AWS takes")
    func sessionName() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let home = try makeHome()
        let token = try home.write("identity\n", to: "token")
        let irsa = ["AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/pod"]
        for _ in 0..<2 { #expect(try chain(aws, home, irsa).credentials().accessKeyID == "pod.web.identity") }
        let names = aws.requests.compactMap {
            String(decoding: $0.body, as: UTF8.self).firstMatch(of: /RoleSessionName=([^&]+)/).map { String($0.1) }
        }
        #expect(names.count == 2 && names[0] == names[1])
        #expect(names.allSatisfy { $0.wholeMatch(of: /[\w+=,.@-]{2,64}/) != nil })
    }

    @Test("tokens in files are read again at each use, and what has ended is renewed")
    func renewed() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        aws.with { $0.lifetime = 0 }
        let home = try makeHome()
        let token = try home.write("one", to: "token")
        let irsa = chain(aws, home, ["AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/pod"])
        #expect(try irsa.credentials().accessKeyID == "pod.web.one")
        try home.write("two", to: "token")
        #expect(try irsa.credentials().accessKeyID == "pod.web.two")
        let pod = chain(
            aws, home,
            [
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.url + "/container",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token,
            ])
        #expect(try pod.credentials().accessKeyID == "container.two")
        try home.write("three", to: "token")
        #expect(try pod.credentials().accessKeyID == "container.three")
        try home.write("a\nX-Evil: b", to: "token")
        #expect(failure(pod)?.words.contains("line's end") == true)
    }

    @Test("credentials are asked for once by all who want them, and in files they are found anew")
    func kept() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let home = try makeHome()
        let instance = chain(aws, home)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            #expect((try? instance.credentials().accessKeyID) == "instance.web-server")
        }
        #expect(aws.requests.count == 3)
        try home.write("[default]\naws_access_key_id = K\naws_secret_access_key = s\n", to: ".aws/credentials")
        let file = chain(aws, home)
        #expect(try file.credentials().accessKeyID == "K")
        try home.write("[default]\naws_access_key_id = L\naws_secret_access_key = s\n", to: ".aws/credentials")
        #expect(try file.credentials().accessKeyID == "L")
    }

    @Test("while renewing fails, the credentials serve on, and the failure is told")
    func outage() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        // Good for less than what is waited with, so each use asks for others, but no more often than once a minute.
        aws.with { $0.lifetime = 300 }
        let now = Held(Date())
        let home = try makeHome()
        let chain = chain(aws, home, clock: AWSClock { now.value })
        #expect(try chain.credentials().accessKeyID == "instance.web-server")
        let before = aws.requests.count
        now.value += 61
        aws.with { state in
            state.ahead = 61
            state.faults = Array(repeating: .said(status: 503, body: []), count: 3)
        }
        #expect(try chain.credentials().accessKeyID == "instance.web-server")
        #expect(aws.requests.count == before + 3)
        #expect(chain.failure?.code == .away)
        #expect(chain.note?.contains("are not renewed: the instance's metadata service") == true)
        #expect(try chain.credentials().accessKeyID == "instance.web-server")
        #expect(aws.requests.count == before + 3)
        now.value += 61
        aws.with { $0.ahead += 61 }
        #expect(try chain.credentials().accessKeyID == "instance.web-server")
        #expect(chain.failure == nil && chain.note == nil)
    }

    @Test("while another attempt hangs, whoever cannot wait for it gets credentials that are still good")
    func hanging() async throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        aws.with { $0.lifetime = 300 }
        let now = Held(Date())
        let home = try makeHome()
        let token = try home.write("one", to: "token")
        let chain = chain(
            aws, home, ["AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/pod"],
            clock: AWSClock { now.value })
        #expect(try chain.credentials().accessKeyID == "pod.web.one")
        now.value += 61
        aws.with { state in
            state.ahead = 61
            state.faults = Array(repeating: .silence, count: 3)
        }
        Thread { _ = try? chain.credentials() }.start()
        try await eventually("another attempt") { aws.requests.count == 2 }
        #expect(try chain.credentials { true }.accessKeyID == "pod.web.one")
    }

    @Test("credentials behind a token that brokers refuse are asked for anew")
    func refusedToken() async throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let now = Held(Date())
        let home = try makeHome()
        let keeper = TokenKeeper(MSKIAMTokens(chain(aws, home, clock: AWSClock { now.value }), region: AWSRegion()))
        let first = try keeper.token(within: .seconds(60))
        let asked = aws.requests.count
        now.value += 61
        aws.with { $0.ahead = 61 }
        keeper.renew(first.text)
        let answers = Mutex<[String?]>([])
        keeper.token(.next) { result in answers.withLock { $0.append(try? result.get().text) } }
        try await eventually("the next") { answers.withLock { !$0.isEmpty } }
        #expect(aws.requests.count > asked)
        #expect(answers.withLock { $0 } != [first.text])
    }

    private final class Held: @unchecked Sendable {
        // Unchecked: one thread sets it while no other asks.
        var value: Date
        init(_ value: Date) { self.value = value }
    }

    @Test(
        "a clock that is off is seen in AWS's answers, told, and corrected in what is signed",
        arguments: [-7200.0, 600])
    func skew(ahead: TimeInterval) throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        aws.with { state in
            state.ahead = ahead
            state.faults = [AWSMock.refusal("SignatureDoesNotMatch")]
        }
        let home = try makeHome(
            config: "[default]\nrole_arn = arn:aws:iam::1:role/shop\nsource_profile = default\n",
            credentials: "[default]\naws_access_key_id = K\naws_secret_access_key = s\n")
        let chain = chain(aws, home)
        let credentials = try chain.credentials()
        #expect(credentials.accessKeyID == "shop.by.K")
        #expect(abs(chain.clock.skew - ahead) <= 2)
        let basic = Date.ISO8601FormatStyle(dateSeparator: .omitted, timeSeparator: .omitted)
        let times = try aws.requests.compactMap { $0.headers["x-amz-date"] }.map { try Date($0, strategy: basic) }
        #expect(times.count == 2)
        #expect(abs(try #require(times.last).timeIntervalSince(Date()) - ahead) < 60)
        let words = ahead > 0 ? " s behind AWS's" : " s ahead of AWS's"
        #expect(chain.note?.contains(words) == true)
        // By AWS's clock they are good for an hour, and so by the token's end, which is this machine's.
        let tokens = MSKIAMTokens(chain, region: AWSRegion())
        let keeper = TokenKeeper(tokens)
        let token = try keeper.token(within: .seconds(60))
        #expect(keeper.standing.note == chain.note && RDSIAMPasswords(chain).note == chain.note)
        #expect(abs((token.expires?.timeIntervalSinceNow ?? 0) - 900) < 60)
        let url = String(decoding: try #require(Data(base64URL: token.text)), as: UTF8.self)
        let signed = try #require(url.firstMatch(of: /X-Amz-Date=(\w+)/)).1
        #expect(abs(try Date(String(signed), strategy: basic).timeIntervalSince(Date()) - ahead) < 60)
    }

    @Test("two clocks that agree but for an answer's way are not corrected")
    func agreeing() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        aws.with { $0.ahead = 20 }
        let chain = chain(aws, try makeHome())
        _ = try chain.credentials()
        #expect(chain.clock.skew == 0)
    }

    @Test("a token ends with the credentials that it was signed with, if that is sooner")
    func lifetime() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        aws.with { $0.lifetime = 120 }
        let chain = chain(aws, try makeHome())
        let token = try MSKIAMTokens(chain, region: AWSRegion()).fetch { false }
        #expect((100...121).contains(token.expires?.timeIntervalSinceNow ?? 0))
        #expect(token.principal == "the instance's role web-server")
        let password = try RDSIAMPasswords(chain).password(
            host: "db.x.eu-west-1.rds.amazonaws.com", port: 5432, user: "u")
        #expect((100...121).contains(password.expires?.timeIntervalSinceNow ?? 0))
        #expect(password.principal == "u")
    }

    @Test("a region is named, or in the hosts' names, or in AWS's settings, or the instance's, in this order")
    func regions() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let hosts = ["localhost", "b-1.shop.abc.c2.kafka.us-east-2.amazonaws.com"]
        let variable = chain(aws, try makeHome())
        #expect(try variable.region(AWSRegion(named: "eu-north-1", hosts: hosts)) == "eu-north-1")
        #expect(try variable.region(AWSRegion(hosts: hosts)) == "us-east-2")
        #expect(try variable.region(AWSRegion(hosts: ["localhost"])) == "eu-west-1")
        let home = try makeHome(config: "[default]\nregion = sa-east-1\n")
        #expect(try chain(aws, home, ["AWS_REGION": ""]).region(AWSRegion()) == "sa-east-1")
        let instance = chain(aws, try makeHome(), ["AWS_REGION": ""])
        #expect(try instance.region(AWSRegion()) == "ap-south-1")
        let asked = aws.requests.count
        #expect(try instance.region(AWSRegion()) == "ap-south-1")
        #expect(aws.requests.count == asked)
        #expect(throws: CredentialFailure.self) {
            try chain(aws, try makeHome(), ["AWS_REGION": "", "AWS_EC2_METADATA_DISABLED": "true"]).region(AWSRegion())
        }
    }

    // MARK: Failures

    @Test(
        "each refusal of STS's has its code and its mend, and nothing of its text is shown",
        arguments: [
            ("AccessDenied", 403, CredentialFailure.Code.refused, "trust policy"),
            ("InvalidIdentityToken", 400, .refused, "OIDC provider"), ("ExpiredTokenException", 400, .refused, "new"),
            ("InvalidClientTokenId", 403, .refused, "key"), ("RegionDisabledException", 403, .refused, "AWS_REGION"),
            ("ValidationError", 400, .unusable, "role_session_name"), ("Throttling", 400, .away, "fewer"),
            ("IDPCommunicationError", 400, .away, "fewer"), ("ServiceUnavailable", 503, .away, "health"),
        ])
    func refusals(name: String, status: Int, code: CredentialFailure.Code, mend: String) throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        aws.with { $0.faults = Array(repeating: AWSMock.refusal(name, status: status), count: 3) }
        let home = try makeHome()
        let token = try home.write("identity", to: "token")
        let chain = chain(
            aws, home, ["AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/pod"])
        let failure = try #require(self.failure(chain))
        #expect(failure.code == code && failure.mend.contains(mend), "\(failure.mend)")
        #expect(failure.place.contains("arn:aws:iam::1:role/pod"))
        #expect(!"\(failure)\(failure.mend)".contains("s3cret"))
        // What may come by itself is tried again at once.
        #expect(aws.requests.count == (code == .away ? 3 : 1))
    }

    @Test("a metadata service that says nothing is told with the hop limit that a container needs")
    func silence() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        aws.with { $0.faults = Array(repeating: .silence, count: 3) }
        let failure = try #require(self.failure(chain(aws, try makeHome())))
        #expect(failure.words.contains("IMDS did not answer within 1 s: in a container the hop limit must be 2"))
        #expect(failure.mend.contains("--http-put-response-hop-limit 2"))
        #expect(failure.code == .unusable)
    }

    @Test("an instance without a role, or with one that nobody may take on, is told so")
    func roleless() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let session = MockHTTPServer.Answer.said(status: 200, body: Array("session".utf8))
        aws.with { $0.faults = [session, .said(status: 404, body: [])] }
        #expect(failure(chain(aws, try makeHome()))?.words.contains("no role") == true)
        aws.with {
            $0.faults = [
                session, session, .said(status: 200, body: Array(#"{"Code":"AssumeRoleUnauthorizedAccess"}"#.utf8)),
            ]
        }
        let refused = failure(chain(aws, try makeHome()))
        #expect(refused?.code == .refused && refused?.words.contains("AssumeRoleUnauthorizedAccess") == true)
        aws.with { $0.faults = [.said(status: 403, body: [])] }
        #expect(failure(chain(aws, try makeHome()))?.mend.contains("--http-endpoint enabled") == true)
    }

    @Test("a container's endpoint that refuses, or says something else, is told so")
    func container() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let pod = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.url + "/container"]
        aws.with { $0.faults = [.said(status: 403, body: [])] }
        #expect(failure(chain(aws, try makeHome(), pod))?.code == .refused)
        aws.with { $0.faults = [.said(status: 200, body: Array("{}".utf8))] }
        #expect(failure(chain(aws, try makeHome(), pod))?.code == .unusable)
        var unreadable = pod
        unreadable["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/nonexistent/token"
        #expect(failure(chain(aws, try makeHome(), unreadable))?.words.contains("/nonexistent/token") == true)
    }

    @Test("a sign-on that nobody has done, or that has ended, is told with the command that does it")
    func signOn() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let home = try makeHome(
            config: """
                [profile work]
                sso_session = work
                sso_account_id = 1
                sso_role_name = admin
                [sso-session work]
                sso_start_url = https://work.awsapps.com/start
                sso_region = eu-west-1
                """)
        let chain = chain(aws, home, ["AWS_PROFILE": "work"])
        #expect(failure(chain)?.mend.contains("aws sso login --profile work") == true)
        let session = AWSSignOn(profile: "work", region: "r", account: "1", role: "admin", key: "work")
        func login(_ token: String, _ end: String) throws {
            let text = #"{"accessToken":"\#(token)","expiresAt":"\#(end)"}"#
            try Data(text.utf8).write(to: URL(filePath: session.cache(home: home.path)))
        }
        try login("login", "2020-01-01T00:00:00Z")
        #expect(failure(chain)?.words == "the login has ended")
        try login("other", "2099-01-01T00:00:00Z")
        #expect(failure(chain)?.code == .refused)
        try login("login", "2099-01-01T00:00:00Z")
        #expect(try chain.credentials().accessKeyID == "sso.admin")
    }

    @Test(
        "a credential_process that gives none is told so, and what it prints is not shown",
        arguments: [
            ("/nonexistent/program", CredentialFailure.Code.unusable, "cannot be started"),
            ("sh -c 'echo s3cret; exit 3'", .refused, "status 3"), ("echo s3cret", .unusable, "no JSON"),
            (#"echo '{"Version": 2, "AccessKeyId": "a", "SecretAccessKey": "s3cret"}'"#, .unusable, "Version"),
            (#"echo '{"Version": 1, "AccessKeyId": "a"}'"#, .unusable, "missing"),
            (
                #"echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s3cret", "Expiration": "soon"}'"#,
                .unusable, "missing"
            ),
            ("head -c 2000000 /dev/zero", .unusable, "too much"),
        ])
    func process(command: String, code: CredentialFailure.Code, words: String) throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let home = try makeHome(config: "[default]\ncredential_process = \(command)\n")
        let chain = chain(aws, home)
        let failure = try #require(self.failure(chain))
        #expect(failure.code == code && failure.words.contains(words), "\(failure)")
        #expect(!"\(failure)\(failure.mend)".contains("s3cret"))
    }

    @Test("variables whose time is over are told so")
    func ended() throws {
        let aws = try AWSMock()
        defer { aws.stop() }
        let chain = chain(
            aws, try makeHome(),
            [
                "AWS_ACCESS_KEY_ID": "V", "AWS_SECRET_ACCESS_KEY": "s",
                "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00+00:00",
            ])
        #expect(failure(chain)?.words.contains("AWS_CREDENTIAL_EXPIRATION") == true)
    }
}
