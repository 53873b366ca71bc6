import Loading
import Yams

/// Reads the YAML file into settings: every scalar gets the path of its key, and what fits no key is reported.
struct ConfigurationFile {
    var name: String
    var substitution: Substitution
    /// Where the text stands, if it is no file's.
    private let place: ConfigurationOrigin?

    private(set) var settings: [ConfigurationSetting] = []
    private(set) var problems: [ConfigurationProblem] = []
    /// Paths whose value could not be read, so that they are not reported as missing too.
    private(set) var unread: Set<ConfigurationPath> = []

    init(name: String, substitution: Substitution) {
        self.name = name
        self.substitution = substitution
        place = nil
    }

    /// For what a variable or an argument says in the file's manner: `{ from: total, required: true }`.
    init(_ place: ConfigurationOrigin, substitution: Substitution) {
        name = ""
        self.substitution = substitution
        self.place = place
    }

    mutating func read(_ text: String) { read(text, at: ConfigurationPath(), ConfigurationKey.all) }

    /// Reads what stands behind a column's name.
    mutating func read(_ text: String, ofColumn path: ConfigurationPath) {
        read(text, at: path, ConfigurationKey.all.filter { $0.pattern.segments.contains(.placeholder("column")) })
    }

    private mutating func read(_ text: String, at path: ConfigurationPath, _ keys: [ConfigurationKey]) {
        do {
            guard let root = try Parser(yaml: text).singleRoot() else { return }
            walk(root, path, keys)
        } catch let error as YamlError {
            report(error)
        } catch {
            report(.syntax, nil, nil, "is not YAML", "Correct it.")
        }
    }

    /// - Parameter keys: the keys whose pattern begins with `path`.
    private mutating func walk(_ node: Node, _ path: ConfigurationPath, _ keys: [ConfigurationKey]) {
        let depth = path.components.count
        if let key = keys.first(where: { $0.pattern.segments.count == depth }) {
            take(node, path, key)
            return
        }
        let isList = keys.contains { $0.pattern.segments[depth] == .element }
        switch node {
        case .mapping(let mapping) where !isList:
            for (name, keyNode, value) in entries(of: mapping) {
                walkEntry(name, keyNode, value, path, keys)
            }
        case .sequence(let sequence) where isList:
            for (index, element) in sequence.enumerated().prefix(ConfigurationPattern.mostElements) {
                walk(element, path.appending(.index(index)), keys)
            }
        case .scalar(let scalar):
            if let key = keys.first(where: { $0.isShorthand && $0.pattern.segments.count == depth + 1 }),
                case .name(let last) = key.pattern.segments[depth]
            {
                take(node, path.appending(.name(last)), key)
            } else if plainValue(scalar) != .null {
                reportShape(node, path, keys, isList: isList)
            }
        default: reportShape(node, path, keys, isList: isList)
        }
    }

    private mutating func walkEntry(
        _ name: String?, _ keyNode: Node, _ value: Node, _ path: ConfigurationPath, _ keys: [ConfigurationKey]
    ) {
        guard let name else {
            report(.unknownKey, path, keyNode, "a key must be a plain name", "Write `name: value`.")
            return
        }
        let depth = path.components.count
        // A place for YAML anchors, as in Compose files.
        if depth == 0, name.hasPrefix("x-") { return }
        let fitting = keys.filter { key in
            switch key.pattern.segments[depth] {
            case .name(name), .placeholder: true
            default: false
            }
        }
        let next = path.appending(.name(name))
        if fitting.isEmpty {
            report(.unknownKey, path, keyNode, "unknown key `\(name)`", mend(unknown: next, among: keys, depth: depth))
        } else {
            walk(value, next, fitting)
        }
    }

    /// The entries, with those of a merge key `<<` behind the mapping's own.
    private func entries(of mapping: Node.Mapping) -> [(name: String?, key: Node, value: Node)] {
        var entries: [(name: String?, key: Node, value: Node)] = []
        var merged: [Node.Mapping] = []
        for (key, value) in mapping {
            let name = key.scalar?.string
            if name != "<<" {
                entries.append((name, key, value))
            } else if let other = value.mapping {
                merged.append(other)
            } else if let others = value.sequence {
                merged += others.compactMap(\.mapping)
            } else {
                entries.append((name, key, value))
            }
        }
        for other in merged {
            for entry in self.entries(of: other) where !entries.contains(where: { $0.name == entry.name }) {
                entries.append(entry)
            }
        }
        return entries
    }

