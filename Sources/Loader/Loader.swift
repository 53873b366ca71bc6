import ArgumentParser
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
        main(nil)
    }
}
