import Credentials
import Records
import RegistryMock
import Schemas
import Testing
import Web

@Suite("A registry that wants tokens of OAuth")
struct OAuthRegistryTests {
    private static let order = #"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#

    private func resolver(
        _ registry: RegistryMock, secret: String = "s3cret", at path: String = "/oauth/token"
    ) -> SchemaResolver {
        let client = OAuthTokens.Client(
            url: registry.url + path, id: "loader", proof: .secret(secret), scope: "registry read")
        let tokens = TokenKeeper(OAuthTokens(client, HTTPOptions()))
        return SchemaResolver(
            SchemaSource(
                RegistryOptions(
                    urls: [registry.url], tokens: tokens, headers: [("target-sr-cluster", "lsrc-1"), ("x-other", "2")]))
        )
    }

    private func failure(_ resolver: SchemaResolver) -> RegistryFailure? {
        do throws(RegistryFailure) {
            try resolver.greet()
            return nil
        } catch {
            return error
        }
    }

    @Test("is asked with one token until that ends, and with another one, once, where it refuses it")
    func tokens() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.issueTokens(to: "loader", secret: "s3cret")
        let id = registry.register(Self.order, as: "orders")
        let resolver = resolver(registry)
        for _ in 0..<3 { #expect(try resolver.ask(.number(Int32(id))).format == "avro") }
        #expect(registry.tokenCount == 1)
        #expect(registry.lastHeaders["target-sr-cluster"] == "lsrc-1" && registry.lastHeaders["x-other"] == "2")
        registry.revokeTokens()
        #expect(try resolver.ask(.number(Int32(id))).format == "avro")
        #expect(registry.tokenCount == 2)
        // It refuses whatever comes: no more than once is asked again.
        registry.fail(.status(401))
        let asked = registry.requests.count
        #expect(failure(resolver)?.code == .credentials)
        #expect(registry.requests.count == asked + 2)
    }

    @Test("a token that has ended is asked for anew before it is used")
    func ended() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.issueTokens(to: "loader", secret: "s3cret", lifetime: 0)
        let resolver = resolver(registry)
        for _ in 0..<3 { #expect(failure(resolver) == nil) }
        #expect(registry.tokenCount == 3)
    }

    @Test(
        "a client that the token server refuses, and a server that is none or away, are told for what they are, without the secret"
    )
    func failures() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.issueTokens(to: "loader", secret: "s3cret")
        let refused = failure(resolver(registry, secret: "wrong-one"))
        #expect(refused?.code == .credentials && refused?.words == "HTTP status 401, invalid_client")
        #expect(refused?.url == "the token server \(registry.url)/oauth/token")
        #expect(!"\(refused.map { "\($0)" } ?? "")".contains("wrong-one"))
        #expect(failure(resolver(registry, at: "/nothing"))?.code == .noRegistry)
        registry.issueTokens(to: "loader", secret: "s3cret", status: 503)
        #expect(failure(resolver(registry))?.code == .away)
        registry.stop()
        #expect(failure(resolver(registry))?.code == .away)
        let client = OAuthTokens.Client(url: "http://u:s3cret@h/t", id: "i", proof: .secret("s3cret"))
        var dumped = ""
        dump(client, to: &dumped)
        #expect(!"\(client) \(String(reflecting: client)) \(dumped)".contains("s3cret"))
    }
}
