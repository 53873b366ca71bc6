import ArgumentParser
import Foundation
import Loading

@main
struct Loader: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loader",
        abstract: "Load Apache Kafka topics into PostgreSQL tables, exactly once, in batches.",
        discussion: """
            Exit status: 0 done, 1 verify found differences, 64 usage, 65 letters failed again, 69 unavailable, 70 internal fault, 78 configuration.

            EXAMPLES:
              loader run --config loader.yaml
              loader config --reference
            """,
        version: Version.all,
        subcommands: [
            RunCommand.self, MigrateCommand.self, InferCommand.self, CheckCommand.self, StatusCommand.self,
            DeadLettersCommand.self, VerifyCommand.self, BackfillCommand.self, ConfigCommand.self, DemoCommand.self,
            VersionCommand.self,
        ])

    static func main() {
        // A mistake in them stops `loader run`, which reads them once more to say so.
        if let settings = try? Failpoint.settings() { Failpoint.arm(settings) }
        do {
            var command = try parseAsRoot()
            try command.run()
            end(.success)
        } catch {
            let (code, text) = (exitCode(for: error), fullMessage(for: error))
            // What was asked for, such as help, is no complaint.
            let stream: FileHandle = code == .success ? .standardOutput : .standardError
            if !text.isEmpty { stream.write(Data("\(text)\n".utf8)) }
            end(code)
        }
    }

    /// Ends the process without what libraries have left to be done at its end: a client that did not end in time is still at work, and
    /// crashes once OpenSSL has taken down what it works with, so that a run that went well would end by a signal.
    private static func end(_ code: ExitCode) -> Never {
        fflush(nil)
        _exit(code.rawValue)
    }
}
