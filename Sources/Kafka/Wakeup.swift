#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What the consumer's thread sleeps on: librdkafka's queues, the writers and the signals all ring it.
///
/// A pipe, because it is the one thing that librdkafka can signal, a signal handler may touch, and a thread can wait
/// for with a deadline. A ring that comes before the wait is kept, so none is missed.
public final class Wakeup: Sendable {
    let readEnd: Int32
    let writeEnd: Int32

    /// - Throws: when the process has no file descriptor left.
    public init() throws(KafkaError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw KafkaError(
                code: .systemResource, operation: "pipe", reason: "no file descriptor left; raise `ulimit -n`")
        }
        readEnd = ends[0]
        writeEnd = ends[1]
        for end in ends {
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    /// Ends the wait of the consumer's thread, now or when it next begins. Safe from any thread and any signal handler.
    public func ring() {
        var byte: UInt8 = 1
        // A full pipe has rung already.
        _ = write(writeEnd, &byte, 1)
    }

    /// Sleeps until somebody rings, or for `timeout`.
    public func wait(for timeout: Duration) {
        let (seconds, attoseconds) = timeout.components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        // A wait of less than a millisecond must not become a loop that never sleeps.
        var descriptor = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, Int32(clamping: max(milliseconds, timeout > .zero ? 1 : 0))) > 0 else { return }
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { scratch in
            while read(readEnd, scratch.baseAddress, scratch.count) == scratch.count {}
        }
    }
}
