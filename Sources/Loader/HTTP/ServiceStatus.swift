/// What the loader is doing, taken at one moment for probes and metrics.
struct ServiceStatus: Sendable, Equatable {
    struct PartitionLag: Sendable, Equatable {
        var topic: String
        var partition: Int32
        /// Messages between the position and the partition's end.
        var lag: Int64
    }

    /// Totals since the process began. They only grow.
    struct Counters: Sendable, Equatable {
        var messages = 0
        var rows = 0
        var batches = 0
        /// By reason code, never by value.
        var deadLetters: [String: Int] = [:]
        var rebalances = 0
        /// By class of error: `away`, `conflict`, `setup`.
        var retries: [String: Int] = [:]
        /// Batches dropped because another member had taken the partition over.
        var ledgerFences = 0
        /// Positions moved by a reset of the group or by lost offsets.
        var positionResets = 0
    }

    /// Whether the loops turn. A loader that waits for its database is alive.
    var isLive = true
    /// Why it does not load now, in words without values; empty: assigned, database reachable, ledger current.
    var obstacles: [String] = []
    var counters = Counters()
    var lags: [PartitionLag] = []

    var isReady: Bool { isLive && obstacles.isEmpty }
}
