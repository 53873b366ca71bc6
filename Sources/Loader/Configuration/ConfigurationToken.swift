import Credentials
import Foundation
import Loading
import Schemas
import Web

extension Configuration {
    /// Where tokens come from that end by themselves, for whoever takes them; without a source there are none.
    struct Token: Sendable, Equatable {
        enum Source: String, Sendable, CaseIterable {
            case oidc
            case mskIAM = "msk_iam"
            case rdsIAM = "rds_iam"
            case azure, gcp, file, command

            /// What brokers take.
            static let ofKafka: [Source] = [.mskIAM, .oidc, .azure, .gcp, .file, .command]

            /// What a schema registry takes.
            static let ofRegistry: [Source] = [.oidc, .azure, .gcp]

            /// What a database takes as a password.
            static let ofDatabase: [Source] = [.rdsIAM, .azure, .gcp, .file, .command]
        }

        /// Who takes the tokens.
        enum Taker {
            /// As librdkafka takes them.
            case brokers(String)
            /// As passwords of PostgreSQL.
            case database
            /// As a schema registry takes them, in a header.
            case registry(RegistryKind)

            /// The scope of Entra that lets somebody in there, where it is known.
            var azureScope: String? {
                switch self {
                case .brokers(let brokers): AzureTokens.scope(ofBrokers: brokers)
                case .database: "https://ossrdbms-aad.database.windows.net/.default"
                case .registry(let kind): kind == .azure ? "https://eventhubs.azure.net/.default" : nil
                }
            }

            var isDatabase: Bool { if case .database = self { true } else { false } }

            /// How it wants Google's tokens.
            var googleForm: GoogleTokens.Form {
                switch self {
                case .brokers: .kafka
                case .database, .registry: .bare
                }
            }
        }

        var source: Source?
        var url: [String] = []
        var clientID: String?
        var clientSecret: String?
        var clientAuthentication: OAuthTokens.Client.Authentication?
        var key: String?
        var keyID: String?
        var scope: String?
        var extensions: [String] = []
        var authorities: String?
        var path: String?
        var command: [String] = []
        var region: String?
        var profile: String?
        var roleARN: String?
        var externalID: String?
        var sessionName: String?
    }
}

extension Configuration.Token.Source {
    /// The keys that it cannot be without; of each group one.
    var needs: [[String]] {
        switch self {
        case .oidc: [["url"], ["client_id"], ["client_secret", "key"]]
        case .azure, .gcp, .mskIAM, .rdsIAM: []
        case .file: [["path"]]
        case .command: [["command"]]
        }
    }

    /// The keys that may stand beside `source`. Any other is a mistake.
    var keys: [String] {
        needs.joined()
            + {
                switch self {
                case .oidc: ["client_auth", "key_id", "scope", "extensions", "ca"]
                case .mskIAM, .rdsIAM: ["region", "profile", "role_arn", "external_id", "session_name"]
                case .azure: ["client_id", "scope", "extensions", "ca"]
                case .gcp: ["path", "scope"]
                case .file, .command: ["extensions"]
                }
            }()
    }

    /// For the reference.
    var meaning: String {
        switch self {
        case .oidc: "a token server of OAuth 2.0, which knows the loader as a client"
        case .mskIAM: "who the loader is to AWS, for Amazon MSK; `USE_MSK_IAM=true` says the same"
        case .rdsIAM: "who the loader is to AWS, for Amazon RDS and Aurora"
        case .azure: "Entra, for a managed identity or a workload identity of AKS"
        case .gcp: "Google, for the machine's service account, or what `GOOGLE_APPLICATION_CREDENTIALS` names"
        case .file: "a file that somebody writes anew before they end"
        case .command: "a program that prints them"
        }
    }
}

