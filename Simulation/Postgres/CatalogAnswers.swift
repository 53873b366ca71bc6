/// What the catalog says of tables, in the form in which the loader asks for it.
struct CatalogAnswers {
    let session: Session

    private var database: SimulatedDatabase { session.database }

    /// The tables of the names in the first two parameters; nil where there is none.
    func tables(_ parameters: [SQLValue]) throws -> [SimulatedTable?] {
        guard parameters.count == 2, case .array(let schemas) = parameters[0], case .array(let names) = parameters[1]
        else {
            throw SQLFailure.unknown("a look at the catalog without names")
        }
        return zip(schemas, names).map { schema, name in
            try? session.table(SQLName(schema: schema.text, name: name.text ?? ""))
        }
    }

    func version(_ table: SimulatedTable?) -> String {
        guard let table else { return "" }
        return (1...max(1, table.definition.columns.count)).map { "\(table.oid)/\($0)/\(table.changedBy)" }
            .joined(separator: " ")
    }

    /// Fails unless the tables are as they were.
    func require(_ parameters: [SQLValue]) throws(SQLFailure) {
        for place in stride(from: 0, to: parameters.count - 1, by: 2) {
            guard case .text(let name) = parameters[place] else { throw .unknown("a requirement of \(parameters)") }
            let parts = name.split(separator: ".").map { String($0.filter { $0 != "\"" }) }
            let table = try? session.table(
                SQLName(schema: parts.count > 1 ? parts[0] : nil, name: parts.last ?? ""))
            guard version(table) == parameters[place + 1].text else { throw SQLFailure("22012", "division by zero") }
        }
    }

    // MARK: Tables

    func relations(_ parameters: [SQLValue]) throws -> [[SQLValue]] {
        var rows: [[SQLValue]] = []
        for (place, table) in try tables(parameters).enumerated() {
            guard let table else { continue }
            rows.append([.int(Int64(place + 1)), .text(describe(table))])
        }
        return rows
    }

    private func describe(_ table: SimulatedTable) -> String {
        let definition = table.definition
        func text(_ text: String) -> String { SQLFunctions.quotedInJSON(text) }
        let columns = definition.columns.enumerated().map { place, column in
            let isKey = definition.primaryKey.contains(column.name)
            let value = column.defaultValue.map(text) ?? "null"
            return """
                {"name":\(text(column.name)),"number":\(place + 1),"type":\(column.type.oid),\
                "modifier":\(column.limit.map { $0 + 4 } ?? -1),"isNotNull":\(column.isNotNull || isKey),\
                "identity":"\(column.isIdentity ? "a" : "")","isGenerated":false,"default":\(value),\
                "hasOwnDefault":\(column.defaultValue != nil),"defaultNeeds":[],"mayInsert":true,"mayUpdate":true}
                """
        }
        let indexes = table.indexes.map { index in
            let names = index.coalesced == nil ? index.columns.map { text(definition.columns[$0].name) } : []
            let comparisons = names.map { _ in #"{"collation":null,"isDeterministic":true,"equality":null}"# }
            return """
                {"name":\(text(index.name)),"isPrimary":\(index.isPrimary),"isArbiter":\(index.coalesced == nil),\
                "columns":[\(names.joined(separator: ","))],"comparisons":[\(comparisons.joined(separator: ","))]}
                """
        }
        let isDeferred = (table.references + table.referredBy).contains { $0.definition.isDeferred }
        return """
            {"oid":\(table.oid),"schema":\(text(definition.schema)),"name":\(text(definition.name)),"kind":"r",\
            "maySelect":true,"mayDelete":true,"mayTruncate":\(table.referredBy.allSatisfy { $0.child === table }),\
            "mayUseSchema":true,"mayMakeTemporary":true,"numericHasInfinity":true,\
            "columns":[\(columns.joined(separator: ","))],"indexes":[\(indexes.joined(separator: ","))],\
            "otherIndexes":[],"hasDeferredConstraints":\(isDeferred),"hasConflicts":\(!table.indexes.isEmpty),\
            "hasInsertTriggers":false}
            """
    }

    func type(_ oid: UInt32, _ modifier: Int) throws(SQLFailure) -> String {
        guard let type = SQLType(oid: oid) else { throw .unknown("the type \(oid)") }
        let formatted = type.rawValue + (modifier >= 0 ? "(\(modifier - 4))" : "")
        return """
            {"oid":\(oid),"modifier":\(modifier),"name":"\(type.catalogName)","kind":"b","formatted":"\(formatted)",\
            "unmodified":"\(type.rawValue)","send":"\(type.send)","isNotNull":false,"base":null,"baseModifier":-1,\
            "element":\(type.element.map { "\($0.oid)" } ?? "null"),"labels":null,"attributes":null}
            """
    }

    // MARK: Foreign keys

    func foreignKeys(_ tables: [Int64]) -> [[SQLValue]] {
        tables.compactMap { database.place(ofTable: $0) }.sorted { $0.oid < $1.oid }.flatMap { table in
            table.references.sorted { $0.definition.name < $1.definition.name }.map { link in
                func list(_ names: [String]) -> String {
                    "[" + names.map(SQLFunctions.quotedInJSON).joined(separator: ",") + "]"
                }
                let json = """
                    {"constraint":"\(link.definition.name)","schema":"\(link.parent.definition.schema)",\
                    "table":"\(link.parent.definition.name)","maySelect":true,"isCheckedAsSent":true,\
                    "columns":\(list(link.definition.columns)),"parents":\(list(link.definition.parentColumns)),\
                    "operators":\(list(link.columns.map { _ in "OPERATOR(pg_catalog.=)" }))}
                    """
                return [.int(Int64(table.oid)), .text(json)]
            }
        }
    }

    func foreignKeys(among tables: [Int64]) -> [[SQLValue]] {
        tables.compactMap { database.place(ofTable: $0) }.flatMap { table in
            table.references.filter { tables.contains(Int64($0.parent.oid)) }.map { link in
                [.text(table.definition.schema), .text(table.definition.name), .text(link.definition.name)]
            }
        }
    }
}

// MARK: - Defaults

extension CatalogAnswers {
    /// The plan of `SELECT a IS NOT DISTINCT FROM NULL, …`: what the server has worked out of them beforehand.
    static func plan(of items: [SQLExpression]) -> String {
        let output = items.map { item -> String in
            guard case .not(.isDistinct(let value, _)) = item, isConstant(value) else { return "\"(unknown)\"" }
            return isNull(value) ? "\"true\"" : "\"false\""
        }
        return #"[{"Plan":{"Output":[\#(output.joined(separator: ","))]}}]"#
    }

    private static func isConstant(_ expression: SQLExpression) -> Bool {
        switch expression {
        case .value: true
        case .cast(let value, _): isConstant(value)
        case .array(let items): items.allSatisfy(isConstant)
        default: false
        }
    }

    private static func isNull(_ expression: SQLExpression) -> Bool {
        switch expression {
        case .value(let value): value.isNull
        case .cast(let value, _): isNull(value)
        default: false
        }
    }
}
