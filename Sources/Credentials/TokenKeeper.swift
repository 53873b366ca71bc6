import Foundation
import Synchronization

/// Keeps a token ready for all who need one, and gets the next before it ends, on a thread that nobody waits for.
///
/// Whoever asks while a good one is at hand has it at once; while none is, as soon as one is there. A source that fails or hangs
/// does not take away the token that is still good.
public final class TokenKeeper: Sendable {
    public typealias Answer = @Sendable (Result<Token, CredentialFailure>) -> Void

    /// Which token somebody asks for.
    public enum Need: Sendable {
        /// Any that is good.
        case any
        /// The one after that which he has, and whose time is mostly over.
        case next
    }

    /// How it stands with the token.
    public struct Standing: Sendable, Equatable {
        /// Why the last attempt to get one has failed; nil once it has not.
        public var failure: CredentialFailure?
        /// Until when there is one; nil: nobody says. A time that is over: there is none.
        public var end: Date?
        /// What somebody should know although there is one: a clock that is off, credentials that are not renewed.
        public var note: String?
    }

    fileprivate struct State {
        var token: Token?
        /// From when on the next one is wanted.
        var renewal = Date.distantPast
        /// Until when no other is asked for, after a failure, as long as there is one.
        var pause = Date.distantPast
        var waiting: [Answer] = []
        var isFetching = false
        var failure: CredentialFailure?
        var note: String?
        var watcher: (@Sendable (Standing) -> Void)?

        func good(at now: Date) -> Token? {
            token.flatMap { token in token.expires.map { now < $0 } ?? true ? token : nil }
        }

        var standing: Standing {
            Standing(failure: failure, end: token == nil ? .distantPast : token?.expires, note: note)
        }
    }

    fileprivate enum Step {
        case answer(Result<Token, CredentialFailure>)
        /// With what is at hand.
        case answerAndFetch(Token)
        case fetch
        case wait
    }

    private let source: any TokenSource
    private let state = Mutex(State())
    private let now: @Sendable () -> Date

    /// How much of its time a token serves before the next is fetched.
    static let share = 0.8
    /// For how long a token is kept that does not say until when it is good.
    public static let unsaid: TimeInterval = 300
    /// How long a source is left alone that has failed, while the token is still good.
    static let pause: TimeInterval = 5
    /// How long a source may take.
    private static let patience = Duration.seconds(15)

    public init(_ source: any TokenSource, now: @escaping @Sendable () -> Date = { Date() }) {
        self.source = source
        self.now = now
    }

    /// What is asked and where, without a secret.
    public var place: String { source.place }

    /// What its tokens may do is said by policies of AWS's, and not by the brokers' ACLs.
    public var isOfMSK: Bool { source is MSKIAMTokens }

    /// The token at hand, as long as it is good.
    public var current: Token? {
        let now = now()
        return state.withLock { $0.good(at: now) }
    }

    public var standing: Standing { state.withLock { $0.standing } }

    /// Has somebody told of each attempt to get a token, on the thread that made it.
    public func watch(_ watcher: @escaping @Sendable (Standing) -> Void) { state.withLock { $0.watcher = watcher } }

    /// Whoever takes this token has refused it: it is not given to anybody again.
    public func forget(_ token: Token) {
        state.withLock { state in if state.token?.text == token.text { state.token = nil } }
    }

    /// Whoever takes this token has refused it, and others may not have: the next one is fetched when somebody asks for it, and
    /// this one serves until it has come.
    public func renew(_ text: String) {
        let isLast = state.withLock { state in
            guard state.token?.text == text else { return false }
            state.renewal = .distantPast
            return true
        }
        if isLast { source.wasRefused() }
    }

    /// Answers once: at once with a token that serves, else when the source has answered, on another thread.
    public func token(_ need: Need = .any, _ answer: @escaping Answer) {
        let now = now()
        switch state.withLock({ $0.step(need, at: now, answer) }) {
        case .answer(let result): answer(result)
        case .answerAndFetch(let token):
            answer(.success(token))
            start()
        case .fetch: start()
        case .wait: break
        }
    }

    /// The same for somebody who waits.
    ///
    /// - Throws: also when the source has not answered in time.
    public func token(within patience: Duration, _ isGivenUp: () -> Bool = { false }) throws(CredentialFailure) -> Token
    {
        let answers = Answers()
        token { answers.come($0) }
        let deadline = ContinuousClock.now + patience
        while true {
            if let result = answers.wait(until: min(deadline, .now + .milliseconds(100))) { return try result.get() }
            guard ContinuousClock.now < deadline, !isGivenUp() else {
                throw CredentialFailure(
                    .away, at: place, "no answer within \(patience.components.seconds) s",
                    mend: "look whether it can be reached from this machine")
            }
        }
    }

    private func start() {
        let thread = Thread { [self] in fetch() }
        thread.name = "token"
        thread.start()
    }

    private func fetch() {
        let began = now()
        let deadline = ContinuousClock.now + Self.patience
        let result = Result { () throws(CredentialFailure) in try source.fetch { ContinuousClock.now > deadline } }
        let ended = now()
        let (answers, standing, watcher) = state.withLock { state in
            state.take(result, began: began, ended: ended)
            state.note = source.note
            defer { state.waiting = [] }
            return (state.waiting, state.standing, state.watcher)
        }
        watcher?(standing)
        for answer in answers { answer(result) }
    }
}

extension TokenKeeper.State {
    /// What to do for somebody who asks.
    fileprivate mutating func step(
        _ need: TokenKeeper.Need, at now: Date, _ answer: @escaping TokenKeeper.Answer
    ) -> TokenKeeper.Step {
        let good = good(at: now)
        if let good, now < renewal { return .answer(.success(good)) }
        let mayFetch = !isFetching && (good == nil || now >= pause)
        if let good, need == .any {
            guard mayFetch else { return .answer(.success(good)) }
            isFetching = true
            return .answerAndFetch(good)
        }
        if !isFetching, !mayFetch, let failure { return .answer(.failure(failure)) }
        waiting.append(answer)
        defer { isFetching = true }
        return isFetching ? .wait : .fetch
    }

    fileprivate mutating func take(_ result: Result<Token, CredentialFailure>, began: Date, ended: Date) {
        isFetching = false
        switch result {
        case .success(let token):
            self.token = token
            // Whoever checks it has a clock of its own, and the request was still on its way at the beginning.
            let end = token.expires ?? began.addingTimeInterval(TokenKeeper.unsaid)
            renewal = began.addingTimeInterval(max(0, end.timeIntervalSince(began)) * TokenKeeper.share)
            failure = nil
        case .failure(let failure):
            self.failure = failure
            pause = ended.addingTimeInterval(TokenKeeper.pause)
        }
    }
}

/// The one answer that somebody waits for.
private final class Answers: @unchecked Sendable {
    // Unchecked: the result is touched only under `condition`.
    private let condition = NSCondition()
    private var result: Result<Token, CredentialFailure>?

    func come(_ result: Result<Token, CredentialFailure>) {
        condition.lock()
        defer { condition.unlock() }
        self.result = result
        condition.broadcast()
    }

    func wait(until deadline: ContinuousClock.Instant) -> Result<Token, CredentialFailure>? {
        condition.lock()
        defer { condition.unlock() }
        let rest = (deadline - .now).components
        let limit = Date().addingTimeInterval(Double(rest.seconds) + Double(rest.attoseconds) / 1e18)
        while result == nil, condition.wait(until: limit) {}
        return result
    }
}
