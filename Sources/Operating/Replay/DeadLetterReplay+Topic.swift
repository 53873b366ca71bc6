import Foundation
import Kafka
import Loading
import Postgres

/// A dead letter as it comes from a topic, written by the loader or by Kafka Connect.
struct TopicLetter {
    /// What tells a letter from its copies: a crash between the topic and the database leaves two of the same.
    struct Identity: Hashable {
        var partition: TopicPartition
        var offset: Int64
        var table: String
        var attempts: Int32
    }

    /// The message at its first place, without the headers that made it a dead letter.
    var message: KeptMessage
    var table: String
    var attempts: Int32
    var group: String?
    /// The table of dead letters that holds it as well.
    var letterTable: String?
    /// Its headers say where it stood.
    var hasOrigin: Bool

    var identity: Identity {
        Identity(partition: message.partition, offset: message.offset, table: table, attempts: attempts)
    }

    init(_ message: KeptMessage) {
        var told: [String: String] = [:]
        var own: [Header] = []
        for header in message.headers {
            if header.name.hasPrefix(ConnectHeader.prefix) {
                told[String(header.name.dropFirst(ConnectHeader.prefix.count))] =
                    header.value.map { String(decoding: $0, as: UTF8.self) }
            } else {
                own.append(header)
            }
        }
        self.message = message
        self.message.restoreTimestamp()
        // Stays with the message wherever it goes: without it, it would be a tombstone.
        own += message.headers.filter { $0.name == ConnectHeader.prefix + ConnectHeader.omittedBytes }
        self.message.headers = own
        if let topic = told[ConnectHeader.topic], let partition = told[ConnectHeader.partition].flatMap({ Int32($0) }),
            let offset = told[ConnectHeader.offset].flatMap({ Int64($0) })
        {
            self.message.partition = TopicPartition(topic: topic, partition: partition)
            self.message.offset = offset
            hasOrigin = true
        } else {
            hasOrigin = false
        }
        table = told[ConnectHeader.table] ?? ""
        attempts = told[ConnectHeader.attempts].flatMap { Int32($0) } ?? 1
        group = told[ConnectHeader.connectorName]
        letterTable = told[ConnectHeader.letterTable]
    }
}

extension DeadLetterReplay {
    /// Replays what a topic of dead letters holds now and was not read before.
    ///
    /// It has a position of its own in the ledger, under the group's name with `-dead-letters` behind it, that moves in
    /// the transaction with the rows. A letter that stands in the table of dead letters as well counts only while it
    /// stands there, and is removed. What fails again goes to that table, or back to the topic where there is none.
    public func run(fromTopic topic: String) throws -> Outcome {
        guard options.delivery == .exactlyOnce else {
            throw Refusal(
                message: "without the ledger a topic's letters could load twice", mend: "set delivery: exactly_once")
        }
        let group = replayGroup(options.group)
        var options = options
        options.group = group
        // A static member's id would meet the running loader's own.
        options.properties["group.instance.id"] = nil
        // Joins nothing: it only reads and commits where the group stands.
        let member = try Consumer(properties: options.consumerProperties, queues: 1, wakeup: Wakeup())
        defer { member.close(until: .now + .seconds(5)) }
        var attempt = 0
        while true {
            try readRoutes()
            do {
                try pass(topic, options, member)
                return outcome
            } catch is StartSettling.Overtaken where attempt < 100 {
            } catch is Overtaken where attempt < 100 {
                logger.notice("another replay reads the same topic; going on behind it")
            }
            attempt += 1
        }
    }

