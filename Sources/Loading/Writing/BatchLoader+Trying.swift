import Postgres

extension BatchLoader {
    /// What is known while a part of a batch is tried.
    struct Trying {
        /// The batch's letters on their way to the topic, from try to try.
        let topic: TopicLetters?
        var backoff = Backoff()
        var waitingSince: ContinuousClock.Instant?
        var isOutcomeUnknown = false
        /// Nothing has failed yet.
        private(set) var isFirst = true
        private var conflicts = 0
        private var alone = 0
        private var losses = 0
        var isJudging = false
        var setAside: PostgresError?
        /// How often this batch's rows were built again for tables that had changed, and whether that was said.
        var rereadings: (count: Int, isTold: Bool)

        init(topic: TopicLetters?, rereadings: (count: Int, isTold: Bool)) {
            self.topic = topic
            self.rereadings = rereadings
        }

        /// Takes note of a try that has failed.
        ///
        /// - Returns: what all tries so far show.
        mutating func failed(
            _ error: PostgresError, withRows: Bool, messages: Int, isCareful: Bool, _ size: TransactionSize
        ) -> Evidence {
            isFirst = false
            conflicts = FailureClass(error) == .conflict ? conflicts + 1 : 0
            if withRows, messages == 1, Suspicion(error) == .perhaps { alone += 1 }
            if error.isConnectionLoss, error.sqlState == nil { losses = error.cameWithRows ? losses + 1 : 0 }
            return Evidence(
                messages: messages, withRows: withRows, isCareful: isCareful, conflicts: conflicts, alone: alone,
                othersWentIn: size.othersWentIn, losses: losses, isReduced: size.limit != nil)
        }
    }
}
