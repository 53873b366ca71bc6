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

        let reader: ChangeReader
        let after: Row
        let before: Row?
        let flat: Row?

        func row(_ place: ChangeReader.Place) -> Row {
            switch place {
            case .after: after
            case .before: before ?? after
            case .flat: flat ?? after
            }
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
        of target: Target, _ tombstone: [MessagePlan.Input], _ shapes: [MessagePlan.Shape], _ values: inout PathList
    ) {
        guard let envelope = target.route.envelope else { return nil }
        reader = ChangeReader(envelope) { values.position($0) }
        let versions = Self.versions(of: target)
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

extension Route {
    /// Where a message has what a column takes: in an envelope the row after the change, for those who look at messages one
    /// by one. Nil for what is no field of a value.
    package func place(of source: ColumnSource) -> FieldPath? {
        switch source {
        case .field(let path): (envelope?.after ?? FieldPath([])) + path
        case .before(let path): envelope?.before.map { $0 + path }
        case .origin(let path): envelope?.origin.map { $0 + path }
        default: nil
        }
    }
}
