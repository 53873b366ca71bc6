import Foundation
import Loading
import Logging

/// Ends a process whose consumer's thread stands still in a call that does not come back.
///
/// The group has given its partitions to others by then, and nothing that the thread waits for is worth that. Where a
/// probe asks for `/livez` the platform ends such a process; where none does it would be there, and silent, for ever.
final class Watchdog {
    /// What the thread's turns look like, from look to look. A process that was stopped in between has had no time to turn, so
    /// looks are counted and not hours.
    struct Looks {
        enum Finding: Equatable {
            case turns
            /// It has stood still for a fifth of what it may. Said once.
            case standsStill(Duration)
            case isStuck
        }

        /// How long a thread may stand still.
        let patience: Duration
        /// Nothing yet, or what the last look has found.
        private var last: ContinuousClock.Instant??
        private var stillness = 0

        init(patience: Duration) { self.patience = patience }

        /// From one look to the next.
        var interval: Duration { patience / 60 }

        /// - Parameter turn: when the thread has turned last; nil: it is still at what comes before its first turn.
        mutating func look(at turn: ContinuousClock.Instant?) -> Finding {
            guard last == .some(turn) else {
                (last, stillness) = (.some(turn), 0)
                return .turns
            }
            stillness += 1
            if stillness >= 60 { return .isStuck }
            return stillness == 12 ? .standsStill(interval * 12) : .turns
        }
    }

    private let thread: Thread

    /// - Parameter patience: `max.poll.interval.ms`, or what a stop may take if that is longer; `least` at least.
    init(_ statistics: LoadingStatistics, patience: Duration, _ logger: Logger) {
        thread = Thread {
            var looks = Looks(patience: patience)
            while !Thread.current.isCancelled {
                Thread.sleep(forTimeInterval: looks.interval / .seconds(1))
                guard !Thread.current.isCancelled else { return }
                switch looks.look(at: statistics.snapshot.lastTurn) {
                case .turns: break
                case .standsStill(let duration):
                    Self.aside { Self.report(.standsStill(duration), duration, statistics, logger) }
                case .isStuck:
                    // No farewell: whatever it would ask of that thread would not come back either.
                    Self.aside { Self.report(.isStuck, patience, statistics, logger) }
                    _exit(ExitStatus.internal.rawValue)
                }
            }
        }
        thread.name = "watchdog"
        thread.start()
    }

    private static func report(
        _ finding: Looks.Finding, _ duration: Duration, _ statistics: LoadingStatistics, _ logger: Logger
    ) {
        let what = "the consumer's thread has not come back for \(Int(duration / .seconds(1))) s"
        let isLast = finding == .isStuck
        statistics.report(
            Incident(
                isLast ? .critical : .error,
                what + (isLast ? ", and the group has given its partitions to others: this process ends" : ""),
                code: "stuck", mend: isLast ? .fault : .stuck(pid: getpid())), to: logger)
    }

    /// Says something on a thread of its own, which is not waited for long: where the consumer's
    /// stands still because nobody reads the log, this one would, too.
    private static func aside(_ say: @escaping @Sendable () -> Void) {
        let said = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            say()
            said.signal()
        }
        _ = said.wait(timeout: .now() + 5)
    }

    /// A loop that has nothing to do sleeps for five seconds, and a starved host makes more of them.
    static let least = Duration.seconds(60)

    func end() { thread.cancel() }
}
