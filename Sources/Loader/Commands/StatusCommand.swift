import ArgumentParser
import Foundation
import Kafka
import Loading
import Operating

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show where the group stands: ledger, group, watermarks and lag of each partition.",
        discussion: """
            It asks the database and the brokers, not a loader, so it works from any machine, whether or not one runs. \
            Where they disagree it says what a start would make of it and what to type next.

            Exit status: 0 all is well or resolves by itself, 69 the database or the brokers cannot be asked, 78 a loader \
            that starts now stops.

            EXAMPLES:
              loader status --config loader.yaml --watch
              loader status --json | jq '.lag'
            """)

    @OptionGroup var arguments: ConfigurationArguments

    @Flag(help: "Show it again and again, until interrupted, with the rate at which messages are loaded.")
    var watch = false

    @Option(help: ArgumentHelp("With --watch, how long to wait in between, such as 500ms.", valueName: "duration"))
    var every = "2s"

    @Flag(help: "Print one JSON object; with --watch one a line.")
    var json = false

    @Flag(help: "Show every partition, also where there are many and all is well.")
    var all = false

    func validate() throws { _ = try interval() }

    private func interval() throws -> Duration {
        guard let interval = parseDuration(every), interval >= .milliseconds(100) else {
            throw ValidationError("--every is a number with a unit, at least 100ms.")
        }
        return interval
    }

    func run() throws {
        let options = try arguments.load().loading
        let admin: Admin
        do {
            admin = try Admin(properties: options.clientProperties)
        } catch {
            StandardError.shared.write(line: "the Kafka client cannot start: \(error.told)")
            throw ExitStatus.configuration.code
        }
        var last: PositionReport?
        while true {
            let report = PositionReport.read(options, admin)
            if json {
                print(StatusText.json(report, pretty: !watch))
            } else {
                let lines = StatusText.lines(report, before: last, all: all)
                let isTerminal = isatty(STDOUT_FILENO) == 1
                print((watch && isTerminal ? TerminalCode.clearScreen : "") + lines.joined(separator: "\n"))
            }
            fflush(nil)
            guard watch else {
                let status = StatusText.exitStatus(report)
                guard status == .done else { throw status.code }
                return
            }
            last = report
            Thread.sleep(forTimeInterval: try interval().inSeconds)
        }
    }
}
