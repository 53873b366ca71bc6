import Loading

/// One key of the configuration. The table of them, `ConfigurationKey.all`, is the only place that knows the keys: it
/// drives the file, the environment, `--set`, `loader config` and the reference.
struct ConfigurationKey: Sendable {
    /// A variable without the prefix that sets the key as well.
    struct Alias: Sendable, Hashable {
        var name: String
        /// What is put behind the variable's number, `s` in `BATCH_TIMEOUT_SECONDS`.
        var unit = ""
        /// The variable is `true` or `false`, and `true` stands for this value; `false` is as if it were not set.
        var whenTrue: String?
    }

    let pattern: ConfigurationPattern
    let kindName: String
    let domain: String
    let isBare: Bool
    let form: ConfigurationForm
    /// As it would be written; nil where nothing is in force until something is set.
    let defaultText: String?
    /// What holds where there is no `defaultText`, for the reference.
    let otherwise: String
    let isRequired: Bool
    let aliases: [Alias]
    /// The value may be written in place of the section that the key is in: `total: price` for `total: { from: price }`.
    let isShorthand: Bool
    let summary: String
    /// Reads the value and puts it in its place.
    let apply: @Sendable (ConfigurationValue, ConfigurationPath, inout Configuration) throws(ValueMistake) -> Void

    var path: String { pattern.description }
}

extension ConfigurationKey {
    /// A key of the loader as a whole.
    static func key<Value: Sendable>(
        _ path: String, _ kind: ConfigurationKind<Value>, default defaultText: String? = nil, otherwise: String = "",
        isRequired: Bool = false, aliases: [Alias] = [],
        into place: any WritableKeyPath<Configuration, Value> & Sendable, _ summary: String
    ) -> ConfigurationKey {
        ConfigurationKey(
            pattern: ConfigurationPattern(path), kindName: kind.name, domain: kind.domain, isBare: kind.isBare,
            form: kind.form,
            defaultText: defaultText, otherwise: otherwise, isRequired: isRequired, aliases: aliases,
            isShorthand: false, summary: summary
        ) { value, _, configuration throws(ValueMistake) in
            configuration[keyPath: place] = try kind.read(value)
        }
    }

    /// A key of one route.
    static func route<Value: Sendable>(
        _ path: String, _ kind: ConfigurationKind<Value>, default defaultText: String? = nil, otherwise: String = "",
        isRequired: Bool = false, aliases: [Alias] = [], isShorthand: Bool = false,
        into place: any WritableKeyPath<Route, Value> & Sendable, _ summary: String
    ) -> ConfigurationKey {
        ConfigurationKey(
            pattern: ConfigurationPattern(path), kindName: kind.name, domain: kind.domain, isBare: kind.isBare,
            form: kind.form,
            defaultText: defaultText, otherwise: otherwise, isRequired: isRequired, aliases: aliases,
            isShorthand: isShorthand, summary: summary
        ) { value, path, configuration throws(ValueMistake) in
            let value = try kind.read(value)
            configuration.withRoute(of: path) { $0[keyPath: place] = value }
        }
    }

    /// A key of one column of a route.
    static func column<Value: Sendable>(
        _ path: String, _ kind: ConfigurationKind<Value>, default defaultText: String? = nil, otherwise: String = "",
        isShorthand: Bool = false, into place: any WritableKeyPath<Route.Column, Value> & Sendable, _ summary: String
    ) -> ConfigurationKey {
        ConfigurationKey(
            pattern: ConfigurationPattern(path), kindName: kind.name, domain: kind.domain, isBare: kind.isBare,
            form: kind.form,
            defaultText: defaultText, otherwise: otherwise, isRequired: false, aliases: [], isShorthand: isShorthand,
            summary: summary
        ) { value, path, configuration throws(ValueMistake) in
            let value = try kind.read(value)
            guard let name = path.names.dropFirst(2).first else { return }
            try checkIdentifierLength(name)
            configuration.withRoute(of: path) { route in
                var columns = route.columns ?? []
                let index = columns.firstIndex { $0.name == name } ?? columns.endIndex
                // Without an expression of its own a column takes the field of its name.
                if index == columns.endIndex {
                    columns.append(Route.Column(name: name))
                }
                columns[index][keyPath: place] = value
                route.columns = columns
            }
        }
    }

    /// One of librdkafka's properties.
    static func property(_ path: String, _ summary: String) -> ConfigurationKey {
        let kind = ConfigurationKind<String>.anyText
        return ConfigurationKey(
            pattern: ConfigurationPattern(path), kindName: kind.name, domain: kind.domain, isBare: false,
            form: kind.form,
            defaultText: nil, otherwise: "librdkafka's", isRequired: false, aliases: [], isShorthand: false,
            summary: summary
        ) { value, path, configuration throws(ValueMistake) in
            guard let name = path.names.last else { return }
            configuration.loading.properties[name] = try kind.read(value)
        }
    }
}

extension ConfigurationPath {
    /// The names on the way, without the lists' indexes.
    var names: [String] {
        components.compactMap { if case .name(let name) = $0 { name } else { nil } }
    }
}

extension Configuration {
    fileprivate mutating func withRoute(of path: ConfigurationPath, _ change: (inout Route) -> Void) {
        guard let index = path.indexes.first, loading.routes.indices.contains(index) else { return }
        change(&loading.routes[index])
    }
}
