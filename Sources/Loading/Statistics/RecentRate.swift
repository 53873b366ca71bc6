/// How many a second, over the last ten seconds. Fed with a look now and then; holds no clock.
public struct RecentRate: Sendable, Equatable {
    private struct Look: Equatable {
        var time: ContinuousClock.Instant
        var count: Int
    }

    public private(set) var perSecond = 0.0
    private var looks: [Look] = []

    private static let window = Duration.seconds(10)

    public init() {}

    mutating func look(_ count: Int, at now: ContinuousClock.Instant) {
        looks.append(Look(time: now, count: count))
        // One look before the window stays, or what is slow would have no rate.
        while looks.count > 2, now - looks[1].time >= Self.window { looks.removeFirst() }
        let elapsed = (now - looks[0].time).inSeconds
        perSecond = elapsed > 0 ? Double(count - looks[0].count) / elapsed : 0
    }
}
