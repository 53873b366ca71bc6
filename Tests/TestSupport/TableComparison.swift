/// How a table, filled by the coordinates of a topic's messages, differs from the topic.
///
/// Order is held against the partition: rows of a partition must stand in the table in the order of their offsets, and as
/// all messages of a key are in one partition, so do those of each key.
public struct TableComparison: Sendable, Equatable, CustomStringConvertible {
    /// A message, or the row that it became.
    public struct Entry: Sendable, Equatable {
        public var offset: Int64
        /// What the row must say; nil for a message that must become a dead letter.
        public var number: Int64?

        public init(offset: Int64, number: Int64?) {
            self.offset = offset
            self.number = number
        }
    }

    /// How often something was found, and where first.
    public struct Finding: Sendable, Equatable, CustomStringConvertible {
        public var count = 0
        public var first: String?

        public var description: String { first.map { "\(count), first \($0)" } ?? "\(count)" }

        mutating func add(_ partition: Int, _ offset: Int64) {
            count += 1
            if first == nil { first = "[\(partition)]@\(offset)" }
        }
    }

    /// In the topic, those that must become dead letters among them.
    public var messages = 0
    public var rows = 0
    public var lost = Finding()
    public var doubled = Finding()
    public var outOfOrder = Finding()
    /// Another value than the message's.
    public var wrong = Finding()
    /// Rows and dead letters of messages that the topic does not have, or that are good or bad as the case may be.
    public var foreign = Finding()
    public var deadLettersExpected = 0
    public var deadLettersFound = 0

    public var isExact: Bool {
        [lost, doubled, outOfOrder, wrong, foreign].allSatisfy { $0.count == 0 }
            && deadLettersFound == deadLettersExpected
    }

    public var description: String {
        "\(messages) messages, \(rows) rows; lost: \(lost); doubled: \(doubled); out of order: \(outOfOrder); "
            + "other values: \(wrong); not of the topic: \(foreign); "
            + "dead letters: \(deadLettersFound) of \(deadLettersExpected)"
    }

    /// Compares partition by partition.
    ///
    /// - Parameters:
    ///   - topic: each partition's messages in the order of their offsets.
    ///   - table: each partition's rows in the order in which they went in.
    ///   - deadLetters: the offsets of each partition's dead letters, in any order.
    ///   - strangers: rows and dead letters of partitions that the topic does not have.
    public init(topic: [[Entry]], table: [[Entry]], deadLetters: [[Int64]], strangers: Int = 0) {
        if strangers > 0 { foreign = Finding(count: strangers, first: "a partition that is none of the topic's") }
        for partition in topic.indices {
            let rows = table[partition]
            messages += topic[partition].count
            self.rows += rows.count
            for index in rows.indices.dropFirst() where rows[index].offset < rows[index - 1].offset {
                outOfOrder.add(partition, rows[index].offset)
            }
            match(topic[partition], rows.sorted { $0.offset < $1.offset }, deadLetters[partition].sorted(), partition)
        }
    }

    private mutating func match(_ messages: [Entry], _ rows: [Entry], _ letters: [Int64], _ partition: Int) {
        var row = 0
        var letter = 0
        for message in messages {
            while row < rows.count, rows[row].offset < message.offset {
                foreign.add(partition, rows[row].offset)
                row += 1
            }
            while letter < letters.count, letters[letter] < message.offset {
                foreign.add(partition, letters[letter])
                letter += 1
            }
            let firstRow = row
            while row < rows.count, rows[row].offset == message.offset {
                if let number = message.number {
                    if rows[row].number != number { wrong.add(partition, message.offset) }
                    if row > firstRow { doubled.add(partition, message.offset) }
                } else {
                    foreign.add(partition, message.offset)
                }
                row += 1
            }
            let firstLetter = letter
            while letter < letters.count, letters[letter] == message.offset { letter += 1 }
            let letterCount = letter - firstLetter
            if message.number == nil {
                deadLettersExpected += 1
                deadLettersFound += letterCount
                if letterCount == 0 { lost.add(partition, message.offset) }
                if letterCount > 1 { doubled.add(partition, message.offset) }
            } else {
                if row == firstRow { lost.add(partition, message.offset) }
                if letterCount > 0 {
                    deadLettersFound += letterCount
                    foreign.add(partition, message.offset)
                }
            }
        }
        for row in rows[row...] { foreign.add(partition, row.offset) }
        for offset in letters[letter...] { foreign.add(partition, offset) }
    }
}
