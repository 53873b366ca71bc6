import Foundation
import Postgres
import Synchronization
import TestSupport

/// Watches from a thread of its own for how long the ledger of a group does not move.
final class LoadingGaps: Sendable {
    private struct State {
        var isStopped = false
        var longest = 0.0
    }

    private let state = Mutex(State())

    init(_ landing: Landing) throws {
        let url = landing.schema.url
        let thread = Thread { [self] in
            var connection: Connection?
            var last = -1
            var since = ContinuousClock.now
            while !state.withLock({ $0.isStopped }) {
                do {
                    let open = try connection ?? Connection(ConnectionOptions(url: url))
                    connection = open
                    let count = try landing.loadedCount(on: open)
                    if count != last {
                        // What comes before the first batch is the start, not a gap.
                        if last > 0 {
                            let gap = since.age
                            state.withLock { $0.longest = max($0.longest, gap) }
                        }
                        last = count
                        since = .now
                    }
                } catch {
                    connection = nil  // Restarted; it is there again soon.
                }
                usleep(50_000)
            }
        }
        thread.name = "gaps"
        thread.start()
    }

    /// - Returns: the longest gap, in seconds.
    func stop() -> [Double] {
        state.withLock { state in
            state.isStopped = true
            return [state.longest]
        }
    }
}
