import CRdKafka
import CSimulation
import Foundation
import Kafka

/// What is behind one of librdkafka's handles.
final class SimulatedClient {
    let configuration: SimulatedConfiguration
    let isProducer: Bool
    let process = Int(sim_process())
    let name: UnsafeMutablePointer<CChar>
    /// What is for whoever polls the handle, and for the group's server.
    let queue = SimulatedQueue()
    var isDestroyed = false
    /// The error after which it can do no more.
    var fatal: rd_kafka_resp_err_t?

    private var topics: [String: SimulatedTopic] = [:]
    private var own: [TopicPartition: SimulatedQueue] = [:]
    private(set) var fetchers: [TopicPartition: SimulatedFetcher] = [:]
    /// What its main thread has still to do, in order.
    private var orders: [() -> Void] = []
    private var knowsBrokersAway = false
    /// Until when its token is good, where brokers want one.
    private var tokenEnd: Int64 = 0
    /// How many threads are asking for one.
    private var asking = 0
    lazy var membership = SimulatedMembership(self)

    init(_ configuration: SimulatedConfiguration, isProducer: Bool) {
        self.configuration = configuration
        self.isProducer = isProducer
        name = strdup("rdkafka#\(isProducer ? "producer" : "consumer")")
        SimulatedCluster.current.add(self)
        watchBrokers()
        if configuration.tokensWanted != nil { after(Draw.from(1000..<200_000)) { [self] in askForToken() } }
    }

