import Credentials
import Foundation
import Loading
import Postgres
import Records

/// What a configuration is made of, so that nothing else is asked for it.
struct ConfigurationSources {
    /// The file and its text; nil: none.
    var file: (name: String, text: String)?
    var environment: [String: String] = [:]
    /// From `--set`, `key=value`.
    var assignments: [String] = []
    /// For `${file:…}`; nil for a file that cannot be read.
    var readFile: @Sendable (String) -> String? = { _ in nil }
}

extension ConfigurationSources {
    /// Takes the file that `--config` or `LOADER_CONFIG` names, else `loader.yaml` here if there is one.
    static func found(
        config: String?, assignments: [String],
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationProblems) -> ConfigurationSources {
        @Sendable func read(_ path: String) -> String? {
            FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
        }
        var sources = ConfigurationSources(environment: environment, assignments: assignments, readFile: read)
        let variable = environment["LOADER_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
        if let path = config ?? variable {
            guard let text = read(path) else {
                throw ConfigurationProblems(problems: [
                    ConfigurationProblem(
                        code: .unreadableFile, origin: config == nil ? .variable("LOADER_CONFIG") : nil,
                        message: "the configuration file \(path) cannot be read",
                        mend: "Name a file that exists and that the loader's user may read.")
                ])
            }
            sources.file = (path, text)
        } else if FileManager.default.fileExists(atPath: "loader.yaml") {
            guard let text = read("loader.yaml") else {
                throw ConfigurationProblems(problems: [
                    ConfigurationProblem(
                        code: .unreadableFile, message: "loader.yaml is here but cannot be read",
                        mend: "Let the loader's user read it, or name another with --config.")
                ])
            }
            sources.file = ("loader.yaml", text)
        }
        return sources
    }
}

extension Configuration {
    /// Reads everything, or reports every mistake there is.
    ///
    /// The command line goes over the environment, the environment over the file, the file over the defaults.
    ///
    /// - Parameter sections: the first parts of the paths whose mistakes matter; nil: all. What is about no key always does.
    init(_ sources: ConfigurationSources, only sections: [String]? = nil) throws(ConfigurationProblems) {
        var problems: [ConfigurationProblem] = []
        var unread: Set<ConfigurationPath> = []
        let substitution = Substitution(environment: sources.environment, readFile: sources.readFile)
        if let (name, text) = sources.file {
            var file = ConfigurationFile(name: name, substitution: substitution)
            file.read(text)
            for setting in file.settings { settings.put(setting) }
            problems += file.problems
            unread = file.unread
        }
        let routesInFile = settings.routeCount
        let environment = ConfigurationEnvironment.read(sources.environment, substitution)
        let assigned = ConfigurationEnvironment.read(assignments: sources.assignments, substitution)
        problems += environment.problems
        let written = settings.all + assigned.settings
        for setting in environment.settings.map({ $0.named(as: written) }) {
            if routesInFile > 1, case .variable(let name) = setting.origin, !name.hasPrefix("LOADER_ROUTES"),
                setting.path.components.first == .name("routes")
            {
                problems.append(
                    ConfigurationProblem(
                        code: .contradiction, origin: setting.origin,
                        message: "the file has \(routesInFile) routes, and the variable does not say which is meant",
                        mend: "Unset it, or use LOADER_ROUTES_0_… instead."))
                continue
            }
            settings.put(setting)
        }
        problems += assigned.problems
        for setting in assigned.settings { settings.put(setting) }
        settings.takeTokenProperties()

        loading.routes = (0..<settings.routeCount).map { index in
            Route(topics: [], table: TableName(schema: nil, name: ""), label: "routes[\(index)]")
        }
        problems += applyDefaults()
        let (failures, bad) = applySettings()
        problems += failures
        markLooseNames()
        let region = AWSRegion(named: kafkaToken.region ?? registry.region, brokers: loading.brokers).known
        let aws = AWSChains(sources.environment, region: region)
        loading.schemas = registry.source(aws, sources.environment) { [self] key in
            secret(of: "schema_registry.\(key)", substitution)
        }
        takeTokens(sources.environment, aws, substitution)
        takeClientSecrets(substitution)
        takeDatabaseSecrets(substitution, aws)
        loading.group = group.prefix + group.name + group.suffix
        // With a file that could not be read at all, whatever it would have said would be reported as missing.
        if !problems.contains(where: { $0.code == .syntax || $0.code == .duplicateKey }) {
            problems += missing(unread: unread, environment: sources.environment)
        }
        problems += ConfigurationRules.problems(of: self, except: bad.union(unread))

        if let sections {
            problems.removeAll { problem in
                guard let path = problem.path else { return false }
                return !sections.contains { path == $0 || path.hasPrefix($0 + ".") }
            }
        }
        warnings = problems.filter { $0.severity == .warning }.sorted(by: ConfigurationProblem.stands)
        let errors = problems.filter { $0.severity == .error }.sorted(by: ConfigurationProblem.stands)
        guard errors.isEmpty else { throw ConfigurationProblems(problems: errors) }
    }

    private mutating func applyDefaults() -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        for key in ConfigurationKey.all where !key.pattern.segments.contains(.placeholder("column")) {
            guard let text = key.defaultText else { continue }
            let isOfRoute = key.pattern.segments.contains(.element)
            for index in isOfRoute ? 0..<loading.routes.count : 0..<1 {
                let path = key.pattern.path(indexes: [index])
                do throws(ValueMistake) {
                    try key.apply(text == "null" ? .null : .text(text), path, &self)
                } catch {
                    problems.append(error.problem(at: path, .builtIn))
                }
            }
        }
        return problems
    }

