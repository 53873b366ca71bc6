import Foundation
import Loading

/// What is in force, key by key, for `loader config`. Secrets are hidden.
struct ConfigurationReport {
    struct Line: Equatable {
        var path: String
        var value: ConfigurationValue
        var isBare: Bool
        var origin: ConfigurationOrigin
    }

    let lines: [Line]

    init(_ configuration: Configuration) {
        let settings = configuration.settings.all
        lines = ConfigurationKey.all.flatMap { key -> [Line] in
            let set = settings.filter { ConfigurationKey.of($0.path)?.path == key.path }
                .map { Line(path: $0.path.description, value: $0.shown, isBare: key.isBare, origin: $0.origin) }
            guard let text = key.defaultText, !key.pattern.segments.contains(.placeholder("column")) else { return set }
            let isOfRoute = key.pattern.segments.contains(.element)
            let defaults = (isOfRoute ? 0..<configuration.loading.routes.count : 0..<1)
                .map { key.pattern.path(indexes: [$0]) }
                .filter { configuration.settings[$0] == nil }
                .map {
                    Line(
                        path: $0.description, value: text == "null" ? .null : .text(text), isBare: key.isBare,
                        origin: .builtIn)
                }
            return (set + defaults).sorted { $0.path.localizedStandardCompare($1.path) == .orderedAscending }
        }
    }

    /// One line a key in three columns: key, value, origin.
    var text: String {
        let paths = lines.map(\.path.count).max() ?? 0
        let values = min(lines.map(\.value.description.count).max() ?? 0, 40)
        return lines.map { line in
            let path = line.path.padding(toAtLeast: paths)
            let value = line.value.description.padding(toAtLeast: values)
            return "\(path)  \(value)  \(line.originText)"
        }.joined(separator: "\n")
    }

    /// An object of `key: { "value": …, "origin": … }`.
    var json: String {
        let members = lines.map { line in
            "  \(jsonString(line.path)): {\"value\": \(line.jsonValue), \"origin\": \(jsonString(line.originText))}"
        }
        return "{\n" + members.joined(separator: ",\n") + "\n}"
    }
}

extension ConfigurationReport.Line {
    fileprivate var originText: String {
        guard case .file(_, _, _, let substitutions) = origin, !substitutions.isEmpty else { return origin.description }
        return "\(origin) (\(substitutions.map { "${\($0)}" }.joined(separator: ", ")))"
    }

    fileprivate var jsonValue: String {
        switch value {
        case .null: return "null"
        case .list(let items): return "[" + items.map(jsonString).joined(separator: ", ") + "]"
        case .text(let text):
            guard isBare else { return jsonString(text) }
            let bare = text.replacing("_", with: "").lowercased()
            switch bare {
            case "true", "yes", "on": return "true"
            case "false", "no", "off": return "false"
            default:
                // As numbers are written in JSON: without leading zeros or a plus.
                if let number = Int(bare) { return String(number) }
                return Double(bare).map { String($0) } ?? jsonString(text)
            }
        }
    }
}

extension String {
    fileprivate func padding(toAtLeast width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
