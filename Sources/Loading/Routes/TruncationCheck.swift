import Postgres
import Records

/// What is wrong with a history that is to have a row for each truncation of its source.
struct TruncationCheck {
    private(set) var problems: [(text: String, mend: Mend.Routing)] = []

    /// - Parameter columns: those that are loaded.
    init(_ route: Route, _ columns: [(Route.Column, Table.Column)], of table: TableName) {
        guard route.writesTruncations else { return }
        guard route.each == nil else {
            problems.append(
                (
                    "a truncation is of no element of a message, so \(table) can have no row for it",
                    .passTruncations(isByColumn: false)
                ))
            return
        }
        for (column, found) in columns where Self.lacks(column, found, route) {
            let lack = column.isRequired ? "is required" : "is NOT NULL without a default"
            problems.append(
                (
                    "\(table).\(column.name) \(lack), and a truncation has no row that could fill it",
                    .passTruncations(isByColumn: true)
                ))
        }
        check(route.validity, columns, route, of: table)
    }

    /// A truncation ends all versions at the time that its own row has.
    private mutating func check(
        _ validity: Route.Validity, _ columns: [(Route.Column, Table.Column)], _ route: Route, of table: TableName
    ) {
        guard let from = validity.from else { return }
        if !columns.contains(where: { route.source(of: $0.0) == .operation }) {
            problems.append(
                (
                    "a truncation ends all versions, and no column of \(table) says of a row that it is one",
                    .nameOperation
                ))
        }
        if let (begin, _) = columns.first(where: { $0.0.name == from }), route.source(of: begin).isOfRow {
            problems.append(
                (
                    "\(table).\(from) says when versions begin, and a truncation, which ends them, has no row to take it of",
                    .timeOfTruncations
                ))
        }
    }

    /// Whether it would have nothing where nothing is refused.
    private static func lacks(_ column: Route.Column, _ found: Table.Column, _ route: Route) -> Bool {
        guard column.isRequired || found.isNotNull, column.constant == nil, column.fallback == nil else { return false }
        return route.source(of: column).isOfRow && !Leaving(column, found, of: route, isKey: false).isByAbsence
    }
}

extension Route {
    /// A truncation of the source is a row of the history, and empties nothing.
    var writesTruncations: Bool { envelope != nil && mode == .history && onTruncate == .truncate }
}

extension ColumnSource {
    /// An event that is about no row has nothing there.
    fileprivate var isOfRow: Bool {
        switch self {
        case .field, .before, .key: true
        default: false
        }
    }
}
