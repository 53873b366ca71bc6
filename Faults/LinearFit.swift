/// A straight line through samples by least squares.
struct LinearFit {
    /// Per unit of x.
    let slope: Double
    /// The standard error of the slope, as if the samples did not depend on each other.
    let standardError: Double

    /// Nil for fewer than three samples, or when all have the same x.
    init?(_ samples: [(x: Double, y: Double)]) {
        guard samples.count > 2 else { return nil }
        let count = Double(samples.count)
        let meanX = samples.reduce(0) { $0 + $1.x } / count
        let meanY = samples.reduce(0) { $0 + $1.y } / count
        let spread = samples.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
        guard spread > 0 else { return nil }
        let slope = samples.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) } / spread
        let residuals = samples.reduce(0) { sum, sample in
            let residual = sample.y - meanY - slope * (sample.x - meanX)
            return sum + residual * residual
        }
        self.slope = slope
        standardError = (residuals / (count - 2) / spread).squareRoot()
    }
}
