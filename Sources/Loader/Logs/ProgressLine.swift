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
    /// What there was to load at the start, loaded messages included; nil while it is not known.
    var total: Int?
}

/// The line at the bottom of the terminal.
enum ProgressLine {
    /// - Parameter width: the terminal's columns; what does not fit is left out, the least important first.
    static func text(_ progress: Progress, width: Int, isColored: Bool) -> String {
        var parts: [(text: String, color: String)] = []
        if let share = share(progress) {
            let filled = Int(share * 20)
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
            parts.append((bar, TerminalCode.green))
            // 100 % is said only when it is true.
            parts.append(("\(Int(share * 100))%", ""))
        }
        parts.append(("\(grouped(progress.messages)) messages", ""))
        parts.append(("\(grouped(Int(progress.rate.rounded())))/s", ""))
        if let left = timeLeft(progress) { parts.append(("\(left) left", "")) }
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

    /// The share that is loaded, below 1 while anything is left; nil when the total is unknown or all was caught up.
    private static func share(_ progress: Progress) -> Double? {
        guard let total = progress.total, let lag = progress.lag, total > 0, lag > 0 else { return nil }
        return min(max(Double(total - lag) / Double(total), 0), 0.999)
    }

    private static func timeLeft(_ progress: Progress) -> String? {
        guard let lag = progress.lag, lag > 0, progress.total != nil, progress.rate >= 1 else { return nil }
        let seconds = Double(lag) / progress.rate
        guard seconds < 8_640_000 else { return nil }
        let whole = Int(seconds.rounded(.up))
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return "\(whole / 60) min \(whole % 60) s"
        default: return "\(whole / 3600) h \(whole % 3600 / 60) min"
        }
    }

    /// `1,234,567`
    private static func grouped(_ number: Int) -> String {
        var result = ""
        let digits = String(number)
        for (index, digit) in digits.enumerated() {
            if index > 0, digit != "-", (digits.count - index) % 3 == 0, result != "-" { result += "," }
            result.append(digit)
        }
        return result
    }
}
