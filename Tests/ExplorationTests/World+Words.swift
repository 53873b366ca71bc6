@testable import Loading

extension World {
    /// A move as a line of a story. Members are A, B and C.
    func words(_ move: Move) -> String {
        func name(_ number: Int) -> String { ["A", "B", "C", "D"][number] }
        func list(_ places: [Int]) -> String { places.map { "\(Self.partition($0))" }.joined(separator: " ") }
        func batch(_ number: Int, _ lane: Int) -> String {
            (processes[number].lanes[lane].loading?.ranges ?? [])
                .map { "\($0.partition)@\($0.expected)..<\($0.next)" }.joined(separator: " ")
        }
        switch move {
        case .start(let number): return "\(name(number)) starts"
        case .give(let number, let places): return "the group gives \(list(places)) to \(name(number))"
        case .ask(let number, let places): return "the group asks \(name(number)) for \(list(places))"
        case .learnLoss(let number): return "\(name(number)) hears that the group has given its partitions away"
        case .deliver(let number, let place):
            let cursor = processes[number].cursors[place] ?? -1
            let what =
                cursor == logs[place].end ? "the end of \(Self.partition(place))" : "\(Self.partition(place))@\(cursor)"
            return "\(what) comes to \(name(number))"
        case .tick(let number): return "time passes for \(name(number))"
        case .settle(let number):
            return "\(name(number)) goes on to find out where to begin (\(processes[number].settling?.step ?? .ledger))"
        case .collect(let number, _): return "\(name(number)) hears what became of its batch"
        case .fence(let number, let lane): return "\(name(number)) begins the transaction of \(batch(number, lane))"
        case .commit(let number, let lane): return "\(name(number)) commits \(batch(number, lane))"
        case .askLedger(let number, let lane):
            return "\(name(number)) asks the ledger what became of \(batch(number, lane))"
        case .giveUp(let number, let lane): return "\(name(number)) gives up \(batch(number, lane))"
        case .copyAhead(let number, _): return "\(name(number)) copies the rows of its next batch"
        case .refuse(let number, let lane):
            return "the database refuses \(batch(number, lane)) of \(name(number)) for good"
        case .tooMuch(let number, let lane):
            return "\(batch(number, lane)) of \(name(number)) is too much for one transaction"
        case .readAgain(let number): return "\(name(number)) reads again what was loaded"
        case .hearProof(let number): return "\(name(number)) hears what that has shown"
        case .suspect(let number): return "\(name(number)) suspects that its client no longer fetches"
        case .askForSuspects(let number): return "another client of \(name(number)) asks for what does not come"
        case .hearSuspects(let number): return "\(name(number)) hears what that has found"
        case .lookAtLedger(let number): return "\(name(number)) reads where the ledger stands"
        case .hearLook(let number): return "\(name(number)) hears where it stands"
        case .answer(let number): return "the group answers a commit of \(name(number))"
        case .resolve(_, let isCommitted):
            return "a transaction that nobody waits for is \(isCommitted ? "committed" : "rolled back")"
        case .silence(let number), .slowWriter(let number): return "\(name(number)) waits for its writer in vain"
        default: return wordsOfOthers(move, name)
        }
    }

    private func wordsOfOthers(_ move: Move, _ name: (Int) -> String) -> String {
        switch move {
        case .databaseBack: "the database is back"
        case .brokersBack: "the brokers are back"
        case .decide(let place, let offset), .reset(let place, let offset):
            "an operator resets the group to \(Self.partition(place))@\(offset)"
        case .dump: "somebody dumps the database"
        case .crash(let number): "\(name(number)) is killed"
        case .restart(let number): "\(name(number)) is ended, to be started again"
        case .expire(let number): "the group takes \(name(number)) for dead"
        case .stop(let number): "\(name(number)) is asked to stop"
        case .loseCommit(let number, _): "\(name(number)) sends COMMIT, and its connection ends"
        case .databaseAway: "the database is away"
        case .brokersAway(let isCommitTaken):
            "the brokers are away" + (isCommitTaken ? "; what was on its way to the group has arrived" : "")
        case .repeatMessage(let number, let place):
            "\(name(number))'s client goes back by one in \(Self.partition(place))"
        case .groupGone: "the group's offsets expire"
        case .otherLedger(let place): "a loader of another database commits \(Self.partition(place))"
        case .restore: "the database is restored from the dump"
        case .retention(let place): "retention deletes \(Self.partition(place))@\(logs[place].low)"
        case .newPartition: "the topic gets another partition"
        case .backfill(let place, let until): "an operator has \(Self.partition(place)) loaded again until @\(until)"
        case .topicGone: "the topic is deleted, and the group's offsets with it"
        case .topicBack(let end): "the topic is made anew, and has messages up to @\(end)"
        case .grow(let place): "\(Self.partition(place))@\(logs[place].end) is written"
        case .loadRest(let place):
            "an operator has what is missing of \(Self.partition(place)) loaded"
        case .topicAnew(let place): "the topic of \(Self.partition(place)) is made anew"
        case .renew(let number, let hasBegun):
            "the secrets of \(name(number)) change" + (hasBegun ? "" : ", to what no client begins with")
        case .forget(let number, let place): "\(name(number))'s client forgets \(Self.partition(place))"
        default: "\(move)"
        }
    }
}
