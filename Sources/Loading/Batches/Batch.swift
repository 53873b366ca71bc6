import Kafka
import Postgres
import Schemas

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The messages of one transaction: their bytes as they came, and their rows as PostgreSQL will take them.
///
/// Unchecked: a batch has one owner at a time. The consumer's thread fills it with messages and gives it away whole; the
/// writer's threads, one behind the other, build its rows and load them, and give it back with the outcome. The lock of the
/// mailbox between them orders the three.
package final class Batch: @unchecked Sendable {
    package init() {}

    /// One message: where it came from, and its key, value and headers within `arena`.
    package struct MessageRecord {
        package var partition: Int32
        var offset: Int64
        /// Milliseconds since 1970, or `Int64.min` where the message has none.
        package var timestamp: Int64
        var start: Int
        /// Bytes in `arena` in the order value, key, headers; -1 for a null key or value.
        package var valueCount: Int32
        var keyCount: Int32
        var headersCount: Int32

        package init(
            partition: Int32, offset: Int64, timestamp: Int64, start: Int, valueCount: Int32,
            keyCount: Int32, headersCount: Int32
        ) {
            self.partition = partition
            self.offset = offset
            self.timestamp = timestamp
            self.start = start
            self.valueCount = valueCount
            self.keyCount = keyCount
            self.headersCount = headersCount
        }
    }

    /// A partition's stretch in this batch.
    package struct PartitionRange: Equatable {
        var partition: TopicPartition
        /// The position that the ledger must still have.
        var expected: Int64
        /// The position after this batch.
        var next: Int64
        /// What the ledger keeps of its last message; nil where that is not known.
        var last: LastMessage?
        /// What it keeps of an earlier one, to be read again; nil: nothing but the last.
        var proven: LastMessage?
        /// Where it went back to and returns from; the ledger keeps it along with the position.
        var detour: Detour?
        /// So many messages of it were taken, by whoever takes them.
        var taken = 0

        package init(
            partition: TopicPartition, expected: Int64, next: Int64, last: LastMessage? = nil,
            proven: LastMessage? = nil, detour: Detour? = nil
        ) {
            self.partition = partition
            self.expected = expected
            self.next = next
            self.last = last
            self.proven = proven
            self.detour = detour
        }
    }

    /// The messages of one transaction: all of the batch's, or where that is too much, a stretch of them in the order of
    /// their arrival.
    struct Part {
        var messages: Range<Int>
        /// Where the ledger must stand, and where it goes.
        var partitions: [PartitionRange]
    }

    /// The rows of one target, or the keys of those to be deleted.
    package final class Section {
        package enum Kind: Int, CaseIterable {
            case rows
            /// Keys whose rows shall be deleted; of elements the keys of what holds them.
            case tombstones
            /// The keys of what holds elements: all that a message has for it are the rows of the same message.
            case sets

            /// `allCases` is made anew each time.
            fileprivate static let count = allCases.count
        }

        package let target: Int
        package let kind: Kind
        package var buffer = CopyBuffer(capacity: 64 << 10)
        package var rows: [Row] = []
        /// Which columns the rows leave out. Their bytes hold nothing of those.
        package var omissions: Omissions
        /// The columns, of those that may be left out, that a row gives as null: one bit each, as in `omissions`.
        var nulls: [UInt64]

        /// - Parameter omissible: how many columns may be left out.
        init(target: Int, kind: Kind, omissible: Int) {
            self.target = target
            self.kind = kind
            omissions = Omissions(columns: omissible)
            nulls = Array(repeating: 0, count: omissions.wordCount)
        }

        /// Where it ended, to go back to.
        struct End {
            let section: Section
            private let rows: Int
            private let bytes: Int

            init(_ section: Section) {
                self.section = section
                (rows, bytes) = (section.rows.count, section.buffer.count)
            }

            /// Forgets the rows behind it.
            func takeBack() {
                section.rows.removeSubrange(rows...)
                section.buffer.truncate(to: bytes)
            }
        }

        func removeAll(keepingAtMost limit: Int = .max) {
            buffer.removeAll(keepingAtMost: limit)
            rows.removeAll(keepingCapacity: true)
            omissions.removeAll()
            for index in nulls.indices { nulls[index] = 0 }
        }
    }

    package struct Row {
        package var message: Int32
        /// Bytes of the row's key, from where its fields begin.
        var keyCount: Int32
        /// The number of the set of columns that it leaves out, in `Section.omissions`.
        package var omission: Int32
        /// Twice the place, and whether it is a mark: there are many rows.
        private var placeAndMark: UInt32
        package var start: Int
        package var end: Int

        init(message: Int32, keyCount: Int32, omission: Int32, place: Int32, start: Int, end: Int) {
            (self.message, self.keyCount, self.omission) = (message, keyCount, omission)
            placeAndMark = UInt32(bitPattern: place) << 1
            (self.start, self.end) = (start, end)
        }

        /// Its place among the rows and deletions of its message, where those are in several sections.
        var place: Int32 { Int32(bitPattern: placeAndMark >> 1) }

        /// It is a deletion, written as a change that marks the row.
        package var isMark: Bool {
            get { placeAndMark & 1 != 0 }
            set { placeAndMark = placeAndMark & ~1 | (newValue ? 1 : 0) }
        }
    }

    /// What a message does to a table as a whole.
    struct Truncation {
        var message: Int32
        var target: Int
    }

    /// Why one try failed. Holds no values.
    struct Failure {
        var time: ContinuousClock.Instant
        var sqlState: String?
        /// What kind of error, where no server answered.
        var code: String
        var reason: String
    }

    private(set) var partitions: [PartitionRange] = []
    /// The ranges are of whoever takes the messages and keeps account of them.
    private var isSealed = false
    /// What was found wrong first in it, by whoever had it: it is not to be committed.
    package private(set) var violation: InvariantViolation?
    /// So many messages, from the first on, are in already, where the batch goes in parts.
    private(set) var loadedMessages = 0
    /// How far each partition has got with that; empty before the first part.
    private var reached: [Int64] = []
    package private(set) var messages: [MessageRecord] = []
    /// Values, keys and headers, byte for byte: for dead letters, and to build the rows again after a change of a table.
    package var arena = CopyBuffer(capacity: 256 << 10)
    package private(set) var sections: [Section] = []
    /// For each target and kind the place of its section; -1 where it has none yet.
    private var places: [Int32] = []
    package var deadLetters: [DeadLetter] = []
    /// Messages that empty tables, in their order: what is before them of the same target is void.
    private(set) var truncations: [Truncation] = []
    /// So many times a route has settled what becomes of a message: rows, deletions, a letter, or nothing.
    private(set) var settled = 0
    /// What routes do with messages that become neither rows nor deletions nor letters.
    package private(set) var operations = OperationCounts()
    /// A message names a table that is not known, but might have been made by now.
    private(set) var missesTable = false
    /// In the order of the messages as they were built, and behind them those that the server refused.
    var nulledValues: [NulledValue] = []
    /// When the first message was taken, in microseconds since 1970: what `$now` is for all of them.
    package var began: Int64 = 0
    /// How long the batch waited from its first message until it was handed over.
    var waiting = Duration.zero
    /// The tables that its rows are built for.
    private(set) var tables = RoutedTables.Version(number: 0, targets: [])
    /// A transaction that has the rows already. Whoever lets go of it takes them back.
    var headStart: HeadStart?
    /// When its rows were built, the last time if it took several, and how long that took in all.
    private(set) var building: (began: ContinuousClock.Instant, duration: Duration)?

    /// Why it has not all of its rows: the registry was away for as long as an outage may last.
    package internal(set) var unbuilt: OutageNotice?

    /// The first tries that failed, for the batch's trace.
    private(set) var failures: [Failure] = []
    private(set) var failureCount = 0

    var isEmpty: Bool { messages.isEmpty }

    /// Rows and deletions, and what says that elements are a set.
    var rowCount: Int { sections.reduce(0) { $0 + $1.rows.count } }
    /// Bytes held for this batch's rows.
    var rowByteCount: Int { sections.reduce(0) { $0 + $1.buffer.count + $1.omissions.byteCount } }
    /// Bytes held for this batch's messages and rows.
    package var byteCount: Int { arena.count + rowByteCount }

    /// Bytes of rows for each byte of messages.
    var rowBytesPerByte: Double { arena.count > 0 ? Double(rowByteCount) / Double(arena.count) : 1 }

    /// Rows of one table for each message, of the table that gets the most.
    var rowsPerMessage: Double {
        let most = sections.reduce(0) { max($0, $1.kind == .rows ? $1.rows.count : 0) }
        return messages.isEmpty ? 1 : Double(most) / Double(messages.count)
    }

    /// Ends the filling: these are the partitions of its messages, in the order of their ranges.
    func seal(_ ranges: [PartitionRange]) {
        if isSealed || !partitions.isEmpty {
            note(
                InvariantViolation(
                    .handover, at: whereabouts, expected: "a batch that is handed over once", found: "a second time"))
        }
        partitions = ranges
        isSealed = true
    }

    /// Adds a partition, where nobody else keeps account of them.
    ///
    /// - Returns: its place.
    package func addRange(of partition: TopicPartition, expected: Int64) -> Int32 {
        partitions.append(PartitionRange(partition: partition, expected: expected, next: expected))
        return Int32(partitions.count - 1)
    }

    @inline(__always)
    package func advance(_ range: Int32, past offset: Int64) { partitions[Int(range)].next = offset + 1 }

    func setLast(_ message: LastMessage, of range: Int) { partitions[range].last = message }

    /// Takes a message: copies its bytes.
    ///
    /// - Returns: its place.
    @discardableResult
    package func append(_ message: borrowing Message, range: Int32) -> Int {
        let start = arena.count
        let value = message.value
        let key = message.key
        if let value { arena.append(value) }
        if let key { arena.append(key) }
        let beforeHeaders = arena.count
        message.forEachHeader { name, value in
            arena.append(Int32(name.count))
            arena.append(name)
            arena.append(Int32(value?.count ?? -1))
            if let value { arena.append(value) }
        }
        return append(
            MessageRecord(
                partition: range, offset: message.offset, timestamp: message.timestamp ?? .min, start: start,
                valueCount: Int32(value?.count ?? -1), keyCount: Int32(key?.count ?? -1),
                headersCount: Int32(arena.count - beforeHeaders)))
    }

    /// Takes a message that no consumer brought: how the benchmarks feed the hot path.
    package func append(
        value: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, offset: Int64, range: Int32
    ) -> Int {
        let start = arena.count
        arena.append(value)
        arena.append(key)
        return append(
            MessageRecord(
                partition: range, offset: offset, timestamp: .min, start: start, valueCount: Int32(value.count),
                keyCount: Int32(key.count), headersCount: 0))
    }

    /// Takes a message whose bytes are in `arena` already.
    package func append(_ message: MessageRecord) -> Int {
        messages.append(message)
        return messages.count - 1
    }

    /// The messages to load next.
    ///
    /// - Parameter limit: how many at most; nil for all that are left.
    func part(upTo limit: Int? = nil) -> Part {
        let end = limit.map { min(messages.count, loadedMessages + $0) } ?? messages.count
        if loadedMessages == 0, end == messages.count {
            return Part(messages: 0..<end, partitions: partitions)
        }
        var next: [Int32: Int64] = [:]
        for message in messages[loadedMessages..<end] { next[message.partition] = message.offset + 1 }
        let ranges = partitions.indices.compactMap { index -> PartitionRange? in
            var range = partitions[index]
            if !reached.isEmpty { range.expected = reached[index] }
            // The last part takes along what is behind a partition's last message: control records.
            if end < messages.count {
                guard let offset = next[Int32(index)] else { return nil }
                range.next = offset
                // What is kept of a partition's last message is not known of one before.
                if range.last?.offset != offset - 1 { range.last = nil }
            } else if range.expected == range.next {
                return nil
            }
            return range
        }
        return Part(messages: loadedMessages..<end, partitions: ranges)
    }

    /// Notes that a part is in.
    func loaded(_ part: Part) {
        if reached.isEmpty { reached = partitions.map(\.expected) }
        let places = Dictionary(
            partitions.indices.map { (partitions[$0].partition, $0) }, uniquingKeysWith: { $1 })
        for range in part.partitions {
            if let place = places[range.partition] { reached[place] = range.next }
        }
        loadedMessages = part.messages.upperBound
    }

    var isLoaded: Bool { loadedMessages == messages.count }

    /// - Parameter omissible: how many of the target's columns a row may leave out.
    func section(_ target: Int, _ kind: Section.Kind, omissible: Int = 0) -> Section {
        let place = Section.Kind.count * target + kind.rawValue
        while places.count <= place { places.append(-1) }
        if places[place] >= 0 { return sections[Int(places[place])] }
        let section = Section(target: target, kind: kind, omissible: omissible)
        places[place] = Int32(sections.count)
        sections.append(section)
        return section
    }

    /// Forgets the rows but keeps the messages, so that rows can be built for these tables.
    func removeRows(for tables: RoutedTables.Version) {
        if tables.number == self.tables.number {
            // Most have none, but the memory of those that the batch has had before.
            for section in sections where !section.rows.isEmpty { section.removeAll() }
        } else {
            // Which columns may be left out is another question now.
            sections.removeAll()
            places.removeAll()
        }
        self.tables = tables
        headStart = nil
        unbuilt = nil
        deadLetters.removeAll(keepingCapacity: true)
        truncations.removeAll(keepingCapacity: true)
        nulledValues.removeAll(keepingCapacity: true)
        settled = 0
        missesTable = false
        operations.removeAll()
    }

    /// Empties the batch for the next messages. Its memory is kept, but what one giant message took is given back.
    package func removeAll(keepingAtMost limit: Int) {
        partitions.removeAll(keepingCapacity: true)
        messages.removeAll(keepingCapacity: true)
        arena.removeAll(keepingAtMost: limit)
        // What the sections of many targets have grown to is not kept.
        if sections.reduce(0, { $0 + $1.buffer.capacity }) > 2 * limit {
            sections.removeAll()
            places.removeAll()
        }
        for section in sections { section.removeAll(keepingAtMost: limit) }
        deadLetters.removeAll()
        truncations.removeAll()
        nulledValues.removeAll()
        settled = 0
        missesTable = false
        operations.removeAll()
        loadedMessages = 0
        reached.removeAll()
        isSealed = false
        violation = nil
        building = nil
        headStart = nil
        unbuilt = nil
        failures.removeAll()
        failureCount = 0
    }

    /// Notes that a route has settled what becomes of a message: any number of rows, or none.
    func settle() { settled += 1 }

    /// Notes what a route does with a message, where that is no row, no deletion and no letter: those are counted once they are in.
    @inline(__always)
    func note(_ operation: RowOperation, target: Int) { operations.add(operation, target: target) }

    /// Forgets what was noted since there were so many.
    func takeBack(_ operation: RowOperation, target: Int, to count: Int) {
        operations.add(operation, target: target, count - operations[operation, target: target])
    }

    func noteMissingTable() { missesTable = true }

    /// Notes that a message empties a target's table.
    func truncate(_ target: Int, by message: Int) {
        truncations.append(Truncation(message: Int32(message), target: target))
    }

    /// Messages that are loaded again stand in no order with those around them.
    func takeTruncations() -> [Truncation] {
        defer { truncations.removeAll() }
        return truncations
    }

    /// The last of some messages that empties a target's table.
    ///
    /// - Parameter isLetter: of a message that is known to have emptied nothing.
    package func lastTruncation(
        of target: Int, in messages: Range<Int>, except isLetter: (Int) -> Bool = { _ in false }
    ) -> Int? {
        guard !truncations.isEmpty else { return nil }
        return truncations.last {
            $0.target == target && messages.contains(Int($0.message)) && !isLetter(Int($0.message))
        }.map { Int($0.message) }
    }

    /// Notes that a promise does not hold for it. The first counts; what follows may follow from it.
    package func note(_ violation: InvariantViolation) { self.violation = self.violation ?? violation }

    /// Makes sure, where the batch goes from one thread to another, that it is what it says: the offsets of each partition
    /// ascend between where it begins and where it goes, and there are as many as were taken.
    ///
    /// - Returns: how many messages each partition has; of no use where that does not hold, which is noted.
    func checkedCounts() -> [Int] {
        var counts = [Int](repeating: 0, count: partitions.count)
        var next = partitions.map(\.expected)
        for (number, message) in messages.enumerated() {
            let place = Int(message.partition)
            guard partitions.indices.contains(place), message.offset >= next[place],
                message.offset < partitions[place].next
            else {
                let range =
                    partitions.indices.contains(place) ? "\(next[place])..<\(partitions[place].next)" : "a partition"
                note(
                    InvariantViolation(
                        .offsetOrder, at: whereabouts(of: number), expected: "one of \(range)",
                        found: message.offset))
                return counts
            }
            next[place] = message.offset + 1
            counts[place] += 1
        }
        guard isSealed else { return counts }
        for (range, count) in zip(partitions, counts) where range.taken != count {
            note(
                InvariantViolation(
                    .messageCount, at: "\(range.partition)@\(range.expected)", expected: "\(range.taken) messages",
                    found: count))
        }
        return counts
    }

    /// Makes sure that a part moves the positions of its own messages and no further: nothing is left out between two, and the
    /// last one ends where the batch does. A batch that goes in whole moves its own ranges.
    func check(_ part: Part) {
        guard part.messages != messages.indices else { return }
        var places: [TopicPartition: Int] = [:]
        for (place, range) in part.partitions.enumerated() { places[range.partition] = place }
        var ends = part.partitions.map(\.expected)
        for message in part.messages {
            let offset = messages[message].offset
            let place = places[partitions[Int(messages[message].partition)].partition]
            guard let place, offset >= ends[place], offset < part.partitions[place].next else {
                let range = place.map { "\(ends[$0])..<\(part.partitions[$0].next)" } ?? "a partition of the part"
                return note(
                    InvariantViolation(
                        .partRange, at: whereabouts(of: message), expected: "one of \(range)", found: offset))
            }
            ends[place] = offset + 1
        }
        let whole = Dictionary(partitions.map { ($0.partition, $0.next) }, uniquingKeysWith: { $1 })
        for (range, end) in zip(part.partitions, ends) {
            let end = part.messages.upperBound < messages.count ? end : whole[range.partition]
            guard range.next != end else { continue }
            return note(
                InvariantViolation(
                    .partRange, at: "\(range.partition)@\(range.expected)",
                    expected: end.map { "an end at \($0)" } ?? "none",
                    found: range.next))
        }
    }

    func noteBuilding(since began: ContinuousClock.Instant) {
        building = (began, (building?.duration ?? .zero) + (.now - began))
    }

    /// Notes that a try has failed. An outage may see thousands.
    func noteFailure(sqlState: String? = nil, code: String, _ reason: @autoclosure () -> String) {
        failureCount += 1
        guard failures.count < 32 else { return }
        failures.append(Failure(time: .now, sqlState: sqlState, code: code, reason: reason()))
    }

    // MARK: A message's parts

    package func value(of message: Int) -> UnsafeRawBufferPointer? {
        let record = messages[message]
        return record.valueCount < 0 ? nil : slice(record.start, Int(record.valueCount))
    }

    package func key(of message: Int) -> UnsafeRawBufferPointer? {
        let record = messages[message]
        return record.keyCount < 0
            ? nil : slice(record.start + max(0, Int(record.valueCount)), Int(record.keyCount))
    }

    /// The message's headers in their order.
    package func headers(of message: Int) -> [(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer?)] {
        var result: [(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer?)] = []
        forEachHeader(of: message) { name, value in
            result.append((name, value))
            return true
        }
        return result
    }

    /// The value of a message's first header of this name, found without a list of them all.
    func header(_ name: StaticString, of message: Int) -> UnsafeRawBufferPointer? {
        let count = name.utf8CodeUnitCount
        var found: UnsafeRawBufferPointer?
        forEachHeader(of: message) { other, value in
            guard other.count == count, let start = other.baseAddress, memcmp(start, name.utf8Start, count) == 0
            else { return true }
            found = value
            return false
        }
        return found
    }

    /// What a message's headers say of the schema of its key or its value.
    func schemaHeader(_ naming: SchemaNaming, ofKey isOfKey: Bool, of message: Int) -> SchemaHeader? {
        // Most messages have none at all.
        guard messages[message].headersCount > 0 else { return nil }
        var headers = SchemaHeaders(naming, ofKey: isOfKey)
        forEachHeader(of: message) { name, value in
            headers.take(name, value)
            return true
        }
        return headers.header
    }

    /// - Parameter body: returns whether to go on.
    @inline(__always)
    func forEachHeader(
        of message: Int, _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Bool
    ) {
        let record = messages[message]
        var at = record.start + max(0, Int(record.valueCount)) + max(0, Int(record.keyCount))
        let end = at + Int(record.headersCount)
        func size() -> Int {
            defer { at += 4 }
            return Int(Int32(bigEndian: arena.bytes.loadUnaligned(fromByteOffset: at, as: Int32.self)))
        }
        while at < end {
            let nameSize = size()
            let name = slice(at, nameSize)
            at += nameSize
            let valueSize = size()
            guard body(name, valueSize < 0 ? nil : slice(at, valueSize)) else { return }
            at += max(0, valueSize)
        }
    }

    /// Where a message came from.
    package func coordinates(of message: Int) -> (partition: TopicPartition, offset: Int64) {
        let record = messages[message]
        return (partitions[Int(record.partition)].partition, record.offset)
    }

    private func slice(_ start: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: arena.bytes[start..<start + count])
    }
}
