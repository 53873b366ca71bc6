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
            It asks the database and the brokers, so it works from any machine, whether or not a loader runs. \
            Where they disagree it says what a start would make of it and what to type next. What messages did it asks the \
            loader that answers at http.listen, and does without where none does.

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

    @Option(
        help: ArgumentHelp(
            "Ask the loader at this address for what messages did, such as loader-0.loader:9464. Default: http.listen.",
            valueName: "host:port"))
    var loader: String?

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
        let configuration = try arguments.load()
        let options = configuration.loading
        let address = loader ?? configuration.http.listen?.reachable
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
            let running = address.map { RunningLoader.ask($0, group: options.group) }
            if json {
                print(StatusText.json(report, running, pretty: !watch))
            } else {
                let lines = StatusText.lines(report, running, before: last, all: all)
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
