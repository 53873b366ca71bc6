import Kafka

/// Whether the topics are still those that were loaded, while a loader runs.
///
/// A topic that is deleted and created anew within moments, and is as long as the position when the client next asks for it,
/// looks like one that has only grown, and so does a log that was truncated. So of each partition a message is kept that was
/// loaded of it, and read again now and then (`TopicProof`). Is it the same, then so is the log, at least up to what had been
/// loaded when it was asked about, and the last message of that is what is read the next time. Is it another, the log is. No
/// clock is involved, and no time that a producer has set.
///
/// A topic is replaced as a whole. So a look takes one partition at least of each topic, one by one all of them, and once one
/// is found, all others of its topic.
struct TopicWatch: Hashable {
    /// What reading a message again has shown.
    enum Finding: Sendable, Equatable {
        case same
        case other
        /// Compaction or retention has taken it, which proves nothing.
        case gone
    }

    struct Watched: Hashable {
        /// Of the log that is loaded, as far as that was ever shown.
        var proven: LastMessage
        /// The last messages of batches that have been loaded since, the newest last.
        var since: [LastMessage] = []
        /// When it was last read again.
        var looked: ContinuousClock.Instant?

        var last: LastMessage { since.last ?? proven }
    }

    /// A partition whose log is another one, while it is narrowed down which of its messages are loaded.
    struct Narrowing: Hashable {
        /// The last message that is known to be none of the log's.
        var other: LastMessage
        /// Later ones, of the one log or of the other.
        var open: [LastMessage]
        /// The last that was loaded.
        var newest: LastMessage
    }

    struct Question: Hashable {
        var message: LastMessage
        /// The last that was loaded when it was asked about: behind a proof it is proven, too.
        var last: LastMessage
    }

    static let interval = Duration.seconds(30)
    /// How often one that does not move is read again, if no other of its topic moves instead.
    static let rest = Duration.seconds(600)
    /// Messages that a look reads, unless a topic is found to be another.
    static let most = 100
    /// Messages that are kept of a partition to narrow down where its log ends: if there are more, every other one goes.
    static let mostKept = 32

    private let interval: Duration
    private(set) var watched: [TopicPartition: Watched] = [:]
    private(set) var asked: [TopicPartition: Question] = [:]
    /// What this look has read already.
    private(set) var read: Set<TopicPartition> = []
    private(set) var found: [TopicPartition: Narrowing] = [:]
    /// Topics of which all partitions are to be read, whatever their turn.
    private(set) var suspected: Set<String> = []
    /// Somebody waits for what comes of it.
    private(set) var isUrgent = false
    /// When to look next; nil: while it looks.
    private(set) var due: ContinuousClock.Instant?

    init(interval: Duration = Self.interval, at now: ContinuousClock.Instant = .now) {
        self.interval = interval
        due = now + interval
    }

    // MARK: What is loaded

    /// A partition begins at a position.
    ///
    /// - Parameters:
    ///   - proven: what the ledger keeps of it to be read again; nil: only the last.
    ///   - last: the message before the position, which is compared when it is fetched; nil where it is not known.
    mutating func begin(
        _ partition: TopicPartition, proven: LastMessage?, last: LastMessage?, at now: ContinuousClock.Instant = .now
    ) {
        forget([partition])
        guard let proven = proven ?? last else { return }
        watched[partition] = Watched(proven: proven)
        // Who had it before may have gone over into another log unawares.
        guard let last, last != proven else { return }
        watched[partition]?.since = [last]
        if due != nil { due = now }
    }

    /// A batch with messages of a partition is in.
    mutating func loaded(_ partition: TopicPartition, _ last: LastMessage) {
        guard var known = watched[partition] else {
            watched[partition] = Watched(proven: last)
            return
        }
        guard last.offset > known.last.offset else { return }
        if let other = found[partition] {
            // It was under way when the log was found to be another.
            guard last.offset > other.newest.offset else { return }
            found[partition]?.open.append(last)
            found[partition]?.newest = last
            return
        }
        if known.since.count >= Self.mostKept {
            known.since = known.since.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        }
        known.since.append(last)
        watched[partition] = known
    }

    /// What is to be kept in the ledger to be read again.
    func proven(_ partition: TopicPartition) -> LastMessage? { watched[partition]?.proven }

    /// Forgets partitions that are another member's, or begin anew.
    mutating func forget(_ partitions: some Sequence<TopicPartition>) {
        for partition in partitions {
            watched[partition] = nil
            asked[partition] = nil
            found[partition] = nil
        }
    }

    // MARK: Looking

    /// The messages to read again, if it is time to look.
    mutating func question(at now: ContinuousClock.Instant) -> [TopicPartition: LastMessage]? {
        guard let due, due <= now else { return nil }
        self.due = now + interval
        return ask(choice(at: now), at: now)
    }

