import Kafka
import Loading
import Postgres
import Schemas

extension Mend.Database {
    var words: String {
        switch self {
        case .outage(let outage): outage.words + "; the loader goes on by itself"
        case .outageTooLong: "mend that and start again, or let outage_timeout be longer; nothing is lost"
        case .beginningTooLong:
            "bring the database and the brokers back and start again, or let outage_timeout be longer; nothing is lost"
        case .less(let limit): limit.whereItGoesInParts
        case .waits(let limit): limit.whereItWaits + "; the loader goes on by itself"
        case .waitedTooLong(let limit):
            "\(limit.whereItWaits), and start again, or let outage_timeout be longer; nothing is lost"
        case .ledger(let state): Self.ledger(state)
        case .rereads: "nothing to do, unless the loader stops: then mend what it names"
        case .refusedBatch: "mend what it names and start again; nothing was lost or skipped"
        }
    }

    private static func ledger(_ state: SQLState?) -> String {
        switch state?.classCode {
        case "28": "mend the user or the password in postgres.url and start again; nothing is lost"
        case "25", "0A": "let postgres.url name the primary: this server, or its database, is read-only"
        default: "run `loader migrate up`"
        }
    }
}

extension Mend.Outage {
    /// What helps, also where nothing waits for it.
    var words: String {
        switch self {
        case .refused(let refusal, let hint): hint ?? refusal.mend
        case .silent:
            "see whether the server hangs, and whether a pooler, proxy or firewall in between has forgotten the connection"
        case .readOnly:
            "lead postgres.url to the primary (of several hosts in it the one that takes writes is used), or set "
                + "default_transaction_read_only = off"
        case .locked:
            "see who: SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        case .cancelled:
            "see what was slow, or who cancels; raise postgres.statement_timeout if the statements need longer"
        case .starting: "wait, or see the server's log"
        case .noConnection: "end idle sessions, or raise max_connections or the role's limit"
        case .diskFull: "make room on the server's disk"
        case .shortOfResource: "see the server's log for which, and raise it"
        case .away: "bring the server of postgres.url back"
        case .brokers(let refusal): refusal?.mend() ?? "bring the brokers of kafka.brokers back"
        case .leaders(let refusal): refusal?.mend() ?? LeaderReach.mend
        case .registry(let code, let kind): Self.words(registry: code, kind)
        case .tokens(let failure): failure.mend
        case .letterTopic(let topic, let refusal?, let service): refusal.mend(topic: topic, on: service)
        case .letterTopic(let topic, nil, _):
            "see whether \(topic) exists, has a leader and enough in-sync replicas (kafka-topics.sh --describe --topic "
                + "\(topic)), and bring its brokers back"
        }
    }
}

extension Mend.Outage {
    private static func words(registry code: RegistryFailure.Code, _ kind: RegistryKind) -> String {
        switch code {
        case .away, .unknown, .givenUp:
            "bring the registry of schema_registry.url back; behind https it may also want a client's certificate "
                + "(schema_registry.certificate)"
        case .tls:
            "let schema_registry.ca name the authority that has signed the registry's certificate, and schema_registry.url "
                + "the host that the certificate is for; or renew the certificate"
        case .files: "mend the files of schema_registry.ca, .certificate and .key: PEM that the loader's user may read"
        case .credentials:
            switch kind {
            case .glue:
                "mend AWS_ACCESS_KEY_ID and the variables beside it, or AWS_PROFILE, or the role of the pod, task or instance, or "
                    + "schema_registry.access_key_id, .secret_access_key and .session_token if they are set"
            case .azure:
                "mend schema_registry.token, a token of Entra for https://eventhubs.azure.net that has not ended, or .oauth"
            case .confluent, .apicurio: "mend schema_registry.user and .password, .token, or .oauth"
            }
        case .rights:
            switch kind {
            case .glue: "allow that identity of AWS the action glue:GetSchemaVersion"
            case .azure: "give that identity of Entra the role Schema Registry Reader in the namespace"
            case .confluent, .apicurio: "let the user of schema_registry read the subjects of the routes' topics"
            }
        case .noRegistry, .url:
            switch kind {
            case .glue:
                "let schema_registry.region name the registry's region, or schema_registry.url what answers as Glue does"
            case .azure: "let schema_registry.url lead to the namespace: https://NAME.servicebus.windows.net"
            case .confluent, .apicurio: Self.path
            }
        }
    }

    private static let path =
        "let schema_registry.url lead to the registry's API, path included: Apicurio has Confluent's at /apis/ccompat/v7 and its "
        + "own (schema_registry.kind: apicurio) at /apis/registry/v3, a context of Confluent's is at /contexts/.NAME"
}

extension OutageNotice {
    /// What to do where nothing waits for the end of it.
    package var remedy: String {
        if case .database(.outage(let outage)) = mend { outage.words } else { mend.words }
    }
}

extension Limit {
    fileprivate var whereItGoesInParts: String {
        let smaller = "; or lower batch.max_rows, so that batches begin small"
        return switch self {
        case .statement:
            "nothing to do; to load faster raise postgres.statement_timeout or mend what makes rows slow" + smaller
        case .lock: "end the session that holds the lock"
        case .memory:
            "nothing to do; to load faster give the server memory or raise max_locks_per_transaction" + smaller
        case .disk: "make room on the server's disk"
        case .connections: "raise max_connections, or close other sessions"
        case .configured: "nothing to do; to load faster raise that limit" + smaller
        case .session:
            "see in the server's log what ends the session: a crash (signal 11) of a function or type, memory; the row that "
                + "does it is found and becomes a dead letter"
        case .other(let state): "nothing to do, unless it goes on: then look into the server's log for \(state)"
        }
    }

    fileprivate var whereItWaits: String {
        switch self {
        case .statement: "see what makes this message's rows take so long: triggers, locks, the disk"
        case .lock:
            "see in pg_stat_activity and pg_locks who holds a lock on the table or the row, and end that session"
        case .memory: "give the server memory, or raise max_locks_per_transaction"
        case .disk: "make room on the server's disk"
        case .connections: "raise max_connections, or close other sessions"
        case .configured: "raise that limit, such as temp_file_limit"
        case .session: "see in the server's log what ends the session"
        case .other(let state): "look into the server's log for \(state)"
        }
    }
}
