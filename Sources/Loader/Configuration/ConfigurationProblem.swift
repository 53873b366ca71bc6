/// One mistake in the configuration: what, where, and the mend. It never carries a secret.
struct ConfigurationProblem: Error, Sendable, Equatable {
    enum Code: String, Sendable {
        case unreadableFile = "unreadable_file"
        case syntax
        case duplicateKey = "duplicate_key"
        case unknownKey = "unknown_key"
        case wrongType = "wrong_type"
        case invalidValue = "invalid_value"
        case outOfRange = "out_of_range"
        case missing
        case unresolvedSubstitution = "unresolved_substitution"
        case contradiction
        case refusedProperty = "refused_property"
        case addressInUse = "address_in_use"
        /// Somebody on the way could read or change what goes over a connection.
        case exposed
    }

    enum Severity: String, Sendable { case warning, error }

    var code: Code
    var severity = Severity.error
    /// The key, `routes[0].table`; nil where the problem is about the whole file or an unknown variable.
    var path: String?
    var origin: ConfigurationOrigin?
    var message: String
    /// The next step, an imperative sentence.
    var mend: String
}

extension ConfigurationProblem: CustomStringConvertible {
    /// `loader.yaml:3:5: batch.max_rows: 0 is below 1. Give a number from 1 to 10000000.`
    var description: String {
        var places: [String] = []
        if let origin, origin != .builtIn { places.append(origin.description) }
        if let path, origin != .argument(path) { places.append(path) }
        if severity == .warning { places.append("warning") }
        return (places + ["\(message). \(mend)"]).joined(separator: ": ")
    }
}

/// All the mistakes of a configuration, in the order of where they stand.
struct ConfigurationProblems: Error, Sendable, CustomStringConvertible {
    var problems: [ConfigurationProblem]

    var description: String { problems.map(\.description).joined(separator: "\n") }
}
