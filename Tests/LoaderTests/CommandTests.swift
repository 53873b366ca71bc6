import ArgumentParser
import Testing

@testable import Loader

@Suite struct CommandTests {
    @Test("the help of every command ends its description with two examples")
    func examples() {
        for command in [Loader.self] + Loader.configuration.subcommands {
            let discussion = command.configuration.discussion
            let examples = discussion.split(separator: "EXAMPLES:\n").last?.split(separator: "\n") ?? []
            #expect(discussion.contains("EXAMPLES:"))
            #expect(examples.count == 2)
            #expect(examples.allSatisfy { $0.contains("loader") })
        }
    }

    @Test(
        "a wrong command line ends with status 64",
        arguments: [
            ["run", "--no-such"], ["no-such"], ["run", "--set"], ["config", "--json", "--reference"], ["run", "extra"],
        ])
    func usage(arguments: [String]) {
        let error = #expect(throws: (any Error).self) { try Loader.parseAsRoot(arguments) }
        #expect(error.map { Loader.exitCode(for: $0).rawValue } == ExitStatus.usage.rawValue)
    }

    @Test("--set takes a value that looks like an option, and may be given again")
    func assignments() throws {
        let command = try #require(
            try Loader.parseAsRoot(["config", "--set", "a=-1", "--set", "--b=2", "--config", "x.yaml"])
                as? ConfigCommand)
        #expect(command.arguments.assignments == ["a=-1", "--b=2"])
        #expect(command.arguments.config == "x.yaml")
    }

    @Test("mistakes in the configuration end with status 78")
    func configurationStatus() throws {
        let problems = ConfigurationProblems(problems: try mistakes(nil))
        let status = try ConfigurationArguments.parse([]).report(problems)
        #expect(status.rawValue == 78)
    }

    @Test("a named file that cannot be read is a mistake, and the option goes over the variable")
    func namedFile() throws {
        let missing = "/nonexistent/loader.yaml"
        let problems = #expect(throws: ConfigurationProblems.self) {
            try ConfigurationSources.found(config: missing, assignments: [], environment: ["LOADER_CONFIG": "/other"])
        }
        #expect(problems?.problems.map(\.code) == [.unreadableFile])
        #expect(problems?.description.contains(missing) == true)
        let fromVariable = #expect(throws: ConfigurationProblems.self) {
            try ConfigurationSources.found(config: nil, assignments: [], environment: ["LOADER_CONFIG": missing])
        }
        #expect(fromVariable?.problems.first?.origin == .variable("LOADER_CONFIG"))
    }

    @Test("the version names the loader with its commit, and both libraries")
    func version() {
        let lines = Version.all.split(separator: "\n")
        #expect(lines.first?.wholeMatch(of: /loader \S+ \(([0-9a-f]{12}\+?|unknown)\)/) != nil)
        #expect(lines.map { $0.prefix { $0 != " " } } == ["loader", "librdkafka", "libpq"])
        #expect(lines.allSatisfy { $0.wholeMatch(of: /\S+ \d+\.\d+.*/) != nil })
    }
}
