import CSimulation
import Foundation
import Kafka
import Loading
import SimulatedPostgres

/// One seed's story: loaders at work while things go wrong, and what came of it.
final class WorldStory {
    struct Outcome: Codable, Equatable {
        var trace: UInt64 = 0
        /// What must not be; empty if all is well.
        var complaints: [String] = []
        /// How often each thing happened.
        var met: [String: Int] = [:]
        var messages = 0
        /// Seconds of the simulated clock.
        var seconds = 0.0
        var log: [String] = []

        /// What was complained of first, without its figures: what is the same fault. Nil if all is well.
        var kind: String? {
            guard let text = complaints.first else { return nil }
            if text.hasPrefix("the process") { return text }
            if text.hasPrefix("long after") { return "not all is loaded" }
            if text.hasPrefix("the group is told") { return "the group is told more than is loaded" }
            let what = text.contains("letters") ? "letters" : "rows"
            return "\(what) \(text.hasPrefix("0 ") ? "too many" : "missing")"
        }
    }

    /// How long after the last fault all must be loaded: many times what all waits together take.
    private static let patience = 1200 * Moments.second
    /// Who needs more turns than that goes round in circles.
    private static let mostSteps: UInt64 = 400_000

    private let log: WorldLog
    private let trim: Trim
    private var plan: WorldPlan
    private var model: TopicModel
    private let cluster = SimulatedCluster()
    private let web = SimulatedWeb()
    private var server: SimulatedServer
    private var outcome = Outcome()
    /// By their slots.
    private var loaders: [Int: SimulatedLoader] = [:]
    private var nextProcess = 1
    /// Nobody starts again while an operator is at work.
    private var isHeld = false
    /// Nothing goes wrong any more.
    private var isWell = false
    /// A backup was taken, and is yet to be restored.
    private var isRestoring = false
    /// Positions up to which partitions are loaded again, so that the table is ahead of the ledger.
    private var replays: [Int: Int64] = [:]
    /// How far it is with a topic that is to take this one's place.
    private var replacement = Replacement.none

    private enum Replacement {
        case none
        /// Nothing comes until all that there is is loaded; so many messages wait.
        case hushed(waiting: Int)
        /// It is there, and nobody has noticed.
        case unnoticed
        /// A loader has stopped for it, and an operator knows.
        case noticed
    }

    /// Tells a few stories of no use but this: what is made and read at its first use is there for all processes that are forked behind it.
    static func warmUp() {
        let small = Trim(most: [.loaders: 1, .writers: 1, .messages: 30, .seconds: 15])
        for back in 0..<UInt64(8) { _ = tell(.max - back, small, keepsLog: false) }
    }

    static func tell(_ seed: UInt64, _ trim: Trim = Trim(), keepsLog: Bool) -> Outcome {
        sim_begin(seed)
        Processes.forget()
        defer { sim_end() }
        do {
            let story = try WorldStory(trim, keepsLog: keepsLog)
            story.run(seed)
            story.outcome.trace = sim_trace()
            story.outcome.seconds = Double(sim_now()) / 1e9 - 1000
            story.outcome.log = story.log.lines
            return story.outcome
        } catch {
            return Outcome(complaints: ["the world cannot be made: \(error)"])
        }
    }

    private init(_ trim: Trim, keepsLog: Bool) throws {
        log = WorldLog(isKept: keepsLog)
        self.trim = trim
        plan = WorldPlan(trim)
        model = TopicModel(WorldMessages(route: plan.route, isFramed: plan.isFramed))
        server = try SimulatedServer(ledger: "00000000-0000-0000-0000-000000000001")
        for definition in plan.route.definitions { try server.database.add(definition) }
        server.faults = plan.server
        server.met = { [unowned self] name in count(name) }
        server.install()
        web.faults = plan.web
        web.met = { [unowned self] name in count(name) }
        web.tokenLife = Draw.from(10..<60)
        for schema in WorldMessages.Schema.allCases where schema != .late {
            if let text = schema.text { web.register(text, as: schema.rawValue) }
        }
        web.install()
        SimulatedCluster.current = cluster
        cluster.faults = plan.brokers
        cluster.create(WorldPlan.topic, partitions: plan.partitions)
    }

