import Foundation
import Kafka
import Loading
import Postgres
import Records
import Schemas

/// Puts a sample of real messages through the routes, as loading would, and loads nothing.
public struct RouteTrial {
    /// In the order of `Preflight.routes`.
    public private(set) var samples: [RouteSample]
    public private(set) var warnings: [SetupProblem] = []
    /// The newest timestamp among the messages, in milliseconds since 1970.
    public private(set) var newest: Int64?

    private let targets: [Target]
    private let maxShare: Double
    private let hasRegistry: Bool

    /// - Parameters:
    ///   - count: messages of each partition.
    ///   - locked: tables that other sessions keep locked, and that are not tried.
    ///   - connection: lets the server read the rows, too, into temporary tables that are taken back.
    /// - Throws: for properties that librdkafka refuses.
    public init(
        _ options: LoadingOptions, _ preflight: Preflight, _ survey: TopicSurvey, count: Int,
        locked: Set<String> = [], on connection: Connection?
    ) throws(KafkaError) {
        // Routes that could not be compiled are missing, and a target's index is its place here.
        let routes = preflight.targets.prefix { $0.routePlace == nil }
        targets = preflight.targets.enumerated().map { place, target in
            var target = target
            target.index = place
            target.routePlace = target.routePlace.map { route in routes.firstIndex { $0.index == route } ?? place }
            return target
        }
        maxShare = options.deadLetters.maxShare
        hasRegistry = options.schemas != nil
        samples = targets.prefix { $0.routePlace == nil }.map { target in
            var sample = RouteSample()
            sample.columns = target.columns.map { RouteSample.Column(name: $0.name) }
            return sample
        }
        let sampler = try Sampler(options)
        var builders = RowBuilders(forCommand: targets)
        for topic in survey.topics.keys.sorted() {
            let taken = samples.indices.filter { index in targets[index].route.topics.contains { $0.matches(topic) } }
            guard !taken.isEmpty else { continue }
            let batch = Batch()
            batch.began = Int64(Date().timeIntervalSince1970 * 1_000_000)
            var ranges: [Int32: Int32] = [:]
            var effects = SampleEffects()
            do throws(KafkaError) {
                try sampler.read(survey.plans(of: topic, count: count)) { message in
                    let place = TopicPartition(topic: topic, partition: message.partition)
                    let range = ranges[message.partition] ?? batch.addRange(of: place, expected: message.offset)
                    ranges[message.partition] = range
                    builders.add(message, range: range, taken, to: batch)
                    effects.note(batch.messages.count - 1, taken, in: batch)
                    if let time = message.timestamp { newest = max(newest ?? time, time) }
                }
            } catch {
                warnings.append(
                    SetupProblem(
                        .sample, at: topic, "the sample is incomplete: \(error.told)",
                        mend: "try again, or with a smaller --sample", isWarning: true))
            }
            for index in taken {
                SampleEffects.merge(
                    effects.all(of: targets[index], targets, in: batch), into: &samples[index].effects)
            }
            look(at: batch, taken, locked, connection)
        }
    }

    private mutating func look(at batch: Batch, _ taken: [Int], _ locked: Set<String>, _ connection: Connection?) {
        let (unused, paths) = UnusedFields(takenBy: taken.map { targets[$0] }).find(in: batch)
        let drift = SampleDrift(taken.map { targets[$0] }, batch)
        // What nobody takes is told once, with the route that would take most.
        for index in taken { warnings += drift.findings(of: targets[index]) }
        if let home = taken.first(where: { targets[$0].route.rest == .fields }) ?? taken.first {
            warnings += drift.newFields(for: targets[home])
        }
        for index in taken {
            let target = targets[index]
            var letters = batch.deadLetters.filter { targets[$0.target].place == index }
            let sections = batch.sections.filter { targets[$0.target].place == index }
            var rows = sections.filter { $0.kind == .rows }.reduce(0) { $0 + $1.rows.count }
            samples[index].messages += batch.messages.count
            samples[index].deletions += sections.filter { $0.kind == .tombstones }.reduce(0) { $0 + $1.rows.count }
            measure(index, in: batch)
            for table in tables(of: target, in: batch) {
                guard let connection, !locked.contains(table.name.description) else { continue }
                let hasRows = sections.contains { $0.target == table.index && $0.kind == .rows && !$0.rows.isEmpty }
                let copy = hasRows ? TrialCopy(table, on: connection).run(batch) : nil
                let refused = tryOnServer(index, table, batch, copy, connection)
                letters += refused
                rows -= refused.count
                for (column, text) in copy?.examples ?? [:] {
                    guard let place = samples[index].columns.firstIndex(where: { $0.name == column }) else { continue }
                    samples[index].columns[place].example = text
                }
            }
            samples[index].rows += rows
            for (column, count) in batch.nulledValues(of: batch.messages.indices, except: letters, targets)
            where column.route == target.route.label {
                samples[index].nulledValues[column.column, default: 0] += count
            }
            samples[index].rejections = Self.merged(samples[index].rejections, letters, of: batch)
            samples[index].unusedPaths.formUnion(paths)
            for field in unused {
                if let place = samples[index].unusedFields.firstIndex(where: { $0.path == field.path }) {
                    samples[index].unusedFields[place].count += field.count
                } else {
                    samples[index].unusedFields.append(field)
                }
            }
        }
    }

