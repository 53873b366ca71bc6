/// How fast the loader is and, while it is behind, how far it has got. Fed with a look now and then; holds no clock.
public struct Pace: Sendable, Equatable {
    /// A way back to the end of the partitions.
    public struct CatchUp: Sendable, Equatable {
        /// Of what there was to load when it fell behind, and what has come since: 0 to below 1.
        public var share: Double
        /// At the present rate; nil while nothing moves.
        public var secondsLeft: Double?

        public init(share: Double, secondsLeft: Double?) {
            self.share = share
            self.secondsLeft = secondsLeft
        }
    }

    /// Messages committed a second, over the last ten seconds.
    public private(set) var messagesPerSecond = 0.0
    /// Nil while the loader keeps up.
    public private(set) var catchUp: CatchUp?
    /// When something was loaded last, or there was nothing to load.
    public private(set) var lastMoved: ContinuousClock.Instant?

    private struct Look: Equatable {
        var time: ContinuousClock.Instant
        var messages: Int
        var offsets: Int64
    }

    private var looks: [Look] = []
    private var lastOffsets: Int64 = 0
    private var behindSince: ContinuousClock.Instant?
    /// Where the positions were, all together, when it fell behind.
    private var offsetsBefore: Int64?
    private var hasKnownLag = false

    public init() {}

    private static let window = Duration.seconds(10)
    private static let spacing = Duration.milliseconds(250)
    /// Who needs no longer than this, and the time that batches may wait anyway, keeps up.
    private static let patience = Duration.seconds(10)

    /// - Parameters:
    ///   - messages: committed since the process began.
    ///   - offsets: how far all positions have moved since then. More than messages where control records and compaction
    ///     have left gaps, which is why the way left is measured in these.
    ///   - lag: offsets left; nil while it is not known.
    ///   - maxDelay: how long a message may wait for its batch to fill.
    public mutating func look(
        messages: Int, offsets: Int64, lag: Int64?, maxDelay: Duration, at now: ContinuousClock.Instant
    ) {
        if lastMoved == nil || lag == 0 || offsets != lastOffsets { lastMoved = now }
        lastOffsets = offsets
        if looks.last.map({ now - $0.time >= Self.spacing }) ?? true {
            looks.append(Look(time: now, messages: messages, offsets: offsets))
        }
        // One look before the window stays, or a slow loader would have no rate.
        while looks.count > 2, now - looks[1].time >= Self.window { looks.removeFirst() }
        let elapsed = (now - looks[0].time).inSeconds
        messagesPerSecond = elapsed > 0 ? Double(messages - looks[0].messages) / elapsed : 0
        guard let lag else { return }
        // A backlog that is there at the start is one at once; later a lag may pass by itself.
        let since = behindSince ?? (hasKnownLag ? now : now - Self.patience)
        hasKnownLag = true
        guard lag > 0 else {
            (behindSince, offsetsBefore, catchUp) = (nil, nil, nil)
            return
        }
        behindSince = since
        let offsetsPerSecond = elapsed > 0 ? Double(offsets - looks[0].offsets) / elapsed : 0
        let secondsLeft = offsetsPerSecond > 0 ? Double(lag) / offsetsPerSecond : nil
        if offsetsBefore == nil {
            let isBehind =
                now - since >= Self.patience && (secondsLeft ?? .infinity) > (Self.patience + maxDelay * 2).inSeconds
            guard isBehind else { return }
            offsetsBefore = offsets
        } else if let secondsLeft, secondsLeft < (Duration.seconds(1) + maxDelay).inSeconds, elapsed >= 1 {
            (offsetsBefore, catchUp) = (nil, nil)
            return
        }
        let done = Double(offsets - (offsetsBefore ?? offsets))
        // All of it is claimed only when it is true.
        catchUp = CatchUp(share: min(done / (done + Double(lag)), 0.999), secondsLeft: secondsLeft)
    }
}
