/// When a client of which no broker answers is told again where it began: soon, and then ever more seldom, for librdkafka keeps all
/// that it is told.
///
/// From 2.10 on it lets go of the brokers of `bootstrap.servers` for those that they name, and goes back to them when it has counted
/// all of those as down. It misses that where the last of them goes while another is still being let go of, and then it asks no
/// other for as long as it lives, whoever is there by then (seen with 2.16).
struct BrokerReminder {
    private var due: ContinuousClock.Instant?
    private var pause = Self.first

    static let first = Duration.seconds(5)
    static let longest = Duration.seconds(60)

    /// - Returns: whether it is told now.
    mutating func isDue(at now: ContinuousClock.Instant) -> Bool {
        guard let due else {
            // Whoever restarts at once is found without.
            self.due = now + pause
            return false
        }
        guard now >= due else { return false }
        pause = min(pause * 2, Self.longest)
        self.due = now + pause
        return true
    }

    /// A broker answers, or nobody asks.
    mutating func rest() { self = BrokerReminder() }
}
