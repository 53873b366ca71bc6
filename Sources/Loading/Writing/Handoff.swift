/// What passes between the consumer's thread and the two of a writer: batches in their order, each of which is built and
/// then loaded, and what became of those before.
///
/// A batch is loaded only if the one before it is in: if that is not, nobody knows yet where to go on, and what follows
/// is given up with it. Its rows may be copied before, where the loader lets them; see `HeadStart`.
///
/// Pure: whoever shares it between threads has a lock around it.
struct Handoff<Job, Outcome> {
    /// How many may be under way: one that is loaded, and one that is built meanwhile.
    static var capacity: Int { 2 }

    enum Stage { case waiting, building, built, copying, loading }

    struct Entry {
        let job: Job
        fileprivate(set) var stage = Stage.waiting
        /// It comes back without being loaded, as soon as nobody is at it.
        fileprivate(set) var isGivenUp = false
        /// Once is enough: what did not go then is the loader's.
        fileprivate(set) var hadHeadStart = false

        fileprivate var isHeld: Bool { stage != .waiting && stage != .built }
    }

    /// What is under way, in order.
    private(set) var entries: [Entry] = []
    private(set) var outcomes: [Outcome] = []
    /// The job behind the one that is loaded may take a head start.
    private(set) var mayBegin = false
    /// The head start under way is not wanted any more.
    private var isHeldBack = false
    /// A job has not got in, and whoever submits them has not heard of it yet.
    private var isFailureUnheard = false
    /// What was done out of its turn, if anything was.
    private(set) var violation: InvariantViolation?
    private let givenUp: (Job) -> Outcome

    /// - Parameter givenUp: the outcome of a job that nobody has begun to load.
    init(givenUp: @escaping (Job) -> Outcome) { self.givenUp = givenUp }

    var isEmpty: Bool { entries.isEmpty }
    var hasOutcome: Bool { !outcomes.isEmpty }
    /// What is being loaded is to be given up.
    var isLoadingGivenUp: Bool { entries.contains { $0.stage == .loading && $0.isGivenUp } }
    /// What is being built is to be given up.
    var isBuildingGivenUp: Bool { entries.contains { $0.stage == .building && $0.isGivenUp } }
    /// Nothing is being loaded, because the oldest job is not built yet.
    var isBuildingFirst: Bool { entries.first?.stage == .building }
    var isCopying: Bool { entries.contains { $0.stage == .copying } }
    /// What is being copied is to be given up, or taken back.
    var isCopyingGivenUp: Bool { isHeldBack || entries.contains { $0.stage == .copying && $0.isGivenUp } }

    // MARK: The consumer's side

    /// Puts a job behind the one under way. What is submitted before it is heard that the one before has not got in is given up
    /// with it: nothing may go in behind that.
    mutating func submit(_ job: Job) {
        hold(entries.count < Self.capacity, "\(Self.capacity) batches at most", "another")
        entries.append(Entry(job: job, isGivenUp: isFailureUnheard))
        giveBack()
    }

    /// Gives up all that is under way.
    ///
    /// - Returns: whether there was anything.
    mutating func abandon() -> Bool {
        guard !entries.isEmpty else { return false }
        for index in entries.indices { entries[index].isGivenUp = true }
        giveBack()
        return true
    }

    /// The oldest outcome that nobody has taken.
    mutating func takeOutcome() -> Outcome? {
        guard !outcomes.isEmpty else { return nil }
        if outcomes.count == 1 { isFailureUnheard = false }
        return outcomes.removeFirst()
    }

    // MARK: The builder's side

    /// The job to build next; nil where there is none.
    mutating func beginBuilding() -> Job? { begin(.building) { $0.stage == .waiting } }

    /// The job that was being built has its rows.
    mutating func built() {
        hold(entries.contains { $0.stage == .building }, "a batch that is being built", "none")
        for index in entries.indices where entries[index].stage == .building { entries[index].stage = .built }
        giveBack()
    }

    /// The job to copy before its turn; nil where there is none, or the loader has not said that it may.
    mutating func beginCopying() -> Job? {
        guard mayBegin, entries.count > 1, entries[0].stage == .loading else { return nil }
        let job = begin(.copying) { $0.stage == .built && !$0.isGivenUp && !$0.hadHeadStart }
        for index in entries.indices where entries[index].stage == .copying { entries[index].hadHeadStart = true }
        return job
    }

    /// The job that was being copied has its head start, or none.
    mutating func copied() {
        hold(isCopying, "a batch that is being copied", "none")
        isHeldBack = false
        for index in entries.indices where entries[index].stage == .copying { entries[index].stage = .built }
        giveBack()
    }

    // MARK: The loader's side

    /// The job to load next: the oldest, once it is built and nobody copies it.
    mutating func beginLoading() -> Job? {
        guard entries.first?.stage == .built else { return nil }
        mayBegin = false
        return begin(.loading) { $0.stage == .built }
    }

    /// The job behind the one under way may take a head start from now on.
    mutating func letNextBegin() { mayBegin = true }

    /// The job behind the one under way must have none, because that one is tried again. What is being copied is to be taken
    /// back; until it is, `isCopying` holds.
    ///
    /// - Returns: that job, if nobody is at it.
    mutating func holdNextBack() -> Job? {
        mayBegin = false
        isHeldBack = isCopying
        return entries.dropFirst().first { $0.stage == .built }?.job
    }

    /// The job under way has ended; behind anything but a success those that follow are given up.
    mutating func end(with outcome: Outcome, isSuccess: Bool) {
        hold(entries.first?.stage == .loading, "the oldest batch being loaded", "another outcome")
        if !entries.isEmpty { entries.removeFirst() }
        outcomes.append(outcome)
        mayBegin = false
        if !isSuccess {
            isFailureUnheard = true
            for index in entries.indices { entries[index].isGivenUp = true }
        }
        giveBack()
    }

    private mutating func hold(_ isHeld: Bool, _ expected: String, _ found: String) {
        guard !isHeld, violation == nil else { return }
        violation = InvariantViolation(.handover, at: "a writer's batches", expected: expected, found: found)
    }

    private mutating func begin(_ stage: Stage, _ condition: (Entry) -> Bool) -> Job? {
        guard !entries.contains(where: { $0.stage == stage }), let index = entries.firstIndex(where: condition) else {
            return nil
        }
        entries[index].stage = stage
        return entries[index].job
    }

    /// In order, so that an outcome never overtakes that of the batch before.
    private mutating func giveBack() {
        while let first = entries.first, first.isGivenUp, !first.isHeld {
            outcomes.append(givenUp(first.job))
            entries.removeFirst()
        }
    }
}
