import Loading
import Postgres
import Records

/// Finds what messages have and no route of their topic takes.
struct UnusedFields {
    private let taken: TakenFields
    private let whole: SampleFields
    private var nested: NestedFields { whole.nested }

    /// - Parameter targets: those that take the topic, whose messages are read as the first one's are.
    init(takenBy targets: [Target]) {
        taken = TakenFields(by: targets)
        whole = SampleFields(
            targets.first?.messageFormat ?? .json, [FieldPath([])], isOfKey: false, in: targets.first?.route.envelope)
    }

    /// The fields that land nowhere: the outermost ones, and the paths of all.
    func find(in batch: Batch) -> (outermost: [RouteSample.UnusedField], paths: Set<String>) {
        guard !taken.takesAll else { return ([], []) }
        var found: [[String]: RouteSample.UnusedField] = [:]
        var inner: Set<[String]> = []
        for message in batch.messages.indices {
            guard let message = whole.read(message, in: batch)?.first else { continue }
            visit(message, [], &found, &inner)
        }
        let paths = inner.union(found.keys).map { ColumnSource.field(FieldPath($0)).expression }
        return (found.values.sorted { ($1.count, $0.path) < ($0.count, $1.path) }, Set(paths))
    }

    private func visit(
        _ record: Field, _ path: [String], _ found: inout [[String]: RouteSample.UnusedField],
        _ inner: inout Set<[String]>
    ) {
        guard let members = nested.members(of: record) else { return }
        var seen: Set<String> = []
        for (name, value) in members.reversed() where seen.insert(name).inserted {
            let path = path + [name]
            if taken.takes(path) { continue }
            if taken.opens(path) {
                visit(value, path, &found, &inner)
                continue
            }
            var field =
                found[path]
                ?? RouteSample.UnusedField(path: ColumnSource.field(FieldPath(path)).expression, count: 0)
            field.count += 1
            if field.example == nil, value.kind != .null { field.example = InputValue(value).text }
            found[path] = field
            collect(value, path, &inner)
        }
    }

    /// The paths within a field that lands nowhere, as far as somebody may have meant them.
    private func collect(_ record: Field, _ path: [String], _ inner: inout Set<[String]>) {
        guard path.count < 4, inner.count < 1000, let members = nested.members(of: record) else { return }
        for (name, value) in members where !name.isEmpty {
            inner.insert(path + [name])
            collect(value, path + [name], &inner)
        }
    }
}
