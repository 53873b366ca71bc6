import Postgres

/// How a route marks rows as deleted, and what is wrong with that.
struct DeletionMark {
    private(set) var problems: [(text: String, mend: Mend.Routing)] = []

    /// - Parameters:
    ///   - route: as the user has written it.
    ///   - columns: those that are loaded.
    init(
        _ route: Route, _ named: [Route.Column]?, _ columns: [(Route.Column, Table.Column)], of table: Table,
        key: [String]
    ) {
        guard route.onTombstone == .mark else {
            if route.mark != nil {
                report(
                    "a column that marks deleted rows has no effect: deletions are not marked", .takeOut(.mark, .route))
            }
            return
        }
        guard let mark = route.mark else {
            report("deletions are to be marked, and no column is named for it", .nameMark)
            return
        }
        guard route.mode == .upsert else {
            report("only mode upsert can mark deleted rows", .tombstones)
            return
        }
        let place = "\(table.name).\(mark)"
        if named?.contains(where: { $0.name == mark }) == true {
            report("\(place) marks deleted rows, and messages are to fill it as well", .leaveOut)
        }
        if key.contains(mark) || route.newer.contains(mark) {
            report(
                "\(place) marks deleted rows, so it can be no part of the key nor say which message is newer", .nameMark
            )
        }
        guard let (_, found) = columns.first(where: { $0.0.name == mark }) else { return }
        switch found.type.withoutDomain.oid {
        case Self.boolean: break
        case Self.timestamp, Self.timestamptz:
            if found.isNotNull {
                report(
                    "\(place) marks deleted rows, and is NOT NULL: a row that is there has no time of its deletion",
                    .dropNotNull)
            }
        default: report("\(place) marks deleted rows, and \(found.type.formatted) cannot", .nameMark)
        }
        for (column, found) in columns
        where found.isNotNull && found.defaultExpression == nil && found.identity == .none && column.constant == nil
            && column.name != mark && !key.contains(column.name) && !route.newer.contains(column.name)
        {
            report(
                "\(table.name).\(column.name) is NOT NULL without a default, and a deletion of a row that is not there has no "
                    + "value for it", .dropNotNull)
        }
        let versions = columns.filter { route.newer.contains($0.0.name) }
        if versions.contains(where: { !route.source(of: $0.0).isOfDeletions(inEnvelope: route.envelope != nil) }) {
            report(
                "\(table.name): deletions are to be marked where they are newer, and a message without a value does not say how "
                    + "new it is", .versionOfTombstones)
        }
    }

    private mutating func report(_ text: String, _ mend: Mend.Routing) { problems.append((text, mend)) }

    /// See pg_type.dat.
    private static let boolean: UInt32 = 16
    private static let timestamp: UInt32 = 1114
    private static let timestamptz: UInt32 = 1184

    /// The marking column as rows have it that are not deleted.
    static func column(_ name: String, in table: Table) -> Route.Column {
        let isBoolean = table.column(named: name)?.type.withoutDomain.oid == boolean
        return Route.Column(name: name, source: .constant, constant: isBoolean ? "false" : nil)
    }

    /// How the columns say that a row is deleted.
    static func mark(
        _ name: String, _ columns: [Target.Column], _ format: Target.Format
    ) -> Target.Mark? {
        guard let place = columns.firstIndex(where: { $0.name == name }) else { return nil }
        let type = columns[place].type
        guard type.withoutDomain.oid == boolean else { return Target.Mark(column: place, field: nil) }
        let value = try? FixedValue("true", type, EncodingOptions(), format)
        return value.map { Target.Mark(column: place, field: $0.field) }
    }
}

extension Target {
    /// Deletions are change events that say how new they are, or of which table, so what comes without a value behind one, and says
    /// nothing, is to do nothing either.
    var passesTombstones: Bool {
        let sources = columns[versions].map(\.source)
        let saysHowNew =
            !sources.allSatisfy(\.isOfTombstones) && sources.allSatisfy { $0.isOfDeletions(inEnvelope: true) }
        return route.envelope != nil && (saysHowNew || route.template?.sources.contains(where: \.isOfEvents) == true)
    }
}

extension ColumnSource {
    /// Whether a deletion has it, be it a change event or a message without a value.
    func isOfDeletions(inEnvelope: Bool) -> Bool {
        if case .origin = self { return inEnvelope }
        return isOfTombstones
    }

    /// Whether only a change event has it.
    fileprivate var isOfEvents: Bool {
        switch self {
        case .origin, .operation: true
        default: false
        }
    }

    /// Whether a message without a value has it.
    var isOfTombstones: Bool {
        switch self {
        case .key, .header, .topic, .partition, .offset, .timestamp, .now: true
        default: false
        }
    }
}
