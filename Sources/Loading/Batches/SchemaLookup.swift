import Logging
import Schemas

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Finds schemas for whoever builds rows, and waits on its thread for a registry that is away: what it is needed for is neither
/// lost nor called bad.
///
/// Belongs to one thread.
package final class SchemaLookup {
    /// Who tells of an outage.
    package struct Teller {
        var statistics: LoadingStatistics
        var logger: Logger
        /// For whom the registry is away.
        var party: String
        /// Told when it is, and when it is no more.
        var isAway: (Bool) -> Void

        package init(
            _ statistics: LoadingStatistics, _ logger: Logger, party: String,
            isAway: @escaping (Bool) -> Void = { _ in }
        ) {
            self.statistics = statistics
            self.logger = logger
            self.party = party
            self.isAway = isAway
        }
    }

    private let resolver: SchemaResolver?
    private let teller: Teller?
    private let patience: Duration?
    private var failingSince: ContinuousClock.Instant?
    /// What has been away for longer than that.
    private(set) var hopeless: OutageNotice?
    private var backoff = Backoff()
    private var isAway = false
    private var told: RegistryFailure.Code?

    /// - Parameter patience: how long a registry may be away before its schemas are given up; nil: for ever.
    package init(_ schemas: SchemaSource?, _ teller: Teller? = nil, patience: Duration?) {
        self.patience = patience
        resolver = schemas.map { SchemaResolver($0) }
        self.teller = teller
    }

    /// - Returns: nil if it was given up.
    func find(_ id: SchemaID, _ isGivenUp: () -> Bool) -> SchemaResolver.Found? {
        guard let resolver else { return SchemaResolver.Found.none("of which nobody can be asked") }
        let isHopeless = { [self] in
            guard let patience, let failingSince else { return false }
            return ContinuousClock.now - failingSince > patience
        }
        return withoutActuallyEscaping(isGivenUp) { asked in
            let isGivenUp = { asked() || isHopeless() }
            let pause = { (duration: Duration) in Self.pause(duration, isGivenUp) }
            return resolver.find(
                id,
                SchemaResolver.Waiting(
                    isGivenUp: isGivenUp, pause: pause,
                    failed: { [self] failure in
                        begin(failure)
                        pause(backoff.next())
                        if isHopeless() { hopeless = OutageNotice(registry: failure) }
                    }, answered: { [self] in if !isHopeless() { end(answers: !asked()) } }))
        }
    }

    private func begin(_ failure: RegistryFailure) {
        let isNew = told != failure.code
        failingSince = failingSince ?? .now
        (isAway, told) = (true, failure.code)
        guard let teller, isNew else { return }
        teller.isAway(true)
        teller.statistics.outage(.schemaRegistry, for: teller.party, isOver: false)
        teller.statistics.report(
            OutageNotice(registry: failure).incident("its messages wait, and so do those behind them,"),
            to: teller.logger)
    }

    /// - Parameter answers: it does; else nobody waits for it any more.
    private func end(answers: Bool) {
        backoff.reset()
        (failingSince, hopeless) = (nil, nil)
        guard isAway else { return }
        (isAway, told) = (false, nil)
        guard let teller else { return }
        teller.isAway(false)
        teller.statistics.outage(.schemaRegistry, for: teller.party, isOver: true)
        if answers { teller.logger.notice("the schema registry answers again") }
    }

    /// In slices: whoever gives up is heard soon.
    private static func pause(_ duration: Duration, _ isGivenUp: () -> Bool) {
        let end = ContinuousClock.now + duration
        while !isGivenUp() {
            let left = end - .now
            guard left > .zero else { return }
            let (seconds, attoseconds) = min(left, .milliseconds(50)).components
            var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
            nanosleep(&time, nil)
        }
    }
}
