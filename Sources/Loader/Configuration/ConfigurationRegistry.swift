import Credentials
import Foundation
import Loading
import Records
import Schemas
import Web

extension Configuration.Registry {
    /// Whether there is one: Glue has its place by its region.
    var isThere: Bool { !urls.isEmpty || kind == .glue }

    static func header(_ text: String) -> (name: String, value: String)? {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty,
            parts[0].utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"()<>@,;\\\"/[]?={}".utf8.contains($0) })
        else { return nil }
        return (String(parts[0]), String(parts[1].drop { $0 == " " }))
    }

    /// What all threads of the process know of it; nil where there is none.
    ///
    /// - Parameters:
    ///   - chains: who the loader is to AWS, unless that is said here.
    ///   - environment: for what clouds say to those who run there.
    ///   - secret: what a key is by now whose text stands in a file of its own, wholly or in part; nil for any other.
    func source(
        _ chains: AWSChains, _ environment: [String: String], secret: (_ key: String) -> (@Sendable () -> String?)?
    ) -> SchemaSource? {
        guard isThere else { return nil }
        let credentials: HTTPOptions.Credentials =
            if let token {
                .bearer(token: token)
            } else if let user {
                .basic(user: user, password: password ?? "")
            } else {
                .none
            }
        let tls = HTTPOptions.TLS(authorities: authorities, certificate: certificate, key: key)
        let http = HTTPOptions(credentials: credentials, tls: tls, userAgent: "loader/\(Version.loader)")
        let naming = SchemaNaming(kind, numbers: numbers)
        let tokens = tokens(environment, chains, http, readSecret: secret("oauth.client_secret"))
        let headers = headers.compactMap { Self.header($0) }
        var access: RegistryOptions.AWS?
        if kind == .glue {
            access = RegistryOptions.AWS(region: region, chain: ownChain(chains, secret) ?? chains.chain())
        }
        return SchemaSource(
            RegistryOptions(
                urls: urls, naming: naming, http: http, aws: access, tokens: tokens.map { TokenKeeper($0) },
                headers: headers,
                readCredentials: credentialsInFiles(secret("token"), secret("user"), secret("password"))))
    }

    /// Who asks AWS by a key of the registry's own; nil where it has none.
    private func ownChain(
        _ chains: AWSChains, _ secret: (_ key: String) -> (@Sendable () -> String?)?
    ) -> AWSCredentialChain? {
        guard let id = accessKeyID, let key = secretAccessKey else { return nil }
        let readers = ["access_key_id", "secret_access_key", "session_token"].map(secret)
        let written = [id, key, sessionToken]
        let own = AWSCredentials(accessKeyID: id, secretAccessKey: key, sessionToken: sessionToken)
        guard readers.contains(where: { $0 != nil }) else { return chains.chain(of: own, read: nil) }
        return chains.chain(of: own) {
            let now = zip(readers, written).map { read, written in read.map { $0() } ?? written }
            // A file is not there, as for a moment where it is replaced.
            guard let id = now[0], let key = now[1], now[2] != nil || written[2] == nil else { return nil }
            return AWSCredentials(accessKeyID: id, secretAccessKey: key, sessionToken: now[2])
        }
    }

    /// What files hold by now of who asks; nil where no file does.
    private func credentialsInFiles(
        _ readToken: (@Sendable () -> String?)?, _ readUser: (@Sendable () -> String?)?,
        _ readPassword: (@Sendable () -> String?)?
    ) -> (@Sendable () -> HTTPOptions.Credentials?)? {
        if token != nil {
            guard let readToken else { return nil }
            return { readToken().map { HTTPOptions.Credentials.bearer(token: $0) } }
        }
        guard let user, readUser != nil || readPassword != nil else { return nil }
        let password = password ?? ""
        return {
            // Nil: a file is not there, as for a moment where it is replaced.
            let (newUser, newPassword) = (readUser?(), readPassword?())
            guard (readUser == nil) == (newUser == nil), (readPassword == nil) == (newPassword == nil) else {
                return nil
            }
            return .basic(user: newUser ?? user, password: newPassword ?? password)
        }
    }

    /// Where the tokens for it come from; nil where none are configured, or not in full.
    private func tokens(
        _ environment: [String: String], _ chains: AWSChains, _ http: HTTPOptions,
        readSecret: (@Sendable () -> String?)?
    ) -> (any TokenSource)? {
        if let tokenSource, tokenSource != .oidc {
            let token = Configuration.Token(source: tokenSource, clientID: clientID, scope: scope)
            return token.tokens(for: .registry(kind), environment, chains)
        }
        guard let url = tokenURL.first, let clientID else { return nil }
        let client = OAuthTokens.Client(url: url, id: clientID, proof: .secret(clientSecret ?? ""), scope: scope)
        return OAuthTokens(client, http, readSecret: readSecret)
    }
}