    private func choice(at now: ContinuousClock.Instant) -> [TopicPartition] {
        // Those first that have moved and were not looked at for the longest time.
        let order = watched.filter { found[$0.key] == nil }.sorted { a, b in
            if a.value.since.isEmpty != b.value.since.isEmpty { return !a.value.since.isEmpty }
            return switch (a.value.looked, b.value.looked) {
            case (let one?, let other?) where one != other: one < other
            case (nil, .some): true
            case (.some, nil): false
            default: a.key < b.key
            }
        }
        var topics: [String: TopicPartition] = [:]
        var latest: [String: ContinuousClock.Instant] = [:]
        for (partition, known) in order {
            if topics[partition.topic] == nil { topics[partition.topic] = partition }
            if let looked = known.looked { latest[partition.topic] = max(latest[partition.topic] ?? looked, looked) }
        }
        let first = topics.sorted { a, b in
            switch (latest[a.key], latest[b.key]) {
            case (let one?, let other?) where one != other: one < other
            case (nil, .some): true
            case (.some, nil): false
            default: a.key < b.key
            }
        }.prefix(Self.most).map(\.value)
        let more = order.lazy.filter { partition, known in
            topics[partition.topic] != partition
                && (!known.since.isEmpty || known.looked.map { now - $0 >= Self.rest } ?? true)
        }
        return first + more.prefix(Self.most - first.count).map(\.key)
    }

    private mutating func ask(
        _ partitions: some Sequence<TopicPartition>, at now: ContinuousClock.Instant
    ) -> [TopicPartition: LastMessage]? {
        for partition in partitions {
            guard let known = watched[partition] else { continue }
            watched[partition]?.looked = now
            asked[partition] = Question(message: known.proven, last: known.last)
        }
        guard !asked.isEmpty else { return nil }
        due = nil
        return asked.mapValues(\.message)
    }

    /// Takes what was found; what is left out could not be read.
    ///
    /// - Returns: partitions whose log has turned out to be another, and what is to be read as well before that is acted on.
    mutating func settle(
        _ findings: [TopicPartition: Finding], at now: ContinuousClock.Instant
    ) -> (found: [TopicPartition], more: [TopicPartition: LastMessage]?) {
        var new: [TopicPartition] = []
        for (partition, question) in asked {
            if found[partition] != nil {
                narrow(partition, question.message, findings[partition])
            } else if let finding = findings[partition], let known = watched[partition] {
                let since = known.since.filter { $0.offset > question.message.offset }
                switch finding {
                case .other:
                    found[partition] = Narrowing(other: question.message, open: since, newest: known.last)
                    suspected.insert(partition.topic)
                    new.append(partition)
                case .same:
                    watched[partition]?.proven = question.last
                    watched[partition]?.since = since.filter { $0.offset > question.last.offset }
                case .gone:
                    // The next in its place, of those that were in when it was asked for: the newest may be another log's already, and
                    // would be the same. So may all that came in since, of a log that did not reach as far as that message yet.
                    guard let next = since.first, next.offset <= question.last.offset else { continue }
                    watched[partition]?.proven = next
                    watched[partition]?.since = Array(since.dropFirst())
                }
            }
        }
        read.formUnion(asked.keys)
        asked = [:]
        let more = askMore(at: now)
        if more == nil {
            read = []
            isUrgent = false
            due = now + interval
        }
        return (new.sorted(), more)
    }

    // MARK: Narrowing down

    /// Something else speaks for another topic of this name: a position that it does not hold, or that it was gone. So all of it
    /// are to be read before it is decided where any of them goes on: whoever stops then forgets what it knew.
    mutating func suspect(_ topic: String) {
        suspected.insert(topic)
        isUrgent = true
    }

    /// The partitions whose log is another, each with the last message that is known to be none of it.
    var others: [TopicPartition: LastMessage] { found.mapValues(\.other) }

    /// The last message that was loaded of such a partition.
    func newest(_ partition: TopicPartition) -> LastMessage? { found[partition]?.newest }

    /// Of such a partition the first offset of which a message may be loaded of the log as it is now; nil: none is.
    func mixed(_ partition: TopicPartition) -> Int64? {
        found[partition].flatMap { $0.other == $0.newest ? nil : $0.other.offset + 1 }
    }

    /// Whether more of that is to be known before somebody acts on it.
    var isNarrowing: Bool {
        (isUrgent || !found.isEmpty)
            && (!asked.isEmpty || !suspected.isEmpty || found.values.contains { !$0.open.isEmpty })
    }

    /// The messages to read to know it better; nil while others are being read, or if there are none.
    mutating func narrowing(at now: ContinuousClock.Instant) -> [TopicPartition: LastMessage]? {
        guard isNarrowing, asked.isEmpty else { return nil }
        let more = askMore(at: now)
        if more == nil { isUrgent = false }
        return more
    }

    private mutating func askMore(at now: ContinuousClock.Instant) -> [TopicPartition: LastMessage]? {
        for (partition, known) in found where !known.open.isEmpty {
            asked[partition] = Question(message: known.open[known.open.count / 2], last: known.other)
        }
        let more = watched.keys.filter { suspected.contains($0.topic) && !read.contains($0) && found[$0] == nil }
        suspected = []
        return ask(more, at: now)
    }

    /// What was loaded before the log became another differs from it, what was loaded after that does not.
    private mutating func narrow(_ partition: TopicPartition, _ message: LastMessage, _ finding: Finding?) {
        guard var known = found[partition] else { return }
        switch finding {
        case .other:
            known.other = message
            known.open.removeAll { $0.offset <= message.offset }
        case .same: known.open.removeAll { $0.offset >= message.offset }
        case .gone, nil: known.open.removeAll { $0 == message }
        }
        found[partition] = known
    }
}
