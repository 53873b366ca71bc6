import ArgumentParser
import Foundation
import Loading
import Postgres

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check the configuration, the topics and the tables without loading anything.",
        discussion: """
            Every mistake is reported at once, and the exit status is then 78.

            EXAMPLES:
              loader check --config loader.yaml
              KAFKA_TOPIC=orders LOADER_TABLE=public.orders loader check
            """)

    @OptionGroup var arguments: ConfigurationArguments

    func run() throws {
        let configuration = try arguments.load()
        do {
            let preflight = try Startup.check(configuration.loading)
            for warning in preflight.warnings { StandardError.shared.write(line: "warning: \(warning)") }
            for route in preflight.routes { print(Self.text(route)) }
        } catch let error as LoadingError {
            StandardError.shared.write(line: error.description)
            throw ExitStatus(error.code).code
        } catch let error as PostgresError {
            StandardError.shared.write(line: "the database cannot be asked: \(error)")
            throw (FailureClass(error) == .away ? ExitStatus.unavailable : .configuration).code
        }
    }

    /// A route and where each of its columns comes from.
    private static func text(_ route: RouteSummary) -> String {
        var lines = [
            "\(route.label): \(route.topics.joined(separator: ", ")) → \(route.table), mode \(route.mode.rawValue), "
                + "\(route.isBinary ? "binary" : "text") COPY, "
                + (route.isReplaySafe ? "safe to replay" : "a replay would double rows")
        ]
        let width = route.columns.map(\.name.count).max() ?? 0
        for column in route.columns {
            let name = column.name.padding(toLength: width, withPad: " ", startingAt: 0)
            lines.append("  \(name)  ← \(column.source)  (\(column.type)\(column.isKey ? ", key" : ""))")
        }
        return lines.joined(separator: "\n")
    }
}
