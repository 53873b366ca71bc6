import Credentials
import Kafka
import Postgres
import Schemas

/// What is said of an outage: the thing by its name, and the next step that helps.
package struct OutageNotice: Sendable {
    package var place: LoadingStatistics.Outage
    /// What is the matter, as the beginning of a sentence.
    package var what: String
    /// Until when what was under way is tried, as the end of a sentence.
    package var until = "it answers"
    package var code: String?
    package var error: String
    package var mend: Mend

    /// - Parameter consequence: what becomes of what was under way, until it goes.
    package func incident(_ consequence: String) -> Incident {
        Incident(
            .warning, "\(what); \(consequence) until \(until)", code: code, error: error, mend: mend,
            until: .outage(place))
    }

    /// The database cannot take anything now.
    package init(_ error: PostgresError) {
        place = .database
        code = error.sqlState?.rawValue ?? (error.code == .noAnswer ? error.code.rawValue : nil)
        self.error = "\(error)"
        if let refusal = error.refusal {
            (what, until) = (refusal.words, "it lets the loader in")
            mend = .database(.outage(.refused(refusal, error.hint)))
            return
        }
        let outage: Mend.Outage
        switch error.sqlState?.rawValue {
        case nil where error.code == .secretAway:
            (outage, what) = (.refused(.secret, error.hint), ConnectionRefusal.secret.words)
            until = "there is one"
        case nil where error.code == .noAnswer: (outage, what) = (.silent, "the database does not answer")
        case "25006":
            (outage, what) = (.readOnly, "the database takes no writes: it is a standby, or read-only")
            until = "it takes them"
        case "55P03":
            (outage, what) = (.locked, "another session holds a lock that this one needs")
            until = "it is free"
        case "57014":
            (outage, what) = (.cancelled, "the database has cancelled a statement")
            until = "it goes"
        case "57P03": (outage, what) = (.starting, "the database is starting up, or recovering")
        case "53300": (outage, what) = (.noConnection, "the database has no connection left")
        case "53100":
            (outage, what) = (.diskFull, "the database's disk is full")
            until = "there is room"
        case let state? where state.hasPrefix("53"):
            (outage, what) = (.shortOfResource, "the database is short of a resource")
            until = "it goes"
        default: (outage, what) = (.away, "the database is away")
        }
        mend = .database(.outage(outage))
    }

    /// No broker answers, or none lets this client in.
    package init(brokers error: KafkaError) {
        let refusal = error.refusal
        place = .brokers
        what = refusal?.what ?? "the brokers are away"
        if refusal != nil { until = "they let it in" } else { until = "they answer" }
        code = error.code.name
        self.error = "\(error)"
        mend = .database(.outage(.brokers(refusal)))
    }

    /// Some broker answers, and not one that leads partitions of this member's, or its group.
    package init(cutOff error: KafkaError) {
        let refusal = error.refusal
        place = .brokers
        what =
            "brokers answer, but not all of those that lead the partitions and the group"
            + (refusal.map { ": \($0.what)" } ?? "")
        until = "they answer"
        code = error.code.name
        self.error = "\(error)"
        mend = .database(.outage(.leaders(refusal)))
    }

    /// The schema registry tells nothing.
    package init(registry failure: RegistryFailure) {
        place = .schemaRegistry
        switch failure.code {
        case .credentials: what = "the schema registry refuses who asks"
        case .rights:
            what = "the schema registry does not let its schemas be read"
            until = "it does"
        case .tls: what = "the schema registry and the loader do not trust each other"
        case .files, .url: what = "the schema registry cannot be asked"
        case .noRegistry: what = "what answers is no schema registry"
        case .away, .unknown, .givenUp: what = "the schema registry is away"
        }
        code = failure.status.map { "http_\($0)" } ?? failure.code.rawValue
        error = "\(failure)"
        mend = .database(.outage(.registry(failure.code, failure.kind)))
    }

    /// There is no token that the brokers take, and none is to be had.
    package init(tokens failure: CredentialFailure) {
        place = .tokens
        what =
            switch failure.code {
            case .away: "there is no token for the brokers, and whoever gives them is away"
            case .refused: "there is no token for the brokers, and none is given"
            case .unusable: "there is no token for the brokers, and none can be had"
            }
        until = "there is one"
        code = failure.code.rawValue
        error = "\(failure)"
        mend = .database(.outage(.tokens(failure)))
    }

    /// The topic of dead letters acknowledges nothing.
    ///
    /// - Parameter service: whose brokers it is on.
    init(deadLetterTopic error: KafkaError, _ topic: String, on service: BrokerService) {
        place = .deadLetterTopic
        let refusal = error.refusal
        what = refusal.map { "the dead-letter topic takes nothing: \($0.what)" } ?? "the dead-letter topic is away"
        if refusal != nil { until = "it does" }
        code = error.code.name
        self.error = "\(error)"
        mend = .database(.outage(.letterTopic(topic, refusal, service)))
    }
}
