/// Which elements of a message each make a row: from the message inwards, `items.options` are the options of each item.
public struct ElementPath: Sendable, Hashable {
    public enum Holder: Sendable, Hashable {
        /// The elements stand in a row.
        case list
        /// The elements are the members of an object, each under a name of its own.
        case object
    }

    /// From a record to elements of it.
    public struct Step: Sendable, Hashable {
        /// The field that holds them; nil: the record itself does.
        public var name: String?
        public var holder: Holder

        public init(_ name: String?, _ holder: Holder = .list) {
            self.name = name
            self.holder = holder
        }
    }

    /// At least one.
    public var steps: [Step]

    public init(_ steps: [Step]) { self.steps = steps }

    /// A message is many records: an array of them, several behind one another, or one alone.
    public var isMessage: Bool { steps.first == Step(nil) }

    /// Reads `items`, `items.options`, `rows.*`, `*`, `$value` and `$value.items`. `\.` is a dot within a name, `\*` a name that
    /// is an asterisk, and `$$name` one that begins with a dollar sign.
    ///
    /// - Returns: nil for what is none of these.
    public init?(parsing text: String) {
        var rest = text[...]
        steps = []
        if rest == "$value" || rest.hasPrefix("$value.") {
            steps.append(Step(nil))
            rest = rest.dropFirst(7)
            if text == "$value" { return }
        } else if rest.hasPrefix("$$") {
            rest = rest.dropFirst()
        } else if rest.hasPrefix("$") {
            return nil
        }
        guard let path = FieldPath(parsing: rest) else { return nil }
        for component in path.components {
            if component != "*" {
                steps.append(Step(component == #"\*"# ? "*" : component))
            } else if let last = steps.indices.last, steps[last].name != nil, steps[last].holder == .list {
                steps[last].holder = .object
            } else {
                steps.append(Step(nil, .object))
            }
        }
    }
}

extension ElementPath: CustomStringConvertible {
    /// As the configuration writes it.
    public var description: String {
        let text = steps.enumerated().map { place, step in
            guard let name = step.name else { return step.holder == .list ? "$value" : "*" }
            var text = name == "*" ? #"\*"# : name.replacing("\\", with: "\\\\").replacing(".", with: "\\.")
            if place == 0, text.hasPrefix("$") { text = "$" + text }
            return step.holder == .object ? text + ".*" : text
        }
        return text.joined(separator: ".")
    }
}
