/// The slope of samples after Theil and Sen: the median of the slopes between any two of them. An outage's backlog, which
/// makes the memory rise and fall again, does not bend it as it bends a line by least squares.
struct MedianSlope {
    /// Per unit of x.
    let slope: Double
    /// The quartiles of the slopes between two samples.
    let quartiles: (lower: Double, upper: Double)

    /// Nil when no two samples have a different x.
    init?(_ samples: [(x: Double, y: Double)]) {
        var slopes: [Double] = []
        for (index, one) in samples.enumerated() {
            for other in samples[(index + 1)...] where other.x != one.x {
                slopes.append((other.y - one.y) / (other.x - one.x))
            }
        }
        guard !slopes.isEmpty else { return nil }
        slopes.sort()
        slope = slopes[slopes.count / 2]
        quartiles = (slopes[slopes.count / 4], slopes[slopes.count * 3 / 4])
    }
}
