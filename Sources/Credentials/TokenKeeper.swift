import Foundation
import Synchronization

/// Keeps a token ready for all who need one, and gets the next before it ends, on a thread that nobody waits for.
///
/// Whoever asks while a good one is at hand has it at once; while none is, as soon as one is there. A source that fails does
/// not take away the token that is still good.
public final class TokenKeeper: Sendable {
    public typealias Answer = @Sendable (Result<Token, CredentialFailure>) -> Void

    private struct State {
        var token: Token?
        /// From when on the next one is wanted.
        var renewal = Date.distantPast
        var waiting: [Answer] = []
        var isFetching = false
        var failure: CredentialFailure?
    }

    private let source: any TokenSource
    private let state = Mutex(State())
    private let now: @Sendable () -> Date

    /// How much of its time a token serves before the next is fetched.
    static let share = 0.8
    /// For how long a token is kept that does not say until when it is good.
    public static let unsaid: TimeInterval = 300

    public init(_ source: any TokenSource, now: @escaping @Sendable () -> Date = { Date() }) {
        self.source = source
        self.now = now
    }

    /// What is asked and where, without a secret.
    public var place: String { source.place }

    /// The token at hand, as long as it is good.
    public var current: Token? {
        let now = now()
        return state.withLock { state in state.token.flatMap { Self.isGood($0, at: now) ? $0 : nil } }
    }

    /// Why the last attempt to get one has failed; nil once it has not.
    public var failure: CredentialFailure? { state.withLock { $0.failure } }

    /// Answers once: at once with a token that serves still, else when the source has answered, on another thread.
    public func token(_ answer: @escaping Answer) {
        let now = now()
        let (ready, mustFetch) = state.withLock { state -> (Token?, Bool) in
            if let token = state.token, now < state.renewal { return (token, false) }
            state.waiting.append(answer)
            defer { state.isFetching = true }
            return (nil, !state.isFetching)
        }
        if let ready { return answer(.success(ready)) }
        guard mustFetch else { return }
        let thread = Thread { [self] in fetch() }
        thread.name = "token"
        thread.start()
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
            if let result = answers.wait(until: min(deadline, .now + .milliseconds(100))) {
                if case .failure = result, let current { return current }
                return try result.get()
            }
            guard ContinuousClock.now < deadline, !isGivenUp() else {
                // While a refresh hangs, what is at hand is as good as it was.
                if let current { return current }
                throw CredentialFailure(
                    .away, at: place, "no answer within \(patience.components.seconds) s",
                    mend: "look whether it can be reached from this machine")
            }
        }
    }

    private func fetch() {
        let began = now()
        let result = Result { () throws(CredentialFailure) in try source.fetch { false } }
        let answers = state.withLock { state in
            defer {
                state.waiting = []
                state.isFetching = false
            }
            switch result {
            case .success(let token):
                state.token = token
                let end = token.expires ?? began.addingTimeInterval(Self.unsaid)
                state.renewal = began.addingTimeInterval(max(0, end.timeIntervalSince(began)) * Self.share)
                state.failure = nil
            case .failure(let failure): state.failure = failure
            }
            return state.waiting
        }
        for answer in answers { answer(result) }
    }

    private static func isGood(_ token: Token, at now: Date) -> Bool { token.expires.map { now < $0 } ?? true }
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
