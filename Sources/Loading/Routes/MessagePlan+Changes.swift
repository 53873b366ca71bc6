import Records

extension MessagePlan {
    /// How the change events of one route are read.
    struct Changes: Sendable {
        /// What of an event is a row's: which of the route's shapes it has, and where a deletion finds its columns.
        struct Row: Sendable {
            var shape: Int
            /// For the columns that a deletion gives.
            var deletion: [Input]
        }

        /// The row under the key that it had before a change.
        struct Former: Sendable {
            /// For the columns of the key, before the change, where it is said, and after it.
            var key: [(before: Input?, after: Input)]
            /// For those that say how new it is.
            var versions: [Input]
        }

        let reader: ChangeReader
        private(set) var after: Row
        let before: Row?
        let flat: Row?
        /// Nil where no event changes a key, or where that does not matter.
        private(set) var former: Former?
        /// Where events say what is not in their documents; nil where rows are records.
        private(set) var documents: Documents?

        struct Documents: Sendable {
            var updated: Int
            var removed: Int
            var truncated: Int
            /// Among the key's fields.
            var key: Int
        }

        func row(_ place: ChangeReader.Place) -> Row {
            switch place {
            case .after: after
            case .before: before ?? after
            case .flat: flat ?? after
            }
        }

        /// Says where the fields of elements stand.
        mutating func resolve(_ elements: ElementPlan, behind count: Int) {
            after.deletion = after.deletion.map { $0.resolved(elements, behind: count) }
            guard var former else { return }
            former.key = former.key.map { before, after in
                (before?.resolved(elements, behind: count), after.resolved(elements, behind: count))
            }
            former.versions = former.versions.map { $0.resolved(elements, behind: count) }
            self.former = former
        }
    }
}

extension MessagePlan.Shape {
    /// The shapes of a route's messages: the message itself, or in this order the row after a change, before it, and the
    /// message that is the row.
    static func all(
        of target: Target, _ elements: inout ElementPlan?, _ values: inout PathList, _ keys: inout PathList
    ) -> [MessagePlan.Shape] {
        guard let envelope = target.route.envelope else {
            return [MessagePlan.Shape(of: target, base: FieldPath([]), &elements, &values, &keys)]
        }
        func aside(_ source: ColumnSource) -> FieldPath? {
            switch source {
            case .before(let path): envelope.before.map { $0 + path }
            case .origin(let path): envelope.origin.map { $0 + path }
            default: nil
            }
        }
        if envelope.isOfRows || envelope.documents != nil {
            let base = FieldPath(envelope.after.components.dropLast())
            var shape = MessagePlan.Shape(of: target, base: base, &elements, &values, &keys, aside: aside)
            shape.besideHolder = envelope.before.map { values.position($0) }
            return [shape]
        }
        var shapes = [MessagePlan.Shape(of: target, base: envelope.after, &elements, &values, &keys, aside: aside)]
        if let before = envelope.before {
            shapes.append(MessagePlan.Shape(of: target, base: before, &elements, &values, &keys, aside: aside))
        }
        if let flat = envelope.flat {
            shapes.append(
                MessagePlan.Shape(of: target, base: FieldPath([]), &elements, &values, &keys) { source in
                    guard case .origin(let path) = source else { return nil }
                    return FieldPath([flat.originPrefix + path.components.joined(separator: "_")])
                })
        }
        return shapes
    }
}