    private func count(_ name: String) {
        outcome.met[name, default: 0] += 1
        log.say("-- \(name)")
    }

    private func complain(_ text: String) {
        log.say("!! \(text)")
        if outcome.complaints.count < 5 { outcome.complaints.append(text) }
    }

    // MARK: The course of things

    private func run(_ seed: UInt64) {
        log.say("\(plan)")
        schedule()
        if trim.order != 0 { sim_reseed(seed ^ UInt64(truncatingIfNeeded: trim.order) << 32) }
        for slot in 0..<plan.loaders { start(slot) }
        look()
        watchForCircles()
        sim_run(sim_now() + plan.length)
        if isOver { return conclude() }
        endFaults()
        let deadline = sim_now() + Self.patience
        watchForTheEnd()
        sim_run(deadline)
        conclude()
    }

    private func schedule() {
        for _ in 0..<plan.messages { Moments.after(Draw.from(0..<plan.length)) { [self] in produce() } }
        for (name, count) in plan.happenings {
            for number in 0..<count {
                // Each has its moment, whichever of the others there are.
                let moment = Draw.from(0..<plan.length)
                guard !trim.leavesOut("\(name)-\(number + 1)") else { continue }
                Moments.after(moment) { [self] in happen(name) }
            }
        }
        if plan.turn != .none { Moments.after(Draw.from(0..<plan.length)) { [self] in takeTurn() } }
    }

    private func produce() {
        if case .hushed(let waiting) = replacement {
            replacement = .hushed(waiting: waiting + 1)
        } else {
            model.produce(plan)
        }
    }

    private func happen(_ name: String) {
        switch name {
        case "kill": kill(Draw.from(0...plan.loaders - 1))
        case "freeze": freeze(Draw.from(0...plan.loaders - 1))
        case "brokers-away":
            count("brokers away")
            cluster.away = sim_now() + Draw.from(Moments.second..<60 * Moments.second)
        case "leader-away":
            count("leader away")
            let partition = cluster.partition(WorldPlan.place(Draw.from(0...plan.partitions - 1)))
            partition?.leaderless = sim_now() + Draw.from(Moments.second..<20 * Moments.second)
        case "restart":
            count("server restarted")
            server.restart(Draw.from(0..<20 * Moments.second))
        case "retention": retain()
        case "refusal":
            let what = Draw.one(of: SimulatedCluster.Refused.allCases)
            count("brokers refuse: \(what)")
            cluster.refuse(what, until: sim_now() + Draw.from(Moments.second..<60 * Moments.second))
        case "web-away":
            count("registry and token server away")
            web.away = sim_now() + Draw.from(Moments.second..<60 * Moments.second)
        default:
            // Who creates a topic anew does not add to it at the same time.
            if case .none = replacement {
                count("partition added")
                cluster.add(partitions: 1, to: WorldPlan.topic)
                cluster.group(WorldPlan.group).reconsider()
            }
        }
    }

    /// Takes some of what is loaded, and never what somebody still wants.
    private func retain() {
        guard case .none = replacement, replays.isEmpty, !isHeld else { return }
        count("retention")
        for (partition, position) in positions().sorted(by: { $0.key < $1.key }) {
            cluster.trim(WorldPlan.place(partition), to: Draw.from(0..<position + 1))
        }
    }

    // MARK: Loaders

    private func start(_ slot: Int) {
        guard !isHeld, loaders[slot] == nil else { return }
        let process = nextProcess
        nextProcess += 1
        log.say("-- loader \(slot) starts as process \(process)")
        loaders[slot] = SimulatedLoader(process: process, slot: slot, plan.options(slot: slot), log: log) {
            [weak self] loader, failure in self?.ended(loader, failure)
        }
    }

