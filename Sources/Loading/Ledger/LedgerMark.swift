/// What the loader writes into the metadata of the group's offsets, so that its own commits can be told from others'.
///
/// `loader/1 <ledger id>`: an offset without it was set by somebody else, and that is how a reset of the group is
/// noticed; an offset with another ledger's id belongs to another database.
package struct LedgerMark: Hashable, Sendable {
    static let version = "loader/1"

    /// The UUID in `loader.ledger`, as PostgreSQL writes it.
    package var ledger: String

    package var metadata: String { "\(Self.version) \(ledger)" }

    init(ledger: String) { self.ledger = ledger }

    /// Nil for metadata that is not a mark.
    package init?(metadata: String) {
        let parts = metadata.split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].hasPrefix("loader/") else { return nil }
        ledger = parts[1].lowercased()
    }
}
