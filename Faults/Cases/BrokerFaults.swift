import Foundation
import Kafka
import KafkaMock
import TestSupport

/// Everything that brokers answer, and do not answer.
struct BrokerFaults: FaultCase {
    let name = "broker"
    let summary =
        "every error code that Kafka documents for a consumer's requests; coordinators and leaders move, answers take "
        + "500 ms, all brokers are down for 30 s; a broker is restarted with its data"

    private static let coordinators = "coordinator moves"
    private static let leaders = "leader moves"
    private static let slowness = "500 ms round trips"
    private static let outages = "outages of all brokers"
    private static let restarts = "restarts with data"

    var need: ClusterNeed { .restart }

    func least(_ scale: FaultScale) -> FaultCounts {
        var least = FaultCounts()
        guard FaultCluster.brokers == nil else {
            return FaultCounts(kinds: [Self.restarts: scale == .full ? 5 : 1])
        }
        switch scale {
        case .full:
            for request in RequestErrors.all { least.kinds[request.kind] = request.codes.count }
            least.kinds.merge([
                Self.coordinators: 10, Self.leaders: 20, Self.slowness: 1, Self.outages: 1, Self.restarts: 5,
            ]) { $1 }
        case .slice:
            for request in RequestErrors.all { least.kinds[request.kind] = 1 }
            least.kinds.merge([
                Self.coordinators: 1, Self.leaders: 2, Self.slowness: 1, Self.outages: 1, Self.restarts: 1,
            ]) { $1 }
        }
        // A loader that has just caught up is met at rest now and then.
        least.midRun = least.total * 9 / 10
        return least
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        // The errors of a real cluster, and its leaders, are its own.
        let parts = FaultCluster.brokers == nil ? [errorCodes, moves, restarts] : [restarts]
        return try await context.sideBySide(parts, limit: 3) { _, part in
            try await part(server, context)
        }
    }

    // MARK: Error codes

    /// A request of the consumer's, with the codes that Kafka's own classes document for its answer
    /// (`clients/src/main/java/org/apache/kafka/common/requests/*Response.java`), and a connection that is cut instead.
    private struct RequestErrors {
        let request: KafkaRequest
        let codes: [String]
        /// What makes the loader send it, for those that it does not send all the time.
        var trigger: (KafkaRequest, String)?

        var kind: String { "\(request.name) errors" }

