import Foundation
import Kafka
import Records

/// How the messages of the topics that the same routes take drift away from those routes. Fed with whole messages, some of
/// many; it does no I/O and knows no time.
struct DriftTracker {
    /// What is to be told: notes of one kind about one route.
    struct Event {
        var kind: DriftNote.Kind
        var target: Target
        var notes: [DriftNote] = []
        /// What the notes say is no longer so.
        var isOver = false
        /// In place of notes: there are fields that are not named.
        var hasMore = false
        /// Where something is to be done.
        var mend: Mend?
    }

    /// A field that columns take.
    private struct Watched {
        let path: FieldPath
        /// The targets, by their place in `targets`, and their columns that take it.
        var columns: [(target: Int, column: Target.Column)]
        var presence = FieldPresence()
        var kinds = FieldKinds()
        /// The last message with it, and the one that its kind changed with.
        var last: MessagePlace?
        var presenceChange: FieldPresence.Change?
        var kindEvent: FieldKinds.Event?
    }

    private(set) var targets: [Target]
    private var watched: [Watched] = []
    private var unrouted = UnroutedFields()
    private var reader: DocumentReader
    private var taken: TakenFields
    /// By the target's place.
    private(set) var notes: [[DriftNote]]
    /// Messages that were looked at.
    private(set) var messages = 0

    init(_ targets: [Target]) {
        self.targets = targets
        notes = Array(repeating: [], count: targets.count)
        watched = Self.watched(targets)
        taken = TakenFields(by: targets)
        reader = DocumentReader(targets, paths: watched.map(\.path))
    }

    /// Whose notes tell of fields that nobody takes: several routes share them.
    private var home: Int { targets.firstIndex { $0.route.rest == .fields } ?? 0 }
    var hasMore: Bool { unrouted.hasMore }
    func hasMore(of target: Int) -> Bool { target == home && hasMore }

    private static func watched(_ targets: [Target]) -> [Watched] {
        var watched: [Watched] = []
        for (index, target) in targets.enumerated() {
            for column in target.columns {
                guard let path = target.recordPath(of: column) else { continue }
                if let known = watched.firstIndex(where: { $0.path == path }) {
                    watched[known].columns.append((index, column))
                } else {
                    watched.append(Watched(path: path, columns: [(index, column)]))
                }
            }
        }
        return watched
    }

    // MARK: Messages

    /// Looks at a message of a batch, which has a value.
    mutating func look(at message: Int, in batch: Batch) {
        let (partition, offset) = batch.coordinates(of: message)
        let place = MessagePlace(partition: partition, offset: offset)
        let nested = reader.nested
        var unrouted = UnroutedFields()
        swap(&unrouted, &self.unrouted)
        let kinds = reader.read(message, in: batch) { path, field in
            unrouted.see(path, field, at: place.description, nested)
        }
        swap(&unrouted, &self.unrouted)
        guard let kinds else { return }
        messages += 1
        self.unrouted.endMessage()
        for (index, kind) in kinds.enumerated() {
            let change = watched[index].presence.look(isThere: kind != .absent)
            // One that goes and comes within a look is no news.
            if let change { watched[index].presenceChange = watched[index].presenceChange == nil ? change : nil }
            if kind != .absent { watched[index].last = place }
            guard let kind = FieldKinds.Kind(kind), let event = watched[index].kinds.look(kind) else { continue }
            watched[index].kindEvent = event
        }
    }

    // MARK: News

    /// What is to be said of the messages since the last time.
    mutating func events(now: Date = Date()) -> [Event] {
        guard !targets.isEmpty else { return [] }
        var events: [Event] = []
        tellWatched(now, &events)
        tellUnrouted(now, &events)
        return events
    }

    private mutating func tellWatched(_ now: Date, _ events: inout [Event]) {
        for index in watched.indices {
            if let change = watched[index].presenceChange {
                watched[index].presenceChange = nil
                for (target, column) in watched[index].columns {
                    let note = vanished(watched[index], target, column, now)
                    put(note, of: target, isOver: change == .back, &events)
                }
            }
            if let event = watched[index].kindEvent {
                watched[index].kindEvent = nil
                for (target, column) in watched[index].columns {
                    let note = changed(watched[index], event, target, column, now)
                    put(note, of: target, isOver: event == .back, &events)
                }
            }
        }
    }

    private mutating func tellUnrouted(_ now: Date, _ events: inout [Event]) {
        let news = unrouted.news()
        guard !news.isEmpty else { return }
        let home = home
        let advice = DriftAdvice(target: targets[home], idleColumns: idleColumns(of: home))
        for (kind, paths) in [(DriftNote.Kind.unrouted, news.first), (.new, news.new)] where !paths.isEmpty {
            let fields = paths.compactMap { unrouted.known[$0] }
            for field in fields { put(Self.note(kind, field, advice, now), of: home, isOver: false, &events) }
            if let last = events.indices.last {
                events[last].mend = advice.mend(for: fields.prefix(DriftMessage.mostFields).map(\.profile))
            }
        }
        for path in news.gone { end(path, &events) }
        if news.hasMore { events.append(Event(kind: .unrouted, target: targets[home], hasMore: true)) }
    }

