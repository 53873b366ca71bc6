import Credentials
import Foundation
import Loading
import Web

extension Configuration {
    /// Where tokens come from that end by themselves, for whoever takes them; without a source there are none.
    struct Token: Sendable, Equatable {
        enum Source: String, Sendable, CaseIterable {
            case oidc

            /// What brokers take.
            static let ofKafka: [Source] = [.oidc]
        }

        var source: Source?
        var url: [String] = []
        var clientID: String?
        var clientSecret: String?
        var clientAuthentication: OAuthTokens.Client.Authentication?
        var scope: String?
        var extensions: [String] = []
        var authorities: String?
    }
}

extension Configuration.Token.Source {
    /// The keys that may stand beside `source`, and whether it cannot be without them. Any other is a mistake.
    var keys: [(name: String, isNeeded: Bool)] {
        switch self {
        case .oidc:
            [
                ("url", true), ("client_id", true), ("client_secret", true), ("client_auth", false), ("scope", false),
                ("extensions", false), ("ca", false),
            ]
        }
    }
}

extension Configuration.Token {
    /// Nil where none is configured, or not in full.
    var keeper: TokenKeeper? { tokens.map { TokenKeeper($0) } }

    private var tokens: (any TokenSource)? {
        switch source {
        case nil: return nil
        case .oidc:
            guard let url = url.first, let clientID, let clientSecret else { return nil }
            let client = OAuthTokens.Client(
                url: url, id: clientID, secret: clientSecret, scope: scope,
                authentication: clientAuthentication ?? .basic)
            return OAuthTokens(client, http, extensions: pairs)
        }
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
    mutating func takeTokens() {
        guard kafkaToken.source != nil else { return }
        loading.tokens = kafkaToken.keeper
        if loading.properties["sasl.mechanism"] == nil, loading.properties["sasl.mechanisms"] == nil {
            loading.properties["sasl.mechanisms"] = "OAUTHBEARER"
        }
        if loading.properties["security.protocol"] == nil { loading.properties["security.protocol"] = "sasl_ssl" }
    }
}

extension ConfigurationKey {
    /// A key of a section that says where tokens come from.
    private static func token<Value: Sendable>(
        _ section: String, _ name: String, _ kind: ConfigurationKind<Value>, otherwise: String,
        of token: any WritableKeyPath<Configuration, Configuration.Token> & Sendable,
        into place: any WritableKeyPath<Configuration.Token, Value> & Sendable, _ summary: String
    ) -> ConfigurationKey {
        ConfigurationKey(
            pattern: ConfigurationPattern("\(section).\(name)"), kindName: kind.name, domain: kind.domain,
            isBare: kind.isBare, form: kind.form, defaultText: nil, otherwise: otherwise, isRequired: false,
            aliases: [], isShorthand: false, summary: summary
        ) { value, _, configuration throws(ValueMistake) in
            configuration[keyPath: token][keyPath: place] = try kind.read(value)
        }
    }

    /// The keys of a section that says where tokens come from.
    ///
    /// - Parameters:
    ///   - sources: those that whoever takes the tokens can do with.
    ///   - taker: `the brokers`
    static func tokens(
        _ section: String, _ sources: [Configuration.Token.Source],
        for taker: String, into token: any WritableKeyPath<Configuration, Configuration.Token> & Sendable
    ) -> [ConfigurationKey] {
        func of(_ source: Configuration.Token.Source...) -> String {
            let names = source.filter(sources.contains).map { "`\($0.rawValue)`" }
            return "Of \(names.joined(separator: ", ")):"
        }
        let text = ConfigurationKind<String>.text.wrapped
        let all = [
            Self.token(
                section, "source", ConfigurationKind<Configuration.Token.Source>.source(among: sources).wrapped,
                otherwise: "no tokens", of: token, into: \.source,
                "Where the tokens for \(taker) come from. `oidc`: a token server of OAuth 2.0, which knows the loader as a "
                    + "client."),
            Self.token(
                section, "url", ConfigurationKind<[String]>.tokenServer, otherwise: "none", of: token, into: \.url,
                "\(of(.oidc)) where the token server gives tokens."),
            Self.token(
                section, "client_id", text, otherwise: "none", of: token, into: \.clientID,
                "\(of(.oidc)) who asks it."),
            Self.token(
                section, "client_secret", text, otherwise: "none", of: token, into: \.clientSecret,
                "\(of(.oidc)) the secret of `\(section).client_id`."),
            Self.token(
                section, "client_auth", ConfigurationKind<OAuthTokens.Client.Authentication>.choice.wrapped,
                otherwise: "`basic`", of: token, into: \.clientAuthentication,
                "\(of(.oidc)) how the secret is said: in the header `Authorization`, or in the request's body."),
            Self.token(
                section, "scope", text, otherwise: "the server's own", of: token, into: \.scope,
                "\(of(.oidc)) what the token shall be good for."),
            Self.token(
                section, "extensions", ConfigurationKind<[String]>.extensions, otherwise: "none", of: token,
                into: \.extensions,
                "\(of(.oidc)) what goes with the token to the brokers, each `name=value`: Confluent Cloud wants "
                    + "`logicalCluster` and `identityPoolId`."),
            Self.token(
                section, "ca", text, otherwise: "the system's authorities", of: token, into: \.authorities,
                "\(of(.oidc)) a PEM file of the authorities that may have signed the token server's certificate."),
        ]
        let known = Set(sources.flatMap { $0.keys.map(\.name) } + ["source"])
        return all.filter { key in key.path.split(separator: ".").last.map { known.contains(String($0)) } ?? false }
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