    /// Those whose rows are tried: the route's, or those that the sample's messages choose.
    private func tables(of target: Target, in batch: Batch) -> [Target] {
        guard target.choosesTable else { return [target] }
        let chosen = Set(batch.sections.lazy.filter { !$0.rows.isEmpty }.map(\.target))
        return targets.filter { $0.routePlace == target.index && chosen.contains($0.index) }
    }

    /// - Parameters:
    ///   - table: whose rows are tried.
    ///   - copy: what came of a copy of it, which serves where the table itself cannot be tried.
    /// - Returns: the rows that the server refuses.
    private mutating func tryOnServer(
        _ index: Int, _ table: Target, _ batch: Batch, _ copy: TrialCopy.Result?, _ connection: Connection
    ) -> [DeadLetter] {
        let label = table.route.label
        let place = table.routePlace == nil ? "the table" : "\(table.name)"
        do throws(TrialLoad.Obstacle) {
            let trial = try TrialLoad(table, on: connection).run(batch)
            samples[index].wasReadByServer = true
            samples[index].wasTriedInTable = true
            samples[index].triggers = Set(samples[index].triggers).union(trial.triggers).sorted()
            samples[index].dependent.merge(trial.dependent, uniquingKeysWith: +)
            return trial.refused
        } catch {
            switch error {
            case .reachesOut(let why):
                warnings.append(
                    SetupProblem(
                        .sample, at: label,
                        "the sample's rows were not put into \(place): \(why), and a rollback may not "
                            + "take back what it does",
                        mend: "try some messages against a copy of this database", isWarning: true))
            case .refused(let refusal):
                let isRight = refusal.sqlState == .insufficientPrivilege
                warnings.append(
                    SetupProblem(
                        .sample, at: label,
                        "the sample's rows could not be put into \(place), to be rolled back: \(refusal)",
                        mend: isRight
                            ? "GRANT the role that right, or each row will be refused"
                            : "look again when nothing locks the table",
                        isWarning: true))
            }
            guard let copy else { return [] }
            samples[index].wasReadByServer = true
            return copy.refused
        }
    }

    /// Counts what the messages have for each column.
    private mutating func measure(_ index: Int, in batch: Batch) {
        let columns = targets[index].columns
        func paths(_ path: (Target.Column) -> FieldPath?) -> [Int: FieldPath] {
            columns.enumerated().reduce(into: [:]) { paths, column in
                if let path = path(column.element) { paths[column.offset] = path }
            }
        }
        let target = targets[index]
        guard target.route.elements == nil, target.route.envelope?.documents == nil else {
            return measureElements(index, in: batch)
        }
        let ofValue = FieldReader(target, paths { target.recordPath(of: $0) }, isOfKey: false)
        // Of a message without routed fields nothing shows whether it is an object.
        let ofKey = FieldReader(
            target, paths { if case .key(let path?) = $0.source { path } else { nil } }, isOfKey: true)
        for message in batch.messages.indices where batch.value(of: message) != nil {
            guard let fields = ofValue.read(message, in: batch) else { continue }
            samples[index].objects += 1
            if let schema = ofValue.schema(of: message, in: batch) {
                samples[index].schemas[schema, default: 0] += 1
            }
            let keyFields = ofKey.read(message, in: batch) ?? [:]
            noteTypes(index, ofValue.outline, ofKey.outline)
            for (place, column) in columns.enumerated() {
                // It stands in each row, and in no message.
                if column.source == .constant {
                    samples[index].columns[place].filled += 1
                    continue
                }
                let found: InputValue?
                switch column.source {
                case .field, .parent: found = fields[place].flatMap { $0 }
                case .key(.some): found = keyFields[place].flatMap { $0 }
                default: found = Self.value(of: column.source, message, in: batch)
                }
                if found?.kind == .null {
                    samples[index].columns[place].null += 1
                } else if let found {
                    samples[index].columns[place].filled += 1
                    samples[index].columns[place].note(found)
                    if samples[index].columns[place].example == nil {
                        samples[index].columns[place].example = found.text
                    }
                } else {
                    samples[index].columns[place].absent += 1
                }
            }
        }
    }

