/// Observations counted by size, for Prometheus.
public struct Histogram: Sendable, Equatable {
    /// The buckets' upper bounds, inclusive and ascending.
    public let bounds: [Double]
    /// What fell into each bucket and into none before it; the last is what exceeds every bound.
    public private(set) var counts: [Int]
    public private(set) var sum = 0.0

    /// - Parameter bounds: ascending.
    public init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    public var count: Int { counts.reduce(0, +) }

    public mutating func observe(_ value: Double) {
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }

    /// From a commit on a fast disk to a statement at its timeout.
    public static let seconds = Histogram(
        bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120])
    /// From a lonely message to the largest sensible `batch.max_rows`.
    public static let messages = Histogram(
        bounds: [1, 10, 100, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000])
}
