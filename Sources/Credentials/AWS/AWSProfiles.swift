/// What AWS's own files say, `~/.aws/config` and `~/.aws/credentials`: who somebody is, by profile.
///
/// Source: "Configuration and credential file settings" in the CLI's user guide. Where that leaves something open, the files are
/// read as botocore reads them.
struct AWSProfiles: Sendable, Equatable {
    /// Keys in lower case and their values.
    typealias Section = [String: String]

    /// Profiles of the file `config`.
    private(set) var config: [String: Section] = [:]
    /// Profiles of the file `credentials`.
    private(set) var credentials: [String: Section] = [:]
    /// Sections `sso-session` of the file `config`.
    private(set) var sessions: [String: Section] = [:]

    /// A line that is none of such a file; of the secrets in the file it says nothing.
    struct Mistake: Error, Equatable {
        var isOfCredentials: Bool
        var line: Int
    }

    init() {}

    /// - Parameters: the texts of the files; nil: there is no such file.
    init(config: String?, credentials: String?) throws(Mistake) {
        for (name, section) in try Self.sections(config ?? "", isOfCredentials: false) {
            let words = Self.words(name)
            if name == "default" {
                self.config["default", default: [:]].merge(section) { $1 }
            } else if words.count == 2, words[0] == "profile" {
                self.config[words[1], default: [:]].merge(section) { $1 }
            } else if words.count == 2, words[0] == "sso-session" {
                sessions[words[1], default: [:]].merge(section) { $1 }
            }
        }
        for (name, section) in try Self.sections(credentials ?? "", isOfCredentials: true) {
            self.credentials[name, default: [:]].merge(section) { $1 }
        }
    }

    /// What both files say of a profile, the credentials' file before the other; nil: neither knows it.
    subscript(name: String) -> Section? {
        guard let section = config[name] else { return credentials[name] }
        return section.merging(credentials[name] ?? [:]) { $1 }
    }

    // MARK: The files' form

    /// `profile "two words"`
    private static func words(_ name: String) -> [String] { (try? CommandWords.split(name)) ?? [] }

    private static func sections(
        _ text: String, isOfCredentials: Bool
    ) throws(Mistake) -> [(name: String, section: Section)] {
        var sections: [(name: String, section: Section)] = []
        // The key that an indented line goes on with, and how far that itself is indented.
        var open: (key: String, indent: Int)?
        let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
        for (number, line) in lines.enumerated() {
            let indent = line.prefix { $0.isWhitespace }.count
            let words = trimmed(line.dropFirst(indent))
            guard let first = words.first, first != "#", first != ";" else { continue }
            if let key = open, indent > key.indent, !sections.isEmpty {
                sections[sections.count - 1].section[key.key, default: ""] += "\n" + words
                continue
            }
            if first == "[", let end = words.lastIndex(of: "]") {
                sections.append((trimmed(words[words.index(after: words.startIndex)..<end]), [:]))
                open = nil
                continue
            }
            guard !sections.isEmpty, let delimiter = words.firstIndex(where: { $0 == "=" || $0 == ":" }),
                delimiter != words.startIndex
            else { throw Mistake(isOfCredentials: isOfCredentials, line: number + 1) }
            let key = trimmed(words[..<delimiter]).lowercased()
            sections[sections.count - 1].section[key] = trimmed(words[words.index(after: delimiter)...])
            open = (key, indent)
        }
        return sections
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        var text = Substring(text).drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}

// It may hold secrets.
extension AWSProfiles: CustomStringConvertible, CustomReflectable {
    var description: String { "profiles of AWS" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