    private func ended(_ loader: SimulatedLoader, _ failure: any Error) {
        guard loaders[loader.slot] === loader else { return }
        log.say("-- process \(loader.process) ends: \(failure)")
        outcome.met["ended: \(name(of: failure))", default: 0] += 1
        if case .unnoticed = replacement, (failure as? LoadingError)?.code == .lostOffsets {
            replacement = .noticed
            Moments.after(Draw.from(0..<20 * Moments.second)) { [self] in
                holdLoaders()
                // Nobody may be in the group, nor be at the database.
                waitForEmptiness { [self] in beginAnew() }
            }
        }
        end(loader)
        startAgain(loader.slot)
    }

    private func name(of failure: any Error) -> String {
        (failure as? LoadingError)?.code.rawValue ?? "\(type(of: failure))"
    }

    private func end(_ loader: SimulatedLoader) {
        Processes.kill(loader.process)
        cluster.lose(process: loader.process)
        server.cut(process: Int32(loader.process))
        loaders[loader.slot] = nil
    }

    private func startAgain(_ slot: Int) {
        Moments.after(Draw.from(0..<10 * Moments.second)) { [self] in start(slot) }
    }

    private func kill(_ slot: Int) {
        guard let loader = loaders[slot] else { return }
        count("loader killed")
        end(loader)
        startAgain(slot)
    }

    private func freeze(_ slot: Int) {
        guard let loader = loaders[slot] else { return }
        count("loader frozen")
        Processes.freeze(loader.process)
        Moments.after(Draw.from(Moments.second..<40 * Moments.second)) { Processes.wake(loader.process) }
    }

    // MARK: Operators

    private func takeTurn() {
        switch plan.turn {
        case .none: break
        case .groupExpires:
            count("group's offsets expired")
            cluster.group(WorldPlan.group).expire()
        case .restore:
            // From before the group began there is nothing that a backup could say of it, and the start says so.
            guard positions().count >= plan.partitions else { return }
            let dump = server.dump()
            isRestoring = true
            if plan.restoresLate {
                restoreOnceIdle(dump)
            } else {
                Moments.after(Draw.from(0..<plan.length / 2)) { [self] in restore(dump) }
            }
        case .resetBack, .resetForward:
            holdLoaders()
            waitForEmptiness { [self] in reset() }
        case .topicAnew:
            replacement = .hushed(waiting: 0)
            model.close()
            replaceOnceLoaded()
        }
    }

    /// Which of its messages are loaded of which of the two topics is known only where all of the old one are.
    private func replaceOnceLoaded() {
        Moments.after(Moments.second) { [self] in
            guard isPositionedAtEnd else { return replaceOnceLoaded() }
            count("topic deleted")
            let partitions = cluster.topics[WorldPlan.topic]?.count ?? 0
            model.replace(at: positions())
            cluster.delete(WorldPlan.topic)
            // Within moments, or so that its consumers hear of it.
            let isSeen = Draw.chance(0.4)
            Moments.after(isSeen ? Draw.from(0..<20 * Moments.second) : 0) { [self] in
                cluster.create(WorldPlan.topic, partitions: partitions)
                guard case .hushed(let waiting) = replacement else { return }
                replacement = .unnoticed
                if Draw.chance(0.5) { model.outgrow(plan) }
                for _ in 0..<waiting { Moments.after(Draw.from(0..<5 * Moments.second)) { [self] in produce() } }
            }
        }
    }

    /// The operator has read what a stop for lost offsets says, and has all of the new topic loaded.
    private func beginAnew() {
        count("topic begun anew")
        let positions = positions()
        for partition in model.entries.indices {
            cluster.group(WorldPlan.group).reset(WorldPlan.place(partition), to: .init(offset: 0, metadata: ""))
            let until = model.beginAnew(partition, from: positions[partition] ?? 0)
            if until > 0 { count("some of a new topic was in when it was noticed") }
            replays[partition] = until
        }
        replacement = .none
    }

