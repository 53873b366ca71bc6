import Kafka
import Logging
import Postgres

/// Says what a member has to say: to the log, and where others see it.
struct MemberWords {
    private let statistics: LoadingStatistics
    private let logger: Logger
    private let group: String
    private let mostWaiting: Int

    init(_ options: LoadingOptions, _ statistics: LoadingStatistics, _ logger: Logger) {
        self.statistics = statistics
        self.logger = logger
        group = options.group
        mostWaiting = options.deadLetters.mostWaiting
    }

    private static let unknownPositions = Incident.Cause.named("where to begin is not known")

    private static let groupWaits = Incident.Cause.named("the group waits for others")

    private static func waited(_ time: Duration) -> Logger.Metadata {
        ["waited_seconds": .stringConvertible(Int(time.inSeconds))]
    }

    func tell(_ notice: Member.Notice) {
        switch notice {
        case .given, .asked, .givenBack, .lost, .takenIn, .groupWaits, .groupGives, .commitsTaken, .commitRefused,
            .loading:
            tell(group: notice)
        case .fenced, .dropped, .ledgerElsewhere: tell(batch: notice)
        case .searchFails, .searchBack, .databaseAway: tell(search: notice)
        case .brokersAway, .brokersBack, .cutOff, .cutOffNoMore, .lookingForGroup: tell(brokers: notice)
        case .secretsTaken, .secretsUnfit, .stalled, .stillSuspects, .slow, .passing: tell(client: notice)
        case .questioned, .standstill, .loadedAgain, .topicsFound, .topicFull, .topicTaken: tell(partition: notice)
        }
    }

    private func tell(group notice: Member.Notice) {
        switch notice {
        case .given(let count):
            statistics.update { $0.rebalances += 1 }
            logger.info("the group has given partitions", metadata: ["partitions": .stringConvertible(count)])
        case .givenBack: statistics.update { $0.rebalances += 1 }
        case .asked(let count):
            statistics.update { $0.rebalances += 1 }
            logger.info("the group asks for partitions", metadata: ["partitions": .stringConvertible(count)])
        case .lost(let count):
            statistics.update { $0.rebalances += 1 }
            report(
                Incident(
                    .warning, "the group has taken partitions away",
                    mend: .group(.lost)), ["partitions": .stringConvertible(count)])
        case .takenIn: logger.notice("the group has taken this member in")
        case .groupWaits(let waited):
            report(
                Incident(
                    .notice, "the group gives this member nothing yet: mostly it waits for others of its members",
                    at: group, mend: .group(.waits(group)), until: Self.groupWaits),
                Self.waited(waited))
        case .groupGives(let waited):
            statistics.end(Self.groupWaits)
            logger.notice("the group no longer lets this member wait", metadata: Self.waited(waited))
        case .commitsTaken: logger.notice("the group takes commits again")
        case .commitRefused(let code, let error):
            logger.debug("the group did not take a commit", metadata: ["code": "\(code.name)", "error": "\(error)"])
        case .loading(let partitions, let lag):
            logger.info(
                "loading",
                metadata: ["partitions": .stringConvertible(partitions), "lag": .stringConvertible(lag)])
        default: break
        }
    }

    private func tell(batch notice: Member.Notice) {
        switch notice {
        case .fenced(let ranges, let messages):
            statistics.update { $0.fences += 1 }
            report(
                Incident(
                    .warning,
                    "another member has taken over what this one was loading; the batch is dropped, the position read again",
                    at: Self.names(ranges),
                    mend: .group(.fenced)),
                ["messages": .stringConvertible(messages)])
        case .dropped(let messages):
            report(
                Incident(
                    .warning,
                    "batches were dropped, not committed; their messages are loaded by the member that has the partitions next",
                    mend: .group(.dropped)),
                ["messages": .stringConvertible(messages)])
        case .ledgerElsewhere(let partitions):
            let names = partitions.prefix(8).map { "\($0)" }.joined(separator: ", ")
            report(
                Incident(
                    .warning,
                    "the ledger's positions are others than what this member has left there; they are read again",
                    at: partitions.count > 8 ? names + ", … (\(partitions.count))" : names,
                    mend: .group(.ledgerElsewhere)))
        default: break
        }
    }

    private func tell(search notice: Member.Notice) {
        switch notice {
        case .databaseAway: statistics.outage(.database, for: "positions", isOver: false)
        case .searchFails(let obstacle):
            report(
                Incident(
                    .warning, "where to begin cannot be read yet; it is tried until it can", code: obstacle.code,
                    error: obstacle.error, mend: obstacle.mend, until: Self.unknownPositions))
        case .searchBack(let away):
            statistics.outage(.database, for: "positions", isOver: true)
            statistics.end(Self.unknownPositions)
            logger.notice("back again", metadata: ["away_seconds": .stringConvertible(Int(away.inSeconds))])
        default: break
        }
    }

