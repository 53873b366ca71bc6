import Kafka
import Postgres

/// What is said of an outage: the thing by its name, and the next step that helps.
package struct OutageNotice: Sendable {
    package var place: LoadingStatistics.Outage
    /// What is the matter, as the beginning of a sentence.
    package var what: String
    /// Until when what was under way is tried, as the end of a sentence.
    package var until = "it answers"
    package var code: String?
    package var error: String
    package var mend: String

    /// - Parameter consequence: what becomes of what was under way, until it goes.
    package func incident(_ consequence: String) -> Incident {
        Incident(
            .warning, "\(what); \(consequence) until \(until)", code: code, error: error, mend: mend,
            until: .outage(place))
    }

    private static let goesOn = "; the loader goes on by itself"

    /// What to do where nothing waits for the end of it.
    package var remedy: String { mend.hasSuffix(Self.goesOn) ? String(mend.dropLast(Self.goesOn.count)) : mend }

    /// The database cannot take anything now.
    package init(_ error: PostgresError) {
        place = .database
        code = error.sqlState?.rawValue ?? (error.code == .noAnswer ? error.code.rawValue : nil)
        self.error = "\(error)"
        let goesOn = Self.goesOn
        switch error.sqlState?.rawValue {
        case nil where error.code == .noAnswer:
            what = "the database does not answer"
            mend =
                "see whether the server hangs, and whether a pooler, proxy or firewall in between has forgotten the connection"
                + goesOn
        case "25006":
            what = "the database takes no writes: it is a standby, or read-only"
            until = "it takes them"
            mend =
                "lead postgres.url to the primary (of several hosts in it the one that takes writes is used), or set "
                + "default_transaction_read_only = off" + goesOn
        case "55P03":
            what = "another session holds a lock that this one needs"
            until = "it is free"
            mend =
                "see who: SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                + goesOn
        case "57014":
            what = "the database has cancelled a statement"
            until = "it goes"
            mend =
                "see what was slow, or who cancels; raise postgres.statement_timeout if the statements need longer"
                + goesOn
        case "57P03":
            what = "the database is starting up, or recovering"
            mend = "wait, or see the server's log" + goesOn
        case "53300":
            what = "the database has no connection left"
            mend = "end idle sessions, or raise max_connections or the role's limit" + goesOn
        case "53100":
            what = "the database's disk is full"
            until = "there is room"
            mend = "make room on the server's disk" + goesOn
        case let state? where state.hasPrefix("53"):
            what = "the database is short of a resource"
            until = "it goes"
            mend = "see the server's log for which, and raise it" + goesOn
        default:
            what = "the database is away"
            mend = "bring the server of postgres.url back" + goesOn
        }
    }

    /// No broker answers.
    package init(brokers error: KafkaError) {
        place = .brokers
        what = "the brokers are away"
        code = error.code.name
        self.error = "\(error)"
        mend = "bring the brokers of kafka.brokers back; the loader goes on by itself"
    }

    /// The topic of dead letters acknowledges nothing.
    init(deadLetterTopic error: KafkaError, _ topic: String) {
        place = .deadLetterTopic
        what = "the dead-letter topic is away"
        code = error.code.name
        self.error = "\(error)"
        mend =
            "see whether \(topic) exists, has a leader and enough in-sync replicas (kafka-topics.sh --describe --topic "
            + "\(topic)), and bring its brokers back; the loader goes on by itself"
    }
}
