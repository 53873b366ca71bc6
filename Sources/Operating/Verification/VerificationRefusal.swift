import Loading

/// Why nothing can be proven.
public struct VerificationRefusal: Error, CustomStringConvertible {
    public enum Code: String, Sendable {
        case noLedger = "no_ledger"
        case noRoute = "no_route"
        case noRight = "no_right"
        case lostPosition = "lost_position"
        /// A backfill with an end is under way.
        case detour
        /// A position went back meanwhile.
        case moved
        case unavailable
        /// Behind a pooler a transaction later is another session.
        case pooler
    }

    public var code: Code
    public var message: String
    public var mend: String
    /// Another try may go.
    public var passes: Bool { [.moved, .unavailable, .detour].contains(code) }
    public var description: String { "\(message); \(mend)" }

    init(_ code: Code, _ message: String, mend: String) {
        (self.code, self.message, self.mend) = (code, message, mend)
    }

    init(_ outage: OutageNotice) {
        self.init(.unavailable, "\(outage.what): \(outage.error)", mend: outage.mend.words)
    }
}
