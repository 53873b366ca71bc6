import Kafka

@testable import Loading

/// A state, as far as it makes a difference. Members have no names in it: what one could do, another could.
extension World {
    var fingerprint: Fingerprint {
        var print = Fingerprint()
        print.add(faults)
        print.add(isDatabaseAway)
        print.add(areBrokersAway)
        print.add(isRestored)
        for log in logs {
            print.add(log.low)
            print.add(log.end)
            print.add(log.isNew)
            print.add(log.epoch)
            print.add(log.isGone)
        }
        for offset in group.offsets {
            print.add(offset?.offset)
            print.add(offset.map { Self.number($0.metadata) })
            print.add(offset?.isOrdered ?? false)
            print.add(offset?.isFollowed ?? false)
        }
        for order in group.orders { print.add(order) }
        database.add(to: &print)
        print.add(dump == nil)
        dump?.add(to: &print)
        for process in processes.indices.map(fingerprint).sorted(by: Fingerprint.isBefore) { print.add(process) }
        return print
    }

    fileprivate static func number(_ metadata: String) -> Int {
        metadata.isEmpty ? 0 : metadata == mark.metadata ? 1 : 2
    }

    private func fingerprint(_ number: Int) -> Fingerprint {
        var print = Fingerprint()
        let process = processes[number]
        print.add(group.isMember[number])
        for owner in group.owners { print.add(owner == number) }
        print.add(process.failure != nil)
        print.add(process.member != nil)
        guard let member = process.member else { return print }
        member.add(to: &print)
        for lane in process.lanes {
            print.add(lane.phase.rawValue)
            print.add(lane.parts)
            print.add(lane.hasNextAhead)
            print.add(lane.isAhead)
            print.add(lane.handoff.mayBegin)
            print.add(lane.filling)
            print.add(lane.instead?.records ?? [])
            print.add(lane.handoff.entries.count)
            for entry in lane.handoff.entries {
                print.add(entry.stage.number)
                print.add(entry.isGivenUp)
                print.add(entry.hadHeadStart)
                print.add(entry.job)
            }
            print.add(lane.handoff.outcomes.count)
            for outcome in lane.handoff.outcomes {
                switch outcome {
                case .loaded(let load):
                    print.add(0)
                    print.add(load)
                case .fenced:
                    print.add(1)
                case .abandoned:
                    print.add(2)
                case .refused:
                    print.add(3)
                }
            }
        }
        for cursor in process.cursors { print.add(cursor) }
        for isTold in process.isEndTold + process.isGoneTold { print.add(isTold) }
        for suspect in process.suspects { print.add(suspect) }
        for isForgotten in process.isForgotten { print.add(isForgotten) }
        process.addInquiries(to: &print)
        print.add(process.giving)
        print.add(process.isLeft)
        print.add(process.renewal)
        print.add(process.sent)
        print.add(process.isSentStale)
        var waiting = process.waiting
        print.add(waiting.takeAll(isUnderWay: false))
        process.settling?.add(to: &print)
        return print
    }
}

extension Process.Settling {
    fileprivate func add(to print: inout Fingerprint) {
        print.add(step.rawValue)
        print.add(wanted.partitions)
        print.add(wanted.isBeginning)
        for (partition, stranger) in wanted.strangers.sorted(by: { $0.key < $1.key }) {
            print.add(partition.partition)
            print.add(stranger.position)
            print.add(stranger.from)
        }
        for (partition, offset) in wanted.reached.sorted(by: { $0.key < $1.key }) {
            print.add(partition.partition)
            print.add(offset)
        }
        guard let decision else { return }
        for place in moved.sorted() { print.add(place) }
        print.add(decision.asked)
        print.add(decision.newTopics.count)
        for partition in decision.asked {
            print.add(decision.ledger[partition])
            print.add(decision.groups[partition]?.offset)
            print.add(decision.groups[partition].map { World.number($0.metadata) })
            print.add(decision.watermarks[partition]?.low)
            print.add(decision.watermarks[partition]?.high)
        }
        for (partition, start) in starts.sorted(by: { $0.key < $1.key }) {
            print.add(partition.partition)
            print.add(start.offset)
        }
        guard let conclusion else { return }
        for partition in wanted.partitions { print.add(conclusion.offsets[partition]) }
        print.add(conclusion.marks)
    }
}