    /// - Parameters:
    ///   - options: with the group whose position it is.
    ///   - member: of that group.
    private func pass(_ topic: String, _ options: LoadingOptions, _ member: Consumer) throws {
        guard let count = try member.topics(timeout: Self.timeout)[topic] else {
            throw Refusal(message: "the brokers know no topic \(topic)", mend: "check its name and the rights to it")
        }
        var options = options
        options.autoOffsetReset = .earliest
        // What retention has taken from the topic cannot be replayed by anybody.
        options.onLostOffsets = .earliest
        let start = try StartSettling(
            ledger: Ledger(group: options.group), options: options, consumer: member, targets: builders.targets,
            logger: logger, isStopping: { false }
        ).settle((0..<Int32(count)).map { TopicPartition(topic: topic, partition: $0) })

        var seen: Set<TopicLetter.Identity> = []
        var past: [PartitionReader.Stretch] = []
        var ahead: [PartitionReader.Stretch] = []
        for (place, offset) in start.offsets {
            guard let marks = start.watermarks[place] else { continue }
            past.append(.init(partition: place, start: min(marks.low, offset), end: offset))
            ahead.append(.init(partition: place, start: offset, end: max(offset, marks.high)))
        }
        // Every letter that was read before, so that its copies are known.
        let reader = try messages()
        let known = try reader.read(past)
        while let message = try known.next() { seen.insert(TopicLetter(KeptMessage(message)).identity) }

        var position = start.offsets
        var next = start.offsets
        var letters: [TopicLetter] = []
        var bytes = 0
        var copies = 0
        func flush() throws {
            let ranges = next.filter { position[$0.key] != $0.value }.map { place, offset in
                Batch.PartitionRange(partition: place, expected: position[place] ?? offset, next: offset)
            }
            guard !ranges.isEmpty else { return }
            try load(letters, from: topic, ranges: isDryRun ? [] : ranges)
            outcome.repeated += copies
            position = next
            (letters, bytes, copies) = ([], 0, 0)
        }
        let new = try reader.read(ahead)
        while let message = try new.next() {
            let kept = KeptMessage(message)
            next[kept.partition] = kept.offset + 1
            let letter = TopicLetter(kept)
            guard seen.insert(letter.identity).inserted else {
                copies += 1
                continue
            }
            letters.append(letter)
            bytes += kept.byteCount
            if letters.count >= Self.batchRows || bytes >= self.options.batch.maxBytes { try flush() }
        }
        try flush()
        guard !isDryRun else { return }
        // For lag monitors; the ledger is what counts.
        try? member.commit(
            position.map { CommittedOffset(partition: $0.key, offset: $0.value, metadata: start.mark.metadata) },
            timeout: Self.timeout)
    }

    private func load(_ letters: [TopicLetter], from topic: String, ranges: [Batch.PartitionRange]) throws {
        var entries: [ReplayEntry] = []
        var unrouted: [ReplayStep.Unrouted] = []
        var copies: [(index: Int, letter: TopicLetter)] = []
        // In the order of the messages' first places: a topic of dead letters holds those that failed twice behind later ones.
        for letter in letters.sorted(by: {
            ($0.message.partition, $0.message.offset) < ($1.message.partition, $1.message.offset)
        }) {
            let explanation: String
            switch letter.hasOrigin && letter.message.omittedBytes == nil
                ? builders.way(topic: letter.message.partition.topic, table: letter.table) : ReplayBuilders.Way.none
            {
            case .routes(let routes):
                if let table = options.deadLetters.table, letter.letterTable == table.description {
                    copies.append((entries.count, letter))
                }
                entries.append(
                    ReplayEntry(
                        message: letter.message, routes: routes, table: letter.table, row: nil,
                        attempts: letter.attempts))
                continue
            case .none where letter.message.omittedBytes != nil:
                explanation =
                    "its value of \(letter.message.omittedBytes ?? "") bytes did not fit into the topic of dead letters"
            case .none where !letter.hasOrigin: explanation = "no header says which topic it comes from"
            case .none: explanation = "no route takes the topic \(letter.message.partition.topic)"
            case .ambiguous:
                explanation =
                    "several routes take \(letter.message.partition.topic), and none or more than one to \(letter.table)"
            }
            unrouted.append(
                ReplayStep.Unrouted(message: letter.message, attempts: letter.attempts, explanation: explanation))
        }
        var gone: Set<Int> = []
        if let name = options.deadLetters.table {
            let table = DeadLetterTable(name, on: connection)
            for (group, same) in Dictionary(grouping: copies, by: { $0.letter.group ?? options.group }) {
                let rows = try table.rows(ofCopies: same.map { ($0.letter.message, $0.letter.table) }, group: group)
                for (copy, row) in zip(same, rows) {
                    if let row {
                        entries[copy.index].row = row.id
                        entries[copy.index].attempts = row.attempts
                    } else {
                        gone.insert(copy.index)
                    }
                }
            }
        }
        let left = entries.indices.filter { !gone.contains($0) }.map { entries[$0] }
        try load(left, group: options.group, unrouted: unrouted, ranges: ranges, topic: topic)
        outcome.repeated += gone.count
    }
}
