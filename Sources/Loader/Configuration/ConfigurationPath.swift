/// The way to one setting: `routes[0].columns.total.from`.
struct ConfigurationPath: Sendable, Hashable, CustomStringConvertible {
    enum Component: Sendable, Hashable {
        case name(String)
        case index(Int)
    }

    var components: [Component]

    init(_ components: [Component] = []) { self.components = components }

    func appending(_ component: Component) -> ConfigurationPath { ConfigurationPath(components + [component]) }

    /// The numbers of the lists on the way.
    var indexes: [Int] {
        components.compactMap { if case .index(let index) = $0 { index } else { nil } }
    }

    var description: String {
        components.reduce(into: "") { text, component in
            switch component {
            case .name(let name): text += text.isEmpty ? name : ".\(name)"
            case .index(let index): text += "[\(index)]"
            }
        }
    }
}

/// A key's path with its open places: `routes[].columns.<column>.from`.
struct ConfigurationPattern: Sendable, Hashable, CustomStringConvertible {
    enum Segment: Sendable, Hashable {
        case name(String)
        /// `[]`: an element of a list.
        case element
        /// `<column>`: a name of the user's own.
        case placeholder(String)
    }

    let segments: [Segment]
    let description: String

    init(_ description: String) {
        self.description = description
        segments = description.split(separator: ".").flatMap { part -> [Segment] in
            if part.hasPrefix("<") { return [.placeholder(String(part.dropFirst().dropLast()))] }
            if part.hasSuffix("[]") { return [.name(String(part.dropLast(2))), .element] }
            return [.name(String(part))]
        }
    }

    /// The path of a pattern whose lists and placeholders are filled in, in their order.
    func path(indexes: [Int] = [], names: [String] = []) -> ConfigurationPath {
        var indexes = indexes[...]
        var names = names[...]
        return ConfigurationPath(
            segments.map { segment in
                switch segment {
                case .name(let name): .name(name)
                case .element: .index(indexes.popFirst() ?? 0)
                case .placeholder(let placeholder): .name(names.popFirst() ?? placeholder)
                }
            })
    }

    /// Reads a path as it is typed after `--set`: `routes.0.table` or `routes[0].table`.
    ///
    /// A placeholder takes all the parts that the rest of the pattern leaves to it, because librdkafka's properties
    /// have dots in their names.
    func match(parts: ArraySlice<Substring>) -> ConfigurationPath? {
        match(parts, segments[...], ConfigurationPath())
    }

    private func match(
        _ parts: ArraySlice<Substring>, _ segments: ArraySlice<Segment>, _ path: ConfigurationPath
    ) -> ConfigurationPath? {
        guard let segment = segments.first else { return parts.isEmpty ? path : nil }
        guard let part = parts.first else { return nil }
        switch segment {
        case .name(let name):
            return part == name ? match(parts.dropFirst(), segments.dropFirst(), path.appending(.name(name))) : nil
        case .element:
            guard let index = ConfigurationPattern.index(part) else { return nil }
            return match(parts.dropFirst(), segments.dropFirst(), path.appending(.index(index)))
        case .placeholder:
            let tail = segments.count - 1
            guard parts.count > tail else { return nil }
            let name = parts.dropLast(tail).joined(separator: ".")
            return match(parts.suffix(tail), segments.dropFirst(), path.appending(.name(name)))
        }
    }

    /// The name in the environment: `LOADER_ROUTES_<n>_TABLE`.
    var variable: String {
        let parts = segments.map { segment in
            switch segment {
            case .name(let name): name.uppercased()
            case .element: "<n>"
            case .placeholder(let name): "<\(name.uppercased())>"
            }
        }
        return "LOADER_" + parts.joined(separator: "_")
    }

    /// The path that a variable's name means, or nil if it is another key's.
    func match(variable: String) -> ConfigurationPath? {
        guard variable.hasPrefix("LOADER_") else { return nil }
        var rest = variable.dropFirst("LOADER_".count)
        var path = ConfigurationPath()
        for (position, segment) in segments.enumerated() {
            if position > 0 {
                guard rest.first == "_" else { return nil }
                rest.removeFirst()
            }
            switch segment {
            case .name(let name):
                guard rest.hasPrefix(name.uppercased()) else { return nil }
                rest.removeFirst(name.utf8.count)
                path.components.append(.name(name))
            case .element:
                let digits = rest.prefix { $0.isASCII && $0.isNumber }
                guard let index = ConfigurationPattern.index(digits) else { return nil }
                rest.removeFirst(digits.count)
                path.components.append(.index(index))
            case .placeholder(let placeholder):
                // A placeholder takes the rest: nothing in the name says where a user's own name would end.
                guard position == segments.count - 1, !rest.isEmpty else { return nil }
                if placeholder == "property" {
                    // librdkafka's properties have dots and never underscores.
                    path.components.append(.name(rest.lowercased().replacing("_", with: ".")))
                } else {
                    // Upper case is the manner of variables; other cases are meant.
                    path.components.append(.name(rest == rest.uppercased() ? rest.lowercased() : String(rest)))
                }
                rest = ""
            }
        }
        return rest.isEmpty ? path : nil
    }

    /// The most elements a list can have.
    static let mostElements = 1000

    private static func index(_ text: Substring) -> Int? {
        guard let index = Int(text), (0..<mostElements).contains(index) else { return nil }
        return index
    }
}
