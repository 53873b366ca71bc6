/// How long those may take whom a start asks one after the other, so that it says within 15 s why no broker lets it in. Where they do,
/// and each of the questions behind that is slow as well, it takes longer.
struct StartDeadline {
    private let end: ContinuousClock.Instant

    private static let patience = Duration.seconds(13)
    /// What each gets, however long those before have taken.
    private static let least = Duration.milliseconds(1500)

    init(from beginning: ContinuousClock.Instant = .now) { end = beginning + Self.patience }

    /// What there is for the next one.
    ///
    /// - Parameters:
    ///   - most: that it may take.
    ///   - rest: for those who come behind it.
    func share(
        _ most: Duration, sparing rest: Duration = .zero, at now: ContinuousClock.Instant = .now
    ) -> Duration { min(most, max(Self.least, end - now - rest)) }
}