    /// A note comes, replaces the one before of its field, or ends.
    private mutating func put(_ note: DriftNote, of target: Int, isOver: Bool, _ events: inout [Event]) {
        let known = notes[target].firstIndex { $0.kind == note.kind && $0.field == note.field }
        if let known { notes[target].remove(at: known) } else if isOver { return }
        if !isOver { notes[target].append(note) }
        let place = events.lastIndex {
            $0.kind == note.kind && $0.isOver == isOver && !$0.hasMore && $0.target.index == targets[target].index
        }
        if let place {
            events[place].notes.append(note)
        } else {
            events.append(
                Event(kind: note.kind, target: targets[target], notes: [note], isOver: isOver, mend: note.mend))
        }
    }

    private mutating func end(_ path: [String], _ events: inout [Event]) {
        let field = ColumnSource.field(FieldPath(path)).expression
        for target in targets.indices {
            for note in notes[target] where note.field == field && (note.kind == .new || note.kind == .unrouted) {
                put(note, of: target, isOver: true, &events)
            }
        }
    }

    // MARK: Notes

    private static func note(
        _ kind: DriftNote.Kind, _ field: UnroutedFields.Known, _ advice: DriftAdvice, _ now: Date
    ) -> DriftNote {
        DriftNote(
            kind, field: ColumnSource.field(FieldPath(field.profile.path)).expression,
            column: advice.column(for: field.profile.path),
            words: kind == .new ? "no route takes it, and it was not there before" : "no route takes it",
            mend: advice.mend(for: [field.profile]), place: field.place, since: now)
    }

    private func vanished(_ field: Watched, _ target: Int, _ column: Target.Column, _ now: Date) -> DriftNote {
        let share = field.presence.seen * 100 / max(field.presence.messages, 1)
        let before = share < 1 ? "less than 1 %" : "\(share) %"
        return DriftNote(
            .vanished, field: ColumnSource.field(field.path).expression, column: column.name,
            words:
                "none of the last \(field.presence.gap) messages that were looked at has it, before \(before) had it",
            mend: DriftAdvice(target: targets[target]).mendVanished(column, successor: successor(of: column)),
            place: field.last?.description, since: now)
    }

    private func changed(
        _ field: Watched, _ event: FieldKinds.Event, _ target: Int, _ column: Target.Column, _ now: Date
    ) -> DriftNote {
        let change =
            switch event {
            case .changed(let from, let to): (from: from, to: to)
            case .back: field.kinds.change ?? (.string, .string)
            }
        return DriftNote(
            .changed, field: ColumnSource.field(field.path).expression, column: column.name,
            words: "\(change.from.name) → \(change.to.name), for a column of \(column.type.formatted)",
            mend: DriftAdvice(target: targets[target]).mendChanged(column, to: change.to),
            place: field.last?.description, since: now)
    }

    /// The field that may have come in the place of a column's own.
    private func successor(of column: Target.Column) -> String? {
        let found = unrouted.known.values.filter { field in
            [field.profile.path.joined(separator: "."), field.profile.path.last ?? ""].contains {
                DriftAdvice.isNearly(snakeCased(column.name), snakeCased($0))
            }
        }
        return found.min { $0.number < $1.number }
            .map { ColumnSource.field(FieldPath($0.profile.path)).expression }
    }

    /// Columns of a table that get nothing now and then: no route fills them, or not all messages have something for them.
    private func idleColumns(of target: Int) -> [String] {
        let filled = watched.filter { $0.presence.isInAll }
            .flatMap { $0.columns.filter { $0.target == target }.map(\.column.name) }
        let others = targets[target].columns.filter { !$0.source.isField }.map(\.name)
        let busy = Set(filled + others)
        return targets[target].table.columns.filter { !$0.isGenerated && !busy.contains($0.name) }.map(\.name)
    }

    // MARK: Tables that change

    /// The routes are compiled anew: what they take by now, and columns of another type, are no longer told of.
    mutating func replace(_ targets: [Target]) -> [Event] {
        guard targets.count == self.targets.count else {
            self = DriftTracker(targets)
            return []
        }
        var events: [Event] = []
        let former = self.watched
        self.targets = targets
        watched = Self.watched(targets)
        taken = TakenFields(by: targets)
        reader = DocumentReader(targets, paths: watched.map(\.path))
        for index in watched.indices {
            guard let known = former.first(where: { $0.path == watched[index].path }) else { continue }
            watched[index].presence = known.presence
            watched[index].last = known.last
            let types = { (field: Watched) in field.columns.map(\.column.type) }
            if types(known) == types(watched[index]) { watched[index].kinds = known.kinds }
        }
        for path in unrouted.forget(taken.takes) { end(path, &events) }
        for target in targets.indices {
            for note in notes[target] where note.kind == .vanished || note.kind == .changed {
                let field = watched.first {
                    ColumnSource.field($0.path).expression == note.field
                        && $0.columns.contains { $0.target == target && $0.column.name == note.column }
                }
                if field == nil || note.kind == .changed && field?.kinds.change == nil {
                    put(note, of: target, isOver: true, &events)
                }
            }
        }
        return events
    }
}