extension World.Database {
    fileprivate func add(to print: inout Fingerprint) {
        for position in positions { print.add(position) }
        for number in rows.indices {
            for count in rows[number] { print.add(count) }
            for count in extra[number] { print.add(count) }
            print.add(isBehind[number])
            print.add(ways[number]?.until)
            print.add(ways[number]?.resume)
            print.add(isOfFormerTopic[number])
            for isMissed in missed[number] { print.add(isMissed) }
        }
        print.add(limbo.count)
        for entry in limbo {
            print.add(entry.isFenced)
            print.add(entry.load)
        }
    }
}

extension Member {
    /// Without what only matters to those who read of it, and without moments: what is due at all is due.
    fileprivate func add(to print: inout Fingerprint) {
        print.add(partitions.count)
        for partition in partitions {
            print.add(partition.partition.partition)
            print.add(partition.next)
            print.add(partition.loaded)
            print.add(partition.reported)
            print.add(partition.last)
            print.add(partition.range)
            print.add(partition.hold.number)
            print.add(partition.detour?.until)
            print.add(partition.detour?.resume)
        }
        for lane in lanes {
            print.add(lane.messages)
            print.add(lane.deadline != nil)
            print.add(lane.ranges)
        }
        print.add(pending.sorted())
        for flag in [
            hasBeenAssigned, isStopping, isReadingAgain, isProving, search.mustBegin, search.isUnderWay,
            renewalDue != nil,
        ] {
            print.add(flag)
        }
        for (partition, stranger) in strangers.sorted(by: { $0.key < $1.key }) {
            print.add(partition.partition)
            print.add(stranger.position)
            print.add(stranger.from)
        }
        for (partition, offset) in reached.sorted(by: { $0.key < $1.key }) {
            print.add(partition.partition)
            print.add(offset)
        }
        print.add(groupOffsets.metadata.isEmpty)
        print.add(groupOffsets.due != nil)
        topicWatch?.add(to: &print)
        ledgerWatch?.add(to: &print)
        print.add(flush == nil)
        guard let flush else { return }
        switch flush.purpose {
        case .stop: print.add(0)
        case .giving(let partitions, let lost):
            print.add(lost ? 1 : 2)
            print.add(partitions)
        case .replacing: print.add(3)
        }
        print.add(flush.isGivingUp)
        print.add(flush.lanes.count)
        print.add(flush.givenUp != nil)
    }
}

extension AssignedPartition.Hold {
    fileprivate var number: Int {
        switch self {
        case .none: 0
        case .held: 1
        case .doubted: 2
        case .missing: 3
        case .full: 4
        }
    }
}

extension Handoff.Stage {
    fileprivate var number: Int {
        switch self {
        case .waiting: 0
        case .building: 1
        case .built: 2
        case .copying: 3
        case .loading: 4
        }
    }
}

extension Fingerprint {
    fileprivate mutating func add(_ partitions: [TopicPartition]?) {
        add(partitions?.count)
        for partition in partitions ?? [] { add(partition.partition) }
    }

    fileprivate mutating func add(_ position: Ledger.Position?) {
        add(position?.next)
        guard let position else { return }
        add(position.last)
        add(position.proven)
        add(position.isLost)
        add(position.detour?.until)
        add(position.detour?.resume)
    }

    fileprivate mutating func add(_ offsets: [CommittedOffset]?) {
        add(offsets?.count)
        for offset in offsets ?? [] {
            add(offset.partition.partition)
            add(offset.offset)
            add(World.number(offset.metadata))
        }
    }

    fileprivate mutating func add(_ records: [World.Record]) {
        add(records.count)
        for record in records {
            add(record.partition)
            add(record.offset)
            add(record.epoch)
        }
    }

    fileprivate mutating func add(_ ranges: [Batch.PartitionRange]) {
        add(ranges.count)
        for range in ranges {
            add(range.partition.partition)
            add(range.expected)
            add(range.next)
            add(range.last)
            add(range.proven)
        }
    }

    fileprivate mutating func add(_ load: World.Load) {
        add(load.ranges)
        add(load.records)
    }
}