    private mutating func applySettings() -> (problems: [ConfigurationProblem], bad: Set<ConfigurationPath>) {
        var problems: [ConfigurationProblem] = []
        var bad: Set<ConfigurationPath> = []
        for setting in settings.all {
            guard let key = ConfigurationKey.of(setting.path) else { continue }
            do throws(ValueMistake) {
                try key.apply(setting.value, setting.path, &self)
            } catch {
                var problem = error.problem(at: setting.path, setting.origin)
                // A secret in the wrong place must not come out in the complaint about it.
                if setting.isFromSecretFile { problem.message = "the value is not fit for this key" }
                problems.append(problem)
                bad.insert(setting.path)
            }
        }
        return (problems, bad)
    }

    /// Columns that only a variable names: how the table writes them, the catalog tells.
    private mutating func markLooseNames() {
        for setting in settings.all where setting.isNameLoose {
            guard let route = setting.path.indexes.first, let name = setting.path.names.dropFirst(2).first,
                let column = loading.routes[route].columns?.firstIndex(where: { $0.name == name })
            else { continue }
            loading.routes[route].columns?[column].isNameLoose = true
        }
    }

    private func missing(unread: Set<ConfigurationPath>, environment: [String: String]) -> [ConfigurationProblem] {
        func problem(_ path: String, _ message: String, _ mend: String) -> ConfigurationProblem {
            ConfigurationProblem(code: .missing, path: path, origin: nil, message: message, mend: mend)
        }
        func isGiven(_ path: ConfigurationPath) -> Bool {
            settings[path] != nil
                || path.components.indices.contains { depth in
                    unread.contains(ConfigurationPath(Array(path.components[...depth])))
                }
        }
        var problems: [ConfigurationProblem] = []
        for key in ConfigurationKey.all where key.isRequired {
            let isOfRoute = key.pattern.segments.contains(.element)
            for index in isOfRoute ? 0..<loading.routes.count : 0..<1 {
                let path = key.pattern.path(indexes: [index])
                guard !isGiven(path) else { continue }
                let variable = key.aliases.first?.name ?? key.pattern.variable
                problems.append(
                    problem(
                        path.description, "is required and not set",
                        "Set it in the file, with \(index == 0 ? variable : key.pattern.path(indexes: [index]).variable), "
                            + "or with --set."))
            }
        }
        if loading.routes.isEmpty, !isGiven(ConfigurationPath([.name("routes")])) {
            problems.append(
                problem(
                    "routes", "there is no route, so there is nothing to load",
                    "Add one with `topic` and `table`, or set KAFKA_TOPIC and LOADER_TABLE."))
        }
        let url = ConfigurationPath([.name("postgres"), .name("url")])
        let hasLibpqVariables = ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"].contains {
            environment[$0]?.isEmpty == false
        }
        if !isGiven(url), !hasLibpqVariables {
            problems.append(
                problem(
                    "postgres.url", "no database is named", "Set it, or DATABASE_URL, or libpq's PGHOST and PGDATABASE."
                ))
        }
        return problems
    }
}

extension ConfigurationKey {
    /// The key that a path is one of.
    static func of(_ path: ConfigurationPath) -> ConfigurationKey? {
        all.first { key in
            key.pattern.segments.count == path.components.count
                && zip(key.pattern.segments, path.components).allSatisfy { segment, component in
                    switch (segment, component) {
                    case (.name(let expected), .name(let name)): expected == name
                    case (.placeholder, .name), (.element, .index): true
                    default: false
                    }
                }
        }
    }
}

extension ConfigurationPath {
    /// The variable that sets it; for keys without a name of the user's own in them.
    fileprivate var variable: String {
        let parts = components.map { component in
            switch component {
            case .name(let name): name.uppercased()
            case .index(let index): String(index)
            }
        }
        return "LOADER_" + parts.joined(separator: "_")
    }
}

extension ConfigurationSetting {
    /// The same for the column that the file or the command line writes in its own way.
    fileprivate func named(as written: [ConfigurationSetting]) -> ConfigurationSetting {
        guard isNameLoose, case .name(let name) = path.components[3] else { return self }
        let names = Set(
            written.compactMap { other -> String? in
                guard other.path.isOfColumn, other.path.indexes == path.indexes,
                    case .name(let found) = other.path.components[3]
                else { return nil }
                return Route.Column.variableForm(found) == Route.Column.variableForm(name) ? found : nil
            })
        guard !names.contains(name), let found = names.first, names.count == 1 else { return self }
        var setting = self
        setting.path.components[3] = .name(found)
        setting.isNameLoose = false
        return setting
    }
}

extension ConfigurationSettings {
    /// One more than the highest route that anything is set for.
    fileprivate var routeCount: Int {
        let indexes = all.lazy.filter { $0.path.components.first == .name("routes") }.compactMap(\.path.indexes.first)
        return (indexes.max() ?? -1) + 1
    }
}

extension ValueMistake {
    fileprivate func problem(at path: ConfigurationPath, _ origin: ConfigurationOrigin) -> ConfigurationProblem {
        ConfigurationProblem(
            code: code, path: path.description, origin: origin, message: message, mend: mend)
    }
}

extension ConfigurationProblem {
    /// The file's in the order of its lines, then the environment's, then the command line's, then what stands nowhere.
    fileprivate static func stands(_ first: ConfigurationProblem, before second: ConfigurationProblem) -> Bool {
        func rank(_ problem: ConfigurationProblem) -> (Int, Int, Int, String) {
            switch problem.origin {
            case .file(_, let line, let column, _): (0, line, column, "")
            case .variable(let name): (1, 0, 0, name)
            case .argument(let path): (2, 0, 0, path)
            case .builtIn, nil: (3, 0, 0, "")
            }
        }
        return rank(first) < rank(second)
    }
}
