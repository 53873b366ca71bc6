/// Tries everything that can happen, breadth first: each state that can be reached is looked at once, and the first that
/// breaks a promise is reached by the shortest way.
struct Explorer {
    struct Bound {
        var states = Int.max
        var deadline: ContinuousClock.Instant?
    }

    struct Result {
        /// States that were looked at, and how many moves they are away from the beginning at most.
        var states = 0
        var moves = 0
        var depth = 0
        /// All that can be reached was.
        var isComplete = false
        var counterexample: Counterexample?

        var summary: String {
            "\(states) states, \(moves) moves, depth \(depth)" + (isComplete ? ", all of them" : ", to the bound")
        }
    }

    struct Counterexample: CustomStringConvertible {
        var broken: World.Broken
        var depth: Int
        /// What happened, line by line.
        var story: [String]

        var description: String {
            (["\(broken.rule.rawValue): \(broken.what)"] + story.enumerated().map { "  \($0 + 1). \($1)" })
                .joined(separator: "\n")
        }
    }

    private struct Known {
        var parent: Int32
        var move: World.Move?
    }

    private let scenario: Scenario
    private let mutant: Mutant?
    private var places: [Fingerprint: Int32] = [:]
    private var known: [Known] = []
    /// Moves that need no fault, from and to.
    private var steps: [(from: Int32, to: Int32)] = []
    /// States in which everything is loaded, and those of which not all that follows is known.
    private var ends: [Int32] = []
    private var result = Result()

    private init(_ scenario: Scenario, _ mutant: Mutant?) {
        self.scenario = scenario
        self.mutant = mutant
    }

    static func explore(_ scenario: Scenario, mutant: Mutant? = nil, bound: Bound = Bound()) -> Result {
        var explorer = Explorer(scenario, mutant)
        explorer.run(bound)
        return explorer.result
    }

    private mutating func run(_ bound: Bound) {
        let first = World(scenario, mutant)
        _ = place(of: first, from: -1, by: nil)
        var frontier: [(place: Int32, world: World)] = [(0, first)]
        while !frontier.isEmpty {
            var next: [(place: Int32, world: World)] = []
            for (count, (place, world)) in frontier.enumerated() {
                if isOver(bound) {
                    // Of these it is not known what follows.
                    ends += frontier[count...].map(\.place) + next.map(\.place)
                    finish(isComplete: false)
                    return
                }
                if world.isAllLoaded { ends.append(place) }
                for move in world.moves() {
                    var follower = world
                    follower.carryOut(move)
                    result.moves += 1
                    let (number, isNew) = self.place(of: follower, from: place, by: move)
                    if !move.isFault { steps.append((place, number)) }
                    if let broken = follower.broken {
                        result.counterexample = tell(place, broken, behind: move)
                        finish(isComplete: false)
                        return
                    }
                    if isNew { next.append((number, follower)) }
                }
            }
            frontier = next
            if !frontier.isEmpty { result.depth += 1 }
        }
        finish(isComplete: true)
    }

    private func isOver(_ bound: Bound) -> Bool {
        if known.count >= bound.states { return true }
        guard known.count & 0x3f == 0, let deadline = bound.deadline else { return false }
        return ContinuousClock.now >= deadline
    }

    private mutating func place(of world: World, from parent: Int32, by move: World.Move?) -> (Int32, isNew: Bool) {
        let print = world.fingerprint
        if let place = places[print] { return (place, false) }
        let place = Int32(known.count)
        places[print] = place
        known.append(Known(parent: parent, move: move))
        return (place, true)
    }

    private mutating func finish(isComplete: Bool) {
        result.states = known.count
        result.isComplete = isComplete
        guard result.counterexample == nil, let stuck = firstStuck else { return }
        result.counterexample = tell(
            stuck,
            World.Broken(rule: .progress, what: "from here on not all is ever loaded, though nothing fails any more"))
    }

    /// The first state from which no way without a fault leads to one in which all is loaded: backwards from these.
    private var firstStuck: Int32? {
        var before: [[Int32]] = Array(repeating: [], count: known.count)
        for step in steps { before[Int(step.to)].append(step.from) }
        var reaches = Array(repeating: false, count: known.count)
        for end in ends { reaches[Int(end)] = true }
        var open = ends
        while let place = open.popLast() {
            for earlier in before[Int(place)] where !reaches[Int(earlier)] {
                reaches[Int(earlier)] = true
                open.append(earlier)
            }
        }
        return reaches.firstIndex(of: false).map(Int32.init)
    }

    /// Plays it once more, and takes down what happens.
    private func tell(_ place: Int32, _ broken: World.Broken, behind last: World.Move? = nil) -> Counterexample {
        var moves = [last].compactMap(\.self)
        var place = place
        while let move = known[Int(place)].move {
            moves.append(move)
            place = known[Int(place)].parent
        }
        var world = World(scenario, mutant)
        world.story = []
        for move in moves.reversed() { world.carryOut(move) }
        return Counterexample(broken: broken, depth: moves.count, story: world.story ?? [])
    }
}