    /// Counts what the elements that are rows have for each column.
    private mutating func measureElements(_ index: Int, in batch: Batch) {
        let target = targets[index]
        for section in batch.sections where section.target == index && section.kind == .rows {
            samples[index].objects += section.rows.count
            for row in section.rows.indices {
                for place in target.columns.indices {
                    switch section.isNull(place, of: row, target) {
                    case nil: samples[index].columns[place].absent += 1
                    case true?: samples[index].columns[place].null += 1
                    case false?: samples[index].columns[place].filled += 1
                    }
                }
            }
        }
    }

    /// Notes what the schemas of a message say of each column's field.
    private mutating func noteTypes(_ index: Int, _ value: SchemaOutline?, _ key: SchemaOutline?) {
        guard value != nil || key != nil else { return }
        for (place, column) in targets[index].columns.enumerated() {
            let field: SchemaOutline.Field? =
                if case .key(let path?) = column.source {
                    key?.field(path)
                } else {
                    targets[index].route.place(of: column.source).flatMap { value?.field($0) }
                }
            if let field { samples[index].columns[place].schemaType = field.type }
        }
    }

    /// What is no field, as far as it has bytes of its own.
    private static func value(of source: ColumnSource, _ message: Int, in batch: Batch) -> InputValue? {
        switch source {
        case .key: return batch.key(of: message).map { InputValue(.string, $0) }
        case .value: return batch.value(of: message).map { InputValue(.string, $0) }
        case .header(let name):
            let named = batch.headers(of: message).last { $0.name.elementsEqual(name.utf8) }
            return named.map { $0.value.map { InputValue(.string, $0) } ?? InputValue(.null) }
        case .timestamp where batch.messages[message].timestamp == .min: return nil
        default: return InputValue(.true)
        }
    }

    private static func merged(
        _ known: [RouteSample.Rejection], _ letters: [DeadLetter], of batch: Batch
    ) -> [RouteSample.Rejection] {
        var rejections = known
        for letter in letters {
            let (partition, offset) = batch.coordinates(of: letter.message)
            let place = "\(partition)@\(offset)"
            let same = rejections.firstIndex {
                $0.reason == letter.reason.rawValue && $0.column == letter.column
                    && $0.sqlState == letter.sqlState?.rawValue
                    && (letter.reason == .invalidJSON || $0.explanation == letter.explanation)
            }
            if let same {
                rejections[same].count += 1
                if rejections[same].places.count < 3 { rejections[same].places.append(place) }
            } else {
                rejections.append(
                    RouteSample.Rejection(
                        reason: letter.reason.rawValue, column: letter.column, explanation: letter.explanation,
                        sqlState: letter.sqlState?.rawValue, count: 1, places: [place]))
            }
        }
        return rejections.sorted { $0.count > $1.count }
    }

    // MARK: What follows from it

    /// Mistakes that only messages show: a share of dead letters at which the loader stops.
    public var problems: [SetupProblem] {
        zip(targets, samples).compactMap { target, sample in
            if !hasRegistry, let letters = sample.rejections.first(where: { $0.reason == "unknown_schema" }) {
                return SetupProblem(
                    .sample, at: target.route.label,
                    "\(letters.count) of \(sample.messages) sampled messages name a schema of a registry, and none is "
                        + "configured, so each would be a dead letter",
                    mend: "set schema_registry.url to the registry that their producer writes to")
            }
            let share = Double(sample.rejected) / Double(max(sample.messages, 1))
            guard sample.rejected > 0, share > maxShare else { return nil }
            return SetupProblem(
                .sample, at: target.route.label,
                "\(sample.rejected) of \(sample.messages) sampled messages would be dead letters, and the loader stops at "
                    + "a share of \(maxShare)",
                mend: "mend the route, see the reasons there")
        }
    }

