/// Where a setting was written.
enum ConfigurationOrigin: Sendable, Hashable {
    /// Nowhere: the loader's own default.
    case builtIn
    /// In the file, counted from 1; `substitutions` are the variables and files that its text took in.
    case file(String, line: Int, column: Int, substitutions: [String] = [])
    case variable(String)
    /// In `--set`.
    case argument(String)
}

extension ConfigurationOrigin: CustomStringConvertible {
    /// `loader.yaml:3:5`, `LOADER_WRITERS`, `--set writers`, `default`.
    var description: String {
        switch self {
        case .builtIn: "default"
        case .file(let name, let line, let column, _): "\(name):\(line):\(column)"
        case .variable(let name): name
        case .argument(let path): "--set \(path)"
        }
    }
}
