import Foundation

/// How it stood lately, for curves: a look a second at first, and fewer as it gets longer, up to an hour.
public struct History: Sendable, Equatable {
    /// How it stood at one moment.
    public struct Sample: Sendable, Equatable {
        public var time: Date
        public var messages: Int
        public var deadLetters: Int
        public var lag: Int64

        public init(time: Date, messages: Int, deadLetters: Int = 0, lag: Int64) {
            self.time = time
            self.messages = messages
            self.deadLetters = deadLetters
            self.lag = lag
        }
    }

    /// The newest last.
    public private(set) var samples: [Sample] = []
    /// Seconds from one to the next, at least.
    private var spacing = 1.0

    static let capacity = 240
    /// With the capacity, a little more than an hour.
    static let longestSpacing = 16.0

    public init() {}

    mutating func add(_ sample: Sample) {
        // A clock that was set back: what it has shown since is no curve.
        while let last = samples.last, last.time > sample.time { samples.removeLast() }
        // The loop turns when it turns, give or take a little.
        if let last = samples.last, sample.time.timeIntervalSince(last.time) < spacing * 0.9 { return }
        if samples.count == Self.capacity {
            if spacing < Self.longestSpacing {
                spacing *= 2
                samples = samples.indices.filter { $0 % 2 == 0 }.map { samples[$0] }
            } else {
                samples.removeFirst()
            }
        }
        samples.append(sample)
    }

    /// The last one that is at least so old; nil if there is none.
    func sample(before time: Date) -> Sample? { samples.last { $0.time <= time } }
}
