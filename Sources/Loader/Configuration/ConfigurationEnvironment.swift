import Loading

/// Reads settings from the environment and from `--set`.
enum ConfigurationEnvironment {
    struct Result {
        /// The short names first, so that the full ones go over them.
        var settings: [ConfigurationSetting] = []
        var problems: [ConfigurationProblem] = []
    }

    /// An empty variable counts as not set, as Compose files leave them.
    ///
    /// - Parameter substitution: for what is written in the file's manner.
    static func read(_ environment: [String: String], _ substitution: Substitution = .none) -> Result {
        var result = Result()
        let variables = environment.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }
        let aliases = ConfigurationKey.all.flatMap { key in key.aliases.map { (alias: $0, key: key) } }
        for (alias, key) in aliases {
            guard var text = environment[alias.name], !text.isEmpty else { continue }
            if let meaning = alias.whenTrue {
                do throws(ValueMistake) {
                    guard try ConfigurationKind<Bool>.boolean.read(.text(text)) else { continue }
                    text = meaning
                } catch {
                    result.problems.append(
                        ConfigurationProblem(
                            code: error.code, path: key.path, origin: .variable(alias.name), message: error.message,
                            mend: error.mend))
                    continue
                }
            }
            result.settings.append(
                ConfigurationSetting(
                    path: key.pattern.path(), value: value(of: text + alias.unit), origin: .variable(alias.name)))
        }
        let known = Set(aliases.map(\.alias.name)).union(ConfigurationKey.reservedVariables)
        for (name, text) in variables where name.hasPrefix("LOADER_") && !known.contains(name) {
            if let path = path(ofVariable: name) {
                let isNameLoose = path.isOfColumn && name == name.uppercased()
                result.add(text, at: path, .variable(name), isNameLoose: isNameLoose, substitution)
            } else if !isServiceLink(name) {
                result.problems.append(unknownVariable(name, known: known))
            }
        }
        return result
    }

    /// Reads `batch.max_rows=100`.
    static func read(assignments: [String], _ substitution: Substitution = .none) -> Result {
        var result = Result()
        for assignment in assignments {
            guard let equals = assignment.firstIndex(of: "="), equals > assignment.startIndex else {
                // What was typed may be a secret whose key was forgotten.
                result.problems.append(
                    ConfigurationProblem(
                        code: .syntax, origin: .argument("…"), message: "there is no `key=value`",
                        mend: "Write --set batch.max_rows=1000."))
                continue
            }
            let typed = String(assignment[..<equals])
            guard let path = path(ofArgument: typed) else {
                result.problems.append(unknownArgument(typed))
                continue
            }
            let text = String(assignment[assignment.index(after: equals)...])
            result.add(text, at: path, .argument(path.description), substitution)
        }
        return result
    }

    fileprivate static func value(of text: String) -> ConfigurationValue {
        ["null", "~"].contains(text) ? .null : .text(text)
    }

    private static func path(ofVariable name: String) -> ConfigurationPath? {
        for key in ConfigurationKey.all {
            if let path = key.pattern.match(variable: name) { return path }
            if key.isShorthand, let path = shorthand(key)?.match(variable: name) { return key.completed(path) }
        }
        return nil
    }

    private static func path(ofArgument typed: String) -> ConfigurationPath? {
        let parts = typed.replacing("[", with: ".").replacing("]", with: "").split(
            separator: ".", omittingEmptySubsequences: false)
        if let path = ConfigurationKey.all.lazy.compactMap({ $0.pattern.match(parts: parts[...]) }).first {
            return path
        }
        for key in ConfigurationKey.all where key.isShorthand {
            if let path = shorthand(key)?.match(parts: parts[...]) { return key.completed(path) }
        }
        return nil
    }

    /// The pattern without its last name.
    private static func shorthand(_ key: ConfigurationKey) -> ConfigurationPattern? {
        key.path.lastIndex(of: ".").map { ConfigurationPattern(String(key.path[..<$0])) }
    }

    /// Whether Kubernetes or Docker put the variable there, for a service that is named `loader` as well.
    private static func isServiceLink(_ name: String) -> Bool {
        name.wholeMatch(of: /LOADER_(\w+_)?(SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP)(_\w+)?)?)/) != nil
    }

    private static func unknownVariable(_ name: String, known: Set<String>) -> ConfigurationProblem {
        // Numbers stand for themselves in a suggestion.
        let index = name.split(separator: "_").first { $0.allSatisfy(\.isNumber) } ?? "0"
        let names = ConfigurationKey.all.map { $0.pattern.variable.replacing("<n>", with: index) } + known.sorted()
        let near = nearest(to: name, in: names.filter { !$0.contains("<") })
        return ConfigurationProblem(
            code: .unknownKey, origin: .variable(name), message: "no key has this variable",
            mend: near.map { "Did you mean \($0)?" } ?? "Unset it; `loader config --reference` lists all of them.")
    }

    private static func unknownArgument(_ typed: String) -> ConfigurationProblem {
        let parts = typed.replacing("[", with: ".").replacing("]", with: "").split(separator: ".")
        let index = parts.first { $0.allSatisfy(\.isNumber) } ?? "0"
        let names = ConfigurationKey.all.map { $0.path.replacing("[]", with: "[\(index)]") }
        let plain = names.filter { !$0.contains("<") }
        let near = nearest(to: typed, in: plain) ?? plain.first { $0.hasSuffix(".\(parts.last ?? "")") }
        return ConfigurationProblem(
            code: .unknownKey, origin: .argument(typed), message: "unknown key",
            mend: near.map { "Did you mean \($0)?" } ?? "`loader config --reference` lists all of them.")
    }
}

extension ConfigurationEnvironment.Result {
    /// Adds a setting, or for a column several: `{ from: total, required: true }` is what would stand in the file.
    fileprivate mutating func add(
        _ text: String, at path: ConfigurationPath, _ origin: ConfigurationOrigin, isNameLoose: Bool = false,
        _ substitution: Substitution
    ) {
        guard path.isOfColumn, path.components.last == .name("from"), text.first(where: { !$0.isWhitespace }) == "{"
        else {
            settings.append(
                ConfigurationSetting(
                    path: path, value: ConfigurationEnvironment.value(of: text), origin: origin,
                    isNameLoose: isNameLoose))
            return
        }
        var file = ConfigurationFile(origin, substitution: substitution)
        file.read(text, ofColumn: ConfigurationPath(Array(path.components.dropLast())))
        problems += file.problems
        settings += file.settings.map { setting in
            var setting = setting
            setting.isNameLoose = isNameLoose
            return setting
        }
    }
}

extension ConfigurationPath {
    /// `routes[0].columns.total.from`.
    var isOfColumn: Bool { components.count == 5 && components[2] == .name("columns") }
}

extension ConfigurationKey {
    /// A path to the section that this key may stand for, made whole.
    fileprivate func completed(_ path: ConfigurationPath) -> ConfigurationPath {
        guard case .name(let last) = pattern.segments.last else { return path }
        return path.appending(.name(last))
    }
}