    /// Columns that no message filled, and dead letters that the loader lives with.
    public var findings: [SetupProblem] {
        var findings = warnings
        for (target, sample) in zip(targets, samples) {
            if sample.rejected > 0, Double(sample.rejected) <= maxShare * Double(sample.messages) {
                findings.append(
                    SetupProblem(
                        .sample, at: target.route.label,
                        "\(sample.rejected) of \(sample.messages) sampled messages would be dead letters",
                        mend: "see the reasons there", isWarning: true))
            }
            for (column, count) in sample.nulledValues.sorted(by: { $0.key < $1.key }) {
                findings.append(
                    SetupProblem(
                        .sample, at: target.route.label,
                        "\(count) of \(sample.messages) sampled messages have a value that \(column) cannot hold, and that "
                            + "becomes NULL", mend: "nothing, if on_error: null is meant for it", isWarning: true))
            }
            for (dependence, count) in sample.dependent.sorted(by: { $0.value > $1.value }) {
                findings.append(Self.finding(dependence, count, at: target.route.label))
            }
            findings += undecoded(target, sample)
            findings += UnfilledColumns(target, sample).findings
        }
        return findings
    }
}

extension RouteTrial {
    private static func finding(_ dependence: RouteSample.Dependence, _ count: Int, at label: String) -> SetupProblem {
        let rows = count == 1 ? "1 sampled row" : "\(count) sampled rows"
        return switch dependence {
        case .parentIsMissing:
            SetupProblem(
                .sample, at: label, "\(rows) would refer to rows that are not there now (23503)",
                mend: "load what they refer to first: a row before its parent is a dead letter", isWarning: true)
        case .isThere:
            SetupProblem(
                .sample, at: label, "for \(rows) the table holds one with the same unique values (23505, 23P01)",
                mend:
                    "nothing, if these messages are loaded already; else use mode upsert or ignore, or drop the constraint",
                isWarning: true)
        }
    }
}

/// Reads the fields of messages for the columns that want them.
private final class FieldReader {
    private let columns: [Int]
    private let fields: SampleFields

    init(_ target: Target, _ paths: [Int: FieldPath], isOfKey: Bool) {
        let sorted = paths.sorted { $0.key < $1.key }
        columns = sorted.map(\.key)
        fields = SampleFields(target, sorted.map(\.value), isOfKey: isOfKey)
    }

    /// The value for each column, nil for one whose field is absent; nil if the message has no fields.
    func read(_ message: Int, in batch: Batch) -> [Int: InputValue?]? {
        guard !columns.isEmpty else { return [:] }
        guard let fields = fields.read(message, in: batch) else { return nil }
        return Dictionary(
            uniqueKeysWithValues: zip(columns, fields).map { ($0, $1.kind == .absent ? nil : InputValue($1)) })
    }

    /// What the schema of the message that was read last says of its fields.
    var outline: SchemaOutline? { columns.isEmpty ? nil : fields.outline }

    /// The schema that a message names; nil: none.
    func schema(of message: Int, in batch: Batch) -> SchemaID? {
        let schema = fields.schema(of: message, in: batch)
        return schema.kind == .none ? nil : schema
    }
}

extension InputValue {
    /// For people, cut where it gets long.
    var text: String {
        switch kind {
        case .null: return "null"
        case .number, .string, .array, .object: return String(decoding: start, as: UTF8.self)
        case .list, .record: return kind.name
        default:
            var text = CopyBuffer(capacity: 64)
            guard (try? text.append(textOf: self)) != nil else { return kind.name }
            return InputValue(.string, text.bytes).text
        }
    }

    /// The first bytes, without half a character.
    private var start: UnsafeRawBufferPointer {
        var count = min(bytes.count, RouteSample.longestExample)
        while count < bytes.count, count > 0, bytes[count] & 0xC0 == 0x80 { count -= 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[..<count])
    }
}

extension RouteSample {
    /// Bytes of an example that are kept.
    static let longestExample = 200
}
