/// What follows from whether the brokers that a member cannot do without have answered, question by question.
struct LeaderSilence {
    /// Somebody whom the member needs does not answer though others do.
    private(set) var isCutOff: Bool
    /// The group's coordinator has been silent for so long that the client will not find it any more.
    private(set) var isGroupLost = false

    /// For so long a coordinator may keep a member waiting for a rebalance, and answers nothing else on that connection meanwhile. One
    /// that is gone for good is another's task by then, wherever there is another.
    private let rebalanceTime: Duration
    private var silences = 0
    private var coordinatorSilentSince: ContinuousClock.Instant?

    /// Leaders that restart are others' by then.
    private static let silencesOfAnOutage = 4

    /// - Parameter isCutOff: they are taken for silent until they answer.
    init(rebalanceTime: Duration, isCutOff: Bool) {
        self.rebalanceTime = rebalanceTime
        self.isCutOff = isCutOff
    }

    /// - Parameter isAnyoneThere: whether any broker answers. Where none does, that is told, and these need not be.
    mutating func note(
        leader isAnyLeaderSilent: Bool, coordinator isCoordinatorSilent: Bool, isAnyoneThere: Bool,
        at now: ContinuousClock.Instant
    ) {
        silences = isAnyLeaderSilent && isAnyoneThere ? silences + 1 : 0
        coordinatorSilentSince = isCoordinatorSilent && isAnyoneThere ? coordinatorSilentSince ?? now : nil
        isGroupLost = coordinatorSilentSince.map { now - $0 >= rebalanceTime } ?? false
        let isSilent = isAnyLeaderSilent || isCoordinatorSilent
        isCutOff = isGroupLost || silences >= Self.silencesOfAnOutage || (isCutOff && isSilent)
    }
}
