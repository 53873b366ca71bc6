import Loading

/// Makes a rate and a total of the pipeline's counters, which are looked at now and then.
struct ProgressMeter {
    /// The rate is that of the looks within this time, so that one slow batch does not make the figure jump.
    private static let window = Duration.seconds(5)

    private var looks: [(time: ContinuousClock.Instant, messages: Int)] = []
    private var total: Int?

    mutating func progress(
        _ snapshot: LoadingStatistics.Snapshot, at now: ContinuousClock.Instant = .now
    ) -> Progress {
        looks.append((now, snapshot.messages))
        // One look before the window stays, or a slow loader would have no rate.
        while looks.count > 2, now - looks[1].time >= Self.window { looks.removeFirst() }
        let isKnown = snapshot.isAssigned
        if isKnown, total == nil { total = snapshot.messages + Int(snapshot.lag) }
        let elapsed = (now - looks[0].time) / .seconds(1)
        return Progress(
            messages: snapshot.messages, rows: snapshot.rows, deadLetters: snapshot.deadLetterCount,
            batches: snapshot.batches,
            rate: elapsed > 0 ? Double(snapshot.messages - looks[0].messages) / elapsed : 0,
            lag: isKnown ? Int(snapshot.lag) : nil,
            // More may have arrived, or partitions come, since the first look.
            total: isKnown ? max(total ?? 0, snapshot.messages + Int(snapshot.lag)) : nil)
    }
}
