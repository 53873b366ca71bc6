import Kafka
import Logging
import Postgres

/// Asks ledger, group and brokers where partitions begin, and says what came of it, or what is in the way.
struct PositionFinder {
    private let options: LoadingOptions
    private let tables: RoutedTables
    private let stop: StopRequest
    private let logger: Logger
    private let statistics: LoadingStatistics
    private let ledger: Ledger?
    private let locks: LockWatch

    init(
        _ options: LoadingOptions, tables: RoutedTables, statistics: LoadingStatistics, stop: StopRequest,
        logger: Logger
    ) {
        self.options = options
        self.tables = tables
        self.stop = stop
        self.logger = logger
        self.statistics = statistics
        ledger = options.delivery == .exactlyOnce ? Ledger(group: options.group) : nil
        locks = LockWatch("positions", options, statistics, logger) { stop.isRequested }
    }

    func find(_ wanted: Member.Wanted, with consumer: Consumer) -> Member.Event {
        do {
            let places = try settle(wanted, consumer)
            locks.end()
            return .found(places)
        } catch {
            let postgres = error as? PostgresError
            if postgres?.sqlState != .lockNotAvailable { locks.end() }
            return .notFound(Self.obstacle(error, isToldLock: locks.isWaiting))
        }
    }

    private func settle(_ wanted: Member.Wanted, _ consumer: Consumer) throws -> Member.Places {
        guard let ledger else {
            let (starts, watermarks) = try StartSettling.withoutLedger(
                wanted.partitions, options: options, consumer: consumer)
            return places(wanted, starts, watermarks)
        }
        let starts = StartSettling(
            ledger: ledger, options: options, consumer: consumer, targets: tables.current.targets, logger: logger,
            subscriptions: options.routes.flatMap(\.topics), isBeginning: wanted.isBeginning,
            strangers: wanted.strangers, reached: wanted.reached, locks: locks,
            isStopping: { [stop] in stop.isRequested })
        let settled = try starts.settle(wanted.partitions)
        if settled.resets > 0 { statistics.update { $0.positionResets += settled.resets } }
        var found = places(wanted, settled.offsets, settled.watermarks)
        found.mark = settled.mark.metadata
        for index in found.places.indices {
            found.places[index].last = settled.last[found.places[index].partition]
            found.places[index].proven = settled.proven[found.places[index].partition]
            found.places[index].detour = settled.detours[found.places[index].partition]
        }
        return found
    }

    private func places(
        _ wanted: Member.Wanted, _ starts: [TopicPartition: Int64], _ watermarks: [TopicPartition: Watermarks]
    ) -> Member.Places {
        Member.Places(
            places: wanted.partitions.map { partition in
                let marks = watermarks[partition] ?? Watermarks(low: 0, high: 0)
                return Member.Places.Place(
                    partition: partition, start: starts[partition] ?? marks.low, end: marks.high)
            })
    }

    /// What an error means for whoever wants to begin.
    static func obstacle(_ error: any Error, isToldLock: Bool = false) -> Member.Obstacle {
        switch error {
        case let error as LoadingError: return .failure(error)
        case let error as KafkaError where error.isFatal: return .failure(.fatal(error))
        case is StartSettling.Stopped: return .stopped
        case let error as PostgresError where FailureClass(error) == .setup: return .failure(.ledger(error))
        case let error as PostgresError:
            return .passing(
                Member.PassingObstacle(
                    code: error.sqlState?.rawValue, error: "\(error)", mend: OutageNotice(error).mend,
                    isDatabaseAway: FailureClass(error) == .away,
                    isToldLock: isToldLock && error.sqlState == .lockNotAvailable))
        default:
            return .passing(
                Member.PassingObstacle(
                    code: (error as? KafkaError)?.code.name, error: "\(error)",
                    mend: .group(.positions((error as? KafkaError)?.code))))
        }
    }
}

extension LoadingError {
    fileprivate static func ledger(_ error: PostgresError) -> LoadingError {
        LoadingError(
            .database, "the ledger cannot be read or written: \(error)", mend: .database(.ledger(error.sqlState)))
    }
}
