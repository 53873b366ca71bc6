/// What opens a database and may change while the process runs: a password that is good for a quarter of an hour, a URL
/// whose password stands in a file that somebody rotates.
///
/// It is asked before each connection, on a thread of that connection's own, which waits in it.
public protocol ConnectionSecrets: AnyObject, Sendable {
    /// The URL as it is now; nil: that of the options.
    func url() throws(SecretFailure) -> String?

    /// Whether passwords come from here, and not from the URL or from what else libpq finds.
    var givesPasswords: Bool { get }

    /// The password for one host.
    ///
    /// - Parameters:
    ///   - patience: how long that may take.
    ///   - isGivenUp: asked while it waits; once true, nobody needs the password any more.
    func password(
        for login: Login, within patience: Duration, _ isGivenUp: @escaping @Sendable () -> Bool
    ) throws(SecretFailure) -> String

    /// Passwords from here are good elsewhere, too, so that none goes where somebody in between could read it.
    var needsTLS: Bool { get }

    /// The database has let nobody in with this password: the next one had better be another.
    func wasRefused(_ password: String, for login: Login)

    /// What somebody should know although there are passwords, as of a clock that is off; nil: nothing. Without a secret.
    var note: String? { get }

    /// Has somebody told of it behind each password that is asked for, on the thread of that connection.
    func watch(_ watcher: @escaping @Sendable (_ note: String?) -> Void)
}

extension ConnectionSecrets {
    public var note: String? { nil }
    public func watch(_ watcher: @escaping @Sendable (_ note: String?) -> Void) {}
}

/// Who wants in where, with all that a password may be made for.
public struct Login: Sendable, Hashable {
    /// A name where there is one, else an address.
    public var host: String
    public var port: Int
    public var user: String

    /// By its name or address, so that nobody is in between.
    var isLocal: Bool { host == "localhost" || ConnectionSecurity.isLocal(host: host, address: host) }

    public init(host: String, port: Int, user: String) {
        self.host = host
        self.port = port
        self.user = user
    }
}

/// Why there is no password, or no URL. It holds no secret, so it may be logged.
public struct SecretFailure: Error, Sendable, Equatable {
    /// Whoever was asked is away, which passes; otherwise somebody has to mend something.
    public var passes: Bool
    /// Who was asked, without a secret: `the file /run/secrets/pg`.
    public var place: String
    /// What happened.
    public var words: String
    /// What to do about it.
    public var mend: String

    public init(passes: Bool, at place: String, _ words: String, mend: String) {
        self.passes = passes
        self.place = place
        self.words = words
        self.mend = mend
    }
}

extension PostgresError {
    /// No connection, for want of what opens one.
    init(_ failure: SecretFailure) {
        self.init(
            failure.passes ? .secretAway : .secretMissing, message: "\(failure.place): \(failure.words)",
            hint: failure.mend)
    }
}

extension PostgresError {
    /// The same, of a URL that was read anew: what is written there may be mended while the process runs.
    var ofSecret: PostgresError {
        var error = self
        error.code = .secretMissing
        return error
    }
}