    private func holdLoaders() {
        isHeld = true
        for loader in loaders.values.sorted(by: { $0.slot < $1.slot }) { end(loader) }
    }

    private func restoreOnceIdle(_ dump: SimulatedServer.Dump) {
        Moments.after(Moments.second) { [self] in
            guard isWell, isPositionedAtEnd, loaders.count == plan.loaders else { return restoreOnceIdle(dump) }
            // Looks have found the ledger where it stands, and nobody joins or leaves.
            Moments.after(Draw.from(20 * Moments.second..<60 * Moments.second)) { [self] in restore(dump) }
        }
    }

    private func restore(_ dump: SimulatedServer.Dump) {
        count("backup restored\(plan.restoresLate ? " under idle loaders" : "")")
        server.restore(dump, downFor: Draw.from(0..<5 * Moments.second))
        isRestoring = false
    }

    private func waitForEmptiness(_ body: @escaping () -> Void) {
        Moments.after(Moments.second) { [self] in
            let isAlone = server.database.sessions.isEmpty && cluster.group(WorldPlan.group).members.isEmpty
            guard isAlone else { return waitForEmptiness(body) }
            body()
            isHeld = false
            for slot in 0..<plan.loaders { startAgain(slot) }
        }
    }

    private func reset() {
        let positions = positions()
        for partition in 0..<plan.partitions where Draw.chance(0.7) {
            guard let position = positions[partition] else { continue }
            let high = model.high(partition)
            let low = cluster.partition(WorldPlan.place(partition))?.low ?? 0
            let offset =
                plan.turn == .resetBack ? Draw.from(low..<position + 1) : Draw.from(position..<max(high, position) + 1)
            count("group reset")
            log.say("-- \(partition) from \(position) to \(offset)")
            cluster.group(WorldPlan.group)
                .reset(WorldPlan.place(partition), to: .init(offset: offset, metadata: ""))
            // The same offset without a mark is a reset to where it is.
            model.reset(partition, from: position, to: offset)
            if offset < position { replays[partition] = position }
        }
    }

    // MARK: What must be at any moment

    private func positions() -> [Int: Int64] {
        var found: [Int: Int64] = [:]
        for row in server.database.rows(of: "loader.positions") {
            guard case .text(WorldPlan.topic) = row[1], let partition = row[2].asInt, let next = row[3].asInt else {
                continue
            }
            found[Int(partition)] = next
        }
        return found
    }

    private func look() {
        audit()
        Moments.after(Draw.from(0..<4 * Moments.second)) { [self] in look() }
    }

    /// Compares table and letters with what the ledger says is in them.
    private func audit() {
        let positions = positions()
        for (partition, until) in replays where positions[partition] ?? 0 >= until {
            // Until a loader has taken note of the reset, the ledger is still where it was.
            let committed = cluster.group(WorldPlan.group).committed[WorldPlan.place(partition)]
            if committed?.metadata.isEmpty == false { replays[partition] = nil }
        }
        guard replays.isEmpty else { return }
        let letters = letters()
        let expected = model.rows(at: positions, without: letters)
        let found = server.database.rows(of: "public.orders").map { row in
            TopicModel.Row(
                id: row[0].asInt ?? -1, qty: row[1].asInt ?? -1, partition: row[2].asInt ?? -1,
                offset: row[3].asInt ?? -1, place: row[4].asInt ?? 0)
        }.sorted()
        if found != expected { complain(Self.difference(found, expected, "rows") + " at \(positions)") }
        if plan.route == .children { auditParents(of: found, at: positions) }
        let (must, may) = model.letters(at: positions)
        let wanted = must.union(letters.intersection(may))
        if letters != wanted {
            complain(Self.difference(letters.sorted(), wanted.sorted(), "letters") + " at \(positions)")
        }
        for (place, committed) in cluster.group(WorldPlan.group).committed.sorted(by: { $0.key < $1.key }) {
            guard plan.turn != .restore, !committed.metadata.isEmpty else { continue }
            if committed.offset > positions[Int(place.partition)] ?? 0 {
                complain("the group is told \(committed.offset) of \(place), and the ledger has \(positions)")
            }
        }
    }

