/// A setting as it was written, before its key says what it means.
enum ConfigurationValue: Sendable, Equatable {
    case null
    case text(String)
    case list([String])

    /// Unquoted text in YAML's manner, where `null` and nothing at all stand for no value.
    init(plain text: String) {
        self = ["", "~", "null", "Null", "NULL"].contains(text) ? .null : .text(text)
    }
}

extension ConfigurationValue: CustomStringConvertible {
    var description: String {
        switch self {
        case .null: "null"
        case .text(let text): text
        case .list(let items): "[" + items.joined(separator: ", ") + "]"
        }
    }
}

/// One setting and where it came from.
struct ConfigurationSetting: Sendable, Equatable {
    var path: ConfigurationPath
    var value: ConfigurationValue
    var origin: ConfigurationOrigin
    /// Its text was read from a file of its own, `${file:…}`, as secrets are.
    var isFromSecretFile = false
    /// How it was written, where files of their own are a part of it, to be read again.
    var template: String?
    /// A column's name in the path is a variable's, whose upper case says nothing of the column's own.
    var isNameLoose = false
}

/// Settings by path, in the order in which they were first written; a later one takes the place of an earlier one.
struct ConfigurationSettings: Sendable {
    private(set) var all: [ConfigurationSetting] = []
    private var places: [ConfigurationPath: Int] = [:]

    subscript(path: ConfigurationPath) -> ConfigurationSetting? { places[path].map { all[$0] } }

    mutating func put(_ setting: ConfigurationSetting) {
        if let place = places[setting.path] {
            all[place] = setting
        } else {
            places[setting.path] = all.count
            all.append(setting)
        }
    }

    /// Puts settings to other places, where nothing is yet.
    mutating func move(_ paths: [ConfigurationPath: ConfigurationPath]) {
        let before = self
        self = ConfigurationSettings()
        for var setting in before.all {
            if let path = paths[setting.path], before[path] == nil { setting.path = path }
            put(setting)
        }
    }
}
