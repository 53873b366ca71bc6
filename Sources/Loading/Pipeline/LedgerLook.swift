import Foundation
import Kafka
import Postgres
import Synchronization

/// Reads where the ledger stands, with a connection of its own.
final class LedgerLook: Sendable {
    private enum State {
        case asking
        /// Nil: it could not be read.
        case answered([TopicPartition: Int64]?)
    }

    private let state = Mutex<State>(.asking)

    /// No answer for so long is none: whoever waits for it only looks, and looks again.
    private static let patience = Duration.seconds(10)

    /// Begins to read, on a thread of its own.
    ///
    /// - Parameter stop: whose wakeup is rung when the answer is there.
    init(_ topics: Set<String>, _ options: LoadingOptions, _ stop: StopRequest) {
        let thread = Thread { [self] in
            let found = Self.read(topics.sorted(), options, stop)
            state.withLock { $0 = .answered(found) }
            stop.wakeup.ring()
        }
        thread.name = "ledger-look"
        thread.start()
    }

    /// What the ledger has of the topics, nil within where it could not be asked; nil while that is not known.
    var answer: [TopicPartition: Int64]?? {
        state.withLock { state in
            guard case .answered(let found) = state else { return nil }
            return .some(found)
        }
    }

    private static func read(
        _ topics: [String], _ options: LoadingOptions, _ stop: StopRequest
    ) -> [TopicPartition: Int64]? {
        let patience = min(options.database.statementTimeout, patience)
        do throws(PostgresError) {
            let connection = try Connection(
                options.connectionOptions("look", statements: patience), isGivenUp: { stop.isRequested })
            defer { connection.close() }
            connection.lockPatience = patience
            return try Ledger(group: options.group).positions(of: topics, on: connection)
        } catch {
            // A database that is away is told of by whoever has something to load into it.
            return nil
        }
    }
}
