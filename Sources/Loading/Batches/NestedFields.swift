import Records

/// Opens what is nested in a message's fields, whatever the message is written in, for those who only look.
///
/// Belongs to one thread.
package final class NestedFields {
    private let json = JSONContainer()
    /// Whose lists and records are opened.
    var decoder: (any RecordDecoder)?

    package init() {}

    /// The members of an object or a record in the order they came, valid until the next message. A name that comes again
    /// appears again; the last one counts.
    ///
    /// - Returns: nil for what has no members, or cannot be opened.
    package func members(of field: Field) -> [(name: String, value: Field)]? {
        switch field.kind {
        case .object: return try? json.members(of: field.bytes)
        case .record:
            var members: [(name: String, value: Field)] = []
            do throws(DecodingFailure) {
                try decoder?.visit(field) { name, value in
                    members.append((String(decoding: name, as: UTF8.self), value))
                    return true
                }
            } catch { return nil }
            return members
        default: return nil
        }
    }

    /// The elements of an array or a list, valid until the next message.
    ///
    /// - Returns: nil for what has none, or cannot be opened.
    package func elements(of field: Field) -> [Field]? {
        switch field.kind {
        case .array: return try? json.elements(of: field.bytes)
        case .list:
            var elements: [Field] = []
            do throws(DecodingFailure) {
                try decoder?.visit(field) { _, value in
                    elements.append(value)
                    return true
                }
            } catch { return nil }
            return elements
        default: return nil
        }
    }

    /// What a path leads to from a record on; absent where it leads to nothing.
    package func field(_ path: [String], of record: Field) -> Field {
        path.reduce(record) { field, name in
            members(of: field)?.last { $0.name == name }?.value ?? Field(.absent)
        }
    }

    /// Begins another message.
    func reset() { json.reset() }
}
