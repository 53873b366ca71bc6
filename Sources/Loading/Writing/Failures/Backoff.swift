/// How long to wait before the next try: doubling from 100 ms to 10 s, with jitter so that a fleet does not come back
/// all at once.
public struct Backoff: Sendable {
    public static let first: Duration = .milliseconds(100)
    public static let longest: Duration = .seconds(10)

    /// Waits that were asked for since the last success.
    public private(set) var attempts = 0

    public init() {}

    /// The next wait.
    ///
    /// - Parameter random: 0…1; where in the upper half of the interval the wait falls.
    public mutating func next(random: Double = .random(in: 0...1)) -> Duration {
        let ceiling = min(Self.first * Double(1 << min(attempts, 20)), Self.longest)
        attempts += 1
        return ceiling * (0.5 + random / 2)
    }

    public mutating func reset() { attempts = 0 }
}