    private func letters() -> Set<TopicModel.Place> {
        Set(
            server.database.rows(of: "loader.dead_letters").map {
                TopicModel.Place(partition: $0[3].asInt ?? -1, offset: $0[4].asInt ?? -1)
            })
    }

    /// Each row's parent is there, and no parent that was not sent.
    private func auditParents(of rows: [TopicModel.Row], at positions: [Int: Int64]) {
        let found = Set(server.database.rows(of: "public.\(WorldRoute.parents)").compactMap { $0[0].asInt })
        let (must, may) = model.parents(at: positions)
        let wanted = must.union(found.intersection(may))
        if found != wanted {
            complain(Self.difference(found.sorted(), wanted.sorted(), "rows of parents") + " at \(positions)")
        }
        let orphans = rows.filter { !found.contains($0.place) }
        if !orphans.isEmpty { complain("0 rows missing, \(orphans.count) too many, which refer to nothing") }
    }

    private static func difference<Element: Comparable & Hashable>(
        _ found: [Element], _ expected: [Element], _ what: String
    ) -> String {
        var counts: [Element: Int] = [:]
        for element in expected { counts[element, default: 0] += 1 }
        for element in found { counts[element, default: 0] -= 1 }
        let missing = counts.filter { $0.value > 0 }.map(\.key).sorted()
        let extra = counts.filter { $0.value < 0 }.map(\.key).sorted()
        return "\(missing.count) \(what) missing \(missing.prefix(2)), \(extra.count) too many \(extra.prefix(2))"
    }

    // MARK: The end

    private func endFaults() {
        isWell = true
        log.say("-- all is well from here")
        cluster.faults = .init()
        web.faults = .init()
        server.faults = ServerFaults()
        for loader in loaders.values.sorted(by: { $0.slot < $1.slot }) { Processes.wake(loader.process) }
    }

    private var isAllLoaded: Bool {
        guard case .none = replacement else { return false }
        return !isHeld && !isRestoring && replays.isEmpty && isPositionedAtEnd && waiting.isEmpty
    }

    /// What waits although that which it refers to is there.
    private var waiting: [TopicModel.Place] {
        plan.waitsForParents ? model.waiting(letters(), at: positions()) : []
    }

    private var isPositionedAtEnd: Bool {
        let positions = positions()
        return model.entries.indices.allSatisfy { positions[$0] ?? 0 >= model.end($0) }
    }

    /// Whoever waits for nothing comes to no end, and a story that is told wrong need not be told to its end.
    private var isOver: Bool { sim_steps() > Self.mostSteps || (!outcome.complaints.isEmpty && Mutant.current != nil) }

    private func watchForCircles() {
        Moments.after(Moments.second / 10) { [self] in
            if isOver { sim_stop() } else { watchForCircles() }
        }
    }

    private func watchForTheEnd() {
        Moments.after(Moments.second) { [self] in
            if isAllLoaded { sim_stop() } else { watchForTheEnd() }
        }
    }

    private func conclude() {
        outcome.messages = model.count
        if !isAllLoaded {
            complain(
                "long after the last fault not all is loaded: \(positions()) of \(model.entries.map(\.count)), \(replacement)"
                    + (waiting.isEmpty ? "" : ", and \(waiting.count) wait for what is there")
            )
            if log.isKept { sim_describe(nil) }
        }
        audit()
    }
}
