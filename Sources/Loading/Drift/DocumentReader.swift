import Records

/// Looks through a whole message: what is there of the routed fields, and what else it has beside them. It takes its time,
/// so it is for samples.
package final class DocumentReader {
    private let taken: TakenFields
    private let decoder: JSONRecordDecoder
    private let paths: Int
    package let container = JSONContainer()

    /// Members of one message that are looked at, beside the routed ones.
    private static let mostMembers = 256

    /// - Parameter paths: the routed fields, in the order in which `read` hands them over.
    package init(paths: [FieldPath], taken: TakenFields) {
        self.taken = taken
        self.paths = paths.count
        decoder = JSONRecordDecoder(paths: paths.isEmpty ? [FieldPath([])] : paths)
    }

    /// - Parameters:
    ///   - text: must be followed by `JSONRecordDecoder.padding` readable bytes.
    ///   - other: gets the outermost fields that nobody takes.
    /// - Returns: the kinds of the routed fields; nil if this is no object.
    package func read(
        _ text: UnsafeRawBufferPointer, other: (_ path: [String], _ field: Field) -> Void
    ) -> [Field.Kind]? {
        let text = text.withoutByteOrderMark
        // Of the whole message, because a container does not check what is nested in it.
        guard let fields = try? decoder.decode(text) else { return nil }
        let kinds = fields.prefix(paths).map(\.kind)
        container.reset()
        if !taken.takesAll {
            var left = Self.mostMembers
            visit(text, [], &left, other)
        }
        return kinds
    }

    private func visit(
        _ object: UnsafeRawBufferPointer, _ path: [String], _ left: inout Int, _ other: ([String], Field) -> Void
    ) {
        guard let members = try? container.members(of: object) else { return }
        for (name, value) in members {
            let path = path + [name]
            if taken.takes(path) { continue }
            if taken.opens(path) {
                if value.kind == .object { visit(value.bytes, path, &left, other) }
                continue
            }
            guard left > 0 else { continue }
            left -= 1
            other(path, value)
        }
    }
}
