import Records

/// Looks through a whole message: what is there of the routed fields, and what else it has beside them. It takes its time,
/// so it is for samples.
package final class DocumentReader {
    private let taken: TakenFields
    private let fields: SampleFields
    private let paths: Int
    package var nested: NestedFields { fields.nested }

    /// Members of one message that are looked at, beside the routed ones.
    private static let mostMembers = 256

    /// - Parameters:
    ///   - targets: all that take the messages, which are read as the first one's are.
    ///   - paths: the routed fields, in the order in which `read` hands them over.
    package init(_ targets: [Target], paths: [FieldPath]) {
        taken = TakenFields(by: targets)
        self.paths = paths.count
        // Behind the routed ones the whole.
        fields = SampleFields(
            targets.first?.messageFormat ?? .json, paths + [FieldPath([])], isOfKey: false,
            in: targets.first?.route.envelope)
    }

    /// - Parameters:
    ///   - message: one of `batch`, with a value.
    ///   - other: gets the outermost fields that nobody takes.
    /// - Returns: the kinds of the routed fields; nil if this has no fields, or by a schema that nobody knows yet.
    package func read(
        _ message: Int, in batch: Batch, other: (_ path: [String], _ field: Field) -> Void
    ) -> [Field.Kind]? {
        // Of the whole message, because opening one does not check what is nested in it.
        guard let found = fields.read(message, in: batch), let whole = found.last,
            whole.kind == .object || whole.kind == .record
        else { return nil }
        let kinds = found.prefix(paths).map(\.kind)
        if !taken.takesAll {
            var left = Self.mostMembers
            visit(whole, [], &left, other)
        }
        return kinds
    }

    private func visit(_ record: Field, _ path: [String], _ left: inout Int, _ other: ([String], Field) -> Void) {
        for (name, value) in nested.members(of: record) ?? [] {
            let path = path + [name]
            if taken.takes(path) { continue }
            if taken.opens(path) {
                visit(value, path, &left, other)
                continue
            }
            guard left > 0 else { continue }
            left -= 1
            other(path, value)
        }
    }
}
