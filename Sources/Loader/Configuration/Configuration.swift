import Credentials
import Loading
import Logging
import Schemas

/// All that the loader is told: the pipeline's options, its own settings, and where each of them was written.
struct Configuration: Sendable {
    struct HTTP: Sendable, Equatable {
        /// Nil: no server.
        var listen: ListenAddress?
    }

    struct Log: Sendable, Equatable {
        enum Format: String, Sendable, CaseIterable {
            /// Lines for people on a terminal, JSON elsewhere.
            case auto
            case json, text
        }

        var format = Format.auto
        var level = Logger.Level.info
    }

    /// The consumer group's name and what goes around it, so that one file serves several environments.
    struct Group: Sendable, Equatable {
        var name = ""
        var prefix = ""
        var suffix = ""
    }

    /// The schema registry; no URL: none.
    struct Registry: Sendable, Equatable {
        var kind = RegistryKind.confluent
        var numbers: SchemaNaming.Numbers?
        var urls: [String] = []
        var region: String?
        var accessKeyID: String?
        var secretAccessKey: String?
        var sessionToken: String?
        var tokenSource: Token.Source?
        var tokenURL: [String] = []
        var clientID: String?
        var clientSecret: String?
        var scope: String?
        var headers: [String] = []
        var user: String?
        var password: String?
        var token: String?
        var authorities: String?
        var certificate: String?
        var key: String?
    }

    var loading = LoadingOptions(brokers: "", group: "", routes: [])
    var group = Group()
    /// `enable.ssl.certificate.verification: false` is meant.
    var allowsUnverified = false
    var registry = Registry()
    /// Where the database's password comes from.
    var databasePassword = Token()
    var kafkaToken = Token()
    var http = HTTP()
    var log = Log()
    /// `false`, `true`, or the name of a deployment; see `DeploymentName`.
    var resetOnStart = ""

    /// What was written somewhere; a key that is not in it has its default.
    var settings = ConfigurationSettings()
    /// What is allowed but should be known.
    var warnings: [ConfigurationProblem] = []

    /// Where the setting was written.
    func origin(of path: ConfigurationPath) -> ConfigurationOrigin { settings[path]?.origin ?? .builtIn }
}
