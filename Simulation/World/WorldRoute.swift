import Kafka
import Loading
import Postgres
import Records
import SimulatedPostgres

/// How the world's topic goes into its table.
enum WorldRoute: String, CaseIterable {
    case insert, ignore, upsert, history
    /// An upsert that only a message with a greater quantity carries out.
    case newer
    /// Debezium's change events, as an upsert.
    case changes
    /// Each item of a message is a row.
    case elements
    /// The same, and the items of a key's last message are all that it has.
    case sets

    var mode: Route.Mode {
        switch self {
        case .insert, .elements: .insert
        case .ignore: .ignore
        case .history: .history
        case .upsert, .newer, .changes, .sets: .upsert
        }
    }

    /// A message may take a row away.
    var hasDeletions: Bool { [.upsert, .changes, .sets].contains(self) }

    var hasItems: Bool { [.elements, .sets].contains(self) }

    private var key: [String] {
        switch self {
        case .insert, .elements: []
        case .ignore, .upsert, .newer, .changes: ["id"]
        case .history: ["partition", "offset"]
        case .sets: ["id", "place"]
        }
    }

    static let table = "orders"

    /// A quantity that the table does not take.
    static let refusedQuantity: Int64 = 13

    var definition: TableDefinition {
        TableDefinition(
            "public", Self.table,
            [
                .init("id", .int8, notNull: true), .init("qty", .int8), .init("partition", .int4),
                .init("offset", .int8),
                .init("place", .int4),
            ], key: key,
            checks: [.init(name: "orders_qty_check", condition: "qty <> \(Self.refusedQuantity)")])
    }

    func route(_ topic: String) -> Route {
        let source: ColumnSource?
        switch self {
        case .upsert, .sets: source = .key(nil)
        case .elements: source = .parent(levels: 1, FieldPath(["id"]))
        case .insert, .ignore, .history, .newer, .changes: source = nil
        }
        var columns: [Route.Column] = [
            .init(name: "id", source: source), .init(name: "qty"), .init(name: "partition", source: .partition),
            .init(name: "offset", source: .offset),
        ]
        if hasItems { columns.append(.init(name: "place", source: .index)) }
        var route = Route(
            topics: [.name(topic)], table: TableName(schema: "public", name: Self.table), mode: mode, rest: .none,
            columns: columns)
        if hasItems { route.each = ElementPath([.init("items")]) }
        if self == .newer { (route.newer, route.onTombstone) = (["qty"], .skip) }
        if self == .changes { route.envelopeOptions = EnvelopeOptions(form: .debezium) }
        return route
    }
}
