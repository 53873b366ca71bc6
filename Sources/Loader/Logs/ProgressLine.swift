import Loading

/// How far the loader is, for a person who watches.
struct Progress: Sendable, Equatable {
    /// Messages whose batch is committed.
    var messages = 0
    var rows = 0
    var deadLetters = 0
    var batches = 0
    /// Messages a second, lately.
    var rate = 0.0
    /// Messages that are not loaded yet; nil while it is not known.
    var lag: Int?
    /// The way back, while it is behind.
    var catchUp: Pace.CatchUp?
    /// What is away, in words.
    var waitsFor: [String] = []
}

extension Progress {
    init(_ snapshot: LoadingStatistics.Snapshot) {
        self.init(
            messages: snapshot.messages, rows: snapshot.rows, deadLetters: snapshot.deadLetterCount,
            batches: snapshot.batches, rate: snapshot.pace.messagesPerSecond,
            lag: snapshot.isAssigned ? Int(snapshot.lag) : nil, catchUp: snapshot.pace.catchUp,
            waitsFor: LoadingStatistics.Outage.allCases.filter(snapshot.outages.contains).map(\.name)
                + snapshot.lockedPlaces.map { "a lock on \($0.place)" })
    }
}

/// The line at the bottom of the terminal.
enum ProgressLine {
    /// - Parameter width: the terminal's columns; what does not fit is left out, the least important first.
    static func text(_ progress: Progress, width: Int, isColored: Bool) -> String {
        var parts: [(text: String, color: String)] = []
        if !progress.waitsFor.isEmpty {
            // How long it would take at the rate before says nothing then.
            parts.append(("waiting for \(progress.waitsFor.joined(separator: " and "))", TerminalCode.yellow))
        } else if let share = progress.catchUp?.share {
            let filled = Int(share * 20)
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
            parts.append((bar, TerminalCode.green))
            // 100 % is said only when it is true.
            parts.append(("\(Int(share * 100))%", ""))
        }
        parts.append(("\(grouped(progress.messages)) messages", ""))
        parts.append(("\(grouped(Int(progress.rate.rounded())))/s", ""))
        if progress.waitsFor.isEmpty, let left = progress.catchUp?.secondsLeft.flatMap(durationText) {
            parts.append(("\(left) left", ""))
        }
        if let lag = progress.lag { parts.append(("lag \(grouped(lag))", "")) }
        if progress.deadLetters > 0 {
            parts.append(("dead letters \(grouped(progress.deadLetters))", TerminalCode.yellow))
        }
        parts.append(("rows \(grouped(progress.rows))", ""))
        parts.append(("batches \(grouped(progress.batches))", ""))

        var line = ""
        var columns = 0
        for part in parts {
            let needed = part.text.count + (columns > 0 ? 2 : 0)
            // The last column stays free: some terminals break the line as soon as it is filled.
            guard columns + needed < width else { break }
            if columns > 0 { line += "  " }
            line += isColored && !part.color.isEmpty ? part.color + part.text + TerminalCode.reset : part.text
            columns += needed
        }
        return line
    }
}