        static let all: [RequestErrors] = [
            RequestErrors(
                request: .fetch,
                codes: [
                    "OFFSET_OUT_OF_RANGE", "TOPIC_AUTHORIZATION_FAILED", "REPLICA_NOT_AVAILABLE",
                    "NOT_LEADER_FOR_PARTITION", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH", "UNKNOWN_TOPIC_OR_PART",
                    "FETCH_SESSION_ID_NOT_FOUND", "INVALID_FETCH_SESSION_EPOCH", "KAFKA_STORAGE_ERROR",
                    "OFFSET_NOT_AVAILABLE", "INVALID_MSG", "LEADER_NOT_AVAILABLE", "REQUEST_TIMED_OUT", "UNKNOWN",
                    "_TRANSPORT",
                ]),
            RequestErrors(
                request: .listOffsets,
                codes: [
                    "UNSUPPORTED_FOR_MESSAGE_FORMAT", "TOPIC_AUTHORIZATION_FAILED", "REPLICA_NOT_AVAILABLE",
                    "NOT_LEADER_FOR_PARTITION", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH", "UNKNOWN_TOPIC_OR_PART",
                    "KAFKA_STORAGE_ERROR", "OFFSET_NOT_AVAILABLE", "LEADER_NOT_AVAILABLE", "UNKNOWN", "_TRANSPORT",
                ], trigger: (.fetch, "OFFSET_OUT_OF_RANGE")),
            RequestErrors(
                request: .offsetCommit,
                codes: [
                    "OFFSET_METADATA_TOO_LARGE", "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE",
                    "NOT_COORDINATOR", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS",
                    "INVALID_COMMIT_OFFSET_SIZE", "TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED",
                    "UNKNOWN_TOPIC_OR_PART", "INVALID_GROUP_ID", "REQUEST_TIMED_OUT", "FENCED_INSTANCE_ID",
                    "_TRANSPORT",
                ]),
            RequestErrors(
                request: .offsetFetch,
                codes: [
                    "UNKNOWN_TOPIC_OR_PART", "TOPIC_AUTHORIZATION_FAILED", "COORDINATOR_LOAD_IN_PROGRESS",
                    "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "GROUP_AUTHORIZATION_FAILED", "INVALID_GROUP_ID",
                    "UNSTABLE_OFFSET_COMMIT", "_TRANSPORT",
                ], trigger: (.fetch, "OFFSET_OUT_OF_RANGE")),
            RequestErrors(
                request: .findCoordinator,
                codes: [
                    "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "GROUP_AUTHORIZATION_FAILED",
                    "INVALID_GROUP_ID", "INVALID_REQUEST", "_TRANSPORT",
                ], trigger: (.heartbeat, "NOT_COORDINATOR")),
            RequestErrors(
                request: .joinGroup,
                codes: [
                    "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR",
                    "INCONSISTENT_GROUP_PROTOCOL", "UNKNOWN_MEMBER_ID", "INVALID_SESSION_TIMEOUT",
                    "GROUP_AUTHORIZATION_FAILED", "INVALID_GROUP_ID", "REBALANCE_IN_PROGRESS",
                    "GROUP_MAX_SIZE_REACHED", "FENCED_INSTANCE_ID", "_TRANSPORT",
                ], trigger: (.heartbeat, "REBALANCE_IN_PROGRESS")),
            RequestErrors(
                request: .syncGroup,
                codes: [
                    "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR",
                    "ILLEGAL_GENERATION", "INCONSISTENT_GROUP_PROTOCOL", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS",
                    "GROUP_AUTHORIZATION_FAILED", "FENCED_INSTANCE_ID", "_TRANSPORT",
                ], trigger: (.heartbeat, "REBALANCE_IN_PROGRESS")),
            RequestErrors(
                request: .heartbeat,
                codes: [
                    "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR",
                    "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS", "GROUP_AUTHORIZATION_FAILED",
                    "FENCED_INSTANCE_ID", "_TRANSPORT",
                ]),
            RequestErrors(
                request: .metadata,
                codes: [
                    "UNKNOWN_TOPIC_OR_PART", "LEADER_NOT_AVAILABLE", "TOPIC_EXCEPTION", "TOPIC_AUTHORIZATION_FAILED",
                    "REPLICA_NOT_AVAILABLE", "LISTENER_NOT_FOUND",
                ]),
        ]

        /// Codes that say that another member has this one's identity: the loader has to end, and somebody to start it.
        static let fatal: Set<String> = ["FENCED_INSTANCE_ID"]
    }

    private static func code(_ name: String) throws -> KafkaErrorCode {
        let all = (-200...120).lazy.map { KafkaErrorCode(rawValue: $0) }
        guard let code = all.first(where: { $0.name == name }) else {
            throw KafkaError(code: .invalidArgument, operation: "error code", reason: "there is no \(name)")
        }
        return code
    }