extension ConfigurationKind where Value == String {
    /// A region of AWS, which becomes part of a host's name.
    static var region: ConfigurationKind {
        .scalar("text") { text throws(ValueMistake) in
            guard AWSRegion.isRegion(text) else {
                throw ValueMistake(.invalidValue, "\(text) is no region of AWS", "Write it as eu-west-1.")
            }
            return text
        }
    }
}

extension ConfigurationKind where Value == [String] {
    /// URLs of HTTP. Says of a bad one only that it is bad: it may hold a password.
    static var webAddresses: ConfigurationKind {
        ConfigurationKind(name: "text or list", domain: "URLs of HTTP", form: .list) { value throws(ValueMistake) in
            let urls = try value.items(what: "a URL or a list of them")
            for url in urls {
                guard let parts = URLComponents(string: url), ["http", "https"].contains(parts.scheme?.lowercased()),
                    parts.host?.isEmpty == false, parts.query == nil, parts.fragment == nil
                else {
                    throw ValueMistake(
                        .invalidValue, "is no URL of HTTP",
                        "Write https://host:8081; a user and a password go into keys of their own.")
                }
            }
            guard Set(urls).count == urls.count else {
                throw ValueMistake(.invalidValue, "has a URL twice", "Name each once.")
            }
            return urls
        }
    }
}

extension ConfigurationKind where Value == [String] {
    /// One URL of HTTP.
    static var webAddress: ConfigurationKind {
        let several = webAddresses
        return ConfigurationKind(name: "text", domain: "a URL of HTTP", form: several.form) {
            value throws(ValueMistake) in
            let urls = try several.read(value)
            guard urls.count == 1 else { throw ValueMistake(.invalidValue, "is more than one URL", "Name one.") }
            return urls
        }
    }

    /// Headers of HTTP, each with its value. Says of a bad one only that it is bad: it may hold a secret.
    static var webHeaders: ConfigurationKind {
        let texts = ConfigurationKind<[String]>.texts
        return ConfigurationKind(name: texts.name, domain: "`name: value`", form: texts.form) {
            value throws(ValueMistake) in
            let headers = try texts.read(value)
            for header in headers {
                guard let (name, _) = Configuration.Registry.header(header) else {
                    throw ValueMistake(.invalidValue, "is no header of HTTP", "Write name: value.")
                }
                guard name.lowercased() != "authorization" else {
                    throw ValueMistake(
                        .invalidValue, "has the header Authorization", "Set user and password, token or oauth instead.")
                }
            }
            return headers
        }
    }
}

extension ConfigurationKind where Value == Int32 {
    static var schemaNumber: ConfigurationKind {
        let number = ConfigurationKind<Int>.integer(1...Int(Int32.max))
        return ConfigurationKind(name: number.name, domain: number.domain, isBare: true, form: number.form) {
            value throws(ValueMistake) in Int32(try number.read(value))
        }
    }
}
