import Testing

@testable import Loader

@Suite("The configuration of tokens")
struct ConfigurationTokenTests {
    private static let oidc = [
        "kafka.token.source=oidc", "kafka.token.url=https://t/token", "kafka.token.client_id=i",
        "kafka.token.client_secret=s3cret",
    ]

    private func problem(_ assignments: [String]) throws -> ConfigurationProblem? {
        let found = try mistakes(set: assignments)
        #expect(found.count == 1, "\(found)")
        #expect(!found.map(\.description).joined().contains("s3cret"))
        return found.first
    }

    @Test("a source makes the clients use tokens, over TLS, unless the properties say more")
    func source() throws {
        let plain = try read(set: Self.oidc)
        #expect(plain.loading.tokens?.place == "the token server https://t/token")
        #expect(plain.loading.properties == ["sasl.mechanisms": "OAUTHBEARER", "security.protocol": "sasl_ssl"])
        let said = [
            "kafka.properties.sasl.mechanism=OAUTHBEARER", "kafka.properties.security.protocol=SASL_PLAINTEXT",
        ]
        let properties = try read(set: Self.oidc + said).loading.properties
        #expect(properties == ["sasl.mechanism": "OAUTHBEARER", "security.protocol": "SASL_PLAINTEXT"])
        #expect(try read().loading.tokens == nil)
    }

    @Test("a source without what it needs is refused with all that it lacks")
    func needs() throws {
        let none = try problem(["kafka.token.source=oidc"])
        #expect(none?.path == "kafka.token.source" && none?.code == .contradiction)
        #expect(none?.message == "oidc needs url, client_id and client_secret or key, which are not set")
        let secret = try problem(Array(Self.oidc.dropLast()))
        #expect(secret?.message == "oidc needs client_secret or key, which are not set")
        #expect(secret?.mend == "Set kafka.token.client_secret or kafka.token.key.")
        #expect(try problem(["kafka.token.source=file"])?.message == "file needs path, which is not set")
        #expect(try problem(["kafka.token.source=command"])?.mend == "Set kafka.token.command.")
        let azure = try problem(["kafka.token.source=azure"])
        #expect(azure?.path == "kafka.token.source" && azure?.message.contains("needs scope") ?? false)
    }

    @Test("a key without a source that takes it is refused")
    func idle() throws {
        #expect(try problem(["kafka.token.client_id=i"])?.path == "kafka.token.client_id")
        #expect(try problem(Self.oidc + ["kafka.token.path=/t"])?.path == "kafka.token.path")
        #expect(try problem(Self.oidc + ["kafka.token.key=/k"])?.path == "kafka.token.key")
        #expect(try problem(Self.oidc + ["kafka.token.key_id=k"])?.path == "kafka.token.key_id")
        let key = Self.oidc.dropLast() + ["kafka.token.key=/k"]
        #expect(try problem(key + ["kafka.token.client_auth=body"])?.path == "kafka.token.client_auth")
        #expect(try problem(["kafka.token.source=odic"])?.mend.hasPrefix("Did you mean oidc?") ?? false)
    }

    @Test("tokens and a mechanism that takes them go together, or not at all")
    func mechanism() throws {
        for name in ["sasl.mechanism", "sasl.mechanisms"] {
            let alone = try problem(["kafka.properties.\(name)=OAUTHBEARER"])
            #expect(alone?.path == "kafka.properties.\(name)" && alone?.mend.contains("kafka.token.source") ?? false)
            #expect(try problem(Self.oidc + ["kafka.properties.\(name)=PLAIN"])?.path == "kafka.properties.\(name)")
        }
        let plain = try problem(Self.oidc + ["kafka.properties.security.protocol=ssl"])
        #expect(plain?.path == "kafka.properties.security.protocol")
        // librdkafka makes tokens of its own for tests, which nobody has signed.
        let madeUp = [
            "kafka.properties.sasl.mechanisms=OAUTHBEARER",
            "kafka.properties.enable.sasl.oauthbearer.unsecure.jwt=true",
        ]
        #expect(try mistakes(set: madeUp).isEmpty)
    }

    @Test("a secret goes to no URL without encryption but this machine's own, and none stands in a URL")
    func urls() throws {
        func replaced(_ url: String) -> [String] { Self.oidc + ["kafka.token.url=\(url)"] }
        for url in ["http://t/token", "https://me:s3cret@t/token", "ftp://t", "https://t/token?key=s3cret"] {
            #expect(try problem(replaced(url))?.path == "kafka.token.url", "\(url)")
        }
        let registry = ["schema_registry.url=https://r", "schema_registry.oauth.client_id=i"]
        let secret = "schema_registry.oauth.client_secret=s3cret"
        for url in ["http://t/token", "https://me:s3cret@t/token"] {
            let found = try problem(registry + [secret, "schema_registry.oauth.url=\(url)"])
            #expect(found?.path == "schema_registry.oauth.url", "\(url)")
        }
        for url in ["http://127.0.0.1:8080/token", "http://localhost/token", "http://[::1]/token"] {
            #expect(try mistakes(set: replaced(url)).isEmpty, "\(url)")
        }
    }

