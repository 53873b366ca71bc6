/// Whether a field that messages had is gone from them: judged by how often it was there, never by a clock.
///
/// - A field is gone when it is missing in so many messages in a row that this is no chance, given the share of the messages
///   that had it. One in a thousand is so given twenty times as long as one that all have.
/// - What comes and goes is told once, and its end once: each time it has to be away four times as long as ever before.
package struct FieldPresence: Equatable {
    enum Change: Equatable { case vanished, back }

    /// Messages that were looked at, from the first with it to the last with it; and of those, the ones with it.
    private(set) var messages = 0
    private(set) var seen = 0
    /// Messages without it since the last one with it.
    private(set) var gap = 0
    private(set) var longestGap = 0
    private(set) var isVanished = false
    /// Messages with it, since it was found to be gone.
    private var returned = 0

    /// Every message has had it since the first.
    var isInAll: Bool { seen > 0 && seen == messages && gap == 0 }

    /// Fewer are no pattern.
    static let fewest = 20
    private static let shortestGap = 200
    /// One late message does not bring it back.
    private static let enoughToReturn = 3
    /// Old messages count less and less from here on.
    private static let memory = 1 << 16

    mutating func look(isThere: Bool) -> Change? {
        guard isThere else {
            guard seen > 0 else { return nil }
            gap += 1
            guard !isVanished, gap >= max(Self.shortestGap, 4 * longestGap),
                Self.isNoChance(missingIn: gap, seen: seen, of: messages)
            else { return nil }
            isVanished = true
            return .vanished
        }
        if isVanished {
            returned += 1
            guard returned >= Self.enoughToReturn else { return nil }
            // How often it was there before says nothing of how often it will be.
            let longest = max(longestGap, gap)
            self = FieldPresence()
            (messages, seen, longestGap) = (Self.enoughToReturn, Self.enoughToReturn, longest)
            return .back
        }
        messages += gap + 1
        seen += 1
        longestGap = max(longestGap, gap)
        gap = 0
        if messages >= Self.memory { (messages, seen) = (messages / 2, max(1, seen / 2)) }
        return nil
    }

    /// Whether a field that `seen` of `messages` had would hardly be missing in the next `gap` if nothing had changed: the
    /// chance is e⁻²⁰ at most.
    package static func isNoChance(missingIn gap: Int, seen: Int, of messages: Int) -> Bool {
        seen >= fewest && gap * seen >= 20 * messages
    }
}
