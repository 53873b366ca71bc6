/// What follows from whether the brokers that a member cannot do without have answered, question by question.
struct LeaderSilence {
    /// Somebody whom the member needs does not answer though others do.
    private(set) var isCutOff: Bool
    /// The group's coordinator has been silent for so long that the client will not find it any more.
    private(set) var isGroupLost = false

    /// For so long a coordinator may keep a member waiting for a rebalance, and answers nothing else on that connection meanwhile. One
    /// that is gone for good is another's task by then, wherever there is another.
    private let rebalanceTime: Duration
    /// So long it may be silent to a client that had to be sent back to where it began: librdkafka has then kept the address at which the
    /// coordinator was, and goes on asking there. Members that have died with the brokers are out of the group by then as a rule.
    private static let timeBehindReminder = Duration.seconds(60)
    private var silences = 0
    private var coordinatorSilentSince: ContinuousClock.Instant?

    /// Leaders that restart are others' by then.
    private static let silencesOfAnOutage = 4

    /// - Parameter isCutOff: they are taken for silent until they answer.
    init(rebalanceTime: Duration, isCutOff: Bool) {
        self.rebalanceTime = rebalanceTime
        self.isCutOff = isCutOff
    }

    /// - Parameters:
    ///   - isAnyoneThere: whether any broker answers. Where none does, that is told, and these need not be.
    ///   - wasReminded: whether the client was sent back to where it began since the coordinator has answered last.
    mutating func note(
        leader isAnyLeaderSilent: Bool, coordinator isCoordinatorSilent: Bool, isAnyoneThere: Bool,
        wasReminded: Bool, at now: ContinuousClock.Instant
    ) {
        silences = isAnyLeaderSilent && isAnyoneThere ? silences + 1 : 0
        coordinatorSilentSince = isCoordinatorSilent && isAnyoneThere ? coordinatorSilentSince ?? now : nil
        let patience = wasReminded ? min(rebalanceTime, Self.timeBehindReminder) : rebalanceTime
        isGroupLost = coordinatorSilentSince.map { now - $0 >= patience } ?? false
        let isSilent = isAnyLeaderSilent || isCoordinatorSilent
        isCutOff = isGroupLost || silences >= Self.silencesOfAnOutage || (isCutOff && isSilent)
    }
}
