import Kafka
import Loading
import Postgres
import Records

/// Compares the older messages of a sample with the newer: what has come, gone, or is of another type since.
struct SampleDrift {
    /// Where a field was seen, by partition: the places among the partition's messages.
    private struct Sight {
        private(set) var spans: [Int32: (first: Int, last: Int, count: Int)] = [:]

        mutating func add(_ place: Int, of partition: Int32) {
            let known = spans[partition]
            spans[partition] = (known?.first ?? place, place, (known?.count ?? 0) + 1)
        }

        var count: Int { spans.values.reduce(0) { $0 + $1.count } }
    }

    private let paths: [FieldPath]
    private let reader: DocumentReader
    /// Messages that are objects, by partition.
    private var messages: [Int32: Int] = [:]
    /// By the path's place, as all of a routed field's.
    private var routed: [Sight]
    /// Of the older half of each partition's messages, and of the newer.
    private var kinds: [(older: FieldKinds.Counts, newer: FieldKinds.Counts)]
    private var others: [[String]: Sight] = [:]
    /// The values of fields that nobody takes.
    private var profiles: [[String]: FieldProfile] = [:]

    private static let mostNames = 1000

    /// - Parameters:
    ///   - targets: all that take the batch's topic.
    ///   - batch: each partition's messages in order.
    init(_ targets: [Target], _ batch: Batch) {
        var paths: [FieldPath] = []
        for path in targets.flatMap(\.recordPaths) where !paths.contains(path) { paths.append(path) }
        self.paths = paths
        reader = DocumentReader(targets, paths: paths)
        routed = Array(repeating: Sight(), count: paths.count)
        kinds = Array(repeating: (FieldKinds.Counts(), FieldKinds.Counts()), count: paths.count)
        var all: [Int32: Int] = [:]
        for record in batch.messages where record.valueCount >= 0 { all[record.partition, default: 0] += 1 }
        for message in batch.messages.indices where batch.value(of: message) != nil {
            let partition = batch.messages[message].partition
            let isNewer = 2 * messages[partition, default: 0] >= all[partition, default: 0]
            look(at: message, in: batch, isNewer: isNewer)
        }
    }

    private mutating func look(at message: Int, in batch: Batch, isNewer: Bool) {
        var found: [[String]: Field] = [:]
        guard let kinds = reader.read(message, in: batch, other: { found[$0] = $1 }) else { return }
        let partition = batch.messages[message].partition
        let place = messages[partition, default: 0]
        messages[partition] = place + 1
        for (index, kind) in kinds.enumerated() where kind != .absent {
            routed[index].add(place, of: partition)
            guard let kind = FieldKinds.Kind(kind) else { continue }
            if isNewer { self.kinds[index].newer.add(kind) } else { self.kinds[index].older.add(kind) }
        }
        for (path, field) in found {
            guard others[path] != nil || others.count < Self.mostNames else { continue }
            others[path, default: Sight()].add(place, of: partition)
            profiles[path, default: FieldProfile(path: path)].add(field, reader.nested, depth: 2)
        }
    }

    /// Messages behind the last one with a field, in the partitions that have had it; and those before.
    private func gone(_ field: Sight) -> (behind: Int, before: Int) {
        let behind = field.spans.reduce(0) { $0 + messages[$1.key, default: 0] - 1 - $1.value.last }
        return (behind, field.spans.reduce(0) { $0 + $1.value.last + 1 })
    }

    /// Messages before the first one with a field, in the partitions that have it; and those from it on.
    private func come(_ field: Sight) -> (before: Int, since: Int) {
        let before = field.spans.reduce(0) { $0 + $1.value.first }
        return (before, field.spans.reduce(0) { $0 + messages[$1.key, default: 0] - $1.value.first })
    }

    /// What has become of the fields that a target takes, as warnings.
    func findings(of target: Target) -> [SetupProblem] {
        let advice = DriftAdvice(target: target, idleColumns: idleColumns(of: target))
        return target.columns.flatMap { column -> [SetupProblem] in
            guard let path = target.recordPath(of: column), let index = paths.firstIndex(of: path) else { return [] }
            return [
                vanished(column, routed[index], advice),
                changed(column, older: kinds[index].older, newer: kinds[index].newer, advice),
            ].compactMap(\.self)
        }
    }

    private func vanished(_ column: Target.Column, _ field: Sight, _ advice: DriftAdvice) -> SetupProblem? {
        let (behind, before) = gone(field)
        guard FieldPresence.isNoChance(missingIn: behind, seen: field.count, of: before) else { return nil }
        let successor = newPaths.first { path in
            [path.joined(separator: "."), path.last ?? ""].contains {
                DriftAdvice.isNearly(snakeCased(column.name), snakeCased($0))
            }
        }
        return warning(
            advice,
            "\(column.source) has vanished: \(field.count) of \(before) older messages have it, and none of the \(behind) "
                + "behind them",
            advice.mendVanished(column, successor: successor.map { ColumnSource.field(FieldPath($0)).expression }))
    }

    private func changed(
        _ column: Target.Column, older: FieldKinds.Counts, newer: FieldKinds.Counts, _ advice: DriftAdvice
    ) -> SetupProblem? {
        guard let kind = newer.most, let before = older.most,
            FieldKinds.isChange(to: kind, newer[kind], of: newer.all, before: older)
        else { return nil }
        return warning(
            advice,
            "\(column.source) has changed its type: \(before.name) → \(kind.name), for a column of \(column.type.formatted)",
            advice.mendChanged(column, to: kind, .sample))
    }

    /// What none of the targets takes, as a warning for one of them.
    func newFields(for target: Target) -> [SetupProblem] {
        let advice = DriftAdvice(target: target, idleColumns: idleColumns(of: target))
        let fields = newPaths.compactMap { profiles[$0] }
        guard !fields.isEmpty else { return [] }
        let shown = fields.prefix(DriftMessage.mostFields)
        let names = shown.map { ColumnSource.field(FieldPath($0.path)).expression }.joined(separator: ", ")
        let more = fields.count > shown.count ? " and \(fields.count - shown.count) more" : ""
        return [
            warning(
                advice, "only newer messages have, and no route takes: \(names)\(more)",
                advice.mend(for: Array(shown)))
        ]
    }

    /// Fields that nobody takes, and that older messages would hardly lack by chance.
    private var newPaths: [[String]] {
        others.filter { path, field in
            let (before, since) = come(field)
            return FieldName.isShown(path.last ?? "")
                && FieldPresence.isNoChance(missingIn: before, seen: field.count, of: since)
        }.keys.sorted { $0.joined(separator: ".") < $1.joined(separator: ".") }
    }

    private func idleColumns(of target: Target) -> [String] {
        let busy = target.columns.filter { column in
            guard let path = target.recordPath(of: column) else { return true }
            return paths.firstIndex(of: path).map { routed[$0].count == messages.values.reduce(0, +) } ?? true
        }.map(\.name)
        return target.table.columns.filter { !$0.isGenerated && !busy.contains($0.name) }.map(\.name)
    }

    private func warning(_ advice: DriftAdvice, _ problem: String, _ mend: Mend) -> SetupProblem {
        SetupProblem(.sample, at: advice.target.route.label, problem, mend: mend, isWarning: true)
    }
}
