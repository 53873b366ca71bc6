import Kafka

extension Member {
    /// What becomes of a message.
    enum Verdict: Equatable {
        /// It goes into the filling batch of its lane, as one of this range.
        case take(range: Int32)
        /// It is not to be loaded, or not now.
        case skip
        /// It is to be compared with the one that was loaded; answered by `compared`.
        case compare(LastMessage)
    }

    /// Decides on the next message of a partition. This is the way of every message: it costs no clock and no allocation
    /// but with the first of a batch.
    ///
    /// - Parameter now: asked for the first message of a batch.
    @inline(__always)
    mutating func take(_ index: Int, offset: Int64, at now: () -> ContinuousClock.Instant) -> Verdict {
        if partitions[index].hold != .none, !goOn(index, now) { return .skip }
        // librdkafka may hand a message out twice after a rebalance or a leader's move. Gaps are normal: transactions and
        // compaction leave them.
        guard offset >= partitions[index].next else { return comparison(index, offset) }
        if let detour = partitions[index].detour, offset >= detour.until {
            endDetour(of: index, now())
            return .skip
        }
        if let target = partitions[index].target, offset >= target {
            partitions[index].next = target
            return .skip
        }
        let lane = partitions[index].lane
        if lanes[lane].messages == 0 { lanes[lane].begin(until: now() + rules.batch.maxDelay) }
        let range = partitions[index].range ?? beginRange(index)
        lanes[lane].ranges[Int(range)].next = offset + 1
        lanes[lane].ranges[Int(range)].taken += 1
        lanes[lane].add()
        partitions[index].next = offset + 1
        return .take(range: range)
    }

    /// A message has come where there is no room for it, or while its position is being looked for: its partition begins
    /// again, once there is.
    mutating func miss(_ index: Int, at now: ContinuousClock.Instant) {
        guard !pending.contains(partitions[index].partition) else { return }
        beginAgain(index, now)
    }

    private mutating func beginRange(_ index: Int) -> Int32 {
        let partition = partitions[index]
        let range = Int32(lanes[partition.lane].ranges.count)
        lanes[partition.lane].ranges.append(
            Batch.PartitionRange(
                partition: partition.partition, expected: partition.next, next: partition.next,
                proven: topicWatch?.proven(partition.partition), detour: partition.detour))
        partitions[index].range = range
        return range
    }

    /// Below the position it is of no use, but to show whether it is the one that was loaded.
    private mutating func comparison(_ index: Int, _ offset: Int64) -> Verdict {
        guard let last = partitions[index].last, offset >= last.offset else { return .skip }
        partitions[index].last = nil
        // Compacted away; what comes next proves nothing.
        return offset == last.offset ? .compare(last) : .skip
    }

    mutating func compared(
        _ partition: TopicPartition, with last: LastMessage, isSame: Bool, _ now: ContinuousClock.Instant
    ) {
        guard !isSame, let index = partitions.place(of: partition) else { return }
        let loaded = partitions[index].loaded
        strangers[partition] = StartSettling.Stranger(position: loaded, from: loaded, last: last)
        topicWatch?.suspect(partition.topic)
        // What comes behind it is not the next message, and must not be taken for it.
        beginAgain(index, now)
    }

    /// All that was to be loaded again is taken. Once it is in, the partition goes on where the ledger says that it stood.
    private mutating func endDetour(of index: Int, _ now: ContinuousClock.Instant) {
        reached[partitions[index].partition] = partitions[index].next
        // What comes until then is loaded already.
        partitions[index].last = nil
        beginAgain(index, now)
    }

    /// Takes nothing more of a partition until its position has been found again.
    mutating func beginAgain(_ index: Int, _ now: ContinuousClock.Instant) {
        partitions[index].next = .max
        reposition([partitions[index].partition], now)
    }

    /// The message that was to be compared is compacted away, if the end lies behind it. Before it, the topic may be one that is made anew,
    /// and the message is still to come: what it is then is asked. A bounded run that is to take nothing waits for none.
    private mutating func forgetLast(of index: Int, at end: Int64) {
        guard let last = partitions[index].last else { return }
        let hasAll = partitions[index].target.map { partitions[index].next >= $0 } ?? false
        if end > last.offset || hasAll { partitions[index].last = nil }
    }

    mutating func reachEnd(of index: Int, _ offset: Int64, _ now: ContinuousClock.Instant) {
        partitions[index].end = max(partitions[index].end, offset)
        if partitions[index].hold != .none, !goOn(index, { now }) { return }
        if let detour = partitions[index].detour, offset >= detour.until {
            // One that is ended already waits for its batch.
            if partitions[index].next < detour.until { endDetour(of: index, now) }
            return
        }
        forgetLast(of: index, at: offset)
        // Control records and compacted messages at the end never come: the end itself says that it is reached. A batch that
        // ends there takes them into its position; a position before them would be a lost one as soon as retention
        // deletes them.
        let end = min(offset, partitions[index].target ?? .max)
        if let range = partitions[index].range, end > partitions[index].next {
            lanes[partitions[index].lane].ranges[Int(range)].next = end
            partitions[index].next = end
        }
        if let target = partitions[index].target, offset >= target {
            partitions[index].next = max(partitions[index].next, target)
        }
    }
}
