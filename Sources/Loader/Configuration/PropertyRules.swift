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

    /// Since this version SCRAM's client does not repeat its nonce, which current brokers refuse; see 2.6.1 there.
    private static let scramSince: Int32 = 0x0206_01ff

    private static func isScram(_ name: String, _ value: String) -> Bool {
        (name == "sasl.mechanism" || name == "sasl.mechanisms") && value.uppercased().contains("SCRAM")
    }

    /// Whether the brokers are asked for SCRAM.
    static func hasScram(_ properties: [String: String]) -> Bool { properties.contains { isScram($0.key, $0.value) } }

    private static func text(_ version: Int32) -> String {
        "\(version >> 24).\(version >> 16 & 0xff).\(version >> 8 & 0xff)"
    }

    /// - Parameters:
    ///   - libraryVersion: as `rd_kafka_version` gives it, `0x020002ff` for 2.0.2.
    ///   - allowsOldScram: somebody has said that the brokers take it.
    static func refused(
        _ properties: [String: String], libraryVersion: Int32, allowsOldScram: Bool = false
    ) -> [Finding] {
        properties.sorted { $0.key < $1.key }.compactMap { name, value in
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
            case "partition.assignment.strategy"
            where value.contains("cooperative") && libraryVersion < cooperativeSince:
                return Finding(
                    property: name, message: "cooperative assignment can hang before librdkafka 2.6.1",
                    mend: "Use range or roundrobin, or install a newer librdkafka.")
            case _ where isScram(name, value) && libraryVersion < scramSince && !allowsOldScram:
                return Finding(
                    property: name,
                    message:
                        "librdkafka \(text(libraryVersion)) repeats its nonce in \(value), which current brokers refuse "
                        + "as a failed authentication (mended in 2.6.1)",
                    mend:
                        "Install librdkafka 2.6.1 or newer (Debian 13 has 2.8; the image has it), or use another mechanism. "
                        + "If your brokers are known to take it, set kafka.allow_old_scram: true.")
            default: return nil
            }
        }
    }
}
