import Postgres

/// Which limit a transaction has met.
public enum Limit: Sendable, Hashable {
    /// A statement took too long, or somebody cancelled it.
    case statement
    case lock
    case memory
    case disk
    case connections
    /// One that the server's configuration sets.
    case configured
    /// The session ends, and the server gives no reason.
    case session
    case other(SQLState)

    init(_ error: PostgresError) {
        switch error.sqlState?.rawValue {
        case "57014": self = .statement
        case "55P03": self = .lock
        case "53200": self = .memory
        case "53100": self = .disk
        case "53300": self = .connections
        case "53400": self = .configured
        default: self = error.sqlState.map { .other($0) } ?? .session
        }
    }

    /// What happened, before the error's own words.
    var name: String {
        switch self {
        case .statement: "a statement took longer than it may, or somebody cancelled it"
        case .lock: "a lock was waited for longer than one is"
        case .memory: "the server's memory, or its table of locks"
        case .disk: "the server's disk"
        case .connections: "the server's connections"
        case .configured: "a limit of the server's configuration, such as temp_file_limit"
        case .session: "the connection ends whenever these rows are on their way"
        case .other(let state): "the server answers with \(state) again and again"
        }
    }
}

extension Batch.Part {
    /// Where it begins, for people.
    var place: String? { partitions.first.map { "\($0.partition)@\($0.expected)" } }
}
