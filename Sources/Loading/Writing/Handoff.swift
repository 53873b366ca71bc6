/// What passes between the consumer's thread and a writer's: a batch under way, one that may follow it at once, and what
/// became of those before.
///
/// Pure: whoever shares it between threads has a lock around it.
struct Handoff<Job, Outcome> {
    /// What the writer is at.
    private(set) var job: Job?
    /// What comes next, if the one under way succeeds. If it does not, nobody knows yet where to go on.
    private var offered: Job?
    /// In order: one, or two if what was offered has ended as well before anybody looked.
    private var outcomes: [(outcome: Outcome, isSuccess: Bool)] = []
    /// The writer is to give up what it is at.
    private(set) var isAbandoned = false

    var hasOutcome: Bool { !outcomes.isEmpty }

    /// Gives the idle writer something to do.
    mutating func begin(_ job: Job) {
        precondition(self.job == nil && outcomes.isEmpty, "a writer takes one batch at a time")
        self.job = job
        isAbandoned = false
    }

    /// Lets the writer go on with another job behind the one under way, without waiting for its outcome to be taken.
    mutating func offer(_ job: Job) {
        if self.job != nil {
            offered = job
        } else if outcomes.last?.isSuccess == true {
            // It has ended meanwhile.
            self.job = job
        }
    }

    /// Takes an offer back.
    ///
    /// - Returns: false if it is no longer open: the job before has ended, and its outcome is there to be taken.
    mutating func withdraw() -> Bool {
        defer { offered = nil }
        return offered != nil
    }

    /// - Returns: whether there was something to give up.
    mutating func abandon() -> Bool {
        guard job != nil else { return false }
        isAbandoned = true
        offered = nil
        return true
    }

    /// The job under way has ended. Behind a success the writer is at what it was offered.
    mutating func end(with outcome: Outcome, isSuccess: Bool) {
        outcomes.append((outcome, isSuccess))
        job = isSuccess ? offered : nil
        offered = nil
    }

    /// The oldest outcome that nobody has taken.
    mutating func takeOutcome() -> Outcome? { outcomes.isEmpty ? nil : outcomes.removeFirst().outcome }
}
