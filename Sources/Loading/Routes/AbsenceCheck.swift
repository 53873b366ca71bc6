import Postgres

/// What a route says of absent fields that does nothing where it stands.
struct AbsenceCheck {
    private let route: Route
    private let table: TableName
    private let key: [String]
    private(set) var problems: [(text: String, mend: Mend.Routing)] = []

    init(_ route: Route, _ columns: [(Route.Column, Table.Column)], of table: TableName, key: [String]) {
        self.route = route
        self.table = table
        self.key = key
        for (column, found) in columns {
            if let absent = column.absent { check(column, found, absent) }
        }
        guard route.absent != .byDefault else { return }
        let isOfUse = columns.contains { column, found in
            column.absent == nil && reason(against: route.absent, column, found) == nil
        }
        if !isOfUse { report(route.absent, "\(table)", reasonForNone, .takeOut(.absent, .route)) }
    }

    private mutating func report(_ absent: Route.Absent, _ place: String, _ reason: String, _ mend: Mend.Routing) {
        let option =
            switch absent {
            case .byDefault: "the default where a field of \(place) is absent"
            case .keep: "keeping \(place) where a field is absent"
            case .null: "NULL in \(place) where a field is absent"
            }
        problems.append(("\(option) has no effect: \(reason)", mend))
    }

    private mutating func check(_ column: Route.Column, _ found: Table.Column, _ absent: Route.Absent) {
        let place = "\(table).\(column.name)"
        if absent == .byDefault, route.absent == .byDefault { return }
        if let reason = reason(against: absent, column, found) {
            report(absent, place, reason, .takeOut(.absent, .column))
        } else if absent == .null, found.isNotNull {
            report(
                absent, place, "the column is NOT NULL, so that NULL is a dead letter", .takeOutOrDropNotNull(.absent))
        }
    }

    private var reasonForNone: String {
        route.absent == .keep && route.mode != .upsert
            ? "mode \(route.mode.rawValue) changes no row that is there"
            : route.absent == .keep
                ? "no column outside the key takes a field that may be absent"
                : "no column that may be NULL has a default and takes a field that may be absent"
    }

    /// Why it does nothing for a column; nil if it does something.
    private func reason(against absent: Route.Absent, _ column: Route.Column, _ found: Table.Column) -> String? {
        if column.constant != nil { return "the column has a constant" }
        if key.contains(column.name) {
            return "the column is part of the key, and a message without it is a dead letter"
        }
        if route.newer.contains(column.name) {
            return "the column says which message is newer, and one without it changes no row that has it"
        }
        if column.isRequired { return "the field is required, and a message without it is a dead letter" }
        if column.fallback != nil { return "the route has a default for the column" }
        let source = route.source(of: column)
        if !source.isField { return "\(source) is no field that may be absent" }
        let hasDefault = found.defaultExpression != nil || found.identity != .none
        switch absent {
        case .byDefault: return nil
        case .keep: return route.mode == .upsert ? nil : "mode \(route.mode.rawValue) changes no row that is there"
        case .null:
            if !hasDefault, route.absent != .keep || column.absent == nil { return "the column has no default" }
            return column.absent == nil && found.isNotNull ? "the column is NOT NULL" : nil
        }
    }
}