extension Configuration.Token {
    /// Nil where none is configured, or not in full.
    ///
    /// - Parameters:
    ///   - environment: for what clouds say to those who run there.
    ///   - aws: who the loader is to AWS.
    ///   - readSecret: what a client's secret is by now, where that may change.
    func tokens(
        for taker: Taker, _ environment: [String: String], _ aws: AWSChains,
        _ readSecret: (@Sendable () -> String?)? = nil
    ) -> (any TokenSource)? {
        switch source {
        case nil: return nil
        case .oidc:
            guard let url = url.first, let clientID, let proof else { return nil }
            let client = OAuthTokens.Client(url: url, id: clientID, proof: proof, scope: scope)
            return OAuthTokens(client, http, extensions: pairs, readSecret: readSecret)
        // Each host, port and user has its own.
        case .rdsIAM: return nil
        case .mskIAM:
            guard case .brokers(let brokers) = taker else { return nil }
            return MSKIAMTokens(
                aws.chain(identity), region: AWSRegion(named: region, brokers: brokers), userAgent: http.userAgent)
        case .azure:
            guard let scope = scope ?? taker.azureScope else { return nil }
            return AzureTokens(
                environment, clientID: clientID, scope: scope, extensions: pairs, authorities: authorities,
                userAgent: http.userAgent)
        case .gcp:
            return GoogleTokens(
                taker.googleForm, environment, path: path, scope: scope ?? GoogleTokens.wholeScope,
                userAgent: http.userAgent)
        case .file: return path.map { FileTokens(path: $0, extensions: pairs) }
        case .command:
            guard !command.isEmpty else { return nil }
            return CommandTokens(command, extensions: pairs, isPassword: taker.isDatabase)
        }
    }

    /// Who it shall be to AWS, where AWS's own settings are not enough.
    var identity: AWSIdentity {
        AWSIdentity(profile: profile, roleARN: roleARN, externalID: externalID, sessionName: sessionName)
    }

    private var proof: OAuthTokens.Client.Proof? {
        if let clientSecret { return .secret(clientSecret, clientAuthentication ?? .basic) }
        return key.map { .key(path: $0, id: keyID) }
    }

    private var http: HTTPOptions {
        HTTPOptions(tls: HTTPOptions.TLS(authorities: authorities), userAgent: "loader/\(Version.loader)")
    }

    private var pairs: [String: String] {
        Dictionary(extensions.compactMap(Self.pair)) { $1 }
    }

    /// `name=value`, as SASL takes its extensions (RFC 7628, 3.1).
    static func pair(_ text: String) -> (String, String)? {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, parts[0] != "auth",
            parts[0].utf8.allSatisfy({ UnicodeScalar($0).properties.isAlphabetic && $0 < 0x80 }),
            parts[1].utf8.allSatisfy({ (0x20..<0x7F).contains($0) })
        else { return nil }
        return (String(parts[0]), String(parts[1]))
    }
}

extension Configuration {
    /// Tokens go by SASL's OAUTHBEARER, and over TLS unless that is said otherwise.
    mutating func takeTokens(_ environment: [String: String], _ aws: AWSChains, _ substitution: Substitution) {
        guard kafkaToken.source != nil else { return }
        let secret = secret(of: "kafka.token.client_secret", substitution)
        loading.tokens = kafkaToken.tokens(for: .brokers(loading.brokers), environment, aws, secret)
            .map { TokenKeeper($0) }
        // Amazon MSK counts the connections that begin, and refuses those who begin many.
        let backoff = ["reconnect.backoff.ms", "reconnect.backoff.max.ms"]
        if kafkaToken.source == .mskIAM, backoff.allSatisfy({ loading.properties[$0] == nil }) {
            loading.properties["reconnect.backoff.ms"] = "1000"
        }
        if loading.properties["sasl.mechanism"] == nil, loading.properties["sasl.mechanisms"] == nil {
            loading.properties["sasl.mechanisms"] = "OAUTHBEARER"
        }
        if loading.properties["security.protocol"] == nil { loading.properties["security.protocol"] = "sasl_ssl" }
    }
}

extension Configuration {
    /// What a secret is by now that stands in a file of its own, wholly or in part; nil for one that does not.
    func secret(of key: String, _ substitution: Substitution) -> (@Sendable () -> String?)? {
        settings[ConfigurationPattern(key).path()]?.template.map { template in
            {
                let result = substitution.apply(template)
                return result.mistakes.isEmpty ? result.text : nil
            }
        }
    }
}

extension ConfigurationKey {
    /// A key of a section that says where tokens come from.
    private static func token<Value: Sendable>(
        _ path: String, _ kind: ConfigurationKind<Value>, otherwise: String, aliases: [Alias] = [],
        of token: any WritableKeyPath<Configuration, Configuration.Token> & Sendable,
        into place: any WritableKeyPath<Configuration.Token, Value> & Sendable, _ summary: String
    ) -> ConfigurationKey {
        ConfigurationKey(
            pattern: ConfigurationPattern(path), kindName: kind.name, domain: kind.domain, isBare: kind.isBare,
            form: kind.form, defaultText: nil, otherwise: otherwise, isRequired: false, aliases: aliases,
            isShorthand: false, summary: summary
        ) { value, _, configuration throws(ValueMistake) in
            configuration[keyPath: token][keyPath: place] = try kind.read(value)
        }
    }

