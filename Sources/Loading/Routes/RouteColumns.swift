import Postgres
import Records

extension Route.Column {
    /// How a variable writes a column's name: in upper case, and with underscores for what is neither letter nor digit.
    public static func variableForm(_ name: String) -> String {
        String(name.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })
    }

    /// Whether the column of the table that is called so may be meant.
    public func isNamed(_ column: String) -> Bool {
        name == column || isNameLoose && Self.variableForm(name) == Self.variableForm(column)
    }
}

extension Route {
    /// The same route with its columns called as the table calls them, where that is clear.
    func namingColumns(asIn table: Table) -> Route {
        var route = self
        route.columns = columns?.map { column in
            guard column.isNameLoose, table.column(named: column.name) == nil else { return column }
            let meant = table.columns.filter { column.isNamed($0.name) }
            guard meant.count == 1 else { return column }
            var column = column
            column.name = meant[0].name
            return column
        }
        return route
    }

    /// The columns to load: those that the route names, and unless it says otherwise the table's others.
    ///
    /// What the server fills itself is left out where nobody names it and it is no key. Messages that are one value have no
    /// fields for others.
    func columns(of table: Table, key: [String]) -> [Column] {
        let named = columns ?? []
        guard rest == .fields, !format.isOneValue else { return named }
        let names = Set(named.map(\.name))
        return named
            + table.columns.filter { column in
                let isFilled = column.isGenerated || column.identity == .always && !key.contains(column.name)
                return !isFilled && !names.contains(column.name) && column.name != validity.to
            }.map { Column(name: $0.name) }
    }

    /// Where a column's value comes from.
    func source(of column: Column) -> ColumnSource {
        if let source = column.source { return source }
        if column.constant != nil { return .constant }
        let matching: FieldPath.Names =
            switch names {
            case .snakeCase: .snakeCase
            // PostgreSQL cuts a name after 63 bytes, or up to three before that, where a character would be halved.
            case .exact: column.name.utf8.count >= 60 ? .cut : .exact
            }
        return .field(FieldPath([column.name], names: matching))
    }

    /// Whether the route itself says where the column comes from.
    package func names(column name: String) -> Bool { columns?.contains { $0.name == name } == true }
}

/// The options that do nothing where they stand: each would be believed to.
struct ColumnOptionCheck {
    private let route: Route
    private let table: TableName
    private(set) var problems: [(text: String, mend: Mend.Routing)] = []
    private var usesZone = false
    private var usesOnNul = false

    init(_ route: Route, _ columns: [(Route.Column, Table.Column)], of table: TableName, key: [String]) {
        self.route = route
        self.table = table
        for (column, found) in columns {
            check(column, found.type)
            checkMending(column, found, isKey: key.contains(column.name))
        }
        checkKey(key.compactMap { name in columns.first { $0.0.name == name }?.0 })
        checkRoute(columns)
    }

    private mutating func report(_ option: String, _ reason: String, _ mend: Mend.Routing) {
        problems.append(("\(option) has no effect: \(reason)", mend))
    }

    private mutating func checkRoute(_ columns: [(Route.Column, Table.Column)]) {
        if let zone = route.timeZone, !usesZone, EncodingOptions.isKnownTimeZone(zone) {
            report(
                "zone \"\(zone)\"", "\(table) has no date or time that would take it from the route",
                .takeOut(.zone, .route))
        }
        if route.onNul != .deadLetter, !usesOnNul {
            report(
                "what is said of U+0000 (\(route.onNul.rawValue))",
                "\(table) has no text or jsonb that would take it from the route", .takeOut(.onNul, .route))
        }
        checkWriting(columns)
        if route.onNoFields == .load, !columns.contains(where: { route.source(of: $0.0).isField }) {
            report("loading messages without any field", "no column takes a field", .takeOut(.onNoFields, .route))
        }
        if route.names == .snakeCase, !columns.contains(where: { $0.0.source == nil && $0.0.constant == nil }) {
            report(
                "finding fields by names in snake case", "every column says where it comes from",
                .takeOut(.names, .route))
        }
    }

