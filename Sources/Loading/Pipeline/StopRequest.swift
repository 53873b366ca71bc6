import Kafka
import Synchronization

/// Asks the pipeline to finish: what was taken is loaded and committed, then the group is left. Safe from any thread.
public final class StopRequest: Sendable {
    let wakeup: Wakeup
    private let flag = Atomic<Bool>(false)

    /// - Throws: when the process has no file descriptor left.
    public init() throws(KafkaError) { wakeup = try Wakeup() }

    public func request() {
        flag.store(true, ordering: .releasing)
        wakeup.ring()
    }

    /// Sleeps for a while, or until a stop is requested.
    public func wait(for timeout: Duration) {
        guard !isRequested else { return }
        wakeup.wait(for: timeout)
    }

    public var isRequested: Bool { flag.load(ordering: .acquiring) }
}
