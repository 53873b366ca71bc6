import Records

/// What one route makes of change events: rows and deletions by where an event has the row.
final class ChangeRows {
    struct Plans {
        /// Which of the route's shapes it is.
        let shape: Int
        let row: RowPlan
        let deletion: DeletionPlan
        /// What the route takes, of events that have the row there; nil: all.
        let filter: RouteFilter?
        /// The row of an event that says that the source was emptied; nil where that is none.
        let truncation: RowPlan?
        /// Where what holds the row's elements stands among the message's fields, where each makes a row.
        let holder: Int
    }

    let reader: ChangeReader
    let after: Plans
    let before: Plans
    let flat: Plans
    /// Each event is about several rows, which are elements of the message.
    let isOfRows: Bool
    /// Where the list stands among the message's fields that has of each row what it was before.
    let besideHolder: Int?
    /// What reads the documents that its rows are; nil where they are records.
    let documents: Documents?
    /// What becomes of the row under the key that it had before a change; nil: that is told by an event of its own.
    let former: FormerRow?

    struct Documents {
        let document: ChangedDocument
        let places: MessagePlan.Changes.Documents
        let identifier: String
    }

    /// - Parameters:
    ///   - elements: what is wanted of each row, where a message does not have it as a field.
    ///   - count: of the message's fields.
    ///   - row: the plan of the first shape.
    init(
        _ changes: MessagePlan.Changes, _ shapes: [MessagePlan.Shape], _ elements: ElementPlan?, behind count: Int,
        _ row: RowPlan, _ target: Target
    ) {
        reader = changes.reader
        func plans(_ place: ChangeReader.Place) -> Plans {
            let part = changes.row(place)
            return Plans(
                shape: part.shape,
                row: part.shape == 0 ? row : RowPlan(target, inputs: shapes[part.shape].inputs),
                deletion: DeletionPlan(target, inputs: part.deletion),
                filter: RouteFilter(target, shapes[part.shape]),
                truncation: target.route.writesTruncations
                    ? RowPlan(target, inputs: shapes[part.shape].inputs, isOfTombstones: true) : nil,
                holder: shapes[part.shape].holder ?? 0)
        }
        after = plans(.after)
        before = plans(.before)
        flat = plans(.flat)
        isOfRows = target.route.envelope?.isOfRows ?? false
        besideHolder = shapes[0].besideHolder
        if let places = changes.documents, let elements, let identifier = target.route.envelope?.documents?.identifier {
            documents = Documents(
                document: ChangedDocument(elements, behind: count), places: places, identifier: identifier)
        } else {
            documents = nil
        }
        former = changes.former.map { FormerRow(target, $0) }
    }

    @inline(__always)
    func plans(_ place: ChangeReader.Place) -> Plans {
        switch place {
        case .after: after
        case .before: before
        case .flat: flat
        }
    }
}
