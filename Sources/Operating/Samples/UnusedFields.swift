import Loading
import Postgres
import Records

/// Finds what messages have and no route of their topic takes.
struct UnusedFields {
    private let taken: TakenFields

    init(takenBy targets: [Target]) { taken = TakenFields(by: targets) }

    /// The fields that land nowhere: the outermost ones, and the paths of all.
    func find(in batch: Batch) -> (outermost: [RouteSample.UnusedField], paths: Set<String>) {
        guard !taken.takesAll else { return ([], []) }
        var found: [[String]: RouteSample.UnusedField] = [:]
        var inner: Set<[String]> = []
        let container = JSONContainer()
        for message in batch.messages.indices {
            guard let value = batch.value(of: message) else { continue }
            container.reset()
            visit(value, [], container, &found, &inner)
        }
        let paths = inner.union(found.keys).map { ColumnSource.field(FieldPath($0)).expression }
        return (found.values.sorted { ($1.count, $0.path) < ($0.count, $1.path) }, Set(paths))
    }

    private func visit(
        _ object: UnsafeRawBufferPointer, _ path: [String], _ container: JSONContainer,
        _ found: inout [[String]: RouteSample.UnusedField], _ inner: inout Set<[String]>
    ) {
        guard let members = try? container.members(of: object) else { return }
        var seen: Set<String> = []
        for (name, value) in members.reversed() where seen.insert(name).inserted {
            let path = path + [name]
            if taken.takes(path) { continue }
            if taken.opens(path) {
                if value.kind == .object { visit(value.bytes, path, container, &found, &inner) }
                continue
            }
            var field =
                found[path]
                ?? RouteSample.UnusedField(path: ColumnSource.field(FieldPath(path)).expression, count: 0)
            field.count += 1
            if field.example == nil, value.kind != .null { field.example = InputValue(value).text }
            found[path] = field
            if value.kind == .object { collect(value.bytes, path, container, &inner) }
        }
    }

    /// The paths within a field that lands nowhere, as far as somebody may have meant them.
    private func collect(
        _ object: UnsafeRawBufferPointer, _ path: [String], _ container: JSONContainer, _ inner: inout Set<[String]>
    ) {
        guard path.count < 4, inner.count < 1000, let members = try? container.members(of: object) else { return }
        for (name, value) in members where !name.isEmpty {
            inner.insert(path + [name])
            if value.kind == .object { collect(value.bytes, path + [name], container, &inner) }
        }
    }
}
