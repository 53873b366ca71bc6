import ArgumentParser
import Foundation

/// The options of every command that reads the configuration.
struct ConfigurationArguments: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("The configuration file. Default: loader.yaml, if it is here.", valueName: "file"))
    var config: String?

    @Option(
        name: .customLong("set"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Set one key over file and environment; may be given again.", valueName: "key=value"))
    var assignments: [String] = []

    /// Reads the configuration, or prints every mistake on stderr and ends with status 78.
    ///
    /// - Parameter sections: for a command that needs no more than the keys below these.
    func load(only sections: [String]? = nil) throws -> Configuration {
        do throws(ConfigurationProblems) {
            let configuration = try Configuration(.found(config: config, assignments: assignments), only: sections)
            for warning in configuration.warnings { StandardError.shared.write(line: warning.description) }
            return configuration
        } catch {
            throw report(error)
        }
    }

    /// Prints the problems; the result is to be thrown.
    func report(_ error: ConfigurationProblems) -> ExitCode {
        for problem in error.problems { StandardError.shared.write(line: problem.description) }
        let count = error.problems.count
        StandardError.shared.write(
            line: count == 1 ? "1 mistake in the configuration" : "\(count) mistakes in the configuration")
        return ExitStatus.configuration.code
    }
}
