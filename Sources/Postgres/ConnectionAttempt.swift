import CLibPQ
import Dispatch
import Foundation
import Synchronization

/// An attempt to connect, on a thread of its own: libpq bounds the wait for each address, but neither that for the name
/// server nor the whole, and cannot be told to give up.
final class ConnectionAttempt: Sendable {
    // Unchecked: the pointer goes from the one thread to the other, and only one of them ever has it.
    private enum State: @unchecked Sendable {
        case underWay
        case made(OpaquePointer)
        case failed(PostgresError)
        /// Nobody waits any more; what comes is thrown away.
        case givenUp
    }

    private let state = Mutex(State.underWay)
    private let ended = DispatchSemaphore(value: 0)

    private init() {}

    /// - Parameter isGivenUp: asked while it waits; once true, nobody needs the connection any more.
    static func connect(
        _ options: ConnectionOptions, isGivenUp: (() -> Bool)?
    ) throws(PostgresError) -> OpaquePointer {
        let attempt = ConnectionAttempt()
        let thread = Thread {
            do throws(PostgresError) {
                attempt.end(.made(try attempt.open(options)))
            } catch {
                attempt.end(.failed(error))
            }
        }
        thread.name = "connecting"
        thread.start()
        return try attempt.wait(for: options.longestAttempt, isGivenUp: isGivenUp)
    }

    private func end(_ outcome: State) {
        state.withLock { state in
            if case .givenUp = state {
                if case .made(let handle) = outcome { PQfinish(handle) }
            } else {
                state = outcome
            }
        }
        ended.signal()
    }

    private func wait(for bound: Duration, isGivenUp: (() -> Bool)?) throws(PostgresError) -> OpaquePointer {
        let began = ContinuousClock.now
        let deadline = began + bound
        var isOver = false
        while ended.wait(timeout: .now() + .milliseconds(100)) == .timedOut {
            isOver = ContinuousClock.now >= deadline || isGivenUp?() ?? false
            if isOver { break }
        }
        let outcome = state.withLock { state in
            defer { if case .underWay = state { state = .givenUp } }
            return state
        }
        switch outcome {
        case .made(let handle): return handle
        case .failed(let error): throw error
        case .underWay, .givenUp:
            throw PostgresError(
                .connectionFailed,
                message: "no connection came about within \((ContinuousClock.now - began).components.seconds) s")
        }
    }

    // MARK: The attempt's own thread

    private func open(_ options: ConnectionOptions) throws(PostgresError) -> OpaquePointer {
        guard let secrets = options.secrets else { return try Self.open(options, with: []) }
        var options = options
        do throws(SecretFailure) {
            if let url = try secrets.url() { options.url = url }
        } catch {
            throw PostgresError(error)
        }
        do throws(PostgresError) { try options.validate() } catch { throw error.ofSecret }
        guard secrets.givesPasswords else { return try Self.open(options, with: []) }
        return try open(options, secrets)
    }

    /// One host after another, since each may want a password of its own. As with libpq, the next one is asked where one does
    /// not answer or takes no writes, and not where one refuses the password.
    private func open(
        _ options: ConnectionOptions, _ secrets: any ConnectionSecrets
    ) throws(PostgresError) -> OpaquePointer {
        let resolved = ResolvedOptions(options.keywords)
        let hosts = resolved.hosts
        // Of several hosts a standby is looked for first where one is preferred.
        let rounds =
            hosts.count > 1 && resolved["target_session_attrs"] == "prefer-standby" ? ["standby", "any"] : [nil]
        var failure: PostgresError?
        for (round, (login, keywords)) in rounds.flatMap({ round in hosts.map { (round, $0) } }) {
            if secrets.needsTLS { try Self.checkTLS(resolved, login, keywords) }
            let password: String
            do throws(SecretFailure) {
                password = try secrets.password(for: login, within: options.connectTimeout) { [self] in isGivenUp }
            } catch {
                throw PostgresError(error)
            }
            do throws(PostgresError) {
                let attributes = round.map { [(key: "target_session_attrs", value: $0)] } ?? []
                let one = hosts.count > 1 ? keywords : []
                return try Self.open(options, with: one + attributes + [("password", password)])
            } catch {
                if error.sqlState?.classCode == "28" {
                    secrets.wasRefused(password, for: login)
                    throw error
                }
                // A server that only reads says more than one that is away.
                if failure == nil || error.sqlState == .readOnlyTransaction { failure = error }
            }
        }
        throw failure ?? PostgresError(.connectionFailed, message: "the connection URL names no host")
    }