    private func tell(brokers notice: Member.Notice) {
        switch notice {
        case .brokersAway(let error):
            statistics.outage(.brokers, isOver: false)
            report(OutageNotice(brokers: error).incident("they are tried"))
        case .brokersBack(let away):
            statistics.outage(.brokers, isOver: true)
            logger.notice("the brokers are back", metadata: ["away_seconds": .stringConvertible(Int(away.inSeconds))])
        case .cutOff(let error):
            statistics.outage(.brokers, for: "leaders", isOver: false)
            report(OutageNotice(cutOff: error).incident("they are tried"))
        case .cutOffNoMore:
            statistics.outage(.brokers, for: "leaders", isOver: true)
            logger.notice("the brokers that lead the partitions answer again")
        case .lookingForGroup:
            logger.notice("the group's coordinator does not answer where it was: a new client looks for it")
        default: break
        }
    }

    private func tell(client notice: Member.Notice) {
        switch notice {
        case .secretsTaken:
            logger.info("a password or certificate for the brokers has changed: a new client goes on with it")
        case .secretsUnfit(let error):
            report(
                Incident(
                    .warning,
                    "a changed password or certificate for the brokers cannot be used; the one before goes on",
                    code: error.code.name, error: "\(error)", mend: .group(.secrets)))
        case .stillSuspects(let count):
            logger.debug("partitions stand still", metadata: ["partitions": .stringConvertible(count)])
        case .stalled(let count, let first):
            report(
                Incident(
                    .warning, "the Kafka client no longer fetches partitions that have messages; it is replaced",
                    at: "\(first.partition)@\(first.next)",
                    mend: .group(.replaced)),
                ["partitions": .stringConvertible(count)])
        case .slow(let code, let reason):
            report(
                Incident(
                    .warning, "the group has taken this member for dead: its loop did not turn in max.poll.interval.ms",
                    code: code.name, error: reason, at: group,
                    mend: .group(.slow)))
        case .passing(let code, let reason):
            logger.debug("from librdkafka", metadata: ["code": "\(code.name)", "error": "\(reason)"])
        default: break
        }
    }

    private func tell(partition notice: Member.Notice) {
        switch notice {
        case .questioned(let code, let partition, let next):
            report(
                Incident(
                    .warning, "the position is questioned by the broker", code: code.name, at: "\(partition)@\(next)",
                    mend: .group(.compares)))
        case .standstill(let standstill, let code, let reason, let partition):
            report(
                Incident(
                    .error, standstill.summary(isPartition: partition != nil), code: code.name, error: reason,
                    at: standstill.place, mend: .group(.standstill(standstill.reason, code, partition)),
                    until: .standstill(standstill.subject)))
        case .loadedAgain(let partition):
            logger.notice("a partition is loaded again", metadata: ["at": "\(partition)"])
        case .topicsFound(let topics):
            logger.notice("topics are there now", metadata: ["topics": "\(topics.joined(separator: ", "))"])
        case .topicFull(let topic):
            report(
                Incident(
                    .warning,
                    "so many rows wait for the rows they refer to that no more of their topic is taken for now",
                    code: SQLState.foreignKeyViolation.rawValue, at: topic,
                    mend: .letters(.topicFull)),
                ["most": .stringConvertible(mostWaiting)])
        case .topicTaken(let topic):
            logger.notice("a topic whose rows waited is taken again", metadata: ["at": "\(topic)"])
        default: break
        }
    }

    private func report(_ incident: Incident, _ metadata: Logger.Metadata = [:]) {
        statistics.report(incident, to: logger, metadata)
    }

    private static func names(_ ranges: [Batch.PartitionRange]) -> String {
        let names = ranges.prefix(8).map { "\($0.partition)@\($0.expected)" }.joined(separator: ", ")
        return ranges.count > 8 ? names + ", … (\(ranges.count))" : names
    }
}

extension LoadingError {
    /// The client can do no more.
    static func fatal(_ error: KafkaError) -> LoadingError {
        LoadingError(
            .kafka, "the Kafka client met a fatal error: \(error)",
            mend: .group(error.code == .fencedInstance ? .instance : .startAgain))
    }

    static func noPositionInTime(_ error: String) -> LoadingError {
        LoadingError(
            .unavailable, "where to begin could not be read for longer than an outage may last: \(error)",
            mend: .database(.beginningTooLong))
    }

    static func refusedByGroup(_ group: String, _ code: KafkaErrorCode, _ reason: String) -> LoadingError {
        LoadingError(
            .kafka, "the group \(group) refuses this member: \(reason) (\(code.name))",
            mend: .group(.standstill(.group, code, nil)))
    }

    static func clientDoesNotLeave(_ why: Member.Flush.Replacement) -> LoadingError {
        let client =
            switch why {
            case .stalled(let suspect): "a Kafka client that no longer fetches \(suspect.partition)"
            case .secrets: "a Kafka client whose password or certificate has changed"
            case .groupLost: "a Kafka client that no longer reaches its group's coordinator"
            }
        return LoadingError(.kafka, "\(client) does not leave its group", mend: .group(.startAgain))
    }
}
