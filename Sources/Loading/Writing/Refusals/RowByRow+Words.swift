import Postgres

/// What the server has said of rows that it refuses.
extension RowByRow {
    /// - Parameter answer: to `question`.
    func refused(
        _ answer: QueryResult, _ row: Int, _ plan: Plan, _ part: [Int], _ statements: [String]
    ) -> Refused? {
        guard let number = answer.int(row, 0), part.indices.contains(Int(number) - 1) else { return nil }
        let place = Int(number) - 1
        let error = error(answer, row, statements)
        let unfit = answer.int(row, 12).map { Int($0) }
        // COPY has constraints on other tables checked once its rows are all in, and names none of them then.
        let isOfCopy =
            target.mode == .insert && plan.ways[plan.wayOfRow[place]] != .row([])
            && answer.string(row, 11) == "false" && error.sqlState != .foreignKeyViolation
        return Refused(row: part[place], error: error, isOfCopy: unfit != nil || isOfCopy, column: unfit)
    }

    private func error(_ answer: QueryResult, _ row: Int, _ statements: [String]) -> PostgresError {
        let words = (2..<11).map { answer.string(row, $0) }
        let context = words[3].flatMap { Self.context($0, without: statements + ["SET CONSTRAINTS ALL IMMEDIATE"]) }
        return PostgresError(
            .server, sqlState: answer.string(row, 1).map(SQLState.init(rawValue:)), message: words[0] ?? "",
            detail: words[1], hint: words[2], context: context, schema: words[4], table: words[5], column: words[6],
            dataType: words[7], constraint: words[8],
            isRaisedByFunction: context.map(Self.isOfRaise) ?? false, cameWithRows: true)
    }

    /// Whether PL/pgSQL was at a RAISE. It does not say which of the server's functions has reported an error; but where it was
    /// stands first, and the statement's name is not translated. What is quoted there are names of the user's.
    static func isOfRaise(_ context: String) -> Bool {
        var isQuoted = false
        let place = context.prefix { character in
            if character == "\"" { isQuoted.toggle() }
            return isQuoted || character != "\n"
        }
        let words = place.split(separator: "\"", omittingEmptySubsequences: false)
        return words.enumerated().contains { $0.offset.isMultiple(of: 2) && $0.element.contains("RAISE") }
    }

    /// What is left of where the server was, once the block itself is taken away: its statement, and its own line below.
    static func context(_ context: String, without statements: [String]) -> String? {
        var rest = context.utf8[...]
        rest = rest.prefix(upTo: rest.lastIndex(of: UInt8(ascii: "\n")) ?? rest.startIndex)
        // Quoted as the server's language has it.
        for closing in 0...4 {
            let said = rest.dropLast(closing)
            let own = statements.first {
                said.count >= $0.utf8.count && said.suffix($0.utf8.count).elementsEqual($0.utf8)
            }
            guard let own else { continue }
            rest = said.dropLast(own.utf8.count)
            rest = rest.prefix(upTo: rest.lastIndex(of: UInt8(ascii: "\n")) ?? rest.startIndex)
            break
        }
        return rest.isEmpty ? nil : String(Substring(rest))
    }
}
