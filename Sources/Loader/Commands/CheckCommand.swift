import ArgumentParser
import Foundation
import Kafka
import Loading
import Operating

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check everything that a start needs, and show how real messages would land.",
        discussion: """
            Looks at the configuration, database, ledger, rights, brokers, group and topics, then puts a sample of the \
            messages through the routes: half from where a loader would begin, half the newest. Nothing is written, and the \
            loader's group is not touched: whether a group takes such a member in is tried with one of its own. Every mistake is reported at once with its mend; the exit status is then 78, as \
            that of `loader run` would be, 69 if nothing but servers that are away is in the way, and 0 with warnings.

            EXAMPLES:
              loader check --config loader.yaml
              loader check --sample 1000 --no-values --json
            """)

    @OptionGroup var arguments: ConfigurationArguments

    @Option(help: ArgumentHelp("Messages of each partition to look at; 0: none.", valueName: "count"))
    var sample = 100

    @Flag(help: "Show no value of any message.")
    var noValues = false

    @Flag(help: "As for a start with --new-group.")
    var newGroup = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (0...100_000).contains(sample) else { throw ValidationError("--sample is 0 to 100000.") }
    }

    func run() throws {
        var report: CheckReport
        do throws(ConfigurationProblems) {
            _ = try TracingSettings(environment: ProcessInfo.processInfo.environment)
            let sources = try ConfigurationSources.found(config: arguments.config, assignments: arguments.assignments)
            var configuration = try Configuration(sources)
            configuration.loading.isNewGroup = newGroup
            KafkaLog.send(to: configuration.log.makeLogger())
            defer { KafkaLog.send(to: nil) }
            report = Inspection(configuration: configuration, sample: sample).report()
        } catch {
            guard json else { throw arguments.report(error) }
            report = CheckReport(error)
        }
        if noValues { report = report.withoutValues }
        if json {
            print(try report.json)
        } else {
            let terminal = StandardError(descriptor: STDOUT_FILENO)
            let isColored =
                configurationColors && terminal.isTerminal
                && ProcessInfo.processInfo.environment["TERM"] != "dumb"
            let text = CheckReportText(
                report: report, width: terminal.isTerminal ? terminal.width : 120, isColored: isColored)
            for line in text.lines { print(line) }
        }
        if report.exitStatus != .done { throw report.exitStatus.code }
    }

    /// https://no-color.org
    private var configurationColors: Bool { ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty }
}

extension Inspection {
    init(configuration: Configuration, sample: Int) {
        self.init(
            configuration.loading, sample: sample,
            warnings: configuration.warnings.map { warning in
                SetupProblem(
                    .badOption, at: warning.path ?? "configuration", warning.message, mend: warning.mend,
                    isWarning: true)
            })
    }
}

extension CheckReport {
    /// What `loader run` would end with, now: the same rule.
    var exitStatus: ExitStatus {
        let errors = problems.filter { $0.severity == .error }
        return errors.isEmpty ? .done : errors.allSatisfy(\.isAway) ? .unavailable : .configuration
    }

    /// A configuration that could not be read: all that is known.
    fileprivate init(_ mistakes: ConfigurationProblems) {
        var area = Area(name: "configuration", status: .error, summary: "")
        area.problems = mistakes.problems.map { problem in
            var place = problem.path ?? "configuration"
            if let origin = problem.origin, origin != .builtIn { place = "\(origin): \(place)" }
            return Problem(
                severity: problem.severity == .error ? .error : .warning, code: problem.code.rawValue, place: place,
                problem: problem.message, mend: problem.mend)
        }
        self.init(areas: [area])
    }
}
