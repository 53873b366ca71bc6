import Foundation
import Synchronization
import Web

/// By how much this machine's clock is off that of whoever gives tokens, as his answers have told.
final class ServerClock: Sendable {
    private let ahead = Mutex<TimeInterval>(0)

    /// Clocks that differ by less are taken for the same: an answer's time has whole seconds, and is on its way for a while.
    private static let bearable: TimeInterval = 30
    /// By how much an answer's way may change what is found.
    private static let wavering: TimeInterval = 5

    /// How many seconds this machine's clock is ahead; below zero behind. Zero where the two agree, or nobody has said.
    var skew: TimeInterval { ahead.withLock(\.self) }

    /// Takes the time from an answer.
    ///
    /// - Parameter asked: when it was asked, by this machine's clock.
    func learn(from answer: HTTPAnswer, asked: Date) {
        guard let theirs = answer.headers["date"].flatMap(TokenExchange.date) else { return }
        let found = asked.timeIntervalSince(theirs)
        ahead.withLock { ahead in
            guard abs(found) > Self.bearable else {
                ahead = 0
                return
            }
            // What is told of it must not change with each answer's way.
            if abs(found - ahead) > Self.wavering { ahead = found.rounded() }
        }
    }

    /// What somebody should know of it; nil where the two agree.
    ///
    /// - Parameter place: who was asked.
    func words(_ place: String) -> String? {
        let seconds = Int(skew)
        guard seconds != 0 else { return nil }
        return "this machine's clock is \(abs(seconds)) s \(seconds > 0 ? "ahead of" : "behind") that of \(place)"
    }

    /// The same of one that has given tokens.
    func note(_ place: String) -> String? { words(place).map { "\($0); when tokens end is corrected" } }
}
