/// How many messages of a route one loader takes at most, to spare its database.
public struct Throttle: Sendable, Hashable {
    /// More than 0.
    public var messagesPerSecond: Double

    public init(messagesPerSecond: Double) { self.messagesPerSecond = messagesPerSecond }

    /// How large a batch may be, so that none is held back for longer than a second, or than one message takes.
    var mostRows: Int { max(1, Int(min(messagesPerSecond, 1e9))) }
}

/// When the next messages of a route may go. Pure: whoever asks has the clock.
struct ThrottleGate {
    private let throttle: Throttle
    /// What went before is paid for then.
    private var free: ContinuousClock.Instant?

    init(_ throttle: Throttle) { self.throttle = throttle }

    /// Lets messages go, once a time has passed that those before have taken. Time in which nothing came is not made up for.
    ///
    /// - Returns: how long to wait; not positive: not at all.
    mutating func pass(_ messages: Int, at now: ContinuousClock.Instant) -> Duration {
        let start = max(free ?? now, now)
        free = start + .seconds(Double(messages) / throttle.messagesPerSecond)
        return start - now
    }
}
