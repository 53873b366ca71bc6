import Testing

@testable import Operating

@Suite("The line that gives a right on the brokers")
struct AccessLineTests {
    @Test("it can be typed as it stands, whatever the names are")
    func line() throws {
        let access = AccessLine(brokers: "b:9093", principal: "User:loader")
        #expect(
            access.text(["Read"], on: .topic("orders"))
                == "`kafka-acls.sh --bootstrap-server b:9093 --command-config admin.properties --add --allow-principal "
                + "User:loader --operation Read --topic orders`")
        let other = AccessLine(brokers: "b:9093", principal: "User:CN=the loader")
        #expect(
            try #require(other.text(["Read"], on: .group("it's"))).hasSuffix(
                #"'User:CN=the loader' --operation Read --group 'it'\''s'`"#))
        #expect(try #require(other.text(["IdempotentWrite"], on: .cluster)).hasSuffix("IdempotentWrite --cluster`"))
        let nobody = AccessLine(brokers: "b:9092", principal: nil)
        #expect(nobody.text(["Read"], on: .topic("orders")) == nil)
        #expect(nobody.words(["Read"], on: .topic("orders")) == "deploy/kafka/acls.sh does")
    }

    @Test("on Amazon MSK with IAM it is a policy that gives it")
    func policy() throws {
        let access = AccessLine(brokers: "b:9098", principal: AccessLine.unnamed, service: .msk)
        #expect(access.words(["Read"], on: .group("g")) == "deploy/aws/msk-policy.json does")
        #expect(access.words(["Write"], on: .topic("dead")) == "deploy/aws/msk-dead-letters-policy.json does")
    }

    @Test("on Azure Event Hubs it is a role that gives it, or a policy")
    func role() {
        let access = AccessLine(
            brokers: "n.servicebus.windows.net:9093", principal: "User:$ConnectionString", service: .eventHubs)
        #expect(
            access.words(["Read"], on: .group("g")).contains(
                "Data Receiver does, or a policy of the namespace with Listen"))
        #expect(
            access.words(["Write"], on: .topic("dead")).contains(
                "Data Sender does, or a policy of the namespace with Send"))
    }

    @Test("it names who the brokers take this user for")
    func principal() {
        func principal(_ properties: [String: String], hasTokens: Bool = false) -> String? {
            AccessLine.principal(properties, hasTokens: hasTokens)
        }
        #expect(principal(["security.protocol": "sasl_ssl", "sasl.username": "loader"]) == "User:loader")
        #expect(
            principal(["security.protocol": "SASL_SSL", "sasl.kerberos.principal": "loader/host@REALM"])
                == "User:loader")
        #expect(principal(["security.protocol": "SASL_SSL"], hasTokens: true) == AccessLine.unnamed)
        let key = ["security.protocol": "SASL_SSL", "sasl.username": "ABCDEFGH"]
        #expect(
            AccessLine.principal(key, brokers: "pkc-1.eu-central-1.aws.confluent.cloud:9092", hasTokens: false)
                == AccessLine.unnamed, "an API key is nobody there")
        // A user without SASL is nobody's.
        #expect(principal(["security.protocol": "SSL", "sasl.username": "loader"]) == nil)
        #expect(principal([:]) == nil)
    }
}
