import ArgumentParser

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Show which settings are in force, and where each was written.",
        discussion: """
            Secrets are hidden. Every mistake is reported, and the exit status is then 78.

            EXAMPLES:
              loader config --config /etc/loader.yaml
              loader config --schema > loader.schema.json
            """)

    @OptionGroup var arguments: ConfigurationArguments

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(help: "Print the reference of all keys in Markdown instead.")
    var reference = false

    @Flag(help: "Print the JSON Schema of the file instead, for completion in editors.")
    var schema = false

    func validate() throws {
        if [json, reference, schema].count(where: \.self) > 1 {
            throw ValidationError("--json, --reference and --schema exclude each other.")
        }
    }

    func run() throws {
        if reference {
            print(ConfigurationReference.page, terminator: "")
            return
        }
        if schema {
            print(ConfigurationSchema.text, terminator: "")
            return
        }
        let report = ConfigurationReport(try arguments.load())
        print(json ? report.json : report.text)
    }
}
