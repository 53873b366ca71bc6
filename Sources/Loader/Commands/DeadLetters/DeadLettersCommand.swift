import ArgumentParser
import Foundation
import Kafka
import Loading
import Logging
import Operating
import Postgres

struct DeadLettersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters",
        abstract: "List, show, replay and purge the messages that could not be loaded.",
        discussion: """
            They stand in loader.dead_letters with their key, value, headers and the reason. Mend the route or the table, \
            then replay them: what loads leaves the table in the same transaction.

            EXAMPLES:
              loader dead-letters list --since 1h
              loader dead-letters replay --reason out_of_range --topic orders
            """,
        subcommands: [List.self, Show.self, Replay.self, Purge.self], defaultSubcommand: List.self)

    /// Which letters are meant.
    struct Selection: ParsableArguments {
        @Option(
            name: .long,
            help: ArgumentHelp("Only with this reason, such as wrong_type; may be given again.", valueName: "reason"))
        var reason: [String] = []

        @Option(name: .long, help: ArgumentHelp("Only of this topic; may be given again.", valueName: "topic"))
        var topic: [String] = []

        @Option(
            name: .long,
            help: ArgumentHelp(
                "Only meant for this table, with or without schema; may be given again.", valueName: "table"))
        var table: [String] = []

        @Option(
            name: .long,
            help: ArgumentHelp("Only for the fault of this column; may be given again.", valueName: "column"))
        var column: [String] = []

        @Option(
            name: .long,
            help: ArgumentHelp(
                "Only refused by the server with this SQLSTATE, or one of a class such as 23.", valueName: "code"))
        var sqlstate: [String] = []

        @Option(
            name: .long,
            help: ArgumentHelp(
                "Only that failed at or after this time: 2026-01-31T00:00:00Z, 2026-01-31 for its midnight in UTC, or 1h "
                    + "for an hour ago.",
                valueName: "time"))
        var since: TimeArgument?

        @Option(name: .long, help: ArgumentHelp("Only that failed before this time.", valueName: "time"))
        var until: TimeArgument?

        @Option(name: .long, help: ArgumentHelp("Of this group. Default: kafka.group.", valueName: "group"))
        var group: String?

        func validate() throws {
            let known = DeadLetterTable.reasons
            if let stranger = reason.first(where: { !known.contains($0) }) {
                throw ValidationError(
                    "There is no reason \(stranger). The reasons are \(known.joined(separator: ", ")).")
            }
            guard
                sqlstate.allSatisfy({
                    (2...5).contains($0.count) && $0.allSatisfy { $0.isASCII && $0 != "%" && $0 != "_" }
                })
            else { throw ValidationError("--sqlstate is a code of five characters, or the two of its class.") }
            if let since, let until, since.date >= until.date {
                throw ValidationError("--since is not before --until, so nothing can be meant.")
            }
        }

        /// The times as they were understood; nil where none is meant.
        var times: String? {
            let bounds = [since.map { "at or after \($0)" }, until.map { "before \($0)" }].compactMap(\.self)
            return bounds.isEmpty ? nil : "Letters that failed " + bounds.joined(separator: " and ") + ":"
        }

        func filter(ids: [Int64] = [], group name: String?) -> DeadLetterFilter {
            var filter = DeadLetterFilter()
            filter.ids = ids
            filter.group = group ?? name
            filter.topics = topic
            filter.reasons = reason
            filter.sqlStates = sqlstate.map { $0.uppercased() }
            filter.tables = table
            filter.columns = column
            filter.since = since?.date
            filter.until = until?.date
            return filter
        }
    }

    /// What every one of these commands begins and ends with.
    static func run(
        _ arguments: ConfigurationArguments, only section: String? = nil,
        _ body: (LoadingOptions, DeadLetterTable) throws -> Void
    ) throws {
        let options = try arguments.load(only: section.map { [$0] }).loading
        guard let name = options.deadLetters.table else {
            StandardError.shared.write(
                line: "dead_letters.table is null, so there is no table of dead letters; "
                    + "replay from the topic with --from-topic")
            throw ExitStatus.configuration.code
        }
        var role: String?
        let asRole = { role }
        try report(as: asRole) {
            // A person waits, and a million letters take their time.
            let connection = try Connection(options.connectionOptions("dead-letters", statements: .seconds(3600)))
            defer { connection.close() }
            role = connection.parameter("session_authorization")
            try body(options, DeadLetterTable(name, on: connection))
        }
    }

    /// Turns what went wrong into a line with the next step and an exit status.
    ///
    /// - Parameter role: who is connected to the database, as far as that is known.
    static func report(as role: () -> String? = { nil }, _ body: () throws -> Void) throws {
        func end(_ line: String, _ status: ExitStatus) -> ExitCode {
            StandardError.shared.write(line: line)
            return status.code
        }
        do {
            try body()
        } catch let refusal as DeadLetterReplay.Refusal {
            throw end(refusal.told, .configuration)
        } catch let error as LoadingError {
            throw end(error.told, ExitStatus(error.code))
        } catch let error as PostgresError {
            throw end(line(error, as: role()), error.passes ? .unavailable : .configuration)
        } catch let error as KafkaError {
            throw end(
                "the brokers cannot be read: \(error.told); what is loaded is loaded, run it again for the rest",
                error.isRetriable ? .unavailable : .configuration)
        }
    }

    /// What the database said, or that it says nothing, with the next step.
    ///
    /// - Parameter role: who is connected, as far as that is known.
    static func line(_ error: PostgresError, as role: String? = nil) -> String {
        switch error.sqlState {
        case _ where error.refusal != nil || error.code == .secretAway:
            return "\(OutageNotice(error).what): \(error); \(OutageNotice(error).remedy)"
        case nil where error.passes:
            return "the database cannot be reached: \(error); "
                + "see that its server runs and that postgres.url names it, and run this again"
        case _ where error.passes:
            let notice = OutageNotice(error)
            return "\(notice.what): \(error); run this again when \(notice.until)"
        case .undefinedTable?: return "the database refuses: \(error); run `loader migrate up`"
        case .insufficientPrivilege?:
            return "the database refuses: \(error); replay and purge need DELETE: "
                + "GRANT SELECT, INSERT, UPDATE, DELETE ON loader.dead_letters TO "
                + (role.map(quoteIdentifier) ?? "the role") + ";"
        default: return "the database refuses: \(error)"
        }
    }

    // MARK: list

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what is bad, by fault, and the latest letters.",
            discussion: """
                EXAMPLES:
                  loader dead-letters list --topic orders --since 24h
                  loader dead-letters list --json --limit 100 | jq '.letters[].id'
                """)

        @OptionGroup var arguments: ConfigurationArguments
        @OptionGroup var selection: Selection

        @Option(help: ArgumentHelp("How many letters are shown.", valueName: "count"))
        var limit = 20

        @Option(help: ArgumentHelp("Leave out so many of the latest: for the next page.", valueName: "count"))
        var skip = 0

        @Flag(help: "Print one JSON object.")
        var json = false

        func validate() throws {
            guard (0...10_000).contains(limit), skip >= 0 else {
                throw ValidationError("--limit is 0 to 10000, and --skip 0 or more.")
            }
        }

        func run() throws {
            try DeadLettersCommand.run(arguments, only: "postgres") { options, table in
                let filter = selection.filter(group: options.group.isEmpty ? nil : options.group)
                let faults = try table.faults(filter)
                let letters = try table.list(filter, limit: limit, skip: skip)
                if json {
                    print(DeadLettersText.json(faults, letters))
                } else {
                    let lines = DeadLettersText.list(
                        faults, letters, in: table.name, group: filter.group, skip: skip)
                    if let times = selection.times { print(times) }
                    print(lines.joined(separator: "\n"))
                }
            }
        }
    }

    // MARK: show

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one letter with its key, value and headers, what is wrong, and what to do about it.",
            discussion: """
                EXAMPLES:
                  loader dead-letters show 17
                  loader dead-letters show 17 --json | jq -r .value
                """)

        @OptionGroup var arguments: ConfigurationArguments

        @Argument(help: "Its number, from `loader dead-letters list`.")
        var id: Int64

        @Flag(help: "Print one JSON object; what is no UTF-8 is in base64.")
        var json = false

        func run() throws {
            try DeadLettersCommand.run(arguments, only: "postgres") { _, table in
                guard let letter = try table.letter(id) else {
                    StandardError.shared.write(
                        line: "\(table.name) has no letter \(id); `loader dead-letters list` shows which there are")
                    throw ExitStatus.configuration.code
                }
                print(json ? DeadLettersText.json(letter) : DeadLettersText.show(letter).joined(separator: "\n"))
            }
        }
    }

    // MARK: replay

    struct Replay: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Load letters again through today's routes; those that load leave the table.",
            discussion: """
                Each batch is one transaction, and each letter takes effect once, also when two replays run or one is \
                killed. What fails again stays with its new reason. In mode upsert a letter that a later message of its \
                key has overtaken changes nothing and leaves the table, so a replay never sets a row back. A running \
                loader need not be stopped.

                Exit status: 0 all that was meant is dealt with, 65 some failed again or could not be decided and stay, \
                69 the database or the brokers are away, 78 the configuration is wrong.

                EXAMPLES:
                  loader dead-letters replay --reason out_of_range --dry-run
                  loader dead-letters replay --from-topic orders-dead-letters
                """)

        @OptionGroup var arguments: ConfigurationArguments
        @OptionGroup var selection: Selection

        @Argument(help: "Only these numbers, from `loader dead-letters list`.")
        var ids: [Int64] = []

        @Option(
            help: ArgumentHelp(
                "Take them from this topic instead, what was not read before; Kafka Connect's as well.",
                valueName: "topic"))
        var fromTopic: String?

        @Flag(help: "Load them even over what a later message of their key has written.")
        var overwrite = false

        @Flag(help: "Try it, say what would come of it, and roll it back.")
        var dryRun = false

        @Flag(help: "Print one JSON object.")
        var json = false

        func validate() throws {
            guard fromTopic != nil else { return }
            guard ids.isEmpty, !selection.filter(group: nil).isRestricted, selection.group == nil else {
                throw ValidationError(
                    "--from-topic reads the topic on from where it stands, so nothing else selects letters.")
            }
        }

        func run() throws {
            let configuration = try arguments.load()
            let options = configuration.loading
            let logger = configuration.log.makeLogger()
            try DeadLettersCommand.report {
                if !json, let times = selection.times { print(times) }
                let replay = try DeadLetterReplay(options, overwrites: overwrite, isDryRun: dryRun, logger: logger)
                let outcome =
                    if let fromTopic {
                        try replay.run(fromTopic: fromTopic)
                    } else {
                        try replay.run(selection.filter(ids: ids, group: options.group))
                    }
                print(
                    json
                        ? DeadLettersText.json(outcome, isDryRun: dryRun)
                        : DeadLettersText.outcome(
                            outcome, isDryRun: dryRun,
                            kept: options.deadLetters.table?.description ?? fromTopic ?? "the table"
                        ).joined(separator: "\n"))
                if outcome.failed + outcome.unrouted + outcome.unknown > 0 { throw ExitStatus.badData.code }
            }
        }
    }

    // MARK: purge

    struct Purge: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete letters for good.",
            discussion: """
                It shows how many are meant and asks, on a terminal; elsewhere it needs --yes.

                EXAMPLES:
                  loader dead-letters purge --reason invalid_json --until 30d
                  loader dead-letters purge 17 18 --yes
                """)

        @OptionGroup var arguments: ConfigurationArguments
        @OptionGroup var selection: Selection

        @Argument(help: "Only these numbers, from `loader dead-letters list`.")
        var ids: [Int64] = []

        @Flag(help: "Do not ask.")
        var yes = false

        @Flag(help: "Show what would be deleted, and delete nothing.")
        var dryRun = false

        func run() throws {
            try DeadLettersCommand.run(arguments, only: "postgres") { options, table in
                var filter = selection.filter(ids: ids, group: options.group.isEmpty ? nil : options.group)
                // What fails while the question stands was not asked about.
                let now = try table.now()
                filter.until = min(filter.until ?? now, now)
                let faults = try table.faults(filter)
                let count = faults.reduce(0) { $0 + $1.count }
                if let times = selection.times { print(times) }
                guard count > 0 else {
                    print(
                        "No dead letters\(filter.group.map { " of group \($0)" } ?? "") match; nothing was deleted.")
                    return
                }
                for line in DeadLettersText.faults(faults) { print(line) }
                let meant = count == 1 ? "1 dead letter" : "\(count) dead letters"
                if dryRun {
                    print("\(meant) would be deleted from \(table.name).")
                    return
                }
                if !yes {
                    guard isatty(STDIN_FILENO) == 1 else {
                        StandardError.shared.write(
                            line: "\(meant) would be deleted for good, and nobody can be asked: add --yes")
                        throw ExitStatus.usage.code
                    }
                    print(
                        "Delete \(meant) of \(filter.group ?? "all groups") from \(table.name) for good? [y/N] ",
                        terminator: "")
                    fflush(nil)
                    guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
                        print("Nothing was deleted.")
                        return
                    }
                }
                print("Deleted: \(try table.purge(filter)).")
            }
        }
    }
}
