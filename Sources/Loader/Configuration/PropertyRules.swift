import Kafka
import Web

/// librdkafka's properties that would break what the loader promises, or that have a key of their own.
enum PropertyRules {
    struct Finding: Equatable {
        var property: String
        var severity = ConfigurationProblem.Severity.error
        var message: String
        var mend: String
    }

    /// Since this version members of a cooperative group no longer hang; see librdkafka's CHANGELOG, 2.6.1.
    private static let cooperativeSince: Int32 = 0x0206_01ff

    /// Since this version the protocol of KIP-848 is meant for production; before, it is a preview under which members
    /// lose the group; see librdkafka's CHANGELOG, 2.12.0 and 2.10.1.
    private static let consumerProtocolSince: Int32 = 0x020c_00ff

    /// What is the brokers' to say under `group.protocol=consumer`: librdkafka starts no client with it.
    private static let classicOnly = [
        "partition.assignment.strategy": "group.remote.assignor, or leave the choice to the brokers",
        "session.timeout.ms": "the brokers' group.consumer.session.timeout.ms",
        "heartbeat.interval.ms": "the brokers' group.consumer.heartbeat.interval.ms",
    ]

    /// What librdkafka takes for false (`rd_kafka_anyconf_set_prop0` in its rdkafka_conf.c).
    private static let noes: Set = ["false", "f", "0"]

    /// What somebody between the loader and the brokers could do; nil where TLS keeps him out.
    ///
    /// - Parameter hosts: of the brokers.
    static func exposure(_ properties: [String: String], hosts: [String]) -> (message: String, mend: String)? {
        guard hosts.contains(where: { !LocalHost.isLoopback($0) }) else { return nil }
        let transport = properties["security.protocol"]?.lowercased() ?? "plaintext"
        guard transport.hasSuffix("ssl") else {
            let secret = transport == "sasl_plaintext" ? "the password or token and " : ""
            return (
                "the connection to the brokers has no TLS: whoever is on its way can read \(secret)every message",
                "Use the brokers' listener with TLS: kafka.properties.security.protocol: \(transport == "sasl_plaintext" ? "SASL_SSL" : "SSL")."
            )
        }
        guard properties["ssl.endpoint.identification.algorithm"]?.lowercased() == "none" else { return nil }
        return (
            "the brokers' host names are not checked: whoever has any certificate of their authority can be one of them",
            "Remove ssl.endpoint.identification.algorithm."
        )
    }

    private static func isScram(_ name: String, _ value: String) -> Bool {
        (name == "sasl.mechanism" || name == "sasl.mechanisms") && value.uppercased().contains("SCRAM")
    }

    private static func text(_ version: Int32) -> String {
        "\(version >> 24).\(version >> 16 & 0xff).\(version >> 8 & 0xff)"
    }

    /// - Parameters:
    ///   - libraryVersion: as `rd_kafka_version` gives it, `0x020002ff` for 2.0.2.
    ///   - allowsUnverified: `kafka.allow_unverified`.
    static func findings(
        _ properties: [String: String], libraryVersion: Int32, allowsUnverified: Bool = false
    ) -> [Finding] {
        let isConsumerProtocol = properties["group.protocol"]?.lowercased() == "consumer"
        return properties.sorted { $0.key < $1.key }.compactMap { name, value in
            switch name {
            case "enable.auto.commit", "enable.auto.offset.store":
                return Finding(
                    property: name, message: "the loader commits a batch's offsets itself, after its transaction",
                    mend: "Remove it.")
            case "auto.offset.reset", "topic.auto.offset.reset":
                return Finding(
                    property: name, message: "librdkafka would move positions on its own",
                    mend: "Use kafka.auto_offset_reset.")
            case "group.id":
                return Finding(property: name, message: "has a key of its own", mend: "Use kafka.group.")
            case "bootstrap.servers", "metadata.broker.list":
                return Finding(property: name, message: "has a key of its own", mend: "Use kafka.brokers.")
            case "isolation.level" where value == "read_uncommitted":
                return Finding(
                    property: name, severity: .warning,
                    message: "messages of aborted transactions will be loaded too",
                    mend: "Remove it, unless that is meant.")
            case "group.protocol" where isConsumerProtocol && libraryVersion < consumerProtocolSince:
                return Finding(
                    property: name,
                    message:
                        "the consumer protocol is no more than a preview before librdkafka 2.12.0; this is \(text(libraryVersion))",
                    mend: "Remove it, or install a newer librdkafka.")
            case _ where isConsumerProtocol && classicOnly[name] != nil:
                let instead = classicOnly[name] ?? ""
                return Finding(
                    property: name, message: "has no place beside group.protocol=consumer",
                    mend: "Remove it; use \(instead).")
            case "partition.assignment.strategy"
            where value.contains("cooperative") && libraryVersion < cooperativeSince:
                return Finding(
                    property: name, message: "cooperative assignment can hang before librdkafka 2.6.1",
                    mend: "Use range or roundrobin, or install a newer librdkafka.")
            case "enable.ssl.certificate.verification" where noes.contains(value.lowercased()):
                let message = "whoever stands between the loader and the brokers can read and change every message"
                return allowsUnverified
                    ? Finding(
                        property: name, severity: .warning, message: message, mend: "Set ssl.ca.location instead.")
                    : Finding(
                        property: name, message: message,
                        mend: "Set ssl.ca.location instead; if it is meant so, kafka.allow_unverified: true as well.")
            case _ where isScram(name, value) && KafkaLibrary.repeatsScramNonce(version: libraryVersion):
                // Only a warning: brokers before 4.0 take it, and which these are shows when they refuse it.
                return Finding(
                    property: name, severity: .warning,
                    message:
                        "with librdkafka \(text(libraryVersion)) \(value) cannot work with Apache Kafka 4.0 or newer: it repeats "
                        + "its nonce, which those brokers refuse as a failed authentication",
                    mend:
                        "Install librdkafka 2.6.1 or newer (Debian 13 and the image have 2.8), or use another mechanism, unless "
                        + "all brokers are older than 4.0.")
            default: return nil
            }
        }
    }
}
