import ArgumentParser
import Loading

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Load topics into tables until stopped.",
        discussion: """
            SIGTERM and SIGINT load what was taken, commit and end with status 0; a second signal ends at once.

            What is wrong at the start is said within 15 s, all of it at once, and ends it: with 78 what an operator has \
            to mend, a topic that is not there included, with 69 servers that are away. An outage after that is waited \
            for.

            EXAMPLES:
              loader run --config loader.yaml
              loader run --until-end --set batch.max_rows=10000
            """)

    @OptionGroup var arguments: ConfigurationArguments

    @Flag(help: "Stop when every partition has reached the end that it had at the start.")
    var untilEnd = false

    @Flag(help: "Wait for brokers, a database and topics that are not there yet, as wait_at_start does.")
    var wait = false

    @Flag(help: "Let a reset of the group load a route in mode insert again, although its rows will be there twice.")
    var allowDuplicates = false

    @Flag(
        help: "Let a group begin that is new here, although another has loaded the same into a table that only grows.")
    var newGroup = false

    func run() throws {
        var configuration = try arguments.load()
        configuration.loading.untilEnd = untilEnd
        if wait { configuration.loading.waitsAtStart = true }
        configuration.loading.allowDuplicates = allowDuplicates
        configuration.loading.isNewGroup = newGroup
        configuration.loading.resetForDeployment = DeploymentName.of(configuration)
        let status: ExitStatus
        do {
            status = try Service(configuration: configuration).run()
        } catch let problems as ConfigurationProblems {
            throw arguments.report(problems)
        }
        guard status == .done else { throw status.code }
    }
}