    /// What the route says of its producer's ways.
    private mutating func checkWriting(_ columns: [(Route.Column, Table.Column)]) {
        guard route.envelope != nil else { return }
        if let temporal = route.temporal,
            !columns.contains(where: { $0.0.epochUnit == nil && $0.1.type.takes(.temporal) })
        {
            report(
                "what numbers count (\(temporal.rawValue))",
                "\(table) has no time or timestamp that takes it from the route",
                .takeOut(.temporal, .route))
        }
        if let decimals = route.decimals, !columns.contains(where: { $0.1.type.takes(.decimals) }) {
            report(
                "how decimals are written (\(decimals.rawValue))", "\(table) has no numeric",
                .takeOut(.decimals, .route))
        }
        if let binary = route.binary, !columns.contains(where: { $0.0.saidDecoding == nil && $0.1.type.holdsBytes }) {
            report(
                "how bytes are written (\(binary.rawValue))", "\(table) has no bytea that takes it from the route",
                .takeOut(.binary, .route))
        }
    }

    private mutating func checkMending(_ column: Route.Column, _ found: Table.Column, isKey: Bool) {
        let source = route.source(of: column)
        let place = "\(table).\(column.name)"
        if column.trims, source.isCoordinate {
            report("trimming \(place)", "\(source) is no text of a message", .takeOut(.trims, .column))
        }
        if let text = column.nullIf.first, source.isCoordinate {
            report(
                "null for \(text) in \(place)", "\(source) is no text of a message", .takeOut(.nullIf, .column))
        } else if column.trims, let text = column.nullIf.first(where: \.hasOuterWhitespace) {
            report(
                "null for \"\(text)\" in \(place)", "trimming comes first and leaves no white space around it",
                .withoutOuterSpace)
        }
        if column.fallback != nil, source.isAlwaysThere, column.nullIf.isEmpty {
            report("default of \(place)", "\(source) is never absent and never null", .takeOut(.fallback, .column))
        }
        guard column.onError == .null else { return }
        let nulling = "NULL for what does not fit \(place)"
        if source.isCoordinate, source != .timestamp {
            report(nulling, "\(source) is no value of a message", .takeOut(.onError, .column))
        } else if isKey {
            report(
                nulling, "the column is part of the key, so that NULL is a dead letter as well",
                .takeOut(.onError, .column))
        } else if found.isNotNull {
            report(
                nulling, "the column is NOT NULL, so that NULL is a dead letter as well",
                .takeOutOrDropNotNull(.onError))
        }
    }

    /// Messages that say nothing of any column of the key would all be the same row.
    private mutating func checkKey(_ key: [Route.Column]) {
        guard !key.isEmpty, key.allSatisfy({ $0.fallback != nil || $0.constant != nil }) else { return }
        let names = key.map(\.name).joined(separator: ", ")
        let isConstant = key.allSatisfy { $0.constant != nil }
        problems.append(
            (
                "the key of \(table) (\(names)) has a \(isConstant ? "constant" : "default") in each of its columns: "
                    + (isConstant ? "all messages" : "all messages without these fields") + " would be the same row",
                .freeKey(isConstant: isConstant)
            ))
    }

    private mutating func check(_ column: Route.Column, _ type: PostgresType) {
        let source = route.source(of: column)
        let place = "\(table).\(column.name)"
        checkWhole(source, place)
        if !source.fits(type) {
            problems.append(
                ("\(source) does not fit \(place), \(type.formatted)", .otherType(isMoment: source.isMoment)))
        }
        if let unit = column.epochUnit {
            if source.isCoordinate {
                report("unit of \(place)", "\(source) is no number of an unknown unit", .takeOut(.unit, .column))
            } else if !type.takes(.unit(unit)) {
                report(
                    "unit \(unit.rawValue) of \(place)", "the column is \(type.formatted)",
                    .otherUnit(isAnyTaken: type.takes(.unit(.seconds))))
            }
        }
        let takesZone =
            type.takes(.zone)
            && (!source.isCoordinate || source == .constant || source.isMoment && !type.isTimestamptz)
        // A zone that nobody knows is told as that.
        if let zone = column.timeZone, !takesZone, EncodingOptions.isKnownTimeZone(zone) {
            report(
                "zone of \(place)", "\(source) into \(type.formatted) asks for none", .takeOut(.zone, .column))
        }
        if takesZone, column.timeZone == nil { usesZone = true }
        let takesNul = type.takes(.onNul) && !source.isCoordinate
        if column.onNul != nil, !takesNul {
            report(
                "what is said of U+0000 in \(place)", "the column is \(type.formatted), from \(source)",
                .takeOut(.onNul, .column))
        }
        if takesNul, column.onNul == nil { usesOnNul = true }
        checkDecoding(column, type, source)
    }

