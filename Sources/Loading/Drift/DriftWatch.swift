import Foundation
import Kafka
import Logging
import Records

/// Looks through some of the messages that were loaded, and tells where they and their routes drift apart.
///
/// Belongs to the consumer's thread. What it costs is bounded: so many messages and bytes a second, whatever comes. Nothing of
/// it lies on the way of a message.
final class DriftWatch {
    private let statistics: LoadingStatistics
    private let logger: Logger
    private var builders: RowBuilders
    private var trackers: [[Int]: DriftTracker] = [:]
    private var routes: [String: [Int]] = [:]
    private var budget = LookBudget(now: .now)
    private var generator = SystemRandomNumberGenerator()

    init(_ targets: [Target], statistics: LoadingStatistics, logger: Logger) {
        builders = RowBuilders(targets)
        self.statistics = statistics
        self.logger = logger
        publish()
    }

    // MARK: Messages

    /// Looks at some messages of a batch that is in.
    func look(at batch: Batch, now: ContinuousClock.Instant = .now) {
        let count = budget.messages(of: batch.messages.count, at: now)
        guard count > 0 else { return }
        var touched: Set<[Int]> = []
        for message in Self.choice(of: count, among: batch.messages.count, &generator) {
            guard let value = batch.value(of: message) else { continue }
            guard budget.take(bytes: value.count) else { break }
            let key = routes(of: batch.coordinates(of: message).partition.topic)
            guard !key.isEmpty else { continue }
            touched.insert(key)
            trackers[key, default: DriftTracker(key.map { builders.targets[$0] })]
                .look(at: message, in: batch)
        }
        var isChanged = false
        for key in touched {
            let events = trackers[key]?.events() ?? []
            for event in events { tell(event) }
            isChanged = isChanged || !events.isEmpty
        }
        if isChanged { publish() }
    }

    /// The first and the last, and between them one of each stretch: not every nth, for what comes in turns.
    static func choice(
        of count: Int, among all: Int, _ generator: inout some RandomNumberGenerator
    ) -> [Int] {
        guard count < all else { return Array(0..<all) }
        guard count > 2 else { return count == 2 ? [0, all - 1] : [all - 1] }
        let inner = count - 2
        return [0]
            + (0..<inner).map { place in
                let start = 1 + place * (all - 2) / inner
                let end = 1 + (place + 1) * (all - 2) / inner
                return Int.random(in: start..<max(start + 1, end), using: &generator)
            } + [all - 1]
    }

    private func routes(of topic: String) -> [Int] {
        if let known = routes[topic] { return known }
        let found = builders.routes(of: topic)
        routes[topic] = found
        return found
    }

    /// The tables have changed.
    func replace(_ targets: [Target]) {
        builders = RowBuilders(targets)
        for key in trackers.keys {
            for event in trackers[key]?.replace(key.map { builders.targets[$0] }) ?? [] { tell(event) }
        }
        publish()
    }

    // MARK: What is told

    private func tell(_ event: DriftTracker.Event) {
        let words = DriftMessage(event)
        var metadata: Logger.Metadata = ["route": "\(event.target.route.label)", "table": "\(event.target.name)"]
        if let fields = words.fields { metadata["fields"] = "\(fields)" }
        if words.isIncident, let mend = words.mend {
            statistics.report(
                Incident(
                    .warning, words.text, code: event.kind.code, error: words.details, at: event.notes.first?.place,
                    mend: mend, until: Self.cause(event.kind, event.target.route.label)), to: logger,
                metadata)
            return
        }
        if let mend = words.mend { metadata["mend"] = mend.forLog }
        if !event.isOver, event.kind == .new, let place = event.notes.first?.place { metadata["at"] = "\(place)" }
        logger.log(level: words.level, "\(words.text)", metadata: metadata)
    }

    /// What an incident of this kind goes on for.
    private static func cause(_ kind: DriftNote.Kind, _ route: String) -> Incident.Cause {
        .named("\(kind.code) of \(route)")
    }

    private func publish() {
        let drift = builders.targets.filter { $0.routePlace == nil }.map(all)
        statistics.update { state in
            state.drift = drift
            for (index, drift) in drift.enumerated() {
                for kind in DriftNote.Kind.allCases {
                    if let note = RouteNote(drift.notes.filter { $0.kind == kind }) {
                        state.note(note, ofRoute: index)
                    } else {
                        state.endNote(kind.code, ofRoute: index)
                    }
                }
            }
        }
        for drift in drift {
            for kind in [DriftNote.Kind.vanished, .changed] where !drift.notes.contains(where: { $0.kind == kind }) {
                statistics.end(Self.cause(kind, drift.route))
            }
        }
    }

    /// A route of several topics has the same field in more than one of them.
    private func all(of target: Target) -> RouteDrift {
        var drift = RouteDrift(route: target.route.label, table: "\(target.name)")
        for (key, tracker) in trackers.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            guard let place = key.firstIndex(of: target.index) else { continue }
            for note in tracker.notes[place]
            where !drift.notes.contains(where: { $0.kind == note.kind && $0.field == note.field }) {
                drift.notes.append(note)
            }
            drift.hasMore = drift.hasMore || tracker.hasMore(of: place)
        }
        return drift
    }
}

extension RouteNote {
    /// For the status page: all fields of one kind; nil where there is none.
    fileprivate init?(_ notes: [DriftNote]) {
        guard let first = notes.first else { return nil }
        let named = notes.prefix(DriftMessage.mostFields)
        let fields = named.map { "\($0.field)" + ($0.kind == .changed ? " (\($0.words))" : "") }.joined(separator: ", ")
        let more = notes.count > named.count ? " and \(notes.count - named.count) more" : ""
        let (level, text): (Level, String) =
            switch first.kind {
            case .unrouted: (.info, "no route takes")
            case .new: (.info, "new, and no route takes")
            case .vanished: (.warning, "vanished from the messages")
            case .changed: (.warning, "of another type than before")
            }
        self.init(
            first.kind.code, "\(text): \(fields)\(more)", level: level,
            // What nobody takes from the beginning is mostly meant so.
            mend: first.kind == .unrouted ? nil : first.mend, time: first.since)
    }
}

/// How much may be looked at: what is not used is kept for a second.
struct LookBudget {
    private var messages = perSecond
    private var bytes = bytesPerSecond
    private var last: ContinuousClock.Instant

    /// More tell nothing sooner that anybody would act on.
    static let perSecond = 256.0
    static let bytesPerSecond = Double(512 << 10)

    init(now: ContinuousClock.Instant) { last = now }

    /// How many of a batch's messages may be looked at.
    mutating func messages(of count: Int, at now: ContinuousClock.Instant) -> Int {
        let seconds = (now - last).inSeconds
        last = now
        messages = min(Self.perSecond, messages + seconds * Self.perSecond)
        bytes = min(Self.bytesPerSecond, bytes + seconds * Self.bytesPerSecond)
        guard bytes > 0 else { return 0 }
        let taken = min(count, Int(messages))
        messages -= Double(taken)
        return taken
    }

    /// - Returns: false if it has to wait. One message may go beyond what is left, so that large ones are looked at too.
    mutating func take(bytes count: Int) -> Bool {
        guard bytes > 0 else { return false }
        bytes -= Double(count)
        return true
    }
}