    /// The keys of a section that says where tokens come from: those that one of its sources takes.
    ///
    /// - Parameters:
    ///   - sources: those that whoever takes the tokens can do with.
    ///   - what: `the tokens for the brokers`
    static func tokens(
        _ section: String, _ sources: [Configuration.Token.Source], _ what: String,
        into token: any WritableKeyPath<Configuration, Configuration.Token> & Sendable
    ) -> [ConfigurationKey] {
        /// What a key is for, by the sources that take it.
        func summary(_ name: String, _ meaning: String) -> String {
            let names = sources.filter { $0.keys.contains(name) }.map { "`\($0.rawValue)`" }
            return "Of \(names.joined(separator: ", ")): \(meaning)"
        }
        func text(
            _ name: String, otherwise: String = "none",
            into place: any WritableKeyPath<Configuration.Token, String?> & Sendable, _ meaning: String
        ) -> ConfigurationKey {
            .token(
                "\(section).\(name)", ConfigurationKind<String>.text.wrapped, otherwise: otherwise, of: token,
                into: place, summary(name, meaning))
        }
        let meanings = sources.map { "`\($0.rawValue)`: \($0.meaning)." }
        let all: [ConfigurationKey] = [
            .token(
                "\(section).source", ConfigurationKind<Configuration.Token.Source>.source(among: sources).wrapped,
                otherwise: "none",
                aliases: sources.contains(.mskIAM) ? [Alias(name: "USE_MSK_IAM", whenTrue: "msk_iam")] : [],
                of: token, into: \.source,
                "Where \(what) come from. \(meanings.joined(separator: " "))"),
            .token(
                "\(section).url", ConfigurationKind<[String]>.tokenServer, otherwise: "none", of: token, into: \.url,
                summary("url", "where the token server gives tokens.")),
            text(
                "client_id", otherwise: "of `azure`, `AZURE_CLIENT_ID` or the only identity", into: \.clientID,
                "who asks."),
            text("client_secret", into: \.clientSecret, "the secret of `\(section).client_id`."),
            .token(
                "\(section).client_auth", ConfigurationKind<OAuthTokens.Client.Authentication>.choice.wrapped,
                otherwise: "`basic`", of: token, into: \.clientAuthentication,
                summary(
                    "client_auth", "how the secret is said: in the header `Authorization`, or in the request's body.")),
            text(
                "key", into: \.key,
                "a PEM file with the private key of `\(section).client_id`, in place of a secret: `private_key_jwt`."),
            text("key_id", into: \.keyID, "by which the token server finds the public key, `kid`."),
            text(
                "scope", otherwise: "the server's own; of Azure what the token is for; of Google `cloud-platform`",
                into: \.scope, "what the token shall be good for."),
            .token(
                "\(section).extensions", ConfigurationKind<[String]>.extensions, otherwise: "none", of: token,
                into: \.extensions,
                summary(
                    "extensions",
                    "what goes with the token to the brokers, each `name=value`: Confluent Cloud wants `logicalCluster` and "
                        + "`identityPoolId`.")),
            text(
                "ca", otherwise: "the system's authorities", into: \.authorities,
                "a PEM file of the authorities that may have signed the token server's certificate."),
            text(
                "path", otherwise: "of `gcp`, `GOOGLE_APPLICATION_CREDENTIALS`, or else the machine's metadata",
                into: \.path, "the file, which is read anew each time."),
            .token(
                "\(section).command", ConfigurationKind<[String]>.command, otherwise: "none", of: token,
                into: \.command,
                summary(
                    "command",
                    "the program and its arguments, which no shell reads. It prints a token alone, or `{\"token\", "
                        + "\"expires_at\", \"principal\"}`, within 15 s.")),
        ]
        let known = known(to: sources, section)
        return (all + ofAWS(section, into: token, summary)).filter { key in
            key.path.split(separator: ".").last.map { known.contains(String($0)) } ?? false
        }
    }
}

extension ConfigurationKey {
    /// What may stand in such a section. What goes elsewhere than to brokers does not go by SASL.
    private static func known(to sources: [Configuration.Token.Source], _ section: String) -> Set<String> {
        Set(sources.flatMap(\.keys) + ["source"]).subtracting(section.hasPrefix("kafka.") ? [] : ["extensions"])
    }

