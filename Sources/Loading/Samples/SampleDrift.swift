import Kafka
import Postgres
import Records

/// Compares the older half of a sample with the newer: what has come, gone, or is of another type since.
struct SampleDrift {
    /// How often a field was there, and of which kinds.
    private struct Sight {
        var count = 0
        var kinds = FieldKinds.Counts()
    }

    private let targets: [Target]
    private let paths: [FieldPath]
    private let reader: DocumentReader
    private var messages = Halves(0)
    /// By the path's place.
    private var routed: [Halves<Sight>]
    private var others: [[String]: Halves<Int>] = [:]
    /// The values of fields that nobody takes.
    private var profiles: [[String]: FieldProfile] = [:]

    private struct Halves<Value> {
        var older: Value
        var newer: Value

        init(_ value: Value) { (older, newer) = (value, value) }

        subscript(isNewer: Bool) -> Value {
            get { isNewer ? newer : older }
            set { if isNewer { newer = newValue } else { older = newValue } }
        }
    }

    private static let mostNames = 1000

    /// - Parameters:
    ///   - targets: all that take the batch's topic.
    ///   - batch: with readable bytes behind its last message, each partition's messages in order.
    init(_ targets: [Target], _ batch: Batch) {
        self.targets = targets
        var paths: [FieldPath] = []
        for column in targets.flatMap(\.columns) {
            if case .field(let path) = column.source, !paths.contains(path) { paths.append(path) }
        }
        self.paths = paths
        reader = DocumentReader(paths: paths, taken: TakenFields(by: targets))
        routed = Array(repeating: Halves(Sight()), count: paths.count)
        var counts: [Int32: Int] = [:]
        for record in batch.messages { counts[record.partition, default: 0] += 1 }
        var seen: [Int32: Int] = [:]
        for message in batch.messages.indices {
            let partition = batch.messages[message].partition
            let place = seen[partition, default: 0]
            seen[partition] = place + 1
            guard let value = batch.value(of: message) else { continue }
            look(at: value, isNewer: 2 * place >= counts[partition, default: 0])
        }
    }

    private mutating func look(at value: UnsafeRawBufferPointer, isNewer: Bool) {
        var found: [[String]: Field] = [:]
        guard let kinds = reader.read(value, other: { found[$0] = $1 }) else { return }
        messages[isNewer] += 1
        for (index, kind) in kinds.enumerated() where kind != .absent {
            routed[index][isNewer].count += 1
            if let kind = FieldKinds.Kind(kind) { routed[index][isNewer].kinds.add(kind) }
        }
        for (path, field) in found {
            guard others[path] != nil || others.count < Self.mostNames else { continue }
            others[path, default: Halves(0)][isNewer] += 1
            profiles[path, default: FieldProfile(path: path)].add(field, reader.container, depth: 2)
        }
    }

    /// What has become of the fields that a target takes, as warnings.
    func findings(of target: Target) -> [SetupProblem] {
        let words = DriftWords(target: target, idleColumns: idleColumns(of: target))
        return target.columns.flatMap { column -> [SetupProblem] in
            guard case .field(let path) = column.source, let index = paths.firstIndex(of: path) else { return [] }
            return [vanished(column, routed[index], words), changed(column, routed[index], words)].compactMap(\.self)
        }
    }

    private func vanished(_ column: Target.Column, _ field: Halves<Sight>, _ words: DriftWords) -> SetupProblem? {
        guard field.newer.count == 0,
            FieldPresence.isNoChance(missingIn: messages.newer, seen: field.older.count, of: messages.older)
        else { return nil }
        let successor = newPaths.first { path in
            [path.joined(separator: "."), path.last ?? ""].contains {
                DriftWords.isNearly(snakeCased(column.name), snakeCased($0))
            }
        }
        return warning(
            words,
            "\(column.source) has vanished: \(field.older.count) of the \(messages.older) older messages have it, and none of the "
                + "\(messages.newer) newer ones",
            words.mendVanished(column, successor: successor.map { ColumnSource.field(FieldPath($0)).expression }))
    }

    private func changed(_ column: Target.Column, _ field: Halves<Sight>, _ words: DriftWords) -> SetupProblem? {
        guard let kind = field.newer.kinds.most, let before = field.older.kinds.most,
            FieldKinds.isChange(
                to: kind, field.newer.kinds[kind], of: field.newer.kinds.all, before: field.older.kinds)
        else { return nil }
        return warning(
            words,
            "\(column.source) has changed its type: \(before.name) → \(kind.name), for a column of \(column.type.formatted)",
            words.mendChanged(column, to: kind))
    }

    /// What none of the targets takes, as a warning for one of them.
    func newFields(for target: Target) -> [SetupProblem] {
        let words = DriftWords(target: target, idleColumns: idleColumns(of: target))
        let fields = newPaths.compactMap { profiles[$0] }
        guard !fields.isEmpty else { return [] }
        let shown = fields.prefix(DriftMessage.mostFields)
        let names = shown.map { ColumnSource.field(FieldPath($0.path)).expression }.joined(separator: ", ")
        let more = fields.count > shown.count ? " and \(fields.count - shown.count) more" : ""
        return [
            warning(
                words, "only newer messages have, and no route takes: \(names)\(more)",
                words.mend(for: Array(shown)))
        ]
    }

    /// Fields that nobody takes and that are no chance of the newer half.
    private var newPaths: [[String]] {
        others.filter { path, counts in
            counts.older == 0 && FieldName.isShown(path.last ?? "")
                && FieldPresence.isNoChance(missingIn: messages.older, seen: counts.newer, of: messages.newer)
        }.keys.sorted { $0.joined(separator: ".") < $1.joined(separator: ".") }
    }

    private func idleColumns(of target: Target) -> [String] {
        let busy = target.columns.filter { column in
            guard case .field(let path) = column.source else { return true }
            return paths.firstIndex(of: path).map { routed[$0].newer.count > 0 } ?? true
        }.map(\.name)
        return target.table.columns.filter { !$0.isGenerated && !busy.contains($0.name) }.map(\.name)
    }

    private func warning(_ words: DriftWords, _ problem: String, _ mend: String) -> SetupProblem {
        SetupProblem(.sample, at: words.target.route.label, problem, mend: mend, isWarning: true)
    }
}
