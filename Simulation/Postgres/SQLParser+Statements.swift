extension SQLParser {
    mutating func statement() throws(SQLFailure) -> SQLStatement {
        if sees("with") {
            let with = try commons()
            return try changing(with)
        }
        if sees("select") || sees("insert") || sees("update") || sees("delete") { return try changing([]) }
        if takes("copy") { return .copy(try copy()) }
        if takes("begin") {
            _ = takes("isolation", "level", "read", "committed")
            return .begin(writes: takes("read", "write", "not", "deferrable"))
        }
        if takes("commit") { return .commit }
        if takes("rollback") {
            guard takes("to") else { return .rollback }
            _ = takes("savepoint")
            return .rollbackTo(try identifier())
        }
        if takes("savepoint") { return .savepoint(try identifier()) }
        if takes("release", "savepoint") { return .release(try identifier()) }
        if takes("set", "constraints", "all") {
            if takes("immediate") { return .setConstraints(immediate: true) }
            try expect("deferred")
            return .setConstraints(immediate: false)
        }
        if takes("set") {
            let isLocal = takes("local")
            let name = try identifier()
            guard takes("=") || takes("to") else { throw unknown() }
            if case .text = token { return .set(name, try text(), isLocal: isLocal) }
            return .set(name, try identifier(), isLocal: isLocal)
        }
        if takes("lock", "table") { return .lock(try tableName()) }
        if takes("truncate") { return .truncate(try tableName()) }
        if takes("create", "temp", "table") { return .createTemporary(try temporary()) }
        if takes("create", "index", "on") {
            let table = try tableName()
            _ = try columnsIfAny()
            return .createIndex(table)
        }
        if takes("do") { return .block(try text()) }
        throw unknown()
    }

    private mutating func changing(_ with: [SQLCommon]) throws(SQLFailure) -> SQLStatement {
        if takes("insert", "into") { return .insert(try insert(with)) }
        if takes("update") { return .update(try update(with)) }
        if takes("delete", "from") { return .delete(try delete(with)) }
        var query = try query()
        query.with = with + query.with
        return .query(query)
    }

    mutating func commons() throws(SQLFailure) -> [SQLCommon] {
        guard takes("with") else { return [] }
        return try list { parser throws(SQLFailure) in
            let name = try parser.identifier()
            let columns = try parser.columnsIfAny() ?? []
            try parser.expect("as")
            _ = parser.takes("materialized")
            try parser.expect("(")
            let body = try parser.statement()
            try parser.expect(")")
            return SQLCommon(name: name, columns: columns, body: body)
        }
    }

    // MARK: Changes

    private mutating func insert(_ with: [SQLCommon]) throws(SQLFailure) -> SQLInsert {
        var insert = SQLInsert(with: with, table: try tableName())
        if takes("as") { insert.alias = try identifier() }
        if takes("default", "values") {
            insert.conflict = try conflict()
            return insert
        }
        insert.columns = try columnsIfAny()
        _ = takes("overriding", "system", "value")
        if takes("values") {
            insert.query = SQLQuery(
                selects: try list { parser throws(SQLFailure) in
                    try parser.expect("(")
                    let values = try parser.list { parser throws(SQLFailure) in try parser.expression() }
                    try parser.expect(")")
                    return SQLSelect(items: values.map { ($0, nil) })
                })
        } else {
            insert.query = try query()
        }
        insert.conflict = try conflict()
        insert.returning = try returning()
        return insert
    }

    private mutating func conflict() throws(SQLFailure) -> SQLConflict? {
        guard takes("on", "conflict") else { return nil }
        var conflict = SQLConflict()
        if takes("(") {
            conflict.columns = try list { parser throws(SQLFailure) in
                guard parser.sees("(") else { return try parser.identifier() }
                // An expression of an index: known by the column within it.
                let expression = try parser.expression()
                guard case .call(let call) = expression, case .column(_, let column)? = call.arguments.first else {
                    throw parser.unknown()
                }
                return "\(call.name) \(column)"
            }
            try expect(")")
        }
        try expect("do")
        if takes("nothing") { return conflict }
        try expect("update", "set")
        conflict.assignments = try assignments()
        if takes("where") { conflict.condition = try expression() }
        return conflict
    }

    private mutating func update(_ with: [SQLCommon]) throws(SQLFailure) -> SQLUpdate {
        _ = takes("only")
        let table = try tableName()
        let alias = takes("as") ? try identifier() : nil
        try expect("set")
        var update = SQLUpdate(with: with, table: table, alias: alias, assignments: try assignments())
        if takes("from") { update.sources = try sources() }
        if takes("where") { update.condition = try expression() }
        update.returning = try returning()
        return update
    }

    private mutating func delete(_ with: [SQLCommon]) throws(SQLFailure) -> SQLDelete {
        var delete = SQLDelete(with: with, table: try tableName())
        if takes("as") { delete.alias = try identifier() }
        if takes("using") { delete.sources = try sources() }
        if takes("where") { delete.condition = try expression() }
        delete.returning = try returning()
        return delete
    }

    private mutating func assignments() throws(SQLFailure) -> [SQLAssignment] {
        try list { parser throws(SQLFailure) in
            if let columns = try parser.columnsIfAny() {
                try parser.expect("=")
                return SQLAssignment(columns: columns, value: try parser.expression())
            }
            let column = try parser.identifier()
            try parser.expect("=")
            return SQLAssignment(columns: [column], value: try parser.expression())
        }
    }

    private mutating func returning() throws(SQLFailure) -> [(value: SQLExpression, alias: String?)] {
        takes("returning") ? try items() : []
    }

    // MARK: COPY and temporary tables

    private mutating func copy() throws(SQLFailure) -> SQLCopy {
        var copy = SQLCopy(table: try tableName(), columns: try columnsIfAny())
        try expect("from", "stdin")
        if takes("with", "(", "format", "binary", ")") { copy.isBinary = true }
        return copy
    }

    private mutating func temporary() throws(SQLFailure) -> SQLTemporary {
        var table = SQLTemporary(name: try identifier())
        if takes("(") {
            table.columns = try list { parser throws(SQLFailure) in
                var column = TableDefinition.Column(try parser.identifier(), try parser.type())
                if parser.takes("(") {
                    column.limit = parser.number().flatMap { Int($0) }
                    try parser.expect(")")
                }
                return column
            }
            try expect(")")
        }
        try expect("on", "commit", "drop")
        if table.columns == nil {
            try expect("as")
            table.query = try query()
            try expect("with", "no", "data")
        }
        return table
    }

    // MARK: Queries

    mutating func query() throws(SQLFailure) -> SQLQuery {
        var query = SQLQuery(with: try commons())
        query.selects.append(try select())
        while takes("union", "all") { query.selects.append(try select()) }
        if takes("order", "by") { query.order = try order() }
        if takes("limit") { query.limit = try expression() }
        if sees("for", "update") || sees("for", "share") {
            let mode = takes("for", "share") ? RowLock.share : .update
            _ = takes("for", "update")
            query.lock = SQLRowLock(of: takes("of") ? try identifier() : nil, mode: mode)
            query.lock?.skipsLocked = takes("skip", "locked")
        }
        return query
    }

    private mutating func select() throws(SQLFailure) -> SQLSelect {
        try expect("select")
        var select = SQLSelect()
        select.isDistinct = takes("distinct")
        if !sees("from"), !sees(")"), !sees("where") { select.items = try items() }
        if takes("from") { select.sources = try sources() }
        if takes("where") { select.condition = try expression() }
        if takes("group", "by") {
            select.groups = try list { parser throws(SQLFailure) in try parser.expression() }
        }
        if takes("having") { select.having = try expression() }
        return select
    }

    mutating func items() throws(SQLFailure) -> [(value: SQLExpression, alias: String?)] {
        try list { parser throws(SQLFailure) in
            if parser.takes("*") { return (.all(nil), nil) }
            let value = try parser.expression()
            return (value, try parser.aliasIfAny())
        }
    }

    mutating func order() throws(SQLFailure) -> [SQLOrder] {
        try list { parser throws(SQLFailure) in
            var order = SQLOrder(by: try parser.expression())
            if parser.takes("desc") { order.isDescending = true } else { _ = parser.takes("asc") }
            if parser.takes("nulls", "first") { order.nullsFirst = true }
            if parser.takes("nulls", "last") { order.nullsFirst = false }
            return order
        }
    }

    private mutating func sources() throws(SQLFailure) -> [SQLSource] {
        try list { parser throws(SQLFailure) in
            var source = try parser.source()
            while true {
                if parser.takes("left", "join") {
                    let right = try parser.source()
                    try parser.expect("on")
                    source = .join(source, right, isLeft: true, on: try parser.expression())
                } else if parser.takes("cross", "join") {
                    source = .join(source, try parser.source(), isLeft: false, on: nil)
                } else if parser.takes("join") || parser.takes("inner", "join") {
                    let right = try parser.source()
                    try parser.expect("on")
                    source = .join(source, right, isLeft: false, on: try parser.expression())
                } else {
                    return source
                }
            }
        }
    }

    private mutating func source() throws(SQLFailure) -> SQLSource {
        if takes("(") {
            let query = try query()
            try expect(")")
            guard let alias = try aliasIfAny() else { throw unknown() }
            return .query(query, alias: alias, columns: try columnsIfAny() ?? [])
        }
        _ = takes("only")
        let name = try tableName()
        guard takes("(") else { return .table(name, alias: try aliasIfAny()) }
        let call = try call(name.name)
        let hasOrdinality = takes("with", "ordinality")
        let alias = try aliasIfAny()
        return .function(call, alias: alias, columns: try columnsIfAny() ?? [], hasOrdinality: hasOrdinality)
    }
}
