import Kafka

/// A partition that went back: its messages below `until` are loaded again, and then it goes on at `resume`, where it stood
/// before. What lies between the two is loaded already.
public struct Detour: Sendable, Hashable {
    public var until: Int64
    public var resume: Int64

    public init(until: Int64, resume: Int64) {
        self.until = until
        self.resume = resume
    }

    /// The messages that are loaded already although they lie ahead of a position.
    package func loaded(aheadOf position: Int64) -> Range<Int64> {
        let begin = max(position, until)
        return begin..<max(begin, resume)
    }

    /// Of a position that is lost because the log became another one while it was loaded, the messages that may be loaded of
    /// the log as it is now. What lies before them is not. It is kept as the way back that loads what is missing alone.
    package func mixed(at position: Int64) -> Range<Int64>? {
        resume == position && until < position ? until..<position : nil
    }
}

extension Ledger.Position {
    /// How many of these messages are loaded of what the partition holds now.
    package func loaded(of messages: Range<Int64>, in log: Watermarks) -> Int64 {
        let held = messages.clamped(to: log.low..<max(log.low, log.logEnd))
        if isLost, let mixed = detour?.mixed(at: next) { return Int64(held.clamped(to: mixed).count) }
        return isOf(log) ? loaded(of: held) : 0
    }

    /// Whether what lies below it was loaded of the log as it is now. Of one that is lost it was where the position itself is not
    /// what was lost, but the place where it was to go on: then it is remembered along with its way.
    package func isOf(_ log: Watermarks) -> Bool {
        next <= log.logEnd && (!isLost || detour.map { $0.resume > next } ?? false)
    }

    /// How many of these messages are loaded, where the log is the one that it was.
    package func loaded(of messages: Range<Int64>) -> Int64 {
        let below = messages.clamped(to: 0..<max(0, next))
        let ahead = detour.map { messages.clamped(to: $0.loaded(aheadOf: next)) }
        return Int64(below.count + (ahead?.count ?? 0))
    }
}