    /// The keys of such a section that say who the loader is to AWS.
    ///
    /// - Parameter summary: what a key is for, by the sources that take it.
    private static func ofAWS(
        _ section: String, into token: any WritableKeyPath<Configuration, Configuration.Token> & Sendable,
        _ summary: (_ name: String, _ meaning: String) -> String
    ) -> [ConfigurationKey] {
        func text(
            _ name: String, otherwise: String = "none",
            _ kind: ConfigurationKind<String?> = ConfigurationKind<String>.text.wrapped,
            into place: any WritableKeyPath<Configuration.Token, String?> & Sendable, _ meaning: String
        ) -> ConfigurationKey {
            .token(
                "\(section).\(name)", kind, otherwise: otherwise, of: token, into: place, summary(name, meaning))
        }
        return [
            text(
                "region", otherwise: "the one in the hosts' names, `AWS_REGION`, the profile's or the instance's",
                ConfigurationKind<String>.region.wrapped, into: \.region, "the region of AWS that it is in."),
            text(
                "profile", otherwise: "`AWS_PROFILE`, after AWS's other variables", into: \.profile,
                "the profile of AWS's files that says who the loader is."),
            text("role_arn", into: \.roleARN, "a role of AWS's that it takes on for this."),
            text("external_id", into: \.externalID, "what the owner of `\(section).role_arn` wants to hear."),
            text(
                "session_name", otherwise: "`loader-` and the host's name", into: \.sessionName,
                "what AWS's logs call the sessions of `\(section).role_arn`."),
        ]
    }
}

extension ConfigurationKind where Value == Configuration.Token.Source {
    static func source(among sources: [Configuration.Token.Source]) -> ConfigurationKind {
        let choice = ConfigurationKind.choice
        let names = sources.map(\.rawValue)
        return ConfigurationKind(
            name: choice.name, domain: names.map { "`\($0)`" }.joined(separator: ", "), form: .choice(names)
        ) { value throws(ValueMistake) in
            if let source = try? choice.read(value), sources.contains(source) { return source }
            guard case .text(let text) = value else { return try choice.read(value) }
            let hint = nearest(to: text, in: names).map { "Did you mean \($0)? The choices are" } ?? "Choose one of"
            throw ValueMistake(
                .invalidValue, "\(text) is no choice here", "\(hint) \(names.joined(separator: ", ")).")
        }
    }
}

extension ConfigurationKind where Value == [String] {
    /// One URL to which secrets go. Says of a bad one only that it is bad: it may hold a password.
    static var tokenServer: ConfigurationKind {
        let address = webAddress
        return ConfigurationKind(name: address.name, domain: "a URL of HTTPS", form: address.form) {
            value throws(ValueMistake) in
            let urls = try address.read(value)
            let parts = urls.first.flatMap { URLComponents(string: $0) }
            guard parts?.user == nil, parts?.password == nil else {
                throw ValueMistake(
                    .invalidValue, "has a user in it", "Write https://host/path; client_id says who asks.")
            }
            guard parts?.scheme?.lowercased() == "https" || LocalHost.isLoopback(parts?.host ?? "") else {
                throw ValueMistake(
                    .invalidValue, "would send a secret without encryption",
                    "Write https://host/path; plain http is for servers of this machine only.")
            }
            return urls
        }
    }

    /// A program and its arguments, each as it is.
    static var command: ConfigurationKind {
        ConfigurationKind(name: "text or list", domain: "a program and its arguments", form: .list) {
            value throws(ValueMistake) in
            switch value {
            case .list(let parts) where !(parts.first ?? "").isEmpty: return parts
            case .text(let program) where !program.isEmpty && !program.hasPrefix("["):
                guard !program.contains(where: \.isWhitespace) else {
                    throw ValueMistake(
                        .invalidValue, "has a program and its arguments in one text",
                        "Write a list, as [/usr/bin/program, --option].")
                }
                return [program]
            case .text(let list) where list.hasPrefix("["):
                // As JSON in a variable, where an argument has a comma.
                let parts = try? JSONDecoder().decode([String].self, from: Data(list.utf8))
                guard let parts, !(parts.first ?? "").isEmpty else {
                    return try value.items(what: "a program and its arguments")
                }
                return parts
            default:
                throw ValueMistake(.invalidValue, "names no program", "Write a list, as [/usr/bin/program, --option].")
            }
        }
    }

    /// Extensions of SASL.
    static var extensions: ConfigurationKind {
        ConfigurationKind(name: "text or list", domain: "`name=value`", form: .list) { value throws(ValueMistake) in
            let texts = try value.items(what: "`name=value` or a list of them")
            for text in texts where Configuration.Token.pair(text) == nil {
                throw ValueMistake(
                    .invalidValue, "\(text) is no extension of SASL",
                    "Write name=value, the name of letters alone, such as logicalCluster=lkc-1.")
            }
            return texts
        }
    }
}
