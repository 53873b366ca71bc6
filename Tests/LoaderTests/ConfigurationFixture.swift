@testable import Loader

/// A configuration with nothing missing.
let completeYAML = """
    kafka:
      brokers: localhost:9092
      group: orders-loader
    postgres:
      url: postgresql://loader@localhost/shop
    routes:
      - topic: orders
        table: public.orders
    """

/// Reads a configuration from texts alone.
func read(
    _ yaml: String? = completeYAML, environment: [String: String] = [:], set assignments: [String] = [],
    files: [String: String] = [:]
) throws -> Configuration {
    try Configuration(
        ConfigurationSources(
            file: yaml.map { ("loader.yaml", $0) }, environment: environment, assignments: assignments,
            readFile: { files[$0] }))
}

/// The mistakes of a configuration; none if it can be read.
func mistakes(
    _ yaml: String? = completeYAML, environment: [String: String] = [:], set assignments: [String] = [],
    files: [String: String] = [:]
) throws -> [ConfigurationProblem] {
    do {
        _ = try read(yaml, environment: environment, set: assignments, files: files)
        return []
    } catch let error as ConfigurationProblems {
        return error.problems
    }
}
