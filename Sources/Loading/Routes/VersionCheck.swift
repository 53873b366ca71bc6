import Postgres

/// What is wrong with the columns by which a route tells the newer of two messages.
struct VersionCheck {
    private(set) var problems: [(text: String, mend: Mend.Routing)] = []

    /// - Parameters:
    ///   - columns: those that are loaded.
    ///   - wanted: those that the route wants, whether the table has them or not.
    init(
        _ route: Route, _ columns: [(Route.Column, Table.Column)], _ wanted: [Route.Column], of table: TableName,
        key: [String]
    ) {
        guard !route.newer.isEmpty else { return }
        guard route.mode == .upsert else {
            problems.append(
                (
                    "what is newer has no effect: mode \(route.mode.rawValue) changes no row that is there",
                    .takeOut(.newer, .route)
                ))
            return
        }
        var seen: Set<String> = []
        for name in route.newer {
            let place = "\(table).\(name)"
            if !seen.insert(name).inserted {
                problems.append(("\(place) is named twice among what says which message is newer", .otherVersion))
            } else if key.contains(name) {
                problems.append(
                    ("\(place) is part of the key, the same in all messages of a row, so none is newer", .otherVersion))
            } else if !wanted.contains(where: { $0.name == name }) {
                problems.append(("\(place) is to say which message is newer, and is not loaded", .fillVersion(name)))
            } else if let (column, found) = columns.first(where: { $0.0.name == name }) {
                if !found.type.isOrdered {
                    problems.append(
                        (
                            "\(place) is to say which message is newer, and \(found.type.formatted) has no order",
                            .otherVersion
                        ))
                } else if column.constant != nil {
                    problems.append(("\(place) has a constant, so no message is newer", .otherVersion))
                } else if found.identity == .always {
                    problems.append(("\(place) is numbered by the server, and no update may change it", .otherVersion))
                }
            }
        }
    }
}

extension PostgresType {
    /// Whether one of two values is the greater, in a way that is told without looking into the catalog.
    var isOrdered: Bool {
        switch shape {
        case .enumeration: true
        case .domain(let base): base.isOrdered
        case .composite, .array: false
        case .base: Self.ordered.contains(oid)
        }
    }

    /// bool, bytea, name, int8, int2, int4, text, oid, float4, float8, money, macaddr, inet, cidr, macaddr8, bpchar, varchar, date,
    /// time, timestamp, timestamptz, interval, timetz, bit, varbit, numeric, uuid, pg_lsn, xid8; see pg_type.dat.
    private static let ordered: Set<UInt32> = [
        16, 17, 19, 20, 21, 23, 25, 26, 700, 701, 790, 829, 869, 650, 774, 1042, 1043, 1082, 1083, 1114, 1184, 1186,
        1266,
        1560, 1562, 1700, 2950, 3220, 5069,
    ]
}
