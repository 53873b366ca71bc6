import Postgres

/// Whether, and when, a row leaves a column out.
struct Leaving {
    /// The row has a bit for it.
    var isPossible = false
    /// A message without the field leaves it out.
    var isByAbsence = false
    /// A row that is there keeps what it has, though there is no default for a new one.
    var isKept = false

    init(_ column: Route.Column, _ found: Table.Column, of route: Route, isKey: Bool) {
        // What the route fills is never left to the table.
        guard !isKey, column.constant == nil, !route.newer.contains(column.name), column.name != route.mark,
            !route.validity.loaded.contains(column.name)
        else {
            return
        }
        let hasDefault = found.defaultExpression != nil || found.identity != .none
        if !column.isRequired, column.fallback == nil {
            switch column.absent ?? route.absent {
            case .byDefault: isByAbsence = hasDefault
            case .keep:
                isByAbsence = hasDefault || route.mode == .upsert
                isKept = isByAbsence && !hasDefault
            // A route speaks of all its columns; what cannot be NULL has its default then as before.
            case .null: isByAbsence = column.absent == nil && found.isNotNull && hasDefault
            }
        }
        let marks = route.onTombstone == .mark
        isPossible = isByAbsence || (route.mode == .upsert && (route.maySendUnavailable || marks))
        // A row that is marked says nothing else.
        isKept = isKept || marks && isPossible && !hasDefault
    }
}

extension Route {
    /// Whether its messages may say of a field that its source did not send it.
    var maySendUnavailable: Bool { envelope?.unavailable != nil || envelope?.documents != nil }
}
