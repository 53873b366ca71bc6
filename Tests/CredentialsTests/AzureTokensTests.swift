import Foundation
import RegistryMock
import Testing

@testable import Credentials

@Suite("Tokens of Azure's")
struct AzureTokensTests {
    private static let scope = "https://shop.servicebus.windows.net/.default"
    private let server: TokenServer

    init() throws { server = try TokenServer() }

    private func source(_ environment: [String: String], client: String? = nil) -> AzureTokens {
        AzureTokens(environment, clientID: client, scope: Self.scope, extensions: ["a": "b"])
    }

    private var machine: [String: String] { ["AZURE_POD_IDENTITY_AUTHORITY_HOST": server.url] }

    @Test("a machine's identity is asked for at its metadata, as that wants to be asked")
    func machineIdentity() throws {
        let end = Date().addingTimeInterval(3599).timeIntervalSince1970.rounded()
        server.answer(
            .json(["access_token": "one", "expires_in": "3599", "expires_on": "\(Int(end))", "token_type": "Bearer"]))
        let token = try source(machine).fetch { false }
        #expect(token == Token("one", expires: Date(timeIntervalSince1970: end), extensions: ["a": "b"]))
        let request = try #require(server.requests.last)
        #expect(request.method == "GET" && request.path == "/metadata/identity/oauth2/token")
        #expect(request.headers["metadata"] == "true")
        #expect(request.query == ["api-version": "2018-02-01", "resource": "https://shop.servicebus.windows.net"])
        _ = try source(machine, client: "id-7").fetch { false }
        #expect(server.requests.last?.query["client_id"] == "id-7")
        _ = try source(machine.merging(["AZURE_CLIENT_ID": "id-8"]) { $1 }).fetch { false }
        #expect(server.requests.last?.query["client_id"] == "id-8")
    }

    @Test("App Service and Container Apps are asked at the endpoint that they name, with their secret")
    func platform() throws {
        server.answer(.json(["access_token": "one", "expires_on": 4_922_996_645]))
        let environment = ["IDENTITY_ENDPOINT": "\(server.url)/msi/token", "IDENTITY_HEADER": "s3cret"]
        let token = try source(environment).fetch { false }
        #expect(token.text == "one" && token.expires == Date(timeIntervalSince1970: 4_922_996_645))
        let request = try #require(server.requests.last)
        #expect(request.path == "/msi/token" && request.headers["x-identity-header"] == "s3cret")
        #expect(request.query["api-version"] == "2019-08-01")
    }

    @Test("a workload of Kubernetes shows its projected token, as the file has it at the time")
    func workload() throws {
        let file = try TemporaryFile("first\n")
        let environment = [
            "AZURE_FEDERATED_TOKEN_FILE": file.path, "AZURE_CLIENT_ID": "id-1", "AZURE_TENANT_ID": "tenant/1",
            "AZURE_AUTHORITY_HOST": server.url,
        ]
        server.answer(.json(["access_token": "one", "expires_in": 3600]))
        let source = source(environment)
        #expect(try source.fetch { false }.text == "one")
        let request = try #require(server.requests.last)
        #expect(request.method == "POST" && request.path == "/tenant%2F1/oauth2/v2.0/token")
        #expect(
            request.form == [
                "grant_type": "client_credentials", "client_id": "id-1", "scope": Self.scope,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": "first",
            ])
        try file.write("second")
        _ = try source.fetch { false }
        #expect(server.requests.last?.form["client_assertion"] == "second")
        server.answer(.json(["error": "unauthorized_client", "error_description": "AADSTS700213 s3cret"], status: 400))
        let refused = try #require(whyNone(of: source))
        #expect(refused.code == .refused && refused.words == "HTTP status 400, unauthorized_client")
        #expect(refused.mend.contains("federated credential"))
    }

    @Test(
        "metadata that is busy is asked again; an identity that is none, no metadata and a page are told for what they are"
    )
    func failures() throws {
        let good = MockHTTPServer.Answer.json(["access_token": "one", "expires_in": "60"])
        for status in [404, 410, 429, 500] {
            server.answer(.text("", status: status), good)
            #expect(try source(machine).fetch { false }.text == "one", "\(status)")
        }
        server.answer(.json(["error": "invalid_request", "error_description": "Identity not found"], status: 400))
        #expect(whyNone(of: source(machine))?.code == .refused)
        server.answer(.text("<html>"))
        #expect(whyNone(of: source(machine))?.code == .unusable)
        server.answer(.text("", status: 302, headers: ["Location": "https://elsewhere/"]))
        #expect(whyNone(of: source(machine))?.code == .unusable)
        server.answer(.reset)
        #expect(whyNone(of: source(machine))?.code == .away)
    }

    @Test("nobody's word sends it to metadata of another machine's, or a token over a line that others read")
    func places() throws {
        let asked = server.requests.count
        for url in ["http://10.0.0.1", "http://metadata.example.com", "https://169.254.169.254@10.0.0.1"] {
            let variables = [
                ["AZURE_POD_IDENTITY_AUTHORITY_HOST": url], ["IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": "h"],
            ]
            for environment in variables {
                let failure = whyNone(of: source(environment))
                #expect(failure?.code == .unusable && failure?.mend.hasPrefix("unset ") ?? false, "\(url)")
            }
        }
        let file = try TemporaryFile("first")
        var environment = ["AZURE_FEDERATED_TOKEN_FILE": file.path, "AZURE_CLIENT_ID": "id-1"]
        #expect(whyNone(of: source(environment))?.words.contains("AZURE_TENANT_ID") ?? false)
        environment["AZURE_TENANT_ID"] = "t"
        environment["AZURE_AUTHORITY_HOST"] = "http://login.example.com"
        #expect(whyNone(of: source(environment))?.code == .unusable)
        #expect(server.requests.count == asked)
    }

    @Test("the brokers' host says for which namespace a token is")
    func scopes() {
        let shop = "https://shop.servicebus.windows.net/.default"
        #expect(AzureTokens.scope(ofBrokers: "Shop.servicebus.windows.net:9093") == shop)
        #expect(
            AzureTokens.scope(ofBrokers: " a.servicebus.chinacloudapi.cn:9093,b:1")
                == "https://a.servicebus.chinacloudapi.cn/.default")
        #expect(AzureTokens.scope(ofBrokers: "kafka:9092") == nil)
        #expect(AzureTokens.scope(ofBrokers: "") == nil)
    }
}
