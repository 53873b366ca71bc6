import Foundation
import Loading

/// What the loader is doing, taken at one moment for probes, metrics and the status page.
struct ServiceStatus: Sendable {
    /// How it is, in the order in which it matters.
    enum Condition: Sendable, Equatable {
        /// The loops do not turn.
        case stuck
        case stopping(String)
        case waiting([LoadingStatistics.Outage], since: Date)
        /// Other sessions hold locks that this one needs; nothing is away.
        case locked([LockedPlace])
        case starting
        /// The group has more members than partitions, or is about to give some.
        case standby
        case catchingUp(Pace.CatchUp)
        /// A part is not loaded for a reason of its own.
        case partly([Standstill])
        /// Something is there to load, nothing is away, and yet nothing moves.
        case stalled(seconds: Int)
        case well
    }

    /// Nothing moves for longer than any batch should take.
    static let patience = Duration.seconds(60)

    /// How many standstills are named.
    private static let named = 20

    /// Whether the loops turn. A loader that waits for its database is alive.
    let isLive: Bool
    /// Why it does not load now, in words without values; empty: assigned, database reachable, ledger current.
    let obstacles: [String]
    let condition: Condition
    let snapshot: LoadingStatistics.Snapshot
    let time: Date
    let facts: ServiceFacts

    var isReady: Bool { isLive && obstacles.isEmpty }

    /// The part of the last ten minutes' messages that are dead letters, 0…1.
    var badShare: Double {
        let lately = snapshot.lately(at: time)
        return lately.deadLetters == 0 ? 0 : min(1, Double(lately.deadLetters) / Double(max(1, lately.messages)))
    }

    /// From this share of dead letters on a loader is not well.
    static let bearableShare = 0.001

    /// - Parameter maxPollInterval: past that the group has thrown the loader out anyway, and nothing that it waits for
    ///   inside of one turn of its loop takes so long.
    init(
        _ snapshot: LoadingStatistics.Snapshot, facts: ServiceFacts = ServiceFacts(),
        maxPollInterval: Duration = .seconds(300),
        at now: ContinuousClock.Instant = .now, time: Date = Date()
    ) {
        self.snapshot = snapshot
        self.time = time
        self.facts = facts
        // Before the first turn it is starting, which is life enough.
        isLive = snapshot.lastTurn.map { now - $0 < maxPollInterval } ?? true
        var obstacles = LoadingStatistics.Outage.allCases.filter(snapshot.outages.contains).map(\.obstacle)
        obstacles += snapshot.lockedPlaces.map { "waiting for a lock on \($0.place), held by \($0.holder)" }
        obstacles += snapshot.standstills.prefix(Self.named).map(\.obstacle)
        if snapshot.standstills.count > Self.named {
            obstacles.append("and \(snapshot.standstills.count - Self.named) more")
        }
        if !snapshot.isAssigned { obstacles.append("the group has not assigned partitions yet") }
        if case .stopping(let reason) = snapshot.phase { obstacles.append("it is stopping: \(reason)") }
        self.obstacles = obstacles
        condition = Self.condition(snapshot, isLive: isLive, at: now)
    }

    private static func condition(
        _ snapshot: LoadingStatistics.Snapshot, isLive: Bool, at now: ContinuousClock.Instant
    ) -> Condition {
        guard isLive else { return .stuck }
        if case .stopping(let reason) = snapshot.phase { return .stopping(reason) }
        if let since = snapshot.outagesSince.values.min() {
            return .waiting(LoadingStatistics.Outage.allCases.filter(snapshot.outages.contains), since: since)
        }
        if !snapshot.lockWaits.isEmpty { return .locked(snapshot.lockedPlaces) }
        if !snapshot.standstills.isEmpty { return .partly(snapshot.standstills) }
        guard snapshot.isAssigned else { return .starting }
        guard !snapshot.partitions.isEmpty else { return .standby }
        if snapshot.lag > 0, let moved = snapshot.pace.lastMoved, now - moved >= patience {
            return .stalled(seconds: Int((now - moved).inSeconds))
        }
        return snapshot.pace.catchUp.map { .catchingUp($0) } ?? .well
    }
}

extension LoadingStatistics.Snapshot {
    /// Each once, though several writers may wait for it; the oldest first.
    var lockedPlaces: [LockedPlace] {
        var places: [LockedPlace] = []
        for place in lockWaits.values.sorted(by: { ($0.since, $0.place) < ($1.since, $1.place) })
        where !places.contains(where: { $0.place == place.place && $0.mend == place.mend }) {
            places.append(place)
        }
        return places
    }
}

extension Standstill {
    /// In words, without values.
    var obstacle: String {
        switch reason {
        case .unreadable: "\(place) stands still: what its broker sends cannot be read (\(code))"
        case .refused: "\(place) is refused by the brokers (\(code))"
        case .missing: "\(place) is not there (\(code))"
        case .group: "the group \(place) refuses this member or its commits (\(code))"
        }
    }
}

extension LoadingStatistics.Outage {
    /// What is away, in words.
    var name: String {
        switch self {
        case .database: "the database"
        case .brokers: "the brokers"
        case .deadLetterTopic: "the dead letters' topic"
        case .schemaRegistry: "the schema registry"
        case .tokens: "whoever gives tokens for the brokers"
        }
    }

    fileprivate var obstacle: String {
        switch self {
        case .database: "the database is away"
        case .brokers: "the brokers are away"
        case .deadLetterTopic: "the dead letters' topic takes nothing"
        case .schemaRegistry: "the schema registry is away"
        case .tokens: "there is no token for the brokers"
        }
    }
}
