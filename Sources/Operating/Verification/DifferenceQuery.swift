import Kafka
import Loading
import Postgres

/// The statements that find out where a table differs from what its topic makes of it, which stands in a table of the session.
struct DifferenceQuery {
    let target: Target
    /// The columns that tell rows apart.
    let identity: [Int]
    /// Of these the partition's, the offset's, and the topic's where several are loaded: nil where a key tells rows apart.
    let place: Place?
    /// Whether all of the table is looked at.
    let isWhole: Bool
    /// Whether all rows of the messages that were read are looked at, and not a sample.
    let takesAll: Bool
    let showsValues: Bool
    /// What stands beside the columns of messages, and no message fills.
    let extraColumns: [String]
    /// Whether the log holds everything that was ever loaded: only then what no message has said is known to be NULL.
    var isLogWhole = false

    struct Place {
        var topic: Int?
        var partition: Int
        var offset: Int
    }

    /// More differences are not kept.
    static let most = 100_000
    static let rangesName = own("ranges")
    static let ranges = "pg_temp." + rangesName

    private static let here = own("here")
    private static let number = own("number")
    private static let kind = own("kind")
    private static let differs = own("differs")
    private static let expected = own("expected")
    private static let found = own("found")

    /// The number of a difference, as SQL names it.
    static var numberColumn: String { number }

    /// What no column of a user's is called.
    private static func own(_ word: String) -> String { quoteIdentifier("loader \(word)") }

    private func own(_ purpose: String) -> TableName {
        TableName(schema: "pg_temp", name: "loader \(purpose) \(target.index)")
    }

    /// What the topic makes of the table.
    var twin: TableName { own("expected") }
    /// Where differences are kept.
    var differences: TableName { own("differences") }
    /// The keys of deletions, where not all of the table is looked at.
    var gone: TableName { own("gone") }

    // MARK: Columns

    /// The columns that are compared: others than those which tell rows apart, and whose values messages decide.
    var compared: [String] { comparedColumns.map { target.columns[$0].name } + extraColumns }

    private var comparedColumns: [Int] {
        target.columns.indices.filter { !identity.contains($0) && !isLeftToTable($0) }
    }

    /// Those that are not.
    var notCompared: [String] {
        target.columns.indices.filter { !identity.contains($0) && isLeftToTable($0) }.map { target.columns[$0].name }
    }

    /// Those of which only what a message has said is compared.
    var partlyCompared: [String] { comparedColumns.filter(mayBeUnsaid).map { target.columns[$0].name } }

    private func isLeftToTable(_ column: Int) -> Bool {
        target.columns[column].source == .now || target.columns[column].isAlwaysIdentity
    }

    /// Whether NULL may mean that no message has said it, and something else stands in the table.
    private func mayBeUnsaid(_ column: Int) -> Bool {
        target.isFilledByTable(column) || target.columns[column].omissionBit != nil && !isLogWhole
    }

    private var identityNames: [String] { identity.map { quoteIdentifier(target.columns[$0].name) } }

    private func differ(_ name: String, _ type: PostgresType?) -> String {
        let name = quoteIdentifier(name)
        let form = type?.comparedForm ?? .itself
        return "s.\(name)\(form.suffix) IS DISTINCT FROM t.\(name)\(form.suffix)"
    }

    private var conditions: [String] {
        comparedColumns.map { index in
            let column = target.columns[index]
            let differs = differ(column.name, column.type)
            return mayBeUnsaid(index) ? "(s.\(quoteIdentifier(column.name)) IS NOT NULL AND \(differs))" : differs
        } + extraColumns.map { differ($0, target.table.column(named: $0)?.type) }
    }

    // MARK: Tables of the session

