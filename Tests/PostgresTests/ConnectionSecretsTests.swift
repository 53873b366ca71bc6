import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Postgres

/// Answers as it is told, and remembers who asked.
private final class ToldSecrets: ConnectionSecrets {
    struct State {
        var url: String?
        var passwords: [Int: String] = [:]
        var failure: SecretFailure?
        var hangs = false
        var asked: [Login] = []
        var refused: [Login] = []
    }

    let state: Mutex<State>
    let givesPasswords: Bool
    let needsTLS: Bool

    init(givesPasswords: Bool = true, needsTLS: Bool = false, _ state: State) {
        self.givesPasswords = givesPasswords
        self.needsTLS = needsTLS
        self.state = Mutex(state)
    }

    func url() throws(SecretFailure) -> String? {
        let (url, failure) = state.withLock { ($0.url, givesPasswords ? nil : $0.failure) }
        if let failure { throw failure }
        return url
    }

    func password(
        for login: Login, within patience: Duration, _ isGivenUp: @escaping @Sendable () -> Bool
    ) throws(SecretFailure) -> String {
        let hangs = state.withLock { state in
            state.asked.append(login)
            return state.hangs
        }
        while hangs, !isGivenUp() { usleep(10_000) }
        let (password, failure) = state.withLock { ($0.passwords[login.port], $0.failure) }
        if let failure { throw failure }
        return password ?? ""
    }

    func wasRefused(_ password: String, for login: Login) { state.withLock { $0.refused.append(login) } }
}

/// Passwords and URLs that are asked for, rather than written down.
@Suite("Secrets of a connection")
struct ConnectionSecretsTests {
    private func server(password: String) throws -> PostgresServer {
        let server = try PostgresServer(access: ["host all app 127.0.0.1/32 scram-sha-256"])
        try server.connect().execute("CREATE ROLE app LOGIN PASSWORD '\(password)'")
        return server
    }

    private func port(_ server: PostgresServer) throws -> Int {
        try #require(URLComponents(string: server.url)?.port)
    }

    private func options(_ servers: PostgresServer..., secrets: ToldSecrets) throws -> ConnectionOptions {
        let hosts = try servers.map { "127.0.0.1:\(try port($0))" }.joined(separator: ",")
        return ConnectionOptions(
            url: "postgresql://app@\(hosts)/postgres", secrets: secrets, connectTimeout: .seconds(10))
    }

    @Test("a password is asked for at each connection, so that a changed one is taken up")
    func eachConnection() throws {
        let server = try server(password: "first")
        let port = try port(server)
        let secrets = ToldSecrets(.init(passwords: [port: "first"]))
        let options = try options(server, secrets: secrets)
        _ = try Connection(options)
        try server.connect().execute("ALTER ROLE app PASSWORD 'second'")
        let refused = #expect(throws: PostgresError.self) { try Connection(options) }
        #expect(refused?.sqlState?.rawValue == "28P01" && refused?.refusal == .password)
        secrets.state.withLock { $0.passwords[port] = "second" }
        _ = try Connection(options)
        let login = Login(host: "127.0.0.1", port: port, user: "app")
        secrets.state.withLock { state in
            #expect(state.asked == [login, login, login])
            #expect(state.refused == [login])
        }
    }

    @Test("of several hosts each is asked with a password of its own, and the one that takes writes is used")
    func severalHosts() throws {
        let (first, second) = (try server(password: "of the first"), try server(password: "of the second"))
        let reader = try first.connect()
        try reader.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        try first.reload()
        let passwords = [try port(first): "of the first", try port(second): "of the second"]
        let secrets = ToldSecrets(.init(passwords: passwords))
        let options = try options(first, second, secrets: secrets)
        let connection = try Connection(options)
        #expect(try connection.query("SELECT inet_server_port()").int(0, 0) == Int64(try port(second)))

        try second.stop()
        let none = #expect(throws: PostgresError.self) { try Connection(options) }
        #expect(none?.sqlState == .readOnlyTransaction)
        secrets.state.withLock { state in
            #expect(Set(state.asked.map(\.port)) == Set(passwords.keys) && state.refused.isEmpty)
        }
    }

    @Test("no password is no outage of the database's: it says who was asked, and whether that passes")
    func noPassword() throws {
        let server = try server(password: "x")
        for passes in [true, false] {
            let failure = SecretFailure(passes: passes, at: "the file /run/x", "cannot be read", mend: "let it be read")
            for givesPasswords in [true, false] {
                let secrets = ToldSecrets(givesPasswords: givesPasswords, .init(failure: failure))
                let error = #expect(throws: PostgresError.self) { try Connection(options(server, secrets: secrets)) }
                #expect(error?.code == (passes ? .secretAway : .secretMissing))
                #expect(error?.refusal == (passes ? nil : .secret))
                #expect(error?.message == "the file /run/x: cannot be read" && error?.hint == "let it be read")
            }
        }
    }

    @Test("a password that is good elsewhere, too, is not asked for where it would go out plain")
    func plain() throws {
        let secrets = ToldSecrets(needsTLS: true, .init())
        for place in [
            "db.invalid/shop", "db.invalid/shop?sslmode=disable", "db.invalid/shop?sslmode=allow",
            "localhost/shop?hostaddr=10.0.0.1",
        ] {
            let options = ConnectionOptions(url: "postgresql://app@\(place)", secrets: secrets)
            let error = #expect(throws: PostgresError.self) { try Connection(options) }
            #expect(error?.refusal == .options && error?.message.contains("TLS") == true)
        }
        #expect(secrets.state.withLock { $0.asked.isEmpty })
        // By TLS, or where nobody is in between, it is.
        for url in ["postgresql://app@db.invalid/shop?sslmode=require", "postgresql://app@localhost:1/shop"] {
            #expect(throws: PostgresError.self) {
                try Connection(ConnectionOptions(url: url, secrets: secrets, connectTimeout: .seconds(5)))
            }
        }
        #expect(secrets.state.withLock { $0.asked.count } >= 2)
    }

    @Test("who gives no answer does not hold a connection up for ever, nor once nobody wants it")
    func hanging() throws {
        let server = try server(password: "x")
        let secrets = ToldSecrets(.init(hangs: true))
        var options = try options(server, secrets: secrets)
        options.connectTimeout = .seconds(2)
        let late = #expect(throws: PostgresError.self) { try Connection(options) }
        #expect(late?.code == .connectionFailed && late?.refusal == nil)
        options.connectTimeout = .seconds(600)
        let isAsked = { secrets.state.withLock { $0.asked.count > 1 } }
        #expect(throws: PostgresError.self) { try Connection(options, isGivenUp: isAsked) }
    }

    @Test("a URL that is read anew and is none any more is what somebody has to mend, and keeps its secret")
    func brokenURL() throws {
        let server = try server(password: "x")
        let secrets = ToldSecrets(
            givesPasswords: false, .init(url: "postgresql://app:hush@127.0.0.1:\(try port(server))/postgres?nonsense=1")
        )
        let error = #expect(throws: PostgresError.self) { try Connection(options(server, secrets: secrets)) }
        #expect(error?.code == .secretMissing)
        #expect(error.map { "\($0)" }?.contains("hush") == false)
        secrets.state.withLock { $0.url = "postgresql://app:x@127.0.0.1:\((try? port(server)) ?? 0)/postgres" }
        _ = try Connection(options(server, secrets: secrets))
    }
}
