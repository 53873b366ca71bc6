import Kafka

@testable import Loading

extension Process {
    /// What is asked beside the consumer's thread.
    func addInquiries(to print: inout Fingerprint) {
        print.add(proof == nil)
        switch proof {
        case .asked(let messages):
            print.add(0)
            print.add(messages)
        case .answered(let findings):
            print.add(1)
            for (partition, finding) in findings.sorted(by: { $0.key < $1.key }) {
                print.add(partition.partition)
                print.add(finding.number)
            }
        case nil: break
        }
        print.add(stall == nil)
        switch stall {
        case .asked(let suspects):
            print.add(0)
            print.add(suspects)
        case .answered(let suspects):
            print.add(1)
            print.add(suspects)
        case nil: break
        }
        print.add(look == nil)
        switch look {
        case .asked(let positions):
            print.add(0)
            print.add(positions)
        case .answered(let found):
            print.add(found == nil ? 2 : 1)
            print.add(found ?? [:])
        case nil: break
        }
    }
}

extension TopicWatch {
    /// Without moments, but for whether a partition was looked at, and lately: that says which come first.
    func add(to print: inout Fingerprint) {
        print.add(due == nil)
        print.add(isUrgent)
        print.add(suspected.count)
        for partition in read.sorted() { print.add(partition.partition) }
        print.add(watched.count)
        for (partition, known) in watched.sorted(by: { $0.key < $1.key }) {
            print.add(partition.partition)
            print.add(known.proven)
            print.add(known.since)
            print.add(known.looked.map { $0 < World.later ? 1 : 2 })
        }
        print.add(asked.mapValues(\.message))
        print.add(asked.mapValues(\.last))
        print.add(found.count)
        for (partition, narrowing) in found.sorted(by: { $0.key < $1.key }) {
            print.add(partition.partition)
            print.add(narrowing.other)
            print.add(narrowing.open)
            print.add(narrowing.newest)
        }
    }
}

extension LedgerWatch {
    func add(to print: inout Fingerprint) {
        print.add(known)
        print.add(asked)
    }
}

extension TopicWatch.Finding {
    fileprivate var number: Int {
        switch self {
        case .same: 0
        case .other: 1
        case .gone: 2
        }
    }
}

extension Fingerprint {
    mutating func add(_ message: LastMessage?) {
        add(message?.offset)
        add(message?.fingerprint)
    }

    fileprivate mutating func add(_ suspects: [StallWatch.Suspect]) {
        add(suspects.count)
        for suspect in suspects {
            add(suspect.partition.partition)
            add(suspect.next)
        }
    }

    fileprivate mutating func add(_ messages: [LastMessage]) {
        add(messages.count)
        for message in messages { add(message) }
    }

    fileprivate mutating func add(_ messages: [TopicPartition: LastMessage]) {
        add(messages.count)
        for (partition, message) in messages.sorted(by: { $0.key < $1.key }) {
            add(partition.partition)
            add(message)
        }
    }

    fileprivate mutating func add(_ positions: [TopicPartition: Int64]) {
        add(positions.count)
        for (partition, position) in positions.sorted(by: { $0.key < $1.key }) {
            add(partition.partition)
            add(position)
        }
    }
}