    /// Refuses to ask for a password that would go out plain.
    ///
    /// - Parameter keywords: the host's.
    private static func checkTLS(
        _ resolved: ResolvedOptions, _ login: Login, _ keywords: [(key: String, value: String)]
    ) throws(PostgresError) {
        let mode = resolved["sslmode"] ?? "prefer"
        let goesPlain = ["disable", "allow", "prefer"].contains(mode) && resolved["sslrootcert"] != "system"
        // libpq goes to the address where there is one, whatever the name.
        let address = keywords.first { $0.key == "hostaddr" && !$0.value.isEmpty }?.value
        let isLocal = address.map { ConnectionSecurity.isLocal(host: "", address: $0) } ?? login.isLocal
        guard goesPlain, !isLocal else { return }
        throw PostgresError(
            .invalidOptions, message: "a password of this kind goes by TLS only, and sslmode is \(mode)",
            hint: "add sslmode=verify-full, and sslrootcert with the authority of the server's certificate")
    }

    private var isGivenUp: Bool { state.withLock { if case .givenUp = $0 { true } else { false } } }

    /// - Parameter forced: keywords that go over what the URL says.
    private static func open(
        _ options: ConnectionOptions, with forced: [(key: String, value: String)]
    ) throws(PostgresError) -> OpaquePointer {
        let begin = ContinuousClock.now
        let forced = forced + (try SystemAuthorities.keywords(ResolvedOptions(options.keywords)))
        guard let handle = start(options.keywords + forced) else {
            throw PostgresError(.connectionFailed, message: "out of memory")
        }
        guard PQstatus(handle) != CONNECTION_OK else { return handle }
        let message = connectionMessage(handle)
        // libpq 15 shows a SQLSTATE of the start only within its text, and only once it is told to be verbose. Where
        // somebody has answered, ask again: whether to wait (57P03) or to stop (28P01) must not hang on words.
        var sqlState: SQLState?
        if PQsocket(handle) >= 0, begin.duration(to: .now) < options.connectTimeout / 2 {
            PQsetErrorVerbosity(handle, PQERRORS_VERBOSE)
            PQreset(handle)
            if PQstatus(handle) == CONNECTION_OK {
                PQsetErrorVerbosity(handle, PQERRORS_DEFAULT)
                return handle
            }
            sqlState = SQLState(inVerboseMessage: connectionMessage(handle))
        }
        let finding = sqlState == nil ? PortProbe.finding(handle, message) : nil
        PQfinish(handle)
        if sqlState == nil, options.wantsWritable, takesReaders(options, with: forced) {
            throw PostgresError(
                .connectionFailed, sqlState: .readOnlyTransaction,
                message: "no host of the URL that answers takes writes: each is a standby or read-only")
        }
        throw PostgresError(
            .connectionFailed, sqlState: sqlState, message: finding.map { "\(message); \($0)" } ?? message)
    }

    /// Whether one of several hosts would let somebody in who only reads.
    private static func takesReaders(
        _ options: ConnectionOptions, with forced: [(key: String, value: String)]
    ) -> Bool {
        let handle = start(options.keywords(writable: false) + forced)
        defer { PQfinish(handle) }
        return PQstatus(handle) == CONNECTION_OK
    }

    private static func start(_ keywords: [(key: String, value: String)]) -> OpaquePointer? {
        withKeywords(keywords) { PQconnectdbParams($0, $1, 1) }
    }
}

/// What libpq says of a connection, without the lines of advice that it indents.
func connectionMessage(_ handle: OpaquePointer?) -> String {
    String(cString: PQerrorMessage(handle)).split(separator: "\n").filter { !$0.hasPrefix("\t") }
        .joined(separator: "; ")
}

/// libpq's keywords and their values, as it takes them.
func withKeywords<Result>(
    _ keywords: [(key: String, value: String)],
    _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    withCStrings(keywords.map(\.key)) { keys in
        withCStrings(keywords.map(\.value)) { values in body(keys, values) }
    }
}

/// A NULL-terminated array of C strings, good inside `body`.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    var bytes: [CChar] = []
    var starts: [Int] = []
    for string in strings {
        starts.append(bytes.count)
        bytes.append(contentsOf: string.utf8CString)
    }
    return bytes.withUnsafeBufferPointer { bytes in
        var pointers = starts.map { start in bytes.baseAddress.map { $0 + start } }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { pointers in
            // Never nil: the array holds its terminator at least.
            withExtendedLifetime(pointers) { body(pointers.baseAddress!) }
        }
    }
}
