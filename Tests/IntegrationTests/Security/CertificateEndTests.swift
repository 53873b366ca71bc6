import Foundation
import RegistryMock
import TestSupport
import Testing

/// Certificates whose end is near, before they have ended.
@Suite(
    "Ends of certificates",
    .enabled(if: Broker.externalProperties.isEmpty, "they put their own gate before a plain broker"))
struct CertificateEndTests {
    private func metric(_ place: String, _ owner: String) -> String {
        #"loader_certificate_end_timestamp_seconds{place="\#(place)",of="\#(owner)"}"#
    }

    @Test(
        "the end of each is a metric, and what ends within two weeks is a warning of the log and an incident of the page",
        .enabled(if: try SecuredPostgres.isPossible, "the server was built without TLS"))
    func ends() async throws {
        let secured = try SecuredPostgres()
        try TestDatabase.migrate(secured.server.url)
        let certificates = try TestCertificates()
        let soon = Calendar(identifier: .gregorian).date(byAdding: .day, value: 5, to: Date()) ?? Date()
        let gate = try KafkaGate(
            to: .sharedReal(),
            .init(try certificates.make("broker", until: soon), clients: certificates.authority))
        let own = try certificates.make("loader")
        let registry = try RegistryMock()
        defer { registry.stop() }
        let registryGate = try TLSGate(
            to: registry.port, try certificates.make("registry", until: soon), clients: certificates.authority)
        let client = try secured.certificates.make("twofold", until: soon)
        try await Landing.with(broker: .sharedReal(), server: secured.server, partitions: 1) { landing in
            var settings = landing.environment(
                gate,
                [
                    "security.protocol": "SSL", "ssl.ca.location": certificates.authority.file,
                    "ssl.certificate.location": own.file, "ssl.key.location": own.key,
                ])
            settings["DATABASE_URL"] = secured.url(
                as: "twofold",
                [
                    "sslcert": client.file, "sslkey": client.key,
                    "options": SecuredPostgres.searchPath(landing.schema),
                ])
            settings["LOADER_SCHEMA_REGISTRY_URL"] = registryGate.url
            settings["LOADER_SCHEMA_REGISTRY_CA"] = certificates.authority.file
            settings["LOADER_SCHEMA_REGISTRY_CERTIFICATE"] = own.file
            settings["LOADER_SCHEMA_REGISTRY_KEY"] = own.key
            try landing.produce(0..<50)
            let loader = try LoaderProcess(settings)
            try await landing.waitForRows(50)
            try await loader.waitForLog("a broker's certificate ends, and then no connection comes about any more")
            try await loader.waitForLog("the loader's certificate for the database ends")
            try await loader.waitForLog("the schema registry's certificate ends")
            // 2049-12-31 is when those of the tests end.
            let far = 2_524_521_600.0
            let near = soon.timeIntervalSince1970
            for (place, owner, end) in [
                ("brokers", "server", near), ("brokers", "loader", far), ("database", "server", far),
                ("database", "loader", near), ("schema_registry", "server", near), ("schema_registry", "loader", far),
            ] {
                let found = try #require(loader.metric(metric(place, owner)), "\(place), \(owner)")
                #expect(abs(found - end) < 86_400, "\(place), \(owner)")
            }
            #expect(!loader.output.contains("the database's certificate ends"))
            #expect(!loader.output.contains("the loader's certificate for the brokers ends"))
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
        }
    }
}
