import Credentials
import Foundation
import Loading
import Postgres
import Synchronization

/// What the configuration says of the database's secrets, asked at each connection: files in the URL are read again, and
/// passwords come from where the configuration says, so that one that was changed there is taken up without a start.
final class DatabaseSecrets: ConnectionSecrets {
    /// Where passwords come from.
    enum Passwords: Sendable {
        /// A file's text, which may be any.
        case file(String)
        /// Asked for each time.
        case fresh(FreshTokens)
        /// Tokens that serve for a while.
        case kept(TokenKeeper)
        /// Made for one host, port and user.
        case signed(RDSIAMPasswords)
    }

    /// As `postgres.url` is written; nil where no file is a part of it.
    private let template: String?
    private let substitution: Substitution
    private let passwords: Passwords?
    private let watcher = Mutex<(@Sendable (String?) -> Void)?>(nil)

    init(template: String? = nil, _ passwords: Passwords? = nil, _ substitution: Substitution) {
        self.template = template
        self.passwords = passwords
        self.substitution = substitution
    }

    func url() throws(SecretFailure) -> String? {
        guard let template else { return nil }
        let result = substitution.apply(template)
        do throws(ValueMistake) {
            if let mistake = result.mistakes.first { throw mistake }
            return try ConfigurationKind<String>.connection.read(.text(result.text))
        } catch {
            throw SecretFailure(passes: false, at: "postgres.url", error.message, mend: error.mend)
        }
    }

    var givesPasswords: Bool { passwords != nil }

    var needsTLS: Bool {
        switch passwords {
        case .kept, .signed: true
        case .file, .fresh, nil: false
        }
    }

    func password(
        for login: Login, within patience: Duration, _ isGivenUp: @escaping @Sendable () -> Bool
    ) throws(SecretFailure) -> String {
        let deadline = ContinuousClock.now + patience
        let isOver: @Sendable () -> Bool = { isGivenUp() || ContinuousClock.now > deadline }
        let told = watcher.withLock { $0 }
        defer { told?(note) }
        do throws(CredentialFailure) {
            switch passwords {
            case nil: return ""
            case .file(let path): return try read(path)
            case .fresh(let tokens): return try tokens.next(isOver).text
            case .kept(let keeper): return try keeper.token(within: patience, isGivenUp).text
            case .signed(let passwords):
                return try passwords.password(host: login.host, port: login.port, user: login.user, isOver).text
            }
        } catch {
            throw SecretFailure(passes: error.code == .away, at: error.place, error.words, mend: error.mend)
        }
    }

    func wasRefused(_ password: String, for login: Login) {
        if case .kept(let keeper) = passwords { keeper.forget(Token(password)) }
    }

    var note: String? {
        switch passwords {
        case .kept(let keeper): keeper.standing.note
        case .signed(let passwords): passwords.note
        case .file, .fresh, nil: nil
        }
    }

    func watch(_ watcher: @escaping @Sendable (_ note: String?) -> Void) { self.watcher.withLock { $0 = watcher } }

    private func read(_ path: String) throws(CredentialFailure) -> String {
        func unusable(_ words: String) -> CredentialFailure {
            CredentialFailure(
                .unusable, at: "the file \(path)", words,
                mend:
                    "let postgres.password.path name a file with the password and nothing else, which the loader's user may read"
            )
        }
        guard let text = substitution.readFile(path) else { throw unusable("it cannot be read") }
        var password = text
        if let last = password.last, last.isNewline { password.removeLast() }
        guard !password.isEmpty else { throw unusable("it is empty") }
        guard !password.utf8.contains(0) else { throw unusable("it holds a NUL byte") }
        return password
    }
}

extension Configuration {
    /// Lets each connection ask for what may have changed since the configuration was read.
    mutating func takeDatabaseSecrets(_ substitution: Substitution, _ aws: AWSChains) {
        let template = settings[ConfigurationPath([.name("postgres"), .name("url")])]?.template
        let passwords = databasePassword.passwords(substitution.environment, aws)
        guard template != nil || passwords != nil else { return }
        loading.database.secrets = DatabaseSecrets(template: template, passwords, substitution)
    }
}

extension Configuration.Token {
    /// How the database's passwords are had; nil: they are written down, or libpq finds them.
    fileprivate func passwords(_ environment: [String: String], _ aws: AWSChains) -> DatabaseSecrets.Passwords? {
        if source == .file { return path.map { .file($0) } }
        if source == .rdsIAM { return .signed(RDSIAMPasswords(aws.chain(identity), region: region)) }
        guard let tokens = tokens(for: .database, environment, aws) else { return nil }
        return source == .command ? .fresh(FreshTokens(tokens)) : .kept(TokenKeeper(tokens))
    }
}
