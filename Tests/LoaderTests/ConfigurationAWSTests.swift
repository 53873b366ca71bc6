import Credentials
import Foundation
import Loading
import Testing

@testable import Loader

@Suite("The configuration of who the loader is to AWS")
struct ConfigurationAWSTests {
    private static let key = [
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cret", "HOME": "/nonexistent",
    ]
    private static let brokers =
        "kafka.brokers=b-1.shop.abc.c2.kafka.us-east-2.amazonaws.com:9098, b-2.shop.abc.c2.kafka.us-east-2.amazonaws.com:9098"

    /// The request that a token is.
    private func request(_ configuration: Configuration) throws -> String {
        let token = try #require(configuration.loading.tokens).token(within: .seconds(60))
        var base64 = token.text.replacing("-", with: "+").replacing("_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.count % 4) % 4)
        return String(decoding: try #require(Data(base64Encoded: base64)), as: UTF8.self)
    }

    @Test("USE_MSK_IAM alone has every client get in by tokens that are signed for MSK, in the brokers' region")
    func variable() throws {
        let environment = Self.key.merging(["USE_MSK_IAM": "true"]) { $1 }
        let configuration = try read(environment: environment, set: [Self.brokers])
        #expect(
            configuration.loading.properties == [
                "sasl.mechanisms": "OAUTHBEARER", "security.protocol": "sasl_ssl", "reconnect.backoff.ms": "1000",
            ])
        let clients = [configuration.loading.clientProperties, configuration.loading.letterProperties]
        #expect(clients.allSatisfy { $0["reconnect.backoff.ms"] == "1000" }, "not the consumer alone")
        let request = try request(configuration)
        #expect(request.hasPrefix("https://kafka.us-east-2.amazonaws.com/?Action=kafka-cluster%3AConnect&"))
        #expect(request.contains("Credential=AKIDEXAMPLE%2F"))
        #expect(request.contains("&User-Agent=loader%2F"))
        let other = environment.merging(["AWS_REGION": "eu-west-1"]) { $1 }
        #expect(try self.request(read(environment: other)).contains("kafka.eu-west-1.amazonaws.com"))
    }

    @Test("USE_MSK_IAM=false is as if it were not set, and another word is a mistake")
    func switched() throws {
        #expect(try read(environment: ["USE_MSK_IAM": "false"]).loading.tokens == nil)
        let problems = try mistakes(environment: ["USE_MSK_IAM": "perhaps"])
        #expect(problems.count == 1 && problems.first?.mend == "Write true or false.", "\(problems)")
    }

    @Test(
        "what the properties say of connections stays", arguments: ["reconnect.backoff.ms", "reconnect.backoff.max.ms"])
    func properties(name: String) throws {
        let properties = try read(set: ["kafka.token.source=msk_iam", "kafka.properties.\(name)=500"]).loading
            .properties
        #expect(properties[name] == "500")
        #expect(properties.count == 3)
    }

    @Test(
        "what the properties say of how long connections last holds for every client, the letters' producer among them",
        arguments: ["reconnect.backoff.max.ms", "connections.max.idle.ms", "metadata.max.age.ms"])
    func connections(name: String) throws {
        let options = try read(set: ["kafka.properties.\(name)=180000"]).loading
        for properties in [options.consumerProperties, options.clientProperties, options.letterProperties] {
            #expect(properties[name] == "180000")
        }
    }

    @Test("the mechanism AWS_MSK_IAM of Amazon's library for Java is the same, and contradicts any other source")
    func mechanism() throws {
        for name in ["sasl.mechanism", "sasl.mechanisms"] {
            let configuration = try read(
                environment: Self.key, set: [Self.brokers, "kafka.properties.\(name)=AWS_MSK_IAM"])
            #expect(configuration.loading.properties[name] == "OAUTHBEARER")
            #expect(configuration.loading.tokens?.place == "AWS's credentials for Amazon MSK")
            let both = try mistakes(set: [
                "kafka.token.source=command", "kafka.token.command=program", "kafka.properties.\(name)=AWS_MSK_IAM",
            ])
            #expect(both.contains { $0.path == "kafka.properties.\(name)" }, "\(both)")
        }
    }

    @Test(
        "another mechanism, or a connection that takes none, contradicts it",
        arguments: [
            ("kafka.properties.sasl.mechanism=SCRAM-SHA-512", "kafka.properties.sasl.mechanism"),
            ("kafka.properties.security.protocol=SSL", "kafka.properties.security.protocol"),
            ("kafka.token.client_id=i", "kafka.token.client_id"),
            ("kafka.token.external_id=e", "kafka.token.external_id"),
            ("kafka.token.session_name=e", "kafka.token.session_name"),
            ("kafka.token.region=eu west", "kafka.token.region"),
        ])
    func contradictions(assignment: String, path: String) throws {
        let problems = try mistakes(environment: ["USE_MSK_IAM": "true"], set: [assignment])
        #expect(problems.contains { $0.path == path }, "\(problems)")
    }

    @Test("a port of MSK's that takes no tokens is pointed out, and its mend is a command")
    func ports() throws {
        func warnings(_ brokers: String) throws -> [ConfigurationProblem] {
            try read(set: ["kafka.token.source=msk_iam", "kafka.brokers=\(brokers)"]).warnings
                .filter { $0.path == "kafka.brokers" }
        }
        let host = "b-1.shop.abc.c2.kafka.us-east-2.amazonaws.com"
        #expect(try warnings("\(host):9094,\(host):9098").first?.message.hasPrefix("\(host):9094 is not") == true)
        #expect(try warnings("\(host):9098").isEmpty)
        #expect(try warnings("kafka.example.com:9094").isEmpty)
    }

    @Test("who takes on a role, or is of a profile, is asked as that, and nothing printed shows a secret")
    func identity() throws {
        let configuration = try read(
            environment: Self.key,
            set: [
                "kafka.token.source=msk_iam", "kafka.token.role_arn=arn:aws:iam::1:role/r", "kafka.token.external_id=e",
                "kafka.token.profile=p", "kafka.token.session_name=n", "kafka.token.region=eu-west-1",
            ])
        #expect(
            configuration.kafkaToken.identity
                == AWSIdentity(profile: "p", roleARN: "arn:aws:iam::1:role/r", externalID: "e", sessionName: "n"))
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!dumped.contains("s3cret"))
    }

    @Test("a registry of Glue's needs neither URL nor keys: it is where AWS's settings say, for whom they say")
    func glue() throws {
        let registry = try read(environment: Self.key, set: ["schema_registry.kind=glue"]).loading.schemas?.registry
        #expect(registry?.aws != nil && registry?.urls.isEmpty == true && registry?.place == "AWS Glue")
        #expect(registry?.aws?.region == nil)
        let own = try read(
            environment: Self.key,
            set: [
                "schema_registry.kind=glue", "schema_registry.region=eu-north-1", "schema_registry.access_key_id=OWN",
                "schema_registry.secret_access_key=s",
            ]
        ).loading.schemas?.registry.aws
        #expect(own?.region == "eu-north-1")
        #expect(try own?.chain.credentials().accessKeyID == "OWN")
    }
}
