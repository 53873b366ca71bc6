import Kafka
import Loading

extension Mend.Group {
    var words: String {
        switch self {
        case .properties: "mend kafka.properties"
        case .secrets:
            "mend the files that kafka.properties names: a certificate and its key must belong together; they are looked at again "
                + "when they change"
        case .subscription(let code): code.mend.map { "\($0); routes[].topic names it" } ?? "mend routes[].topic"
        case .startAgain: "start it again; nothing is lost"
        case .instance: "give each member its own group.instance.id in kafka.properties, and start this one again"
        case .slow: "raise max.poll.interval.ms in kafka.properties, or make batches smaller"
        case .lost:
            "nothing to do once; if it goes on, the network or this host is too slow for the group's timeouts"
        case .waits(let group):
            "nothing to do: one that has died is waited for until its session.timeout.ms is over, one that finishes a batch for its "
                + "max.poll.interval.ms at most (kafka-consumer-groups.sh --describe --members --group \(group) lists them)"
        case .fenced: "nothing to do, unless it goes on: then two groups of loaders use one ledger under one name"
        case .dropped: "nothing to do"
        case .ledgerElsewhere:
            "nothing to do behind a restored backup: what it lacks loads again; else see who has changed loader.positions"
        case .compares: "nothing to do: it is compared with the ledger and the watermarks"
        case .replaced: "nothing to do; it happens when leaders move to and fro (librdkafka issue 3399)"
        case .positions(let code): code?.mend ?? "see that the brokers answer and that the group may be read"
        case .standstill(let reason, let code, let partition): Self.standstill(reason, code, partition)
        }
    }

    private static func standstill(
        _ reason: Standstill.Reason, _ code: KafkaErrorCode, _ partition: TopicPartition?
    ) -> String {
        switch reason {
        case .unreadable: unreadable(code, partition)
        case .refused:
            "give this user READ and DESCRIBE on the topic, for which `loader check` has the line; the loader goes on by itself"
        case .missing: "create the topic, or mend routes[].topic; the loader goes on by itself"
        case .group: refusedByGroup(code)
        }
    }

    private static func unreadable(_ code: KafkaErrorCode, _ partition: TopicPartition?) -> String {
        switch code {
        case .badMessage, .corruptMessage, .badCompression:
            let skip = partition.map {
                "; to go on behind the damage: `\(Mend.Position.backfill($0, "--to-offset N"))`"
            }
            return
                "it is fetched again by itself, for what the network has damaged; if it stays, look at this partition's log "
                + "on its leader's disk\(skip ?? "")"
        case .notImplemented:
            return
                "it is written with a codec that this librdkafka (\(KafkaLibrary.versionString)) lacks: install one that "
                + "has it"
        case .messageTooLarge:
            return "raise receive.message.max.bytes and fetch.message.max.bytes in kafka.properties"
        default:
            return "see the log of this partition's leader; it is fetched again by itself"
        }
    }

    private static func refusedByGroup(_ code: KafkaErrorCode) -> String {
        switch code {
        case .invalidSessionTimeout:
            "set session.timeout.ms in kafka.properties to what the brokers allow, from group.min.session.timeout.ms to "
                + "group.max.session.timeout.ms"
        case .inconsistentGroupProtocol:
            "set partition.assignment.strategy in kafka.properties as the group's other members have it, or give this loader "
                + "a group of its own (kafka.group)"
        case .groupMaxSizeReached:
            "start fewer members, or raise group.max.size of the brokers"
        case .groupAuthorizationFailed:
            "give this user READ and DESCRIBE on the group (kafka.group): `loader check` has the line for it"
        case .topicAuthorizationFailed:
            "give this user READ and DESCRIBE on the routes' topics"
        case .invalidGroupID:
            "mend kafka.group"
        case .authentication, .saslAuthenticationFailed:
            "\(BrokerRefusal.credentials.mend()): the group's coordinator does not let this user in"
        default:
            "see the log of the group's coordinator; it is tried again by itself"
        }
    }
}
