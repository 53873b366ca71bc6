import ArgumentParser
import Foundation
import Kafka
import Loading
import Postgres

struct BackfillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backfill",
        abstract: "Load messages again, or skip some: move a topic's positions in the ledger and the group.",
        discussion: """
            It shows what is loaded again and what is skipped, and refuses while a member of the group runs. Then it asks: \
            on a terminal for the topic's name, elsewhere it needs --yes. Resetting the group with any Kafka tool has the \
            same effect at the next start. A group that loads another database is taken over by it.

            Exit status: 0 the positions are moved, 64 nobody has said yes and nothing is moved, 69 the database or the \
            brokers are away, 78 it is refused.

            EXAMPLES:
              loader backfill --topic orders --to-datetime 2026-01-31 --dry-run
              loader backfill --topic orders --partitions 0,3 --to-offset 1200 --yes
            """)

    @OptionGroup var arguments: ConfigurationArguments

    @Option(help: "The topic.")
    var topic: String

    @Flag(help: "To the first message there is.")
    var toEarliest = false

    @Flag(help: "To the end: everything there is now is skipped.")
    var toLatest = false

    @Option(help: ArgumentHelp("To this offset of each partition.", valueName: "offset"))
    var toOffset: Int64?

    @Option(
        help: ArgumentHelp(
            "To the first message at or after a time, such as 2026-01-31T00:00:00Z; 2026-01-31 is its midnight in UTC.",
            valueName: "time"))
    var toDatetime: String?

    @Option(help: ArgumentHelp("To the first message not older than this, such as 36h.", valueName: "duration"))
    var byDuration: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "By so many messages from where each partition stands; negative is back.", valueName: "count"))
    var shiftBy: Int64?

    @Option(help: ArgumentHelp("Only these, such as 0,3. Default: all.", valueName: "numbers"))
    var partitions: String?

    @Flag(help: "Show what would happen, and change nothing.")
    var dryRun = false

    @Flag(help: "Do not ask.")
    var yes = false

    @Flag(help: "Load again even where it doubles the rows of a route in mode insert.")
    var allowDuplicates = false

    func validate() throws {
        let given = [
            toEarliest, toLatest, toOffset != nil, toDatetime != nil, byDuration != nil, shiftBy != nil,
        ].count { $0 }
        guard given == 1 else {
            throw ValidationError(
                "Say where to, once: --to-earliest, --to-latest, --to-offset, --to-datetime, --by-duration or --shift-by."
            )
        }
        _ = try destination()
        _ = try numbers()
    }

    func run() throws {
        var configuration = try arguments.load()
        configuration.loading.allowDuplicates = allowDuplicates
        let options = configuration.loading
        do {
            let destination = try destination()
            let backfill = try Backfill(options, topic: topic, partitions: try numbers(), to: destination)
            let connection = try Connection(options.connectionOptions("backfill"))
            defer { connection.close() }
            let moves = try backfill.plan(on: connection)
            if case .time(let time) = destination { print("To the first message at or after \(timeText(time)):") }
            for line in Self.table(moves) { print(line) }
            try backfill.check(moves, on: connection)
            guard !dryRun else { return print("Nothing was changed (--dry-run).") }
            try confirm()
            // The question may have stood for a while, and a loader may have been started meanwhile.
            if !yes { try backfill.check(moves, on: connection) }
            try backfill.carryOut(moves, on: connection)
            print("The positions of \(options.group) are moved. Start the loader to go on from there.")
        } catch let refusal as Backfill.Refusal {
            StandardError.shared.write(line: "\(refusal)")
            throw ExitStatus.configuration.code
        } catch let error as LoadingError {
            StandardError.shared.write(line: "\(error)")
            throw ExitStatus(error.code).code
        } catch let error as PostgresError {
            StandardError.shared.write(line: "the database cannot be asked: \(error)")
            throw (FailureClass(error).passes ? ExitStatus.unavailable : .configuration).code
        } catch let error as KafkaError {
            StandardError.shared.write(line: "the brokers cannot be asked: \(error)")
            throw (error.isRetriable ? ExitStatus.unavailable : .configuration).code
        }
    }

    private func confirm() throws {
        let what: String
        switch Confirmation.ask(yes, word: topic, to: "move them") {
        case .given: return
        case .refused: what = "That is not the name of the topic. Nothing was changed."
        case .missing: what = "Nothing was changed: there is no terminal to ask on. If you mean it, add --yes."
        }
        StandardError.shared.write(line: what)
        throw ExitStatus.usage.code
    }

    private func destination() throws -> Backfill.Destination {
        if toEarliest { return .earliest }
        if toLatest { return .latest }
        if let toOffset {
            guard toOffset >= 0 else { throw ValidationError("--to-offset is 0 or more.") }
            return .offset(toOffset)
        }
        if let shiftBy { return .shift(shiftBy) }
        if let toDatetime {
            guard let time = TimeArgument.absolute(toDatetime) else {
                throw ValidationError("--to-datetime is a time such as \(TimeArgument.spellings).")
            }
            return .time(TimeArgument.milliseconds(time))
        }
        guard let byDuration, let duration = parseDuration(byDuration) else {
            throw ValidationError("--by-duration is a number with a unit, such as 36h or 7d.")
        }
        return .time(Int64((Date().timeIntervalSince1970 - duration.inSeconds) * 1000))
    }

    private func numbers() throws -> [Int32]? {
        guard let partitions else { return nil }
        return try partitions.split(separator: ",").map { part in
            guard let number = Int32(part.trimmingCharacters(in: .whitespaces)), number >= 0 else {
                throw ValidationError("--partitions are numbers, such as 0,3.")
            }
            return number
        }
    }

    /// The moves as columns, and their sum.
    static func table(_ moves: [Backfill.Move]) -> [String] {
        var rows = [["partition", "from", "to", "loaded again", "skipped"]]
        rows += moves.map { move in
            [
                "\(move.partition)", move.from.map(String.init) ?? "-", "\(move.to)", "\(move.repeated)",
                "\(move.skipped)",
            ]
        }
        rows.append([
            "all", "", "", "\(moves.reduce(0) { $0 + $1.repeated })", "\(moves.reduce(0) { $0 + $1.skipped })",
        ])
        var lines = TextTable.lines(rows, numbers: [1, 2, 3, 4])
        let lost = moves.filter(\.isLost).map { "\($0.partition)" }
        if !lost.isEmpty {
            lines.append(
                "The loader stopped because \(lost.joined(separator: ", ")) no longer holds its position: all that it holds "
                    + "counts as not loaded. If its log was only truncated, what is left of it was.")
        }
        return lines
    }
}