    /// One broker, so that whichever request goes to it.
    @Sendable private func errorCodes(_ server: PostgresServer, _ context: FaultContext) async throws -> FaultReport {
        let broker = try Broker(mockBrokers: 1)
        return try await Landing.with(broker: broker, server: server, partitions: 4) { landing in
            guard let mock = broker.mock else { return FaultReport() }
            var generator = context.generator()
            var report = FaultReport()
            let traffic = try Traffic(landing, rate: 1000, generator: context.generator(1))
            let settings = [
                "LOADER_KAFKA_PROPERTIES_TOPIC_METADATA_REFRESH_INTERVAL_MS": "200",
                "LOADER_KAFKA_PROPERTIES_FETCH_ERROR_BACKOFF_MS": "50",
                "LOADER_KAFKA_PROPERTIES_SOCKET_TIMEOUT_MS": "5000",
            ]
            var loader = try context.start(landing, settings)
            try await loader.waitForFirstBatch()
            let progress = LoadingProgress(landing)
            for errors in RequestErrors.all {
                var codes = errors.codes.shuffled(using: &generator)
                if context.scale == .slice { codes = Array(codes.prefix(1)) }
                for name in codes {
                    let code = try Self.code(name)
                    let place = "\(name) on \(errors.request.name)"
                    do {
                        if errors.request == .metadata {
                            mock.setError(code, of: landing.topic)
                            // Answered with it several times meanwhile.
                            try await Task.sleep(for: .seconds(1))
                            mock.setError(.none, of: landing.topic)
                        } else {
                            try mock.fail(errors.request, of: 1, with: code)
                            try await Self.see(errors, on: mock, place)
                        }
                        let loaded = try await progress.answer()
                        report.faults.count(errors.kind, midRun: loaded < traffic.written)
                        let began = ContinuousClock.now
                        try await eventually("it goes on, or ends", within: .seconds(60)) {
                            progress.loaded ?? 0 > loaded || !loader.isRunning
                        }
                        // An answer that ends it takes effect a moment later.
                        if RequestErrors.fatal.contains(name) { try await Task.sleep(for: .seconds(2)) }
                        if loader.isRunning { report.recoveries.append(began.age) }
                    } catch let error as TimedOut {
                        report.failures.append("\(place): \(error); \(loader.log.path())")
                        try await loader.killAndWait()
                    }
                    guard !loader.isRunning else { continue }
                    if let end = loader.poll(), end != .signal(SIGKILL) {
                        report.expect(
                            RequestErrors.fatal.contains(name) && end == .exit(78),
                            "\(place): the loader ended with \(end); \(loader.log.path())")
                        report.notes.append("\(place) ends the loader (78), as it must")
                    }
                    mock.stopFailing(errors.request)
                    // Who is fenced does not leave. The mock forgets it when its session ends, and fails an assertion of its
                    // own if another member joins while it still owes that one the answer to a SyncGroup.
                    try await Task.sleep(for: .seconds(8 * testTimeScale))
                    loader = try context.start(landing, settings)
                    try await loader.waitForFirstBatch()
                }
            }
            try await Self.end(landing, traffic, [loader], context, settings, isLate: false, &report)
            return report
        }
    }

    /// Waits until the request that is to fail was answered, and makes the loader send it if it does not by itself.
    ///
    /// A member that is about to join already takes no notice of what is to make it join, so it is told again.
    private static func see(_ errors: RequestErrors, on mock: MockCluster, _ place: String) async throws {
        var told: ContinuousClock.Instant?
        try await eventually("\(place) is answered") {
            if try mock.failuresToCome(errors.request, of: 1) == 0 { return true }
            if let (request, name) = errors.trigger, told?.age ?? .infinity > 10,
                try mock.failuresToCome(request, of: 1) == 0
            {
                try mock.fail(request, of: 1, with: try code(name))
                told = .now
            }
            return false
        }
    }

    /// Lets everything go in, ends the loaders, and compares.
    ///
    /// - Parameter isLate: whether the group may not have heard of everything when they end: the coordinator may not be
    ///   known yet, or refuse members while others leave. The next start puts that right.
    private static func end(
        _ landing: Landing, _ traffic: Traffic, _ loaders: [LoaderProcess], _ context: FaultContext,
        _ settings: [String: String], isLate: Bool = true, _ report: inout FaultReport
    ) async throws {
        try await landing.waitForRows(try await traffic.stop(), within: .seconds(180))
        for loader in loaders { loader.kill(SIGTERM) }
        for loader in loaders {
            let status = try await loader.waitForExit()
            report.expect(status == 0, "a loader ended with \(status) after SIGTERM: \(loader.log.path())")
        }
        if isLate { try await context.finish(landing, settings) }
        try await report.add(landing)
    }

    // MARK: Moves, slowness, outages

