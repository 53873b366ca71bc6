import ArgumentParser
import Foundation
import Loading
import Operating

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove that the tables hold what their topics say, while loaders run.",
        discussion: """
            It reads the messages up to the ledger's positions, makes of them what the routes make, and has the database \
            compare that with the tables, in a snapshot that holds both. Each difference is named: the row by its key, what \
            is wrong with it, and the message that decided. What cannot be proven is said. Nothing is written but temporary \
            tables, and no writer waits for it.

            Exit status: 0 all holds, 1 there are differences, 69 the database or the brokers are away, or it is to be tried \
            again, 78 it is refused.

            EXAMPLES:
              loader verify --route 0
              loader verify --since 24h --sample 1% --json
            """)

    @OptionGroup var arguments: ConfigurationArguments

    @Option(
        help: ArgumentHelp(
            "Only this route, by its position in the configuration, from 0; may be given again. Default: all.",
            valueName: "number"))
    var route: [Int] = []

    @Option(
        help: ArgumentHelp(
            "From this offset of each partition on, or the first message at or after a time, such as 2026-01-31.",
            valueName: "offset|time"))
    var from: String?

    @Option(
        help: ArgumentHelp(
            "Only what is before this offset of each partition, or before the first message at or after a time.",
            valueName: "offset|time"))
    var to: String?

    @Option(
        help: ArgumentHelp("From the first message on that is not older than this, such as 24h.", valueName: "duration")
    )
    var since: String?

    @Option(
        help: ArgumentHelp("A part of the keys, or of the messages, such as 1%: always the same.", valueName: "share"))
    var sample: String?

    @Option(help: ArgumentHelp("So many differences of a table are named.", valueName: "count"))
    var limit = 100

    @Flag(help: "Name differences with what stands in the columns.")
    var showValues = false

    @Flag(help: "Print one JSON document.")
    var json = false

    func validate() throws { _ = try scope() }

    func run() throws {
        let options = try arguments.load().loading
        let progress = VerifyProgress()
        let report = try Asking.carryOut { error in
            (error as? VerificationRefusal).map { ("\($0)", $0.passes ? .unavailable : .configuration) }
        } _: {
            defer { progress.clear() }
            return try Verification(options, try scope(), tell: progress.show).run()
        }
        if json {
            print(try report.json)
        } else {
            for line in VerifyText.lines(report) { print(line) }
        }
        if !report.holds { throw ExitStatus.differences.code }
    }

    private func scope() throws -> VerificationScope {
        var scope = VerificationScope()
        if !route.isEmpty { scope.routes = route }
        guard from == nil || since == nil else { throw ValidationError("Say where it begins once: --from or --since.") }
        scope.from = try from.map { try Self.bound($0, "--from") }
        scope.to = try to.map { try Self.bound($0, "--to") }
        if let since {
            guard let duration = parseDuration(since), duration > .zero else {
                throw ValidationError("--since is a number with a unit, such as 24h or 7d.")
            }
            scope.from = .time(Int64((Date().timeIntervalSince1970 - duration.inSeconds) * 1000))
        }
        if let sample {
            guard let share = Self.share(sample), share > 0, share <= 1 else {
                throw ValidationError("--sample is a share such as 1% or 0.01, above 0% and up to 100%.")
            }
            scope.share = share
        }
        guard limit >= 0 else { throw ValidationError("--limit is 0 or more.") }
        scope.limit = limit
        scope.showsValues = showValues
        return scope
    }

    private static func bound(_ text: String, _ option: String) throws -> VerificationScope.Bound {
        if let offset = Int64(text) {
            guard offset >= 0 else { throw ValidationError("\(option) is an offset of 0 or more, or a time.") }
            return .offset(offset)
        }
        guard let time = TimeArgument.absolute(text) else {
            throw ValidationError("\(option) is an offset, or a time such as \(TimeArgument.spellings).")
        }
        return .time(TimeArgument.milliseconds(time))
    }

    private static func share(_ text: String) -> Double? {
        text.hasSuffix("%") ? Double(text.dropLast()).map { $0 / 100 } : Double(text)
    }
}

/// How far a verification is, on a terminal.
private final class VerifyProgress {
    private var step: Verification.Progress.Step?
    private var messages = 0
    private var began = ContinuousClock.now

    func show(_ progress: Verification.Progress) {
        if step != progress.step { (step, messages, began) = (progress.step, 0, .now) }
        messages += progress.messages
        let rate = Double(messages) / max(0.001, (ContinuousClock.now - began).inSeconds)
        let share = progress.all > 0 ? "  \(min(100, Int64(messages) * 100 / progress.all))%" : ""
        let line =
            switch progress.step {
            case .reading: "reading\(share)  \(grouped(messages)) messages  \(grouped(Int(rate)))/s"
            case .comparing: "comparing with the tables"
            case .explaining: "looking for the messages behind the differences\(share)"
            }
        StandardError.shared.show(progress: line)
    }

    func clear() { StandardError.shared.show(progress: "") }
}
