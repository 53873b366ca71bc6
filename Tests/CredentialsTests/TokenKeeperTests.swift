import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Credentials

@Suite("A token that is kept ready")
struct TokenKeeperTests {
    /// A clock that is set by hand.
    private final class Clock: Sendable {
        private let time = Mutex(Date(timeIntervalSince1970: 1_000_000))
        func read() -> Date { time.withLock { $0 } }
        func pass(_ seconds: TimeInterval) { time.withLock { $0 += seconds } }
    }

    /// A source that answers as it is told, and waits where it is told nothing.
    private final class Source: TokenSource {
        let place = "the tests' own source"
        private let answers = Mutex<[Result<Token, CredentialFailure>]>([])
        private let told = DispatchSemaphore(value: 0)
        private let asked = Mutex(0)
        private let refused = Mutex(0)
        var count: Int { asked.withLock { $0 } }
        var refusals: Int { refused.withLock { $0 } }

        func wasRefused() { refused.withLock { $0 += 1 } }

        func answer(_ result: Result<Token, CredentialFailure>) {
            answers.withLock { $0.append(result) }
            told.signal()
        }

        func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
            asked.withLock { $0 += 1 }
            told.wait()
            return try answers.withLock { $0.removeFirst() }.get()
        }
    }

    /// Who has asked, and what each was answered.
    private final class Askers: Sendable {
        private let held = Mutex<[String]>([])
        var heard: [String] { held.withLock { $0 } }

        func hear(_ result: Result<Token, CredentialFailure>) {
            let words = (try? result.get().text) ?? "failure"
            held.withLock { $0.append(words) }
        }
    }

    private let clock = Clock()
    private let source = Source()
    private let askers = Askers()
    private let keeper: TokenKeeper

    init() {
        let clock = clock
        keeper = TokenKeeper(source) { clock.read() }
    }

    private static let failure = CredentialFailure(.away, at: "here", "no answer", mend: "wait")

    private func token(_ text: String, for seconds: TimeInterval = 100) -> Token {
        Token(text, expires: clock.read() + seconds)
    }

    private func ask(_ need: TokenKeeper.Need = .any) {
        let askers = askers
        keeper.token(need) { askers.hear($0) }
    }

    private func hear(_ words: [String]) async throws {
        try await eventually("\(words)") { askers.heard.count >= words.count }
        #expect(askers.heard == words)
    }

    /// As after a first answer.
    private func begin() async throws {
        source.answer(.success(token("first")))
        ask()
        try await hear(["first"])
    }

    @Test("ten who ask before there is one cause one fetch, and each is answered once")
    func one() async throws {
        for _ in 0..<10 { ask() }
        try await eventually("a fetch") { source.count == 1 }
        #expect(askers.heard.isEmpty)
        source.answer(.success(token("first")))
        try await hear(Array(repeating: "first", count: 10))
        ask()
        #expect(source.count == 1 && askers.heard.count == 11)
    }

    @Test("the next is fetched when four fifths of its time are over, and not before")
    func renewal() async throws {
        try await begin()
        clock.pass(79)
        ask()
        ask(.next)
        #expect(askers.heard == ["first", "first", "first"] && source.count == 1)
        clock.pass(2)
        source.answer(.success(token("second")))
        ask(.next)
        try await hear(["first", "first", "first", "second"])
        #expect(source.count == 2 && keeper.current?.text == "second")
    }

    @Test(
        "while the source hangs, whoever has none has at once the one that is still good, and whoever wants the next waits"
    )
    func hanging() async throws {
        try await begin()
        clock.pass(85)
        ask(.next)
        try await eventually("a fetch") { source.count == 2 }
        ask()
        ask()
        #expect(askers.heard == ["first", "first", "first"])
        #expect(try keeper.token(within: .seconds(0)).text == "first")
        source.answer(.success(token("second")))
        try await eventually("the one who waits") { askers.heard.last == "second" }
        #expect(source.count == 2)
    }

    @Test("a refresh that fails leaves the old one serving until its end, and the source alone for a while")
    func failing() async throws {
        try await begin()
        clock.pass(85)
        source.answer(.failure(Self.failure))
        ask()
        #expect(askers.heard == ["first", "first"])
        try await eventually("the failure") { keeper.standing.failure != nil }
        #expect(keeper.standing == TokenKeeper.Standing(failure: Self.failure, end: clock.read() + 15))
        // Who wants the next hears why there is none; and nobody asks for it again yet.
        ask(.next)
        ask()
        #expect(askers.heard == ["first", "first", "failure", "first"] && source.count == 2)
        clock.pass(TokenKeeper.pause)
        source.answer(.success(token("second")))
        ask(.next)
        try await eventually("the second") { askers.heard.last == "second" }
        #expect(source.count == 3 && keeper.standing.failure == nil)
    }

    @Test("one that has ended is given to nobody, and while there is none the source is asked each time")
    func ended() async throws {
        try await begin()
        clock.pass(100)
        #expect(keeper.current == nil)
        source.answer(.failure(Self.failure))
        ask()
        try await hear(["first", "failure"])
        source.answer(.failure(Self.failure))
        ask(.next)
        try await hear(["first", "failure", "failure"])
        #expect(source.count == 3)
        source.answer(.success(token("second")))
        ask()
        try await hear(["first", "failure", "failure", "second"])
    }

    @Test("one that somebody has refused is given to nobody again, and a later one is")
    func forgotten() async throws {
        try await begin()
        keeper.forget(Token("another"))
        ask()
        #expect(source.count == 1)
        let first = try #require(keeper.current)
        keeper.forget(first)
        source.answer(.success(token("second")))
        ask()
        try await hear(["first", "first", "second"])
        keeper.forget(first)
        #expect(keeper.current?.text == "second")
    }

    @Test("one that some refuse is followed by the next long before its end, and serves on while that fails")
    func replaced() async throws {
        try await begin()
        keeper.renew("another")
        ask(.next)
        #expect(source.count == 1 && source.refusals == 0)
        keeper.renew("first")
        #expect(source.refusals == 1)
        source.answer(.failure(Self.failure))
        ask(.next)
        try await hear(["first", "first", "failure"])
        ask()
        #expect(askers.heard.last == "first" && source.count == 2)
        clock.pass(TokenKeeper.pause)
        source.answer(.success(token("second")))
        ask(.next)
        try await eventually("the second") { askers.heard.last == "second" }
        // Another client had the first as well.
        keeper.renew("first")
        ask(.next)
        #expect(askers.heard.last == "second" && source.count == 3 && source.refusals == 1)
    }

    @Test("one that does not say until when it is good serves until the next, which is fetched after a while")
    func unsaid() async throws {
        source.answer(.success(Token("first")))
        ask()
        try await hear(["first"])
        clock.pass(TokenKeeper.unsaid * TokenKeeper.share - 1)
        ask(.next)
        #expect(source.count == 1)
        clock.pass(2)
        source.answer(.success(Token("second")))
        ask(.next)
        try await hear(["first", "first", "second"])
    }

    @Test("whoever waits for a source that hangs waits no longer than he wants to, and is told where it hangs")
    func patience() {
        let failure = #expect(throws: CredentialFailure.self) { try keeper.token(within: .milliseconds(1)) }
        #expect(failure?.code == .away && failure?.place == source.place)
        source.answer(.failure(Self.failure))
    }

    @Test("each attempt is told to who watches")
    func watched() async throws {
        let seen = Mutex<[TokenKeeper.Standing]>([])
        keeper.watch { standing in seen.withLock { $0.append(standing) } }
        source.answer(.failure(Self.failure))
        ask()
        try await hear(["failure"])
        source.answer(.success(token("first")))
        ask()
        try await hear(["failure", "first"])
        let end = clock.read() + 100
        #expect(
            seen.withLock { $0 } == [
                TokenKeeper.Standing(failure: Self.failure, end: .distantPast),
                TokenKeeper.Standing(failure: nil, end: end),
            ])
    }
}
