import Synchronization

/// The gates of all routes that are throttled, for the writers of one loader together.
final class RouteThrottles: Sendable {
    /// By route; nil for one that is not throttled.
    private let gates: Mutex<[ThrottleGate?]>
    private let routes: [Route]
    private let statistics: LoadingStatistics
    let isEmpty: Bool

    init(_ routes: [Route], _ statistics: LoadingStatistics) {
        self.routes = routes
        self.statistics = statistics
        isEmpty = routes.allSatisfy { $0.throttle == nil }
        gates = Mutex(routes.map { $0.throttle.map { ThrottleGate($0) } })
    }

    /// How long a batch is to wait: as long as the slowest of its routes asks.
    func wait(for batch: Batch, at now: ContinuousClock.Instant) -> Duration {
        guard !isEmpty else { return .zero }
        var messages = Array(repeating: 0, count: batch.partitions.count)
        for message in batch.messages { messages[Int(message.partition)] += 1 }
        var counts = Array(repeating: 0, count: routes.count)
        for (range, count) in zip(batch.partitions, messages) {
            for route in routes.indices
            where routes[route].throttle != nil
                && routes[route].topics.contains(where: { $0.matches(range.partition.topic) })
            {
                counts[route] += count
            }
        }
        let waits = gates.withLock { gates in
            counts.indices.map { counts[$0] > 0 ? gates[$0]?.pass(counts[$0], at: now) ?? .zero : .zero }
        }
        for route in routes.indices where counts[route] > 0 { note(route, isWaiting: waits[route] > .zero) }
        return waits.max() ?? .zero
    }

    private func note(_ route: Int, isWaiting: Bool) {
        guard let throttle = routes[route].throttle else { return }
        if isWaiting {
            let rate = throttle.messagesPerSecond
            let text = rate >= 1 ? "\(Int(rate)) messages a second" : "\(Int((rate * 60).rounded())) messages a minute"
            statistics.note(
                RouteNote("throttled", "more has come than the route may load, \(text)", level: .info), ofRoute: route)
        } else {
            statistics.endNote("throttled", ofRoute: route)
        }
    }
}
