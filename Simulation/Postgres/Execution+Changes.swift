extension Execution {
    /// A row of what is given and defaults for the rest.
    func row(of table: SimulatedTable, _ columns: [Int], _ given: [SQLValue]) throws -> [SQLValue] {
        let definitions = table.definition.columns
        var values = Array(repeating: SQLValue.null, count: definitions.count)
        var isGiven = Array(repeating: false, count: definitions.count)
        for (column, value) in zip(columns, given) {
            values[column] = try assigned(value, definitions[column])
            isGiven[column] = true
        }
        for (column, definition) in definitions.enumerated() where !isGiven[column] {
            if definition.isIdentity {
                let outcome = try step {
                    table.nextIdentity += 1
                    return .number(Int(table.nextIdentity) - 1)
                }
                if case .number(let number) = outcome { values[column] = .int(Int64(number)) }
            } else if let make = table.defaults[column] {
                values[column] = try make(Frame(self, in: nil, sources: 0))
            }
        }
        return values
    }

    /// A value as its column takes it.
    func assigned(_ value: SQLValue, _ column: TableDefinition.Column) throws -> SQLValue {
        let value = try column.type.cast(value)
        if let limit = column.limit, case .text(let text) = value, text.unicodeScalars.count > limit {
            throw SQLFailure("22001", "value too long for type character varying(\(limit))")
        }
        return value
    }

    func assign(
        _ value: SQLValue, _ columns: [Int], _ table: SimulatedTable, _ values: inout [SQLValue]
    ) throws {
        let definitions = table.definition.columns
        guard columns.count > 1 else {
            values[columns[0]] = try assigned(value, definitions[columns[0]])
            return
        }
        let items: [SQLValue]
        switch value {
        case .record(let record): items = record
        case .null: items = Array(repeating: .null, count: columns.count)
        default: throw SQLFailure.unknown("\(value) for several columns")
        }
        for (column, item) in zip(columns, items) { values[column] = try assigned(item, definitions[column]) }
    }

    /// NOT NULL and CHECK.
    func require(_ values: [SQLValue], _ table: SimulatedTable) throws {
        func failure(_ state: String, _ message: String) -> SQLFailure {
            SQLFailure(state, message).with {
                ($0.schema, $0.table) = (table.definition.schema, table.definition.name)
                $0.detail = "Failing row contains (\(values.map { $0.text ?? "null" }.joined(separator: ", ")))."
            }
        }
        let name = table.definition.name
        for (column, definition) in table.definition.columns.enumerated()
        where values[column].isNull && (definition.isNotNull || table.definition.primaryKey.contains(definition.name)) {
            throw failure(
                "23502",
                "null value in column \"\(definition.name)\" of relation \"\(name)\" violates not-null constraint"
            ).with { $0.column = definition.name }
        }
        for check in table.checks {
            if case .bool(false) = try check.isMet(values) {
                throw failure("23514", "new row for relation \"\(name)\" violates check constraint \"\(check.name)\"")
                    .with { $0.constraint = check.name }
            }
        }
    }

    /// - Returns: nil where the row was left as it is.
    func write(
        _ row: [SQLValue], into table: SimulatedTable, _ conflict: ConflictPlan?, _ frame: Frame
    ) throws -> RowVersion? {
        let outcome = try step {
            try require(row, table)
            guard let conflict else {
                guard case .inserted(let version) = try insert(row, into: table) else { return .row(nil) }
                return .row(version)
            }
            switch try insert(row, into: table, conflict.arbiter) {
            case .inserted(let version): return .row(version)
            case .conflict(let other):
                guard let assignments = conflict.assignments else { return .row(nil) }
                if other.made.transaction === transaction, other.madeBy == transaction.statement {
                    throw SQLFailure("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time")
                }
                guard try lockable(other, .noKeyUpdate) === other else { return .row(nil) }
                (frame.rows[0], frame.versions[0], frame.rows[1]) = (other.values, other, row)
                if let condition = conflict.condition, try !condition(frame).isTrue {
                    other.locks.append((transaction.current, .noKeyUpdate))
                    return .row(nil)
                }
                var values = other.values
                for assignment in assignments {
                    try assign(assignment.value(frame), assignment.columns, table, &values)
                }
                try require(values, table)
                return .row(try update(other, to: values, in: table))
            }
        }
        if case .row(let version) = outcome { return version }
        return nil
    }

    /// Changes each row that the sources lead to, in its latest version, and once.
    ///
    /// - Parameters:
    ///   - ofOld: whether the change itself has to find the row lockable, as one that may leave the key alone does.
    ///   - change: gives what became of the row; nil where it was left.
    ///   - then: with the changed row in its place.
    func forEachRow(
        _ loops: SourceLoops, sources: Int, ofOld: Bool, _ change: (Frame, RowVersion) throws -> RowVersion?,
        then: (Frame) throws -> Void
    ) throws {
        // What is changed is not what is looked through.
        var found: [Frame] = []
        var seen: Set<ObjectIdentifier> = []
        try loops.run(Frame(self, in: nil, sources: sources)) { frame in
            if let version = frame.versions[0], seen.insert(ObjectIdentifier(version)).inserted {
                found.append(frame.kept)
            }
            return true
        }
        for frame in found {
            guard let version = frame.versions[0] else { continue }
            let outcome = try step {
                guard var latest = try lockable(version, ofOld ? .noKeyUpdate : .update) else { return .row(nil) }
                if latest !== version {
                    (frame.rows[0], frame.versions[0]) = (latest.values, latest)
                    guard try loops.areMet(frame) else { return .row(nil) }
                    latest = frame.versions[0] ?? latest
                }
                return .row(try change(frame, latest))
            }
            guard case .row(let changed?) = outcome else { continue }
            (frame.rows[0], frame.versions[0]) = (changed.values, changed)
            try then(frame)
        }
    }
}
