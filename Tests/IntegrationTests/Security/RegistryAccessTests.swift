import Foundation
import RegistryMock
import Schemas
import Synchronization
import Testing

@testable import Loader

/// Who asks a schema registry, where that changes, or comes from a cloud.
@Suite("Access to a schema registry")
struct RegistryAccessTests {
    /// What a file holds by now.
    private final class SecretFile: Sendable {
        private let text: Mutex<String?>

        init(_ text: String) { self.text = Mutex(text) }

        func put(_ text: String?) { self.text.withLock { $0 = text } }
        var current: String? { text.withLock { $0 } }
    }

    /// A registry that lets in only who shows this header.
    private final class Guarded: Sendable {
        let server: MockHTTPServer

        /// - Parameter taken: what it wants by now; it is asked at each request.
        init(_ taken: @escaping @Sendable () -> String) throws {
            server = try MockHTTPServer { request in
                if request.path == "/metadata/identity/oauth2/token" {
                    let isAsked = request.headers["metadata"] == "true" && request.query["client_id"] == "an-identity"
                    let resource = request.query["resource"] ?? ""
                    let text = #"{"access_token":"azure-\#(resource)","token_type":"Bearer","expires_in":"3600"}"#
                    return .said(status: isAsked ? 200 : 400, body: Array(text.utf8))
                }
                if request.path.hasPrefix("/computeMetadata/v1/") {
                    let isAsked = request.headers["metadata-flavor"] == "Google"
                    let text = #"{"access_token":"google-token","token_type":"Bearer","expires_in":3600}"#
                    return .said(
                        status: isAsked ? 200 : 403, headers: ["Metadata-Flavor": "Google"], body: Array(text.utf8))
                }
                guard request.headers["authorization"] == taken() else {
                    return .said(status: 401, body: Array(#"{"error_code":401,"message":"Unauthorized"}"#.utf8))
                }
                let body = request.path.hasPrefix("/$schemaGroups") ? #"{"schemaGroups":[]}"# : "[]"
                return .said(status: 200, body: Array(body.utf8))
            }
        }
    }

    private func resolver(
        _ registry: String, environment: [String: String] = [:], _ file: SecretFile? = nil
    ) throws -> SchemaResolver {
        let yaml = """
            kafka: { brokers: "localhost:9092", group: g }
            postgres: { url: "postgresql://loader@localhost/shop" }
            routes: [{ topic: orders, table: public.orders }]
            schema_registry: \(registry)
            """
        let configuration = try Configuration(
            ConfigurationSources(
                file: ("loader.yaml", yaml), environment: environment, readFile: { _ in file?.current }))
        return SchemaResolver(try #require(configuration.loading.schemas))
    }

    private func failure(_ resolver: SchemaResolver) -> RegistryFailure.Code? {
        do throws(RegistryFailure) {
            try resolver.greet()
            return nil
        } catch { return error.code }
    }

    @Test("a password or a token in a file that changes is the new one from the next request on, of the same loader")
    func files() throws {
        for isToken in [false, true] {
            let taken = SecretFile("first")
            let file = SecretFile("first\n")
            let guarded = try Guarded {
                let secret = taken.current ?? ""
                return isToken ? "Bearer \(secret)" : "Basic \(Data("me:\(secret)".utf8).base64EncodedString())"
            }
            defer { guarded.server.stop() }
            let who = isToken ? "token: '${file:/s}'" : "user: me, password: '${file:/s}'"
            let resolver = try resolver("{ url: \"\(guarded.server.url)\", \(who) }", file)
            #expect(failure(resolver) == nil)
            taken.put("second")
            #expect(failure(resolver) == .credentials)
            // For a moment it is not there: then the old one is shown, and nothing ends.
            file.put(nil)
            #expect(failure(resolver) == .credentials)
            file.put("second")
            #expect(failure(resolver) == nil)
        }
    }

    @Test("the secret of a client that changes in its file is what the next token is asked for with")
    func clientSecret() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.issueTokens(to: "loader", secret: "first", lifetime: 0)
        let file = SecretFile("first")
        let oauth = "{ url: \"\(registry.url)/oauth/token\", client_id: loader, client_secret: '${file:/s}' }"
        let resolver = try resolver("{ url: \"\(registry.url)\", oauth: \(oauth) }", file)
        #expect(failure(resolver) == nil)
        registry.issueTokens(to: "loader", secret: "second", lifetime: 0)
        #expect(failure(resolver) == .credentials)
        file.put("second")
        #expect(failure(resolver) == nil)
    }

    @Test("a key of AWS in files that change is the new one from the next request on, of the same loader")
    func keysOfAWS() throws {
        let registry = try RegistryMock()
        defer { registry.stop() }
        registry.acceptAWS(keyID: "FIRST")
        let file = SecretFile("FIRST\n")
        let key = "access_key_id: '${file:/s}', secret_access_key: '${file:/s}'"
        let resolver = try resolver("{ kind: glue, region: eu-west-1, url: \"\(registry.url)\", \(key) }", file)
        #expect(failure(resolver) == nil)
        registry.acceptAWS(keyID: "SECOND")
        #expect(failure(resolver) == .credentials)
        file.put(nil)
        #expect(failure(resolver) == .credentials)
        file.put("SECOND")
        #expect(failure(resolver) == nil)
    }

    @Test("Azure's and Google's own tokens let it in, for the registries of both and for others")
    func clouds() throws {
        let taken = SecretFile("")
        let guarded = try Guarded { "Bearer \(taken.current ?? "")" }
        defer { guarded.server.stop() }
        let url = guarded.server.url
        let ways = [
            ("kind: azure", "source: azure, client_id: an-identity", "azure-https://eventhubs.azure.net"),
            ("kind: confluent", "source: azure, client_id: an-identity, scope: api://x/.default", "azure-api://x"),
            ("kind: confluent", "source: gcp", "google-token"),
        ]
        for (kind, oauth, token) in ways {
            taken.put(token)
            let resolver = try resolver(
                "{ \(kind), url: \"\(url)\", oauth: { \(oauth) } }",
                environment: [
                    "AZURE_POD_IDENTITY_AUTHORITY_HOST": url,
                    "GCE_METADATA_HOST": url.replacing("http://", with: ""),
                ])
            #expect(failure(resolver) == nil, "\(oauth)")
            taken.put("another")
            #expect(failure(resolver) == .credentials, "\(oauth)")
        }
    }
}