    private mutating func take(_ node: Node, _ path: ConfigurationPath, _ key: ConfigurationKey) {
        var sources: [String] = []
        var mistakes: [ValueMistake] = []
        func resolve(_ scalar: Node.Scalar) -> ConfigurationValue {
            let result = substitution.apply(scalar.string, keepsFields: key.path == "routes[].table")
            sources += result.sources
            mistakes += result.mistakes
            return scalar.style == .plain ? ConfigurationValue(plain: result.text) : .text(result.text)
        }
        let value: ConfigurationValue
        switch node {
        case .scalar(let scalar): value = resolve(scalar)
        case .sequence(let sequence) where sequence.allSatisfy({ $0.scalar != nil }):
            value = .list(sequence.compactMap(\.scalar).map { resolve($0).description })
        default:
            let found = node.mapping == nil ? "a list of more than plain values" : "a mapping"
            let hint =
                key.path.hasSuffix("<property>")
                ? "Write librdkafka's name with its dots, such as `sasl.username: loader`."
                : "Give \(key.kindName)\(key.domain.isEmpty ? "" : ": " + key.domain)."
            report(.wrongType, path, node, "is \(found)", hint)
            unread.insert(path)
            return
        }
        guard mistakes.isEmpty else {
            for mistake in mistakes { report(mistake.code, path, node, mistake.message, mistake.mend) }
            unread.insert(path)
            return
        }
        let hasFile = sources.contains { $0.hasPrefix("file:") }
        settings.append(
            ConfigurationSetting(
                path: path, value: value, origin: origin(of: node, sources),
                isFromSecretFile: hasFile, template: hasFile ? node.scalar?.string : nil))
    }

    private func plainValue(_ scalar: Node.Scalar) -> ConfigurationValue {
        scalar.style == .plain ? ConfigurationValue(plain: scalar.string) : .text(scalar.string)
    }

    private func origin(of node: Node?, _ substitutions: [String] = []) -> ConfigurationOrigin {
        if let place { return place }
        let mark = node?.mark
        return .file(name, line: mark?.line ?? 1, column: mark?.column ?? 1, substitutions: substitutions)
    }

    private mutating func reportShape(
        _ node: Node, _ path: ConfigurationPath, _ keys: [ConfigurationKey], isList: Bool
    ) {
        let found =
            switch node {
            case .mapping: "a mapping"
            case .sequence: "a list"
            default: "a single value"
            }
        let names = childNames(of: keys, depth: path.components.count + (isList ? 1 : 0))
        let keysText = names.isEmpty ? "" : " of " + names.map { "`\($0)`" }.joined(separator: ", ")
        let mend =
            isList
            ? "Give a list: put `- ` before each element, a mapping\(keysText)." : "Give a mapping\(keysText)."
        report(.wrongType, path, node, "\(path.components.isEmpty ? "the file " : "")is \(found)", mend)
        unread.insert(path)
    }

    private mutating func report(
        _ code: ConfigurationProblem.Code, _ path: ConfigurationPath?, _ node: Node?, _ message: String, _ mend: String
    ) {
        let path = path.flatMap { $0.components.isEmpty ? nil : $0.description }
        problems.append(
            ConfigurationProblem(code: code, path: path, origin: origin(of: node), message: message, mend: mend))
    }

    private mutating func report(_ error: YamlError) {
        func add(_ code: ConfigurationProblem.Code, _ mark: Mark?, _ message: String, _ mend: String) {
            let origin = place ?? .file(name, line: mark?.line ?? 1, column: mark?.column ?? 1)
            problems.append(
                ConfigurationProblem(code: code, path: nil, origin: origin, message: message, mend: mend))
        }
        let mend = "Correct it; inside [ ] and { } a value with ${…} needs quotes."
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            add(.syntax, mark, "not YAML: " + [context?.text, problem].compactMap { $0 }.joined(separator: ", "), mend)
        case .duplicatedKeysInMapping(let names, let context):
            let list = names.map { "`\($0)`" }.joined(separator: ", ")
            add(.duplicateKey, context.mark, "\(list) stands in this mapping more than once", "Keep one of them.")
        default: add(.syntax, nil, "is not YAML in UTF-8", "Correct the file.")
        }
    }
}

/// The names that a mapping at this depth may hold; placeholders are left out.
private func childNames(of keys: [ConfigurationKey], depth: Int) -> [String] {
    var names: [String] = []
    for key in keys where key.pattern.segments.count > depth {
        if case .name(let name) = key.pattern.segments[depth], !names.contains(name) { names.append(name) }
    }
    return names
}

/// What to do about a key nobody knows: the nearest of its section, else a key of that name elsewhere.
private func mend(unknown path: ConfigurationPath, among keys: [ConfigurationKey], depth: Int) -> String {
    guard let name = path.names.last else { return "Remove it." }
    let siblings = childNames(of: keys, depth: depth)
    if let near = nearest(to: name, in: siblings) { return "Did you mean `\(near)`?" }
    let elsewhere = ConfigurationKey.all.first { key in
        if case .name(name) = key.pattern.segments.last { true } else { false }
    }
    if let elsewhere { return "Did you mean `\(elsewhere.path)`?" }
    return "Remove it; the keys here are " + siblings.map { "`\($0)`" }.joined(separator: ", ") + "."
}
