import ArgumentParser
import Loading
import Logging

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Load topics into tables until stopped.",
        discussion: """
            SIGTERM and SIGINT load what was taken, commit and end with status 0; a second signal ends at once.

            EXAMPLES:
              loader run --config loader.yaml
              loader run --until-end --set batch.max_rows=10000
            """)

    @OptionGroup var arguments: ConfigurationArguments

    @Flag(help: "Stop when every partition has reached the end that it had at the start.")
    var untilEnd = false

    @Flag(help: "Let a reset of the group load a route in mode insert again, although its rows will be there twice.")
    var allowDuplicates = false

    func run() throws {
        var configuration = try arguments.load()
        configuration.loading.untilEnd = untilEnd
        configuration.loading.allowDuplicates = allowDuplicates
        throw try load(configuration).code
    }

    /// Loads until the end or a signal.
    private func load(_ configuration: Configuration) throws -> ExitStatus {
        SignalListener.block()
        let options = configuration.loading
        var logger = Logger(label: "loader") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = configuration.log.level
        do {
            let stop = try StopRequest()
            SignalListener.listen(stop)
            guard let preflight = try Startup.preflight(options, stop: stop, logger: logger) else { return .done }
            for warning in preflight.warnings { logger.warning("\(warning)") }
            let pipeline = try Pipeline(
                options: options, preflight: preflight, statistics: LoadingStatistics(), stop: stop, logger: logger)
            try pipeline.run()
            return .done
        } catch let error as LoadingError {
            logger.critical("\(error)", metadata: ["code": "\(error.code.rawValue)"])
            return ExitStatus(error.code)
        }
    }
}

extension ExitStatus {
    init(_ code: LoadingError.Code) {
        self =
            switch code {
            case .unavailable, .shutdownTimeout: .unavailable
            case .internal: .internal
            default: .configuration
            }
    }
}
