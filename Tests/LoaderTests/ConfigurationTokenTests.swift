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
        #expect(none?.message == "oidc needs url, client_id and client_secret, which are not set")
        let secret = try problem(Array(Self.oidc.dropLast()))
        #expect(secret?.message == "oidc needs client_secret, which is not set")
        #expect(secret?.mend == "Set kafka.token.client_secret.")
    }

    @Test("a key without a source that takes it is refused")
    func idle() throws {
        #expect(try problem(["kafka.token.client_id=i"])?.path == "kafka.token.client_id")
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
        for url in ["http://127.0.0.1:8080/token", "http://localhost/token", "http://[::1]/token"] {
            #expect(try mistakes(set: replaced(url)).isEmpty, "\(url)")
        }
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
