import ArgumentParser
import Foundation
import Loading
import Operating
import Postgres

struct BackfillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backfill",
        abstract: "Load messages again, or skip some: move a topic's positions in the ledger and the group.",
        discussion: """
            It shows what is loaded again and what is skipped, and refuses while a member of the group runs. Then it asks: \
            on a terminal for the topic's name, elsewhere it needs --yes. Resetting the group with any Kafka tool has the \
            same effect at the next start. A group that loads another database is taken over by it.

            With --until-offset or --until-datetime only what lies before the end is loaded again, and then each partition \
            goes on where it stood: for a day whose rows were deleted, say. Not in mode upsert, where rows would stay as \
            they once were.

            Exit status: 0 the positions are moved, 64 nobody has said yes and nothing is moved, 69 the database or the \
            brokers are away, 78 it is refused.

            EXAMPLES:
              loader backfill --topic orders --to-datetime 2026-01-31 --dry-run
              loader backfill --topic events --to-datetime 2026-01-30 --until-datetime 2026-01-31 --allow-duplicates
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

    @Option(
        help: ArgumentHelp(
            "Load again only what is before this offset of each partition, then go on where it stood.",
            valueName: "offset"))
    var untilOffset: Int64?

    @Option(
        help: ArgumentHelp(
            "Load again only what is before the first message at or after a time, then go on where it stood.",
            valueName: "time"))
    var untilDatetime: String?

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
        _ = try numbers()
        let (destination, end) = (try destination(), try end())
        switch (destination, end) {
        case (.offset(let from), .offset(let until)) where until <= from,
            (.time(let from), .time(let until)) where until <= from:
            throw ValidationError("The end is not behind where to, so nothing can be meant.")
        case (.latest, _?): throw ValidationError("Behind --to-latest there is nothing that could have an end.")
        default: break
        }
    }

    func run() throws {
        var configuration = try arguments.load()
        configuration.loading.allowDuplicates = allowDuplicates
        let options = configuration.loading
        try Asking.carryOut { error in
            (error as? Backfill.Refusal).map { ("\($0)", .configuration) }
        } _: {
            let (destination, end) = (try destination(), try end())
            let backfill = try Backfill(options, topic: topic, partitions: try numbers(), to: destination, until: end)
            let connection = try Connection(options.connectionOptions("backfill"))
            defer { connection.close() }
            let moves = try backfill.plan(on: connection)
            for line in Self.times(destination, end) { print(line) }
            for line in Self.table(moves) { print(line) }
            try backfill.check(moves, on: connection)
            guard !dryRun else { return print("Nothing was changed (--dry-run).") }
            try confirm()
            // The question may have stood for a while, and a loader may have been started meanwhile.
            if !yes { try backfill.check(moves, on: connection) }
            try backfill.carryOut(moves, on: connection)
            print("The positions of \(options.group) are moved. Start the loader to go on from there.")
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

    private func end() throws -> Backfill.End? {
        guard untilOffset == nil || untilDatetime == nil else {
            throw ValidationError("Say where it ends once: --until-offset or --until-datetime.")
        }
        if let untilOffset {
            guard untilOffset > 0 else { throw ValidationError("--until-offset is 1 or more.") }
            return .offset(untilOffset)
        }
        guard let untilDatetime else { return nil }
        guard let time = TimeArgument.absolute(untilDatetime) else {
            throw ValidationError("--until-datetime is a time such as \(TimeArgument.spellings).")
        }
        return .time(TimeArgument.milliseconds(time))
    }

    /// The times as they were understood.
    private static func times(_ destination: Backfill.Destination, _ end: Backfill.End?) -> [String] {
        var lines: [String] = []
        if case .time(let time) = destination { lines.append("To the first message at or after \(timeText(time))") }
        if case .time(let time)? = end { lines.append("Until the first message at or after \(timeText(time))") }
        return lines
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
        let hasEnd = moves.contains { $0.detour != nil }
        func row(_ first: [String], _ end: [String], _ counts: [String]) -> [String] {
            first + (hasEnd ? end : []) + counts
        }
        var rows = [row(["partition", "from", "to"], ["until", "then from"], ["loaded again", "skipped"])]
        rows += moves.map { move in
            row(
                ["\(move.partition)", move.from.map(String.init) ?? "-", move.stays ? "stays" : "\(move.to)"],
                [move.detour.map { "\($0.until)" } ?? "-", move.detour.map { "\($0.resume)" } ?? "-"],
                ["\(move.repeated)", "\(move.skipped)"])
        }
        let (repeated, skipped) = moves.reduce((Int64(0), Int64(0))) { ($0.0 + $1.repeated, $0.1 + $1.skipped) }
        rows.append(row(["all", "", ""], ["", ""], ["\(repeated)", "\(skipped)"]))
        var lines = TextTable.lines(rows, numbers: Set(1..<rows[0].count))
        let replaced = moves.filter { !$0.stays && $0.replaced != nil && $0.mixed == nil }.map { "\($0.partition)" }
        if !replaced.isEmpty {
            lines.append(
                "Of \(replaced.joined(separator: ", ")) another backfill with an end is not over; this replaces it.")
        }
        for move in moves {
            guard let mixed = move.mixed else { continue }
            lines.append(
                "The log of \(move.partition) became another one while it was loaded: of it \(mixed.lowerBound) to "
                    + "\(mixed.upperBound - 1) count as loaded, and nothing before. If it was only truncated, what is left of it was."
            )
        }
        let lost = moves.filter(\.holdsNothingLoaded).map { "\($0.partition)" }
        if !lost.isEmpty {
            lines.append(
                "\(lost.joined(separator: ", ")) no longer holds its position: all that it holds counts as not loaded. If its log was only truncated, what is left of it was."
            )
        }
        return lines
    }
}
