/// The block of PL/pgSQL by which the loader carries rows in one by one. It is known as a whole, and what it means is done: its
/// parts, which are statements and lists of numbers, are read out of its text.
struct RowByRowBlock {
    private let execution: Execution
    private let text: String
    private let ways: [Int]
    private let ends: [Int]
    private let statements: [[String]]
    private let without: [String]
    private let places: [(table: SQLName, number: String)]
    private let forces: Bool
    /// For each way the columns whose values are looked at, with the query that does.
    private let tries: [Int: [(column: Int64, query: String)]]

    /// Whether a code may be a row's fault.
    private let mayBeRows: Evaluator

    private static let most = 64

    init(_ text: String, _ execution: Execution) throws {
        (self.execution, self.text) = (execution, text)
        func unknown(_ what: String) -> SQLFailure { .unknown("\(what) in the block: \(text)") }
        func between(_ start: String, _ end: String, in text: some StringProtocol) throws -> Substring {
            let text = Substring(text)
            guard let from = text.firstRange(of: start), let to = text[from.upperBound...].firstRange(of: end) else {
                throw unknown("no \(start)")
            }
            return text[from.upperBound..<to.lowerBound]
        }
        func numbers(_ name: String) throws -> [Int] {
            try between("\(name) int[] := '{", "}'", in: text).split(separator: ",").compactMap { Int($0) }
        }
        guard text.contains("<<loader_block>>"), text.contains("EXCEPTION WHEN SQLSTATE 'LOADR' THEN NULL;") else {
            throw unknown("what is not the loader's")
        }
        (ways, ends) = (try numbers("ways"), try numbers("ends"))
        let body = try between("is_late := false;", "EXCEPTION WHEN OTHERS", in: text)
        statements = try Self.ways(between("CASE ways[from_row]", "END CASE;", in: body))
        guard let end = text.firstRange(of: "RAISE EXCEPTION USING ERRCODE = 'LOADR'"),
            let begin = text[..<end.lowerBound].ranges(of: "BEGIN\n").last
        else { throw unknown("no trial") }
        without = Self.split(text[begin.upperBound..<end.lowerBound])
        forces = body.contains("SET CONSTRAINTS ALL IMMEDIATE")
        let list = try between("LEFT JOIN (", ") AS a ON a.number = g.number;", in: text)
        places = try list.ranges(of: "FROM ").map { range in
            let rest = list[range.upperBound...]
            guard let end = rest.firstRange(of: " AS ") else { throw unknown("no table of places") }
            let name = rest[..<end.lowerBound].split(separator: ".").map { $0.filter { $0 != "\"" } }
            let isKeys = name.last?.hasPrefix("loader_keys") ?? false
            return (SQLName(schema: name.first, name: name.last ?? ""), isKeys ? "loader ordinal" : "loader row")
        }
        tries = try Self.tries(text)
        let scope = Scope(in: nil)
        scope.relations = [Scope.Relation(name: "", columns: ["sqlstate"], slot: 0)]
        var planner = Planner(execution.session)
        let condition = try between("IF NOT ", " THEN RAISE; END IF;", in: text)
        mayBeRows = try planner.bind(SQLParser.expression(String(condition)), scope)
    }

    private static func ways(_ text: Substring) -> [[String]] { branches(text).map { split($0.body[...]) } }

    /// The branches of a CASE, each of which begins a line.
    private static func branches(_ text: Substring) -> [(way: Int, body: String)] {
        var branches: [(way: Int, body: String)] = []
        for line in text.split(separator: "\n") {
            let words = line.drop { $0 == " " }
            if words.hasPrefix("WHEN "), let then = words.firstRange(of: " THEN "),
                let way = Int(words[..<then.lowerBound].dropFirst("WHEN ".count))
            {
                branches.append((way, String(words[then.upperBound...])))
            } else if !branches.isEmpty {
                branches[branches.count - 1].body += "\n" + line
            }
        }
        return branches
    }

    /// Statements, each up to its semicolon outside of quotes.
    private static func split(_ text: Substring) -> [String] {
        var statements: [String] = []
        var current = ""
        var quote: Character?
        for character in text {
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "'" || character == "\"" {
                quote = character
            } else if character == ";" {
                let trimmed = current.drop { $0.isWhitespace }
                if !trimmed.isEmpty { statements.append(String(trimmed)) }
                current = ""
                continue
            }
            current.append(character)
        }
        return statements
    }

    private static func tries(_ text: String) throws -> [Int: [(column: Int64, query: String)]] {
        guard let begin = text.ranges(of: "CASE ways[from_row]").last, text.ranges(of: "CASE ways[from_row]").count == 2
        else {
            return [:]
        }
        var tries: [Int: [(column: Int64, query: String)]] = [:]
        let rest = text[begin.upperBound...]
        let end = rest.firstRange(of: "ELSE NULL;")?.lowerBound ?? rest.endIndex
        for (way, body) in branches(rest[..<end]) {
            let words = split(body[...])
            for (first, second) in zip(words, words.dropFirst()) where first.hasPrefix("unfit := ") {
                guard let column = Int64(first.dropFirst("unfit := ".count)), second.hasPrefix("PERFORM ") else {
                    continue
                }
                tries[way, default: []].append((column, "SELECT " + second.dropFirst("PERFORM ".count)))
            }
        }
        return tries
    }

    // MARK: What it does