    /// What a message has no place for: what is one value has no field that a column could take.
    private mutating func checkWhole(_ source: ColumnSource, _ place: String) {
        switch source {
        case .operation, .before, .origin:
            guard route.envelope == nil else { return }
            problems.append(("\(place) takes \(source), and the messages are in no envelope", .nameEnvelope))
        case .index where route.elements != nil: break
        case .parent, .index, .name, .element, .parentIndex, .parentName:
            guard route.each == nil else { return }
            problems.append(("\(place) takes \(source), and the rows are not elements of messages", .nameElements))
        case .field where route.format.isOneValue:
            problems.append(
                ("\(place) takes the field \(source), and the messages are \(route.format.words)", .takeWhole(.value)))
        case .key(.some) where route.keyFormat.isOneValue:
            problems.append(
                ("\(place) takes \(source), and the keys are \(route.keyFormat.words)", .takeWhole(.key)))
        default: break
        }
    }

    private mutating func checkDecoding(_ column: Route.Column, _ type: PostgresType, _ source: ColumnSource) {
        guard column.decoding != .none else { return }
        let decoding = "decoding \(table).\(column.name) as \(column.decoding.rawValue)"
        if source.isCoordinate || !type.takes(.decode(column.decoding)) {
            report(decoding, "the column is \(type.formatted), from \(source)", .takeOut(.decoding, .column))
        } else if column.decoding == .json, source.isRaw, type.isJSON {
            report(
                decoding, "\(source) is read as JSON for \(type.formatted) as it is", .takeOut(.decoding, .column))
        }
    }
}

extension Route.Format {
    fileprivate var words: String {
        switch self {
        case .auto, .json, .avro, .protobuf, .csv, .msgpack, .cbor: "records"
        case .text: "a text each"
        case .bytes: "bytes"
        case .short, .int, .long, .float, .double: "a number each"
        case .uuid: "a UUID each"
        }
    }
}

extension Route.KeyFormat {
    fileprivate var words: String {
        switch self {
        case .auto, .json, .avro, .protobuf, .msgpack, .cbor: "records"
        case .text: "a text each"
        case .bytes: "bytes"
        case .short, .int, .long, .float, .double: "a number each"
        case .uuid: "a UUID each"
        }
    }
}

extension ColumnSource {
    /// A field of the value or of the key.
    package var isField: Bool {
        switch self {
        case .field, .key(.some): true
        default: false
        }
    }

    fileprivate var isMoment: Bool { self == .timestamp || self == .now }

    /// What the loader itself says.
    var isCoordinate: Bool {
        switch self {
        case .topic, .partition, .offset, .timestamp, .now, .schemaID, .operation, .index, .name, .constant,
            .parentIndex, .parentName:
            true
        case .field, .value, .key, .header, .before, .origin, .parent, .element: false
        }
    }

    /// A message that makes a row has it.
    fileprivate var isAlwaysThere: Bool {
        switch self {
        case .topic, .partition, .offset, .now, .value, .operation, .index, .constant, .parentIndex: true
        case .field, .key, .header, .timestamp, .schemaID, .before, .origin, .parent, .name, .element, .parentName:
            false
        }
    }

    fileprivate func fits(_ type: PostgresType) -> Bool {
        switch self {
        case .partition, .offset, .index, .parentIndex: type.takesIntegers
        case .timestamp, .now: type.takesMoments
        default: true
        }
    }
}

extension String {
    fileprivate var hasOuterWhitespace: Bool {
        Array(utf8).withUnsafeBytes { $0.trimmingUnicodeWhitespace.count < $0.count }
    }
}

extension PostgresType {
    fileprivate var isTimestamptz: Bool {
        if case .domain(let base) = shape { base.isTimestamptz } else { oid == 1184 }
    }
}
