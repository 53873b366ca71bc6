import Kafka
import SimulatedPostgres

/// A rule of delivery broken on purpose, in what passes between the loader and the world: whoever holds the table against the topic must
/// notice each of them, or he notices nothing.
enum Mutant: String, CaseIterable {
    case fenceOff = "a position is moved from wherever it is"
    case positionBeyond = "a position is moved one message too far"
    case positionBehind = "a position is moved one message less"
    case commitIsRollback = "COMMIT takes everything back"
    case lettersForgotten = "dead letters are not written"
    case deletionsForgotten = "a tombstone deletes nothing"
    case savepointsKept = "what a savepoint should take back stays"
    case ledgerForgotten = "the ledger's positions are not read"
    case ledgerUnwatched = "a loader to which nothing comes does not look at its ledger"
    case topicsUnwatched = "a running loader does not look whether its topic is still the same"
    case beginningAtEnd = "a partition that is new begins at its end"
    case marksMissing = "the group's offsets bear no mark"
    case groupForgotten = "what the group has committed is not read"
    case commitAhead = "the group is told one message too many"
    case abortedRead = "messages of aborted transactions are read"
    case messagesLost = "one message in twenty is not handed over"
    case parentsUnasked = "a row may refer to what is not there"
    case waitingForgotten = "what waits for its parent is not looked at again"
    case schemasMixed = "the registry gives another id's schema"
    case renewalsUnheard = "nobody gives a client the next token"
    case messagesReordered = "messages of a fetch come in another order"
    /// Once what came before them was dropped, nothing tells them from messages behind a gap: librdkafka has to forget them.
    case staleMessages = "what was fetched before a partition began anew comes after it"
    // What the loader has to bear: its own rules are made for these.
    case revocationsUntold = "the group takes partitions without a word"
    case lossUntold = "a loss is told as if there were time"
    case messagesDoubled = "one message in twenty is handed over twice"

    // Under the baton; set before a seed's story.
    nonisolated(unsafe) static var current: Mutant?

    static func named(_ name: String) throws -> Mutant {
        guard let mutant = allCases.first(where: { "\($0)" == name }) else { throw Unknown(name: name) }
        return mutant
    }

    struct Unknown: Error, CustomStringConvertible {
        let name: String
        var description: String { "there is no mutant \(name)" }
    }

    static func `is`(_ mutant: Mutant) -> Bool { current == mutant }

    /// Whether the loader is right in spite of it.
    var isBorne: Bool {
        switch self {
        case .revocationsUntold, .lossUntold, .messagesDoubled: true
        default: false
        }
    }

    // MARK: Statements

    static func altered(_ sql: String) -> String {
        switch current {
        case .commitIsRollback where sql == "COMMIT": "ROLLBACK"
        case .fenceOff: sql.replacing("AND p.next_offset = v.expected", with: "")
        case .deletionsForgotten where sql.hasPrefix("DELETE FROM \"public\".\"orders\""):
            sql.replacing(" WHERE ", with: " WHERE false AND ")
        case .savepointsKept: sql.replacing("ROLLBACK TO SAVEPOINT", with: "RELEASE SAVEPOINT")
        case .ledgerForgotten:
            sql.replacing("FROM loader.positions WHERE", with: "FROM loader.positions WHERE false AND")
        case .waitingForgotten where sql.hasPrefix("SELECT id FROM") && sql.contains("'waiting_for_parent'"):
            sql.replacing("WHERE consumer_group", with: "WHERE false AND consumer_group")
        default: sql
        }
    }

    static func altered(_ sql: String, _ parameters: [SQLValue]) -> [SQLValue] {
        var parameters = parameters
        func shift(_ index: Int, by delta: Int64) {
            guard case .array(let numbers) = parameters[index] else { return }
            parameters[index] = .array(numbers.map { .int(max(0, ($0.asInt ?? 0) + delta)) })
        }
        switch current {
        case .positionBeyond where sql.contains("UPDATE loader.positions AS p SET next_offset"): shift(4, by: 1)
        case .positionBehind where sql.contains("UPDATE loader.positions AS p SET next_offset"): shift(4, by: -1)
        case .beginningAtEnd where sql.hasPrefix("INSERT INTO loader.positions (consumer_group"):
            shift(3, by: 1_000_000)
        case .lettersForgotten where sql.hasPrefix("INSERT INTO") && sql.contains("dead_letters"):
            for index in 1..<parameters.count { parameters[index] = .array([]) }
        default: break
        }
        return parameters
    }
}