    @Sendable private func moves(_ server: PostgresServer, _ context: FaultContext) async throws -> FaultReport {
        let broker = try Broker(mockBrokers: 3)
        return try await Landing.with(broker: broker, server: server, partitions: 8) { landing in
            guard let mock = broker.mock else { return FaultReport() }
            var generator = context.generator(2)
            var report = FaultReport()
            let traffic = try Traffic(landing, rate: 1000, generator: context.generator(3))
            // While it is down the mock takes connections and is silent: a client notices when its request times out.
            let settings = ["LOADER_KAFKA_PROPERTIES_SOCKET_TIMEOUT_MS": "5000"]
            let loaders = try (0..<2).map { _ in try context.start(landing, settings) }
            for loader in loaders { try await loader.waitForFirstBatch() }
            let progress = LoadingProgress(landing)

            func fault(_ kind: String, _ body: () async throws -> Void) async throws {
                try await body()
                let loaded = try await progress.answer()
                report.faults.count(kind, midRun: loaded < traffic.written)
                report.recoveries.append(try await progress.wait(forMoreThan: loaded))
            }
            for _ in 0..<context.figure(10, slice: 1) {
                try await fault(Self.coordinators) {
                    try mock.setCoordinator(Int32.random(in: mock.brokers, using: &generator), ofGroup: landing.group)
                }
                for _ in 0..<2 {
                    try await fault(Self.leaders) {
                        let place = TopicPartition(
                            topic: landing.topic, partition: Int32.random(in: 0..<8, using: &generator))
                        if Bool.random(using: &generator) {
                            try mock.setLeader(nil, of: place)
                            try await Task.sleep(
                                for: .milliseconds(Int.random(in: 0..<1000, using: &generator)))
                        }
                        try mock.setLeader(Int32.random(in: mock.brokers, using: &generator), of: place)
                    }
                }
            }
            try await fault(Self.slowness) {
                try mock.setRoundTripTime(.milliseconds(500))
                let loaded = try await progress.answer()
                try await Task.sleep(for: .seconds(context.figure(20, slice: 3)))
                report.expect(progress.loaded ?? 0 > loaded, "nothing goes in with round trips of 500 ms")
                try mock.setRoundTripTime(.zero)
            }
            try await fault(Self.outages) {
                try mock.setDown()
                try await Task.sleep(for: .seconds(context.figure(30, slice: 8)))
                try mock.setUp()
            }
            try await Self.end(landing, traffic, loaders, context, settings, &report)
            return report
        }
    }

    // MARK: Restarts

    /// The broker that can be restarted may lose what is written to it while it stops, so it holds a backlog, and the
    /// loader has to fetch it bit by bit.
    @Sendable private func restarts(_ server: PostgresServer, _ context: FaultContext) async throws -> FaultReport {
        let process = FaultCluster.brokers == nil ? try NoidaBroker() : nil
        let broker = try process.map { try Broker(process: $0) } ?? FaultCluster.real()
        return try await Landing.with(broker: broker, server: server, partitions: 8) { landing in
            var generator = context.generator(4)
            var report = FaultReport()
            let restarts = context.figure(5, slice: 1)
            let count = 10_000 + 20_000 * restarts
            try landing.produce(0..<count)
            let throttle = try Throttle(landing, seconds: 0.1)
            // It never gives up a dead member, so a loader that comes again must take its own place.
            let settings = [
                "LOADER_KAFKA_PROPERTIES_GROUP_INSTANCE_ID": "\(landing.group)-0",
                "LOADER_KAFKA_PROPERTIES_QUEUED_MIN_MESSAGES": "100",
            ]
            let loader = try context.start(landing, settings)
            try await loader.waitForFirstBatch()
            let progress = LoadingProgress(landing)
            for _ in 0..<restarts {
                try await Task.sleep(for: .milliseconds(Int.random(in: 0..<1000, using: &generator)))
                let loaded = try await progress.answer()
                report.faults.count(Self.restarts, midRun: loaded < count)
                if let process {
                    try process.stop()
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0..<3000, using: &generator)))
                    try process.start()
                } else {
                    try await FaultCluster.restart()
                }
                let began = ContinuousClock.now
                // What it had fetched before goes in all the same; the group hears of it only from the coordinator.
                try await eventually("the group is told of what went in", within: .seconds(60)) {
                    // A coordinator that has just started still reads what it knows.
                    let offsets = try? broker.committedOffsets(ofGroup: landing.group, topic: landing.topic)
                    return (offsets ?? []).reduce(0) { $0 + $1.offset } > Int64(loaded)
                }
                report.recoveries.append(began.age)
            }
            try throttle.set(0)
            try await landing.waitForRows(count, within: .seconds(180))
            loader.kill(SIGTERM)
            let status = try await loader.waitForExit()
            report.expect(status == 0, "the loader ended with \(status) after SIGTERM: \(loader.log.path())")
            try await context.finish(landing, settings)
            try await report.add(landing)
            return report
        }
    }
}
