import Foundation
import Synchronization
import Web

/// AWS's time, as far as its answers have told it. What is signed with a clock that is minutes off is refused.
public final class AWSClock: Sendable {
    private let offset = Mutex<TimeInterval>(0)
    private let time: @Sendable () -> Date

    /// What an answer's way and its whole seconds may make of two clocks that agree.
    private static let tolerance: TimeInterval = 30
    private static let wavering: TimeInterval = 5

    public init(local: @escaping @Sendable () -> Date = { Date() }) { time = local }

    /// This machine's.
    public var local: Date { time() }

    /// AWS's, with which is signed.
    public var now: Date { time().addingTimeInterval(skew) }

    /// By how many seconds this machine's clock is behind AWS's; below zero before it. Zero, where the two agree, or nobody has
    /// asked AWS yet.
    public var skew: TimeInterval { offset.withLock { $0 } }

    /// Takes the time from an answer of AWS's.
    ///
    /// - Parameter asked: when it was asked, by this machine's clock.
    package func learn(from answer: HTTPAnswer, asked: Date) {
        guard let text = answer.headers["date"], let told = TokenExchange.date(text) else { return }
        let way = max(0, local.timeIntervalSince(asked))
        let found = told.timeIntervalSince(asked.addingTimeInterval(way / 2))
        offset.withLock { offset in
            guard abs(found) > Self.tolerance else {
                offset = 0
                return
            }
            // What is told of it must not change with each answer's way.
            if abs(found - offset) > Self.wavering { offset = found.rounded() }
        }
    }
}