    func run() throws {
        let transaction = execution.transaction
        try begin("loader try")
        do {
            execution.taken = []
            for statement in without { try carryOut(statement) }
            try end("loader try", undo: true)
        } catch let failure as SQLFailure {
            try end("loader try", undo: true)
            throw failure
        }
        let rows = try rowPlaces()
        var refused: [[SQLValue]] = []
        var (from, alone, calm) = (1, 0, 0)
        while from <= ways.count {
            let to = from <= alone ? from : min(ends[from - 1], from + max(1, min(calm / 4, Self.most)) - 1)
            execution.taken = Array(rows[from - 1..<to])
            try begin("loader row")
            var isLate = false
            do {
                for statement in statements[ways[from - 1]] { try carryOut(statement) }
                if forces {
                    isLate = true
                    try force()
                }
                try end("loader row", undo: false)
                calm += to - from + 1
                from = to + 1
            } catch let failure as SQLFailure {
                try end("loader row", undo: true)
                guard try isRow(failure.state) else { throw failure }
                if to > from {
                    alone = to
                } else {
                    refused.append(try note(failure, from, isLate))
                    calm = 0
                    from += 1
                }
            }
        }
        transaction.refused = refused
    }

    private func note(_ failure: SQLFailure, _ row: Int, _ isLate: Bool) throws -> [SQLValue] {
        var (failure, unfit) = (failure, SQLValue.null)
        try begin("loader unfit")
        var column: Int64?
        do {
            for one in tries[ways[row - 1]] ?? [] {
                column = one.column
                try carryOut(one.query)
            }
            try end("loader unfit", undo: false)
        } catch let other as SQLFailure {
            try end("loader unfit", undo: true)
            guard try isRow(other.state) else { throw other }
            failure = other
            unfit = column.map { .int($0) } ?? .null
        }
        func text(_ value: String?) -> SQLValue { value.flatMap { $0.isEmpty ? nil : .text($0) } ?? .null }
        return [
            .int(Int64(row)), .text(failure.state), text(failure.message), text(failure.detail), text(failure.hint),
            text("SQL statement \"…\"\nPL/pgSQL function inline_code_block line 1 at SQL statement"),
            text(failure.schema), text(failure.table), text(failure.column), text(failure.dataType),
            text(failure.constraint), .text(isLate ? "true" : "false"), unfit,
        ]
    }

    /// Of the rows by their numbers.
    private func rowPlaces() throws -> [SQLValue] {
        try execution.nextStatement()
        var rows = Array(repeating: SQLValue.null, count: ways.count)
        for (name, column) in places {
            let table = try execution.session.table(name)
            guard let place = table.place(column) else { throw SQLFailure.unknown("no \(column) in \(name.name)") }
            for version in table.rows where execution.snapshot.sees(version) {
                if let number = version.values[place].asInt, rows.indices.contains(Int(number) - 1) {
                    rows[Int(number) - 1] = .place(version.number)
                }
            }
        }
        return rows
    }

    private func carryOut(_ sql: String) throws {
        if sql == "NULL" { return }
        if sql.hasPrefix("IF EXISTS (") { return try find(sql) }
        if sql == "END IF" { return }
        let statements = try execution.database.statements(sql)
        guard statements.count == 1 else { throw SQLFailure.unknown("not one statement: \(sql)") }
        try execution.nextStatement()
        let prepared = try execution.database.prepared(statements[0], sql, execution.session)
        execution.tables = try prepared.tables.map { try execution.session.table($0.name) }
        for (place, table) in execution.tables.enumerated() {
            try execution.step {
                try execution.transaction.lock(table, prepared.writes.contains(place) ? .rowExclusive : .accessShare)
                return .nothing
            }
        }
        _ = try prepared.plan.run(execution)
        try execution.checkReferences()
    }

    /// `IF EXISTS (…) THEN RAISE EXCEPTION USING ERRCODE = '…'`.
    private func find(_ sql: String) throws {
        guard let then = sql.firstRange(of: ") THEN RAISE EXCEPTION USING ERRCODE = '") else {
            throw SQLFailure.unknown(sql)
        }
        let query = "SELECT EXISTS (" + sql["IF EXISTS (".endIndex..<then.lowerBound] + ")"
        let state = String(sql[then.upperBound...].prefix(5))
        let statements = try execution.database.statements(query)
        try execution.nextStatement()
        let prepared = try execution.database.prepared(statements[0], query, execution.session)
        execution.tables = try prepared.tables.map { try execution.session.table($0.name) }
        if try prepared.plan.run(execution).rows.first?.first?.isTrue ?? false {
            throw SQLFailure(state, state)
        }
    }

    private func force() throws {
        try execution.step {
            execution.transaction.defersAll = false
            return .nothing
        }
        try execution.checkReferences()
        try execution.step {
            execution.transaction.defersAll = true
            return .nothing
        }
    }

    private func begin(_ name: String) throws {
        let transaction = execution.transaction
        try execution.step {
            transaction.levels.append(Subtransaction(of: transaction, in: transaction.current, name: name))
            return .nothing
        }
    }

    private func end(_ name: String, undo: Bool) throws {
        let (transaction, session) = (execution.transaction, execution.session)
        try execution.step {
            if undo { try transaction.rollBack(to: name, session) }
            try transaction.release(name)
            return .nothing
        }
    }

    private func isRow(_ state: String) throws -> Bool {
        guard state != SQLFailure.unknownState else { return false }
        let frame = Frame(execution, in: nil, sources: 1)
        frame.rows[0] = [.text(state)]
        return try mayBeRows(frame).isTrue
    }
}