    @Test(
        "each source is there with what it needs",
        arguments: [
            (["source=oidc", "url=https://t/t", "client_id=i", "key=/k", "key_id=7"], "the token server https://t/t"),
            (["source=file", "path=/run/token"], "the file /run/token"),
            (["source=command", "command=[/bin/token, --now]"], "the command /bin/token"),
            (["source=command", "command=/bin/token"], "the command /bin/token"),
            (["source=command", #"command=["/bin/token", "a, b"]"#], "the command /bin/token"),
            (["source=azure", "scope=https://a/.default"], "the identity endpoint http://169.254.169.254"),
            (["source=gcp"], "the metadata server http://169.254.169.254"),
            (["source=gcp", "path=/key.json"], "Google, as the file /key.json says"),
        ])
    func sources(assignments: [String], place: String) throws {
        let configuration = try read(set: assignments.map { "kafka.token.\($0)" })
        #expect(configuration.loading.tokens?.place == place)
    }

    @Test("a command's arguments have their commas in a variable as in a file")
    func commandInVariable() throws {
        let environment = [
            "LOADER_KAFKA_TOKEN_SOURCE": "command", "LOADER_KAFKA_TOKEN_COMMAND": #"["/bin/token", "a, b", ""]"#,
        ]
        #expect(try read(environment: environment).kafkaToken.command == ["/bin/token", "a, b", ""])
    }

    @Test("the brokers of Event Hubs say what a token of Azure's is for, and the environment where it is had")
    func azure() throws {
        let assignments = ["kafka.token.source=azure", "kafka.brokers=shop.servicebus.windows.net:9093"]
        let environment = ["AZURE_FEDERATED_TOKEN_FILE": "/t", "AZURE_AUTHORITY_HOST": "https://login.example.com/"]
        let configuration = try read(environment: environment, set: assignments)
        #expect(configuration.loading.tokens?.place == "Entra at https://login.example.com/")
    }

    @Test("what librdkafka calls it is taken as well, and librdkafka is not told of it")
    func libraryNames() throws {
        let properties = [
            "sasl.mechanisms=OAUTHBEARER", "security.protocol=SASL_SSL", "sasl.oauthbearer.method=OIDC",
            "sasl.oauthbearer.token.endpoint.url=https://t/token", "sasl.oauthbearer.client.id=i",
            "sasl.oauthbearer.client.secret=s3cret", "sasl.oauthbearer.scope=kafka",
            "sasl.oauthbearer.extensions=logicalCluster=lkc-1,identityPoolId=pool-2", "https.ca.location=/ca.pem",
        ].map { "kafka.properties.\($0)" }
        let configuration = try read(set: properties)
        #expect(configuration.loading.tokens?.place == "the token server https://t/token")
        #expect(
            configuration.loading.properties == ["sasl.mechanisms": "OAUTHBEARER", "security.protocol": "SASL_SSL"])
        let token = configuration.kafkaToken
        #expect(token.clientID == "i" && token.clientSecret == "s3cret" && token.scope == "kafka")
        #expect(
            token.extensions == ["logicalCluster=lkc-1", "identityPoolId=pool-2"] && token.authorities == "/ca.pem")
        #expect(!ConfigurationReport(configuration).text.contains("s3cret"))
        let without = properties.filter { !$0.contains("client.id") }
        #expect(try problem(without)?.message == "oidc needs client_id, which is not set")
        let twice = try problem(properties + ["kafka.token.client_id=j"])
        #expect(twice?.path == "kafka.properties.sasl.oauthbearer.client.id")
        let more = try problem(properties + ["kafka.properties.sasl.oauthbearer.config=s3cret"])
        #expect(more?.path == "kafka.properties.sasl.oauthbearer.config")
    }

    @Test("extensions are what SASL takes as such")
    func extensions() throws {
        for text in ["logicalCluster=lkc-1,identityPoolId=pool-2", "[a=1, b=]"] {
            #expect(try mistakes(set: Self.oidc + ["kafka.token.extensions=\(text)"]).isEmpty, "\(text)")
        }
        for text in ["auth=x", "logicalCluster", "a1=x", "=x", "a=\u{1}"] {
            let found = try problem(Self.oidc + ["kafka.token.extensions=\(text)"])
            #expect(found?.path == "kafka.token.extensions", "\(text)")
        }
    }
}