    /// Makes the table for what the topic makes of the target's: its columns, in their types and collations.
    var creation: [String] {
        let names = (target.columns.map(\.name) + extraColumns).map(quoteIdentifier).joined(separator: ", ")
        var statements = [
            "CREATE TEMP TABLE \(quoteIdentifier(twin.name)) AS SELECT \(names) FROM \(target.name.quoted) WITH NO DATA"
        ]
        if target.keyCount > 0 { statements.append("CREATE UNIQUE INDEX ON \(twin.quoted) (\(target.indexedKey))") }
        if let validity = target.validity {
            let columns = (validity.key + [validity.from]).map { quoteIdentifier(target.columns[$0].name) }
            statements.append("CREATE INDEX ON \(twin.quoted) (\(columns.joined(separator: ", ")))")
        }
        statements.append(
            """
            CREATE TEMP TABLE \(quoteIdentifier(differences.name)) AS
            SELECT \(identityNames.joined(separator: ", ")), 0::bigint AS \(Self.number), ''::text AS \(Self.kind),
              '{}'::bool[] AS \(Self.differs), '{}'::text[] AS \(Self.expected), '{}'::text[] AS \(Self.found)
            FROM \(twin.quoted) WITH NO DATA
            """)
        if target.keyCount > 0, place == nil {
            statements.append("CREATE INDEX ON \(differences.quoted) (\(target.indexedKey))")
            statements.append(
                "CREATE TEMP TABLE \(quoteIdentifier(gone.name)) AS SELECT \(identityNames.joined(separator: ", ")) "
                    + "FROM \(twin.quoted) WITH NO DATA")
        }
        return statements
    }

    // MARK: Comparing

    private var join: String {
        guard place != nil || target.keyCount == 0 else { return target.sameKey("t", "s") }
        return identityNames.map { "t.\($0) = s.\($0)" }.joined(separator: " AND ")
    }

    /// A row's message is among those that were read, or before them.
    private func isPlaced(_ condition: String) -> String? {
        guard let place else { return nil }
        func name(_ column: Int) -> String {
            let name = "t." + quoteIdentifier(target.columns[column].name)
            return target.columns[column].type.withoutDomain.isInteger || column == place.topic
                ? name : "\(name)::text::bigint"
        }
        let topic = place.topic.map { "r.topic = \(name($0))::text AND " } ?? ""
        let offset = name(place.offset)
        return "EXISTS (SELECT FROM \(Self.ranges) AS r WHERE \(topic)r.partition = \(name(place.partition)) AND "
            + condition.replacing("OFFSET", with: offset) + ")"
    }

    /// Finds differences and keeps them.
    var comparison: String {
        let columns = compared.map(quoteIdentifier)
        let kept = (identityNames + columns).joined(separator: ", ")
        let conditions = conditions
        let anyDiffers = conditions.isEmpty ? "false" : conditions.joined(separator: " OR ")
        let isGone = isWhole ? isPlaced("OFFSET < r.start") : nil
        let gone = isGone.map { "WHEN s.\(Self.here) IS NULL AND \($0) THEN 'gone' " } ?? ""
        let isThere = "s.\(Self.here) IS NOT NULL AND t.\(Self.here) IS NOT NULL"
        let differs = conditions.map { "\(isThere) AND (\($0))" }.joined(separator: ", ")
        func values(_ side: String) -> String {
            showsValues && !columns.isEmpty
                ? "ARRAY[\(columns.map { "\(side).\($0)::text" }.joined(separator: ", "))]" : "'{}'::text[]"
        }
        let keys = identityNames.map { "coalesce(s.\($0), t.\($0)) AS \($0)" }.joined(separator: ", ")
        let side = isWhole ? "FULL" : "LEFT"
        return """
            INSERT INTO \(differences.quoted)
            SELECT \(identityNames.joined(separator: ", ")), row_number() OVER (), kind, differs, expected, found FROM (
              SELECT \(keys),
                CASE \(gone)WHEN s.\(Self.here) IS NULL THEN 'extra' WHEN t.\(Self.here) IS NULL THEN 'missing'
                  ELSE 'other' END AS kind,
                ARRAY[\(differs)]::bool[] AS differs, \(values("s")) AS expected, \(values("t")) AS found
              FROM (SELECT true AS \(Self.here), \(kept) FROM \(twin.quoted)) AS s
              \(side) JOIN (SELECT true AS \(Self.here), \(kept) FROM \(target.name.quoted)) AS t ON \(join)
              WHERE s.\(Self.here) IS NULL OR t.\(Self.here) IS NULL OR \(anyDiffers)
              LIMIT \(Self.most)) AS d
            """
    }

