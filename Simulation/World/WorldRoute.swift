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
    /// Each message is a row of one table and one of another that refers to some message's, which may not have come yet.
    case children

    var mode: Route.Mode {
        switch self {
        case .insert, .elements, .children: .insert
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
        case .insert, .elements, .children: []
        case .ignore, .upsert, .newer, .changes: ["id"]
        case .history: ["partition", "offset"]
        case .sets: ["id", "place"]
        }
    }

    static let table = "orders"
    static let parents = "parents"

    /// A quantity that the table does not take.
    static let refusedQuantity: Int64 = 13

    /// In the order in which they are made.
    var definitions: [TableDefinition] { self == .children ? [Self.parentsDefinition, definition] : [definition] }

    private static let parentsDefinition = TableDefinition("public", parents, [.init("id", .int4)], key: ["id"])

    private var definition: TableDefinition {
        TableDefinition(
            "public", Self.table,
            [
                .init("id", .int8, notNull: true), .init("qty", .int8), .init("partition", .int4),
                .init("offset", .int8),
                .init("place", .int4),
            ], key: key,
            checks: [.init(name: "orders_qty_check", condition: "qty <> \(Self.refusedQuantity)")],
            references: self == .children && !Mutant.is(.parentsUnasked)
                ? [.init(name: "orders_place_fkey", columns: ["place"], parent: Self.parents, parentColumns: ["id"])]
                : [])
    }

    func routes(_ topic: String) -> [Route] {
        guard self == .children else { return [route(topic)] }
        // Whichever stands first, rows that others refer to go in before these.
        let parents = Route(
            topics: [.name(topic)], table: TableName(schema: "public", name: Self.parents), mode: .ignore, rest: .none,
            columns: [.init(name: "id")])
        return [route(topic), parents]
    }

    private func route(_ topic: String) -> Route {
        let source: ColumnSource?
        switch self {
        case .upsert, .sets: source = .key(nil)
        case .elements: source = .parent(levels: 1, FieldPath(["id"]))
        case .insert, .ignore, .history, .newer, .changes, .children: source = nil
        }
        var columns: [Route.Column] = [
            .init(name: "id", source: source), .init(name: "qty"), .init(name: "partition", source: .partition),
            .init(name: "offset", source: .offset),
        ]
        if hasItems { columns.append(.init(name: "place", source: .index)) }
        if self == .children { columns.append(.init(name: "place", source: .field(FieldPath(["parent"])))) }
        var route = Route(
            topics: [.name(topic)], table: TableName(schema: "public", name: Self.table), mode: mode, rest: .none,
            columns: columns)
        if hasItems { route.each = ElementPath([.init("items")]) }
        if self == .newer { (route.newer, route.onTombstone) = (["qty"], .skip) }
        if self == .changes { route.envelopeOptions = EnvelopeOptions(form: .debezium) }
        return route
    }
}