extension MessagePlan.Changes {
    /// - Parameters:
    ///   - tombstone: where a tombstone finds the key's columns.
    ///   - shapes: the route's.
    init?(
        of target: Target, _ tombstone: [MessagePlan.Input], _ shapes: [MessagePlan.Shape],
        _ elements: inout ElementPlan?, _ values: inout PathList, _ keys: inout PathList
    ) {
        guard let envelope = target.route.envelope else { return nil }
        documents = envelope.documents.map { documents in
            MessagePlan.Changes.Documents(
                updated: values.position(documents.updated), removed: values.position(documents.removed),
                truncated: values.position(documents.truncated), key: keys.position(documents.key))
        }
        reader = ChangeReader(envelope) { values.position($0) }
        let versions = Self.versions(of: target)
        former = Former(of: target, envelope, shapes[0], &elements, &values)
        guard !envelope.isOfRows, envelope.documents == nil else {
            // The key is each row's, and the message's is of all of them, or is what the row is read from.
            let row = shapes[0].inputs
            after = Row(shape: 0, deletion: Array(row[..<target.keyCount] + row[versions]))
            (before, flat) = (nil, nil)
            return
        }
        func row(_ shape: Int) -> Row {
            Row(
                shape: shape,
                deletion: zip(tombstone.prefix(target.keyCount), shapes[shape].inputs).map { byKey, byRow in
                    switch (byKey, byRow) {
                    case (.keyField(let keyField), .field(let field)):
                        .keyOr(field: field, keyField: keyField, takesWholeKey: false)
                    case (.keyFieldOrKey(let keyField), .field(let field)):
                        .keyOr(field: field, keyField: keyField, takesWholeKey: true)
                    default: byKey
                    }
                } + shapes[shape].inputs[versions])
        }
        after = row(0)
        before = envelope.before == nil ? nil : row(1)
        flat = envelope.flat == nil ? nil : row(shapes.count - 1)
    }

    /// The columns beside the key that a deletion gives: what says which event is newer, where that is said beside the row. What the
    /// deleted row said itself is as old as the row that is to go.
    private static func versions(of target: Target) -> Range<Int> {
        let areOfRow = target.columns[target.versions].contains { column in
            switch column.source {
            case .field, .before: true
            default: false
            }
        }
        return areOfRow ? target.versions.lowerBound..<target.versions.lowerBound : target.versions
    }
}

extension MessagePlan.Changes.Former {
    /// - Parameter shape: of the row after a change.
    fileprivate init?(
        of target: Target, _ envelope: Envelope, _ shape: MessagePlan.Shape, _ elements: inout ElementPlan?,
        _ values: inout PathList
    ) {
        guard envelope.changesKeys, let before = envelope.before, target.mode == .upsert else { return nil }
        if target.route.each != nil, target.parent?.step != ElementParent.message { return nil }
        let count = target.parent?.keyCount ?? target.keyCount
        var hasBefore = false
        key = []
        for (place, column) in target.columns[..<count].enumerated() {
            var input: MessagePlan.Input?
            switch column.source {
            case .field(let path), .parent(_, let path):
                input =
                    envelope.isOfRows
                    ? elements?.place(of: .before(path)).map { .element($0) } : .field(values.position(before + path))
            default: break
            }
            if input != nil { hasBefore = true }
            key.append((input, shape.inputs[place]))
        }
        versions = Array(shape.inputs[target.versions])
        guard hasBefore else { return nil }
    }

    /// For the columns of a deletion.
    var inputs: [MessagePlan.Input] {
        key.map { before, after in
            guard case .field(let before)? = before, case .field(let after) = after else { return after }
            return .former(before: before, after: after)
        } + versions
    }

    /// Where the columns of the key are told, before and after.
    var places: [(before: Int, after: Int)] {
        key.compactMap { before, after in
            guard case .field(let before)? = before, case .field(let after) = after else { return nil }
            return (before, after)
        }
    }
}

extension Route {
    /// What its rows take of elements: of those that it names, of the rows that a change event is about, or of a document; nil
    /// where a message is one row.
    var elementPlan: ElementPlan? {
        if let envelope, envelope.documents != nil, let name = envelope.after.components.last {
            return ElementPlan(ElementPath([ElementPath.Step(name)]), hasBeside: true)
        }
        return elements.map { ElementPlan($0, hasBeside: envelope?.isOfRows ?? false) }
    }

    /// Which elements of a message each make a row; nil: the message makes one.
    package var elements: ElementPath? {
        guard let envelope, envelope.isOfRows, let name = envelope.after.components.last else { return each }
        return ElementPath([ElementPath.Step(name)])
    }

    /// Where a message has what a column takes: in an envelope the row after the change, for those who look at messages one
    /// by one. Nil for what is no field of a value.
    package func place(of source: ColumnSource) -> FieldPath? {
        switch source {
        case .field(let path): (envelope?.row ?? FieldPath([])) + path
        case .before(let path): envelope?.before.map { $0 + path }
        case .origin(let path): envelope?.origin.map { $0 + path }
        default: nil
        }
    }
}
