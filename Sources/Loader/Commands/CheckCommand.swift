import ArgumentParser
import Loading

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
        throw try check(try arguments.load()).code
    }

    /// Looks at brokers, topics and tables.
    private func check(_ configuration: Configuration) throws -> ExitStatus {
        throw ValidationError("check is not wired to the pipeline yet")
    }
}
