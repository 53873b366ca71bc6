import Foundation
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Credentials
@testable import Loading

@Suite("What is told of tokens")
struct TokenWatchTests {
    private let now = Date(timeIntervalSince1970: 1_000_000)
    private let failure = CredentialFailure(.away, at: "the token server", "no answer", mend: "wait")

    private func standing(_ failure: CredentialFailure?, for seconds: TimeInterval? = 100) -> TokenKeeper.Standing {
        TokenKeeper.Standing(failure: failure, end: seconds.map(now.addingTimeInterval))
    }

    @Test("a refresh that fails is told once, as an outage when the token has ended, and its end once")
    func course() {
        var watch = TokenWatch()
        #expect(watch.take(standing(nil), at: now) == .nothing)
        #expect(watch.take(standing(failure), at: now) == .warning(failure, until: now + 100))
        #expect(watch.take(standing(failure), at: now + 50) == .nothing)
        #expect(watch.take(standing(failure), at: now + 100) == .outage(failure))
        #expect(watch.take(standing(failure), at: now + 110) == .nothing)
        #expect(watch.take(standing(nil, for: 300), at: now + 120) == .over(wasAway: true))
        #expect(watch.take(standing(nil, for: 300), at: now + 130) == .nothing)
        #expect(watch.take(standing(failure, for: 300), at: now + 140) == .warning(failure, until: now + 300))
        #expect(watch.take(standing(nil, for: 500), at: now + 150) == .over(wasAway: false))
    }

    @Test("what should be known although there is a token is told once, and again once it has changed")
    func notes() {
        var watch = TokenWatch()
        #expect(watch.take(.token, note: nil) == nil)
        #expect(watch.take(.token, note: "the clock is off") == "the clock is off")
        #expect(watch.take(.token, note: "the clock is off") == nil)
        #expect(watch.take(.token, note: "the clock is far off") == "the clock is far off")
        #expect(watch.take(.token, note: nil) == nil)
        #expect(watch.take(.token, note: "the clock is off") == "the clock is off")
        #expect(watch.take(.password, note: "the clock is off") == "the clock is off")
    }

    @Test("without any token a failure is an outage at once; without an end a token serves on")
    func ends() {
        var none = TokenWatch()
        let standing = TokenKeeper.Standing(failure: failure, end: .distantPast)
        #expect(none.take(standing, at: now) == .outage(failure))
        var endless = TokenWatch()
        #expect(endless.take(self.standing(failure, for: nil), at: now) == .warning(failure, until: nil))
        #expect(endless.take(self.standing(failure, for: nil), at: now + 1e9) == .nothing)
    }

    @Test("statistics have the token's end, the outage and the incident as long as they last")
    func statistics() async throws {
        let source = Source([
            .success(Token("one", expires: Date() + 0.2)), .failure(failure),
            .success(Token("two", expires: now + 1e9)),
        ])
        var options = LoadingOptions(brokers: "b:1", group: "g", routes: [])
        let keeper = TokenKeeper(source)
        options.tokens = keeper
        let statistics = LoadingStatistics()
        TokenWatch.begin(options, statistics, Logger(label: "tokens", factory: { _ in SwiftLogNoOpLogHandler() }))
        #expect(statistics.snapshot.outages.isEmpty && statistics.snapshot.tokenEnd == nil)
        keeper.token { _ in }
        try await eventually("a token") { statistics.snapshot.tokenEnd != nil }
        try await eventually("its end") { keeper.current == nil }
        keeper.token { _ in }
        try await eventually("an outage") { statistics.snapshot.outages == [.tokens] }
        let incident = try #require(statistics.snapshot.incidents.last)
        #expect(incident.goesOn && incident.code == "away" && incident.error == "the token server: no answer")
        keeper.token { _ in }
        try await eventually("its end") { statistics.snapshot.outages.isEmpty }
        #expect(statistics.snapshot.incidents.allSatisfy { !$0.goesOn } && statistics.snapshot.tokenEnd == now + 1e9)
        #expect(statistics.snapshot.outageCounts[.tokens] == 1)
    }

    /// One answer after another.
    private final class Source: TokenSource {
        let place = "the tests' own source"
        private let answers: Mutex<[Result<Token, CredentialFailure>]>

        init(_ answers: [Result<Token, CredentialFailure>]) { self.answers = Mutex(answers) }

        func fetch(_ isGivenUp: @escaping @Sendable () -> Bool) throws(CredentialFailure) -> Token {
            try answers.withLock { $0.removeFirst() }.get()
        }
    }
}
