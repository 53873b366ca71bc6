import Testing

@testable import Loader

@Suite struct RedactionTests {
    @Test(
        "a connection string is shown without its passwords",
        arguments: [
            ("postgresql://u:s3cret@h:5432/d", "postgresql://u:******@h:5432/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://h/d", "postgres://h/d"), ("postgres://u:a@s3cret/?@h/d", "postgres://u:******@h/d"),
            (
                "postgres://h/d?user=u&password=s3cret&sslmode=require",
                "postgres://h/d?user=u&password=******&sslmode=require"
            ),
            ("postgres://u:s3cret@h/d?sslpassword=s3cret", "postgres://u:******@h/d?sslpassword=******"),
            ("host=h password=s3cret dbname=d", "host=h password=****** dbname=d"),
            ("host=h password = 's3 cr\\'et' dbname=d", "host=h password=****** dbname=d"),
            ("password='s3cret", "password=******"),
            ("host=h s3cret", "******"), ("jdbc:postgresql://u:s3cret@h/d", "******"), ("", ""),
        ])
    func connections(text: String, shown: String) { #expect(Redaction.connection(text) == shown) }

    @Test(
        "URLs of a registry are shown without users and passwords",
        arguments: [
            ("https://u:s3cret@h:8081", "https://******@h:8081"), ("https://h:8081/path", "https://h:8081/path"),
            ("https://u:s3@cret@h, https://v:s3cret@i", "https://******@i"), ("s3cret@h", "******"),
        ])
    func webAddresses(text: String, shown: String) { #expect(Redaction.webAddresses(text) == shown) }

    @Test(
        "librdkafka's secrets are known by their names",
        arguments: [
            ("sasl.password", true), ("ssl.key.password", true), ("ssl.keystore.password", true), ("ssl.key.pem", true),
            ("sasl.oauthbearer.client.secret", true), ("sasl.oauthbearer.config", true), ("sasl.username", false),
            ("sasl.oauthbearer.token.endpoint.url", false), ("ssl.ca.location", false), ("bootstrap.servers", false),
        ])
    func properties(name: String, isSecret: Bool) { #expect(Redaction.isSecret(property: name) == isSecret) }

    @Test("nothing that is printed holds a secret: neither what is in force nor any complaint")
    func nothingLeaks() throws {
        let files = ["/s": "s3cret"]
        let secrets = [
            "kafka.properties.sasl.password=s3cret", "kafka.properties.ssl.key.password=s3cret",
            "postgres.url=postgresql://u:s3cret@h/d",
        ]
        let registries = [
            ["schema_registry.url=https://u:s3cret@h", "schema_registry.password=s3cret", "schema_registry.user=u"],
            [
                "schema_registry.kind=glue", "schema_registry.region=eu-west-1", "schema_registry.access_key_id=a",
                "schema_registry.secret_access_key=s3cret", "schema_registry.session_token=s3cret",
            ],
            [
                "schema_registry.url=https://h", "schema_registry.oauth.url=https://t",
                "schema_registry.oauth.client_id=i", "schema_registry.oauth.client_secret=s3cret",
                "schema_registry.headers=x-key: s3cret",
            ],
        ]
        let tokens = [
            "kafka.token.source=oidc", "kafka.token.url=https://login.example.com/token", "kafka.token.client_id=i",
            "kafka.token.client_secret=s3cret",
        ]
        let yaml = completeYAML + "\nlog: { level: info }\nx-s: s3cret\n"
        for registry in registries {
            let report = ConfigurationReport(try read(yaml, set: secrets + registry + tokens, files: files))
            #expect(!report.text.contains("s3cret"))
            #expect(!report.json.contains("s3cret"))
            #expect(report.text.contains("postgresql://u:******@h/d"))
        }
        let command = ["kafka.token.source=command", "kafka.token.command=[/bin/token, --password=s3cret]"]
        let report = ConfigurationReport(try read(yaml, set: command))
        #expect(report.text.contains("/bin/token") && !(report.text + report.json).contains("s3cret"))

        let one = ["kafka.token.source=command", "kafka.token.command=/bin/token --password s3cret"]
        let refused = try mistakes(completeYAML, set: one)
        #expect(refused.contains { $0.path == "kafka.token.command" })
        #expect(!refused.map(\.description).joined().contains("s3cret"))

        let wrong = completeYAML.replacing(
            "orders-loader", with: "g\n  properties: { ssl.key.pem: s3cret }\nwriters: \"${file:/s}\"")
        let complaints = try mistakes(
            wrong, set: ["postgres.url=s3cret", "kafka.properties.sasl.oauthbearer.config=s3cret"], files: files)
        #expect(complaints.contains { $0.path == "writers" })
        #expect(complaints.contains { $0.path == "postgres.url" })
        #expect(!complaints.map(\.description).joined().contains("s3cret"))
    }

    @Test("what a file of its own holds is shown neither as a list nor in a complaint about several keys")
    func fileInOtherPlaces() throws {
        let files = ["/s": "s3cret"]
        let list = completeYAML.replacing("topic: orders", with: "topic: [orders, \"${file:/s}\"]")
        #expect(!ConfigurationReport(try read(list, files: files)).text.contains("s3cret"))

        let place = completeYAML.replacing(
            "postgresql://loader@localhost/shop", with: "postgresql://u:p@${file:/s}/shop")
        let report = ConfigurationReport(try read(place, files: files))
        #expect(report.text.contains("loader.yaml:5"))
        #expect(!report.text.contains("s3cret"))

        let circle = list + "\ndead_letters: { topic: \"${file:/s}\" }"
        let refused = completeYAML.replacing(
            "group: orders-loader", with: "group: g\n  properties: { fetch.min.bytes: \"${file:/s}\" }")
        for yaml in [circle, refused] {
            let complaints = try mistakes(yaml, files: files)
            #expect(complaints.count == 1)
            #expect(!complaints.map(\.description).joined().contains("s3cret"))
        }
    }
}
