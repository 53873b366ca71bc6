import Postgres
import Records

/// What a route says of elements where that has no effect, or where messages have none.
struct ElementOptionCheck {
    private(set) var problems: [(text: String, mend: Mend.Routing)] = []

    /// - Parameter columns: those that can be had, with where each comes from.
    init(_ route: Route, _ columns: [(name: String, source: ColumnSource)], of table: TableName) {
        guard let path = route.each ?? route.elements else {
            if route.onBadElement != .deadLetter { report("skipping bad elements", .onBadElement) }
            if route.maxElements != Route.mostElements { report("a limit of elements", .maxElements) }
            return
        }
        switch route.format {
        case _ where route.format.isOneValue:
            problems.append(("messages of format \(route.format.rawValue) have no elements", .noElements))
        case .csv where path != ElementPath([ElementPath.Step(nil)]):
            problems.append(
                ("messages of CSV have no elements in \(path), they can only be many records", .manyRecords))
        default: break
        }
        for column in columns { check(column.source, path, "\(table).\(column.name)") }
    }

    private mutating func report(_ what: String, _ option: Mend.Option) {
        problems.append(("\(what) has no effect: the rows are not elements of messages", .takeOut(option, .route)))
    }

    private mutating func check(_ source: ColumnSource, _ path: ElementPath, _ place: String) {
        let steps = path.steps.count
        switch source {
        case .parent(let levels, _) where levels > steps || levels == steps && path.isMessage:
            problems.append(
                ("\(place) takes \(source), and nothing with fields holds \(path) so far out", .fewerParents))
        case .parentIndex(let levels) where levels >= steps, .parentName(let levels) where levels >= steps:
            problems.append(
                ("\(place) takes \(source), and what holds \(path) so far out is no element", .fewerParents))
        case .name where path.steps[steps - 1].holder == .list: reportName(source, place)
        case .parentName(let levels) where path.steps[steps - 1 - levels].holder == .list: reportName(source, place)
        default: break
        }
    }

    private mutating func reportName(_ source: ColumnSource, _ place: String) {
        problems.append(("\(place) takes \(source), and elements of a list have no names", .takeIndex))
    }
}
