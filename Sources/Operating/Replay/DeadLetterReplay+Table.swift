import Loading
import Logging
import Postgres

extension DeadLetterReplay {
    /// Letters that are loaded together.
    static let batchRows = 1000

    package convenience init(
        _ options: LoadingOptions, overwrites: Bool = false, isDryRun: Bool = false, logger: Logger
    ) throws(PostgresError) {
        try self.init(
            options, overwrites: overwrites, isDryRun: isDryRun, role: "replay", logger: logger, isGivenUp: { false })
    }

    /// Replays what the filter means, of one group.
    ///
    /// Letters that fail while it runs are not taken, so that it ends.
    ///
    /// - Parameter filter: its `group` must be set.
    package func run(_ filter: DeadLetterFilter) throws -> Outcome {
        guard let name = options.deadLetters.table, let group = filter.group else {
            throw Refusal(
                message: "there is no table of dead letters", mend: "set dead_letters.table, or use --from-topic")
        }
        let table = DeadLetterTable(name, on: connection)
        try readRoutes()
        var filter = filter
        let start = try table.now()
        filter.until = min(filter.until ?? start, start)
        var last: StoredDeadLetter?
        while true {
            let letters = try table.read(
                filter, after: last, limit: min(Self.batchRows, options.batch.maxRows), bytes: options.batch.maxBytes)
            guard let end = letters.last else { return outcome }
            last = end
            var entries: [ReplayEntry] = []
            for letter in letters {
                if let bytes = letter.message.omittedBytes {
                    outcome.failed += 1
                    fail(letter, "its value of \(bytes) bytes is not in the table: it did not fit")
                    continue
                }
                guard
                    case .routes(let routes) = builders.way(topic: letter.message.partition.topic, table: letter.table)
                else {
                    outcome.unrouted += 1
                    continue
                }
                entries.append(
                    ReplayEntry(
                        message: letter.message, routes: routes, table: letter.table, row: letter.id,
                        attempts: letter.attempts))
            }
            guard !entries.isEmpty else { continue }
            try load(entries, group: group)
        }
    }

    private func fail(_ letter: StoredDeadLetter, _ explanation: String) {
        guard outcome.failures.count < Outcome.failuresShown else { return }
        outcome.failures.append(
            Failure(
                partition: letter.message.partition, offset: letter.message.offset, table: letter.table,
                reason: letter.reason, column: letter.column, sqlState: letter.sqlState, explanation: explanation))
    }
}
