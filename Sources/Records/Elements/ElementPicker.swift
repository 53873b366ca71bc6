/// Picks the fields of paths out of values within a message, whatever it is written in.
///
/// A value that is neither an object nor a list has no fields; the empty path is the value itself.
final class ElementPicker {
    private let paths: [FieldPath]
    private let json: JSONRecordDecoder
    private let root = Node()
    /// Paths that take other names as well, and what has come under such.
    private var loose: [(slot: Int, path: FieldPath)] = []
    private var standIns: [Field]

    /// A place that paths lead to or through.
    private final class Node {
        var slots: [Int] = []
        var children: [(name: [UInt8], node: Node)] = []
        /// All that paths through here lead to, from here on.
        var below: [(slot: Int, path: FieldPath)] = []
        /// Reads that in JSON, which a decoder of another kind of message may hand over.
        lazy var json = JSONRecordDecoder(paths: below.map(\.path))

        func child(_ name: UnsafeRawBufferPointer) -> Node? {
            for child in children where child.name.count == name.count && child.name.elementsEqual(name) {
                return child.node
            }
            return nil
        }

        func child(at index: Int) -> Node? {
            children.isEmpty ? nil : Array("\(index)".utf8).withUnsafeBytes { child($0) }
        }
    }

    init(_ paths: [FieldPath]) {
        self.paths = paths
        json = JSONRecordDecoder(paths: paths)
        standIns = []
        for (slot, path) in paths.enumerated() {
            var node = root
            node.below.append((slot, path))
            for (depth, component) in path.components.enumerated() {
                let name = Array(component.utf8)
                let next = node.children.first { $0.name == name }?.node ?? Node()
                if !node.children.contains(where: { $0.name == name }) { node.children.append((name, next)) }
                node = next
                node.below.append((slot, FieldPath(Array(path.components[(depth + 1)...]))))
            }
            node.slots.append(slot)
            if path.names != .exact, path.components.count == 1 { loose.append((slot, path)) }
        }
        standIns = loose.map { _ in Field(.absent) }
    }

    /// Fills the fields, in the order of the paths. They are valid until the next call, and as long as the message.
    ///
    /// - Parameter decoder: the message's, which opens what is no text of JSON.
    func pick(
        _ value: Field, by decoder: any RecordDecoder, into fields: UnsafeMutablePointer<Field>
    ) throws(DecodingFailure) {
        guard !paths.isEmpty else { return }
        if value.kind == .object || value.kind == .array {
            let found = try json.decode(part: value.bytes)
            for slot in paths.indices { fields[slot] = found[slot] }
            return
        }
        for slot in paths.indices { fields[slot] = Field(.absent) }
        for place in standIns.indices { standIns[place] = Field(.absent) }
        try take(value, root, by: decoder, into: fields)
        for (place, path) in loose.enumerated() where fields[path.slot].kind == .absent {
            fields[path.slot] = standIns[place]
        }
    }

    private func take(
        _ value: Field, _ node: Node, by decoder: any RecordDecoder, into fields: UnsafeMutablePointer<Field>
    ) throws(DecodingFailure) {
        for slot in node.slots { fields[slot] = value }
        guard !node.children.isEmpty else { return }
        switch value.kind {
        case .object, .array:
            let found = try node.json.decode(part: value.bytes)
            for (place, path) in node.below.enumerated() { fields[path.slot] = found[place] }
        case .record, .list:
            var index = 0
            var failure: DecodingFailure?
            let isList = value.kind == .list
            try decoder.visit(value) { name, member in
                let child = isList ? node.child(at: index) : node.child(name)
                index += 1
                guard let child else {
                    if node === root, !isList { take(member, calledOtherwise: name) }
                    return true
                }
                // Of a name that comes twice the last one counts, with all that is in it.
                for path in child.below { fields[path.slot] = Field(.absent) }
                do throws(DecodingFailure) {
                    try take(member, child, by: decoder, into: fields)
                } catch {
                    failure = error
                    return false
                }
                return true
            }
            if let failure { throw failure }
        default: break
        }
    }

    private func take(_ value: Field, calledOtherwise name: UnsafeRawBufferPointer) {
        guard !loose.isEmpty else { return }
        let text = String(decoding: name, as: UTF8.self)
        if let place = loose.firstIndex(where: { $0.path.takes(text) }) { standIns[place] = value }
    }
}
