#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A lock, and a place to wait for what others change under it, until a moment that no clock can move.
///
/// `NSCondition` waits until a date: somebody who sets the host's clock back an hour would make it sleep an hour longer.
public final class MonotonicCondition: @unchecked Sendable {
    // Unchecked: both are made for use by several threads; they stay at their addresses until `deinit`.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    public init() {
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        #if canImport(Darwin)
            pthread_cond_init(condition, nil)
        #else
            var attributes = pthread_condattr_t()
            pthread_condattr_init(&attributes)
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
            pthread_cond_init(condition, &attributes)
            pthread_condattr_destroy(&attributes)
        #endif
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    public func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    /// Wakes everybody who waits. Whoever changes what is waited for does it under the lock.
    public func broadcast() { pthread_cond_broadcast(condition) }

    /// Gives the lock away until somebody wakes it; only under the lock. It may wake for nothing: ask again.
    public func wait() { pthread_cond_wait(condition, mutex) }

    /// The same, but not beyond a moment.
    ///
    /// - Returns: false once the moment has come.
    public func wait(until deadline: ContinuousClock.Instant) -> Bool {
        let left = deadline - .now
        guard left > .zero else { return false }
        // So that no distance overflows; who waits for longer wakes and waits again.
        let (seconds, attoseconds) = min(left, .seconds(86_400)).components
        // A rest below a nanosecond must not become a wait that ends too early, again and again.
        let nanoseconds = Int(attoseconds / 1_000_000_000) + 1
        #if canImport(Darwin)
            var rest = timespec(tv_sec: Int(seconds), tv_nsec: min(nanoseconds, 999_999_999))
            pthread_cond_timedwait_relative_np(condition, mutex, &rest)
        #else
            var end = timespec()
            clock_gettime(CLOCK_MONOTONIC, &end)
            end.tv_sec += Int(seconds) + (end.tv_nsec + nanoseconds) / 1_000_000_000
            end.tv_nsec = (end.tv_nsec + nanoseconds) % 1_000_000_000
            pthread_cond_timedwait(condition, mutex, &end)
        #endif
        return deadline > .now
    }
}