    var opaque: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    static func behind(_ pointer: OpaquePointer) -> SimulatedClient {
        Unmanaged<SimulatedClient>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    func topic(_ name: String) -> SimulatedTopic {
        if let topic = topics[name] { return topic }
        let topic = SimulatedTopic(self, name)
        topics[name] = topic
        return topic
    }

    func queue(of place: TopicPartition) -> SimulatedQueue {
        if let queue = own[place] { return queue }
        let made = SimulatedQueue()
        made.lead(to: queue)
        own[place] = made
        return made
    }

    func destroy() {
        isDestroyed = true
        while asking > 0 { _ = sim_wait(Unmanaged.passUnretained(self).toOpaque(), .max) }
        for fetcher in fetchers.values { fetcher.stop() }
        fetchers = [:]
        SimulatedCluster.current.remove(self)
    }

    // MARK: Its own threads

    /// After a while, unless it is gone by then; later if its process sleeps.
    func after(_ delay: Int64, _ body: @escaping () -> Void) {
        Processes.after(delay, in: process) { [weak self] in
            guard let self, !isDestroyed else { return }
            body()
        }
    }

    /// Has the main thread do something, behind what it has to do already.
    func order(_ body: @escaping () -> Void) {
        orders.append(body)
        if orders.count == 1 { takeOrder() }
    }

    private func takeOrder() {
        after(Draw.from(1000..<200_000)) { [self] in
            orders[0]()
            orders.removeFirst()
            if !orders.isEmpty { takeOrder() }
        }
    }

    /// Has it do something, and waits until it has.
    func orderAndWait(_ body: @escaping () -> Void) {
        let answer = Answer<Bool>()
        order {
            body()
            answer.come(true)
        }
        _ = answer.wait(until: .max)
    }

    /// Where an answer is waited for by a thread of the process.
    final class Answer<Value> {
        private var value: Value?

        func come(_ value: Value) {
            self.value = value
            sim_wake(Unmanaged.passUnretained(self).toOpaque())
        }

        func wait(until deadline: Int64) -> Value? {
            while value == nil, sim_now() < deadline {
                _ = sim_wait(Unmanaged.passUnretained(self).toOpaque(), deadline)
            }
            return value
        }
    }

    // MARK: Tokens

    /// Whether a broker lets it in.
    private var isLetIn: Bool { configuration.tokensWanted == nil || sim_now() < tokenEnd }

    /// A request, or its answer, does not get through.
    var isCutOff: Bool { SimulatedCluster.current.isLost || !isLetIn }

    /// Has its thread for such things ask.
    private func askForToken() {
        asking += 1
        sim_spawn(
            Int32(process),
            { opaque in
                guard let opaque else { return }
                let client = Unmanaged<SimulatedClient>.fromOpaque(opaque).takeRetainedValue()
                client.configuration.tokensWanted?(client.opaque, nil, client.configuration.opaque)
                client.asking -= 1
                sim_wake(Unmanaged.passUnretained(client).toOpaque())
            }, Unmanaged.passRetained(self).toOpaque())
    }

    /// - Parameter end: until when it is good, in milliseconds since 1970.
    func takeToken(until end: Int64) {
        tokenEnd = sim_now() + (end - SimulatedCluster.now) * Moments.millisecond
        guard !Mutant.is(.renewalsUnheard) else { return }
        after(max(0, tokenEnd - sim_now()) * 4 / 5) { [self] in askForToken() }
    }

    func missToken() {
        report(RD_KAFKA_RESP_ERR__AUTHENTICATION, "Failed to acquire SASL OAUTHBEARER token")
        after(10 * Moments.second) { [self] in askForToken() }
    }

    // MARK: Requests

    /// Sends a request, again and again while it or its answer gets lost.
    ///
    /// - Parameters:
    ///   - serve: by a broker; nil: it cannot answer now.
    ///   - answered: in this process.
    func request<Value>(
        until deadline: Int64 = .max, _ serve: @escaping (SimulatedCluster) -> Value?,
        answered: @escaping (Value) -> Void
    ) {
        let cluster = SimulatedCluster.current
        guard sim_now() < deadline else { return }
        let again = { [weak self] in
            guard let self else { return }
            after(Draw.from(100 * Moments.millisecond..<Moments.second)) {
                self.request(until: deadline, serve, answered: answered)
            }
        }
        guard !isCutOff else { return again() }
        Moments.after(cluster.delay()) { [weak self] in
            guard let self, !cluster.isAway, let value = serve(cluster), !isCutOff else { return again() }
            after(cluster.delay()) { answered(value) }
        }
    }

    /// The same, and waits for the answer.
    ///
    /// - Returns: nil if none came in time.
    func ask<Value>(_ milliseconds: Int32, _ serve: @escaping (SimulatedCluster) -> Value?) -> Value? {
        let deadline = sim_now() + Int64(milliseconds) * Moments.millisecond
        let answer = Answer<Value>()
        request(until: deadline, serve) { answer.come($0) }
        return answer.wait(until: deadline)
    }

    /// Tells whoever serves the handle when all brokers are away.
    private func watchBrokers() {
        after(Moments.second) { [self] in
            let isAway = SimulatedCluster.current.isAway
            if isAway, !knowsBrokersAway {
                report(RD_KAFKA_RESP_ERR__TRANSPORT, "a connection was closed")
                report(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down")
            }
            knowsBrokersAway = isAway
            watchBrokers()
        }
    }

    func report(_ code: rd_kafka_resp_err_t, _ reason: String) {
        guard let callback = configuration.failed else { return }
        queue.push(.call { [self] in callback(opaque, code.rawValue, reason, configuration.opaque) })
    }

    // MARK: Fetching

    /// Fetches these, and nothing else where `replaces`.
    func assign(_ positions: [(TopicPartition, Int64)], replaces: Bool) {
        if replaces { unassign(Array(fetchers.keys)) }
        orderAndWait { [self] in
            for (place, offset) in positions.sorted(by: { $0.0 < $1.0 }) {
                let fetcher = SimulatedFetcher(self, place, from: offset)
                fetchers[place] = fetcher
                fetcher.start()
            }
        }
    }

    func unassign(_ places: [TopicPartition]) {
        orderAndWait { [self] in
            for place in places.sorted() {
                guard let fetcher = fetchers.removeValue(forKey: place) else { continue }
                fetcher.stop()
                if !Mutant.is(.staleMessages) { queue(of: place).end.drop { $0.fetcher === fetcher } }
                // It takes the partition's forwarding away when it comes to that, which is after this was answered.
                order { [self] in own[place]?.lead(to: queue) }
            }
        }
    }

    /// Without the application, and whatever it still has of them.
    func unassignSilently(_ places: [TopicPartition]) {
        for place in places.sorted() { stop(place) }
    }

    func start(_ place: TopicPartition, from offset: Int64, into queue: SimulatedQueue) {
        self.queue(of: place).lead(to: queue)
        let fetcher = SimulatedFetcher(self, place, from: offset)
        fetchers[place] = fetcher
        fetcher.start()
    }

    func stop(_ place: TopicPartition) {
        guard let fetcher = fetchers.removeValue(forKey: place) else { return }
        fetcher.stop()
        queue(of: place).end.drop { $0.fetcher === fetcher }
    }
}

/// What a client is made of.
final class SimulatedConfiguration {
    var properties: [String: String] = [:]
    var opaque: UnsafeMutableRawPointer?
    var failed: (@convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void)?
    var rebalanced:
        (
            @convention(c) (
                OpaquePointer?, rd_kafka_resp_err_t, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?,
                UnsafeMutableRawPointer?
            ) -> Void
        )?
    var delivered:
        (@convention(c) (OpaquePointer?, UnsafePointer<rd_kafka_message_t>?, UnsafeMutableRawPointer?) -> Void)?

    /// Called where a token is wanted; nil: none is.
    var tokensWanted: (@convention(c) (OpaquePointer?, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void)?

    func number(_ name: String, _ otherwise: Int64) -> Int64 { properties[name].flatMap { Int64($0) } ?? otherwise }

    var isReadCommitted: Bool { properties["isolation.level"] != "read_uncommitted" }
}

/// Fetches one partition, from where it was told to, into the partition's queue.
final class SimulatedFetcher {
    private let client: SimulatedClient
    private let place: TopicPartition
    private(set) var position: Int64
    private(set) var high: Int64 = -1
    private var isActive = true
    /// It has told that the partition ends here.
    private var toldEnd: Int64 = -1

    /// As many messages as a queue takes.
    private static let room = 40

    init(_ client: SimulatedClient, _ place: TopicPartition, from offset: Int64) {
        self.client = client
        self.place = place
        position = offset
    }

    func start() { fetch(after: Draw.from(0..<5 * Moments.millisecond)) }

    func stop() { isActive = false }

    private struct Fetched {
        var records: [SimulatedCluster.Record] = []
        var next: Int64
        var high: Int64
        var error: rd_kafka_resp_err_t?
    }

    private func fetch(after delay: Int64) {
        client.after(delay) { [self] in
            guard isActive else { return }
            guard client.queue(of: place).count < Self.room else { return fetch(after: 20 * Moments.millisecond) }
            let position = position
            client.request { [self] in
                read($0, position)
            } answered: { [self] in
                if isActive { take($0) }
            }
        }
    }

    private func read(_ cluster: SimulatedCluster, _ position: Int64) -> Fetched? {
        guard let partition = cluster.partition(place) else {
            return Fetched(next: position, high: -1, error: RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        }
        guard partition.leaderless <= sim_now() else { return nil }
        if cluster.refuses(.topic) {
            return Fetched(next: position, high: -1, error: RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        }
        if place.partition == 0, cluster.refuses(.batch) {
            return Fetched(next: position, high: partition.high, error: RD_KAFKA_RESP_ERR__BAD_MSG)
        }
        guard partition.low...partition.high ~= position else {
            return Fetched(next: position, high: partition.high, error: RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        }
        let most = Draw.from(1...30)
        let found = partition.records.lazy.filter { $0.offset >= position }.prefix(most)
        let isAll = found.count < most
        let next = isAll ? partition.high : (found.last?.offset ?? position) + 1
        let isCommitted = client.configuration.isReadCommitted && !Mutant.is(.abortedRead)
        return Fetched(
            records: found.filter { $0.kind == .data || ($0.kind == .aborted && !isCommitted) }, next: next,
            high: partition.high)
    }

    private func take(_ fetched: Fetched) {
        if fetched.high >= 0 { high = fetched.high }
        let queue = client.queue(of: place)
        let topic = client.topic(place.topic)
        if let error = fetched.error {
            tell(error, at: fetched.next, queue, topic)
            // Where to begin again is not its to decide.
            if error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET { return stop() }
            return fetch(after: 5 * Moments.second)
        }
        position = fetched.next
        for record in Mutant.is(.messagesReordered) ? fetched.records.reversed() : fetched.records {
            if Mutant.is(.messagesLost), Draw.chance(0.05) { continue }
            for _ in 0..<(Mutant.is(.messagesDoubled) && Draw.chance(0.05) ? 2 : 1) {
                queue.push(
                    .message(SimulatedMessage(record, topic: topic, partition: place.partition, fetcher: self)))
            }
        }
        guard position >= fetched.high else { return fetch(after: Draw.from(0..<2 * Moments.millisecond)) }
        if toldEnd != position {
            toldEnd = position
            tell(RD_KAFKA_RESP_ERR__PARTITION_EOF, at: position, queue, topic)
        }
        fetch(after: Draw.from(20 * Moments.millisecond..<500 * Moments.millisecond))
    }

    private func tell(
        _ error: rd_kafka_resp_err_t, at offset: Int64, _ queue: SimulatedQueue, _ topic: SimulatedTopic
    ) {
        let record = SimulatedCluster.Record(offset: offset, key: nil, value: nil, timestamp: -1)
        queue.push(
            .message(
                SimulatedMessage(record, error: error, topic: topic, partition: place.partition, fetcher: self)))
    }
}