    /// Finds rows that should not be there where not all of the table is looked at; nil where nothing tells them.
    var extras: String? {
        guard !isWhole else { return nil }
        let names = identityNames.map { "t.\($0)" }.joined(separator: ", ")
        let insertion =
            "INSERT INTO \(differences.quoted) SELECT \(names), row_number() OVER () + \(Self.most), 'extra', '{}', '{}', '{}' "
        let isExpected = "SELECT FROM \(twin.quoted) AS s WHERE \(join)"
        if let isRead = isPlaced("OFFSET >= r.start AND OFFSET < r.stop") {
            guard takesAll else { return nil }
            return insertion
                + "FROM \(target.name.quoted) AS t WHERE \(isRead) AND NOT EXISTS (\(isExpected)) LIMIT \(Self.most)"
        }
        guard target.mode == .upsert, !target.isOfElements else { return nil }
        let isDeleted = "SELECT FROM \(gone.quoted) AS s WHERE \(join)"
        return insertion
            + "FROM \(target.name.quoted) AS t WHERE EXISTS (\(isDeleted)) AND NOT EXISTS (\(isExpected)) LIMIT \(Self.most)"
    }

    /// Finds rows that are there more than once, which a join does not; nil where an index makes sure that none is.
    var doubles: String? {
        guard place != nil, target.mode == .insert else { return nil }
        let names = Set(identity.map { target.columns[$0].name })
        guard !target.table.uniqueIndexes.contains(where: { $0.isArbiter && names.isSuperset(of: $0.columns) }) else {
            return nil
        }
        let list = identityNames.map { "t.\($0)" }.joined(separator: ", ")
        let among = isWhole ? "" : " WHERE EXISTS (SELECT FROM \(twin.quoted) AS s WHERE \(join))"
        return
            "INSERT INTO \(differences.quoted) SELECT \(list), row_number() OVER () + \(2 * Self.most), 'doubled', '{}', "
            + "'{}', ARRAY[count(*)::text] FROM \(target.name.quoted) AS t\(among) GROUP BY \(list) HAVING count(*) > 1 "
            + "LIMIT \(Self.most)"
    }

    // MARK: What was found

    /// The number and kind of each difference.
    var kinds: String { "SELECT \(Self.number), \(Self.kind) FROM \(differences.quoted) ORDER BY 1" }

    /// Differences by their numbers, `$1`.
    var named: String {
        let keys = identityNames.map { "d.\($0)::text" }.joined(separator: ", ")
        return """
            SELECT d.\(Self.number), to_json(ARRAY[\(keys)]), to_json(d.\(Self.differs)), to_json(d.\(Self.expected)),
              to_json(d.\(Self.found))
            FROM \(differences.quoted) AS d WHERE d.\(Self.number) = ANY ($1::bigint[]) ORDER BY 1
            """
    }
}

extension PostgresType {
    /// As what its values are compared.
    fileprivate enum ComparedForm {
        /// By its own equality.
        case itself
        /// Byte for byte, whatever its collation takes for equal.
        case bytes
        /// As text: there is no equality, or nobody knows what it means.
        case text

        var suffix: String {
            switch self {
            case .itself: ""
            case .bytes: " COLLATE \"C\""
            case .text: "::text"
            }
        }
    }

    /// Types of the server's own without an equality, or with one that says something else: `json`, `xml`, shapes, `jsonpath`,
    /// `refcursor`, `pg_snapshot` and its older name.
    private static let withoutEquality: Set<UInt32> = [
        114, 142, 600, 601, 602, 603, 604, 628, 718, 1790, 2970, 4072, 5038,
    ]
    fileprivate var isInteger: Bool { [20, 21, 23].contains(oid) }

    /// `text`, `varchar`, `char(n)`.
    private static let texts: Set<UInt32> = [25, 1042, 1043]

    fileprivate var comparedForm: ComparedForm {
        switch shape {
        case .domain(let base): return base.comparedForm
        case .enumeration: return .itself
        case .composite: return .text
        case .array(let element):
            return element.comparedForm == .itself || element.comparedForm == .bytes ? .itself : .text
        case .base:
            if Self.texts.contains(oid) { return .bytes }
            // What an extension adds has numbers from 16384 on.
            return Self.withoutEquality.contains(oid) || oid >= 16_384 ? .text : .itself
        }
    }
}
