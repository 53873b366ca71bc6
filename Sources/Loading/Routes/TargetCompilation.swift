import Postgres

/// Compiles a route against its table, and says everything that is wrong with it rather than the first.
struct TargetCompilation {
    private let route: Route
    private let table: Table
    /// The position of the route in the configuration.
    private let index: Int
    /// The role that loads, for the GRANTs that are proposed.
    private let role: String?
    /// Those that the user has named.
    private let namedColumns: [Route.Column]?
    private var problems: [SetupProblem] = []
    private var rights = MissingRights()
    private var key: [String] = []
    /// The columns that the route wants, the key's first and in its order.
    private var wanted: [Route.Column] = []
    /// Those of them that can be had.
    private var accepted: [(Route.Column, Table.Column)] = []
    private var parent: ElementParent?

    init(_ route: Route, index: Int, table: Table, role: String?) {
        var named = route.namingColumns(asIn: table)
        namedColumns = named.columns
        if named.onTombstone == .mark, let mark = named.mark {
            named.columns =
                (named.columns ?? []).filter { $0.name != mark } + [DeletionMark.column(mark, in: table)]
        }
        self.route = named
        self.table = table
        self.index = index
        self.role = role
    }

    mutating func compile() -> Result<Target, SetupProblems> {
        resolveKey()
        putParentFirst()
        resolveColumns()
        checkKeyColumns()
        checkVersions()
        checkUnroutedColumns()
        checkOptions()
        checkCondition()
        resolveParent()
        let onTombstone = checkRights()
        let (format, columns) = columns()
        let mark = route.mark.flatMap { DeletionMark.mark($0, columns, format) }
        guard problems.isEmpty else { return .failure(SetupProblems(problems)) }
        let comparisons = key.map { table.comparison(of: $0, key: key) }
        var target = Target(
            route: route, table: table, index: index, format: format, columns: columns, keyCount: key.count,
            onTombstone: onTombstone,
            keyForms: zip(columns, comparisons).map { column, comparison in
                comparison.equality == nil
                    ? KeyForm(
                        column.type, isBinary: format == .binary,
                        isCollationDeterministic: comparison.isDeterministic)
                    : .server
            }, keyComparisons: comparisons,
            versionCount: route.newer.count, mark: mark, validity: validity(columns),
            needsRowBit: needsRows ? columns.count { $0.omissionBit != nil } : nil)
        target.parent = parent
        if target.asksForSameKeys, parent != nil {
            problem(
                .badOption,
                "only the server can tell whether two keys of \(table.name) are the same (\(key.joined(separator: ", "))), "
                    + "and a parent's rows are compared before",
                .plainKeyType)
            return .failure(SetupProblems(problems))
        }
        return .success(target)
    }

    private mutating func problem(_ code: SetupProblem.Code, _ text: String, _ mend: Mend.Routing) {
        problems.append(SetupProblem(code, at: route.label, text, mend: .routing(mend)))
    }

    // MARK: What the route wants

    /// The columns whose equality makes two messages the same row; empty where the mode needs none.
    private mutating func resolveKey() {
        guard route.mode != .insert else { return }
        if route.mode == .history { return resolveHistory() }
        guard let key = route.key ?? table.primaryKey else {
            if route.mode == .ignore { return }
            return problem(
                .missingKey, "mode upsert needs a key, and \(table.name) has no primary key",
                .nameKey)
        }
        self.key = key
        requireIndex()
    }

    /// The columns that say which message it was.
    private mutating func resolveHistory() {
        if route.key != nil {
            problem(
                .badOption,
                "a key has no effect: in mode history the place of a message in Kafka tells one row from another",
                .takeOut(.key, .route))
        }
        let places = HistoryKey(route)
        guard places.missing.isEmpty else {
            return problem(
                .missingKey,
                "mode history needs columns that say which message a row is of: \(places.missing.joined(separator: ", "))",
                .nameCoordinates(places.missing))
        }
        key = places.columns
        requireIndex()
    }

    /// Something in the table must tell two rows with the same key apart.
    private mutating func requireIndex() {
        let key = self.key
        guard !table.uniqueIndexes.contains(where: { $0.isArbiter && Set($0.columns) == Set(key) }) else { return }
        let near = table.uniqueIndexes.first { !$0.isArbiter && Set($0.columns) == Set(key) }
        problem(
            .missingIndex,
            "no unique index on \(table.name) (\(key.joined(separator: ", ")))"
                + (near.map {
                    "; \($0.name) is partial, on an expression, deferrable or not valid, so it tells no row from another"
                } ?? ""),
            .makeIndex(table.name, key))
    }

    /// The parent's columns come first in the key, so that its rows are found by their first bytes.
    private mutating func putParentFirst() {
        guard route.mode == .upsert, let path = route.each else { return }
        let all = route.columns(of: table, key: key)
        let sources = key.compactMap { name in
            all.first { $0.name == name }.map { (name: name, source: route.source(of: $0)) }
        }
        guard !isKeptByVersions, sources.count == key.count, let found = ElementParent.columns(of: sources, path) else {
            return
        }
        key = found.names + key.filter { !found.names.contains($0) }
        parent = ElementParent(
            keyCount: found.names.count, step: found.step, deletesMissing: route.onMissing != .keep)
    }

    /// Nothing of a parent is deleted, and each row is compared by itself.
    private var isKeptByVersions: Bool {
        route.each != nil && route.mode == .upsert && !route.newer.isEmpty && route.onMissing == .keep
            && [.skip, .deadLetter].contains(route.onTombstone)
    }

    /// What a parent's rows need of the table, and an option of theirs where there is no parent.
    private mutating func resolveParent() {
        guard let parent else {
            guard let option = route.onMissing, !isKeptByVersions else { return }
            let reason =
                route.each == nil
                ? "the rows are not elements of messages"
                : route.mode == .upsert
                    ? "no column of the key of \(table.name) is one of what holds the elements, or all are"
                    : "mode \(route.mode.rawValue) deletes nothing"
            return problem(
                .badOption, "what is said of elements that are missing (\(option.rawValue)) has no effect: \(reason)",
                .takeOut(.onMissing, .route))
        }
        if !route.newer.isEmpty {
            problem(
                .badOption,
                "the rows that \(table.name) has of a message are replaced as a set, which cannot be compared by "
                    + "\(route.newer.joined(separator: ", "))", .keepMissing)
        }
        let names = Array(key.prefix(parent.keyCount))
        guard !table.isIndexed(by: names), table.columns.contains(where: { $0.name == names[0] }) else { return }
        problem(
            .missingIndex,
            "no index on \(table.name) begins with (\(names.joined(separator: ", "))), by which a message's elements are found",
            .makePlainIndex(table.name, names))
    }

    private mutating func resolveColumns() {
        let all = route.columns(of: table, key: key)
        let first = key + route.newer.filter { !key.contains($0) }
        wanted = first.compactMap { name in all.first { $0.name == name } } + all.filter { !first.contains($0.name) }
        var seen: Set<String> = []
        for column in wanted {
            guard let found = table.column(named: column.name) else {
                missing(column)
                continue
            }
            guard seen.insert(column.name).inserted else {
                problem(.badOption, "column \(quoteIdentifier(column.name)) is routed twice", .keepOne)
                continue
            }
            guard !found.isGenerated else {
                problem(
                    .unwritableColumn,
                    "\(table.name).\(column.name) is generated by the server and cannot be written",
                    .leaveOut)
                continue
            }
            accept(column, found)
        }
    }

    private mutating func missing(_ column: Route.Column) {
        let meant = table.columns.map(\.name).filter { column.isNamed($0) }
        let near = nearest(to: column.name, in: table.columns.map(\.name))
        problem(
            .missingColumn, "\(table.name) has no column \(quoteIdentifier(column.name))",
            meant.count > 1 ? .spellOut(meant) : near.map { .didYouMean($0) } ?? .addColumnOrLeaveOut)
    }

    private mutating func accept(_ column: Route.Column, _ found: Table.Column) {
        if !found.mayInsert { rights.insert.append(column.name) }
        if route.mode == .upsert, !found.mayUpdate, !key.contains(column.name), found.identity != .always {
            rights.update.append(column.name)
        }
        if let zone = column.timeZone ?? route.timeZone, !EncodingOptions.isKnownTimeZone(zone) {
            problem(
                .badOption, "zone \"\(zone)\" of \(column.name) is not known here",
                .nameZone)
        }
        accepted.append((column, found))
    }

    // MARK: Whether the table can have it

    private mutating func checkKeyColumns() {
        for name in key where !wanted.contains(where: { $0.name == name }) {
            if table.column(named: name)?.isGenerated == true {
                problem(
                    .unwritableColumn,
                    "\(table.name).\(name) is generated by the server, and no message can name a row by it",
                    .nameOtherKey)
            } else {
                problem(
                    .missingColumn, "key column \(quoteIdentifier(name)) is not among those that are loaded",
                    .fillKey(name))
            }
        }
    }

    private mutating func checkVersions() {
        for (text, mend) in DeletionMark(route, namedColumns, accepted, of: table, key: key).problems {
            problem(.badOption, text, mend)
        }
        for (text, mend) in ValidityCheck(route, namedColumns, accepted, of: table).problems {
            problem(.badOption, text, mend)
        }
        for (text, mend) in VersionCheck(route, accepted, wanted, of: table.name, key: key).problems {
            problem(.badOption, text, mend)
        }
    }

    private mutating func checkUnroutedColumns() {
        let routed = Set(wanted.map(\.name))
        for column in table.columns
        where column.isNotNull && column.defaultExpression == nil && column.identity == .none && !column.isGenerated
            && !routed.contains(column.name)
        {
            problem(
                .unroutedColumn, "\(table.name).\(column.name) is NOT NULL without a default, and no field fills it",
                .fillColumn)
        }
        if accepted.isEmpty, problems.isEmpty {
            problem(.missingColumn, "\(table.name) has no column that can be loaded", .addColumns)
        }
    }

    private mutating func checkOptions() {
        for (text, mend) in ColumnOptionCheck(route, accepted, of: table.name, key: key).problems
            + AbsenceCheck(route, accepted, of: table.name, key: key).problems
        {
            problem(.badOption, text, mend)
        }
        let columns = accepted.map { (name: $0.0.name, source: route.source(of: $0.0)) }
        for (text, mend) in ElementOptionCheck(route, columns, of: table.name).problems
            + TruncationCheck(route, accepted, of: table.name).problems
        {
            problem(.badOption, text, mend)
        }
    }

    private mutating func checkCondition() {
        for (text, mend) in ConditionCheck(route).problems { problem(.badOption, text, mend) }
    }

    private mutating func checkRights() -> Route.OnTombstone {
        if let end = route.validity.to.flatMap(table.column), !end.mayUpdate { rights.update.append(end.name) }
        rights.select = route.mode != .insert && !table.maySelect
        let mayDelete = route.mode == .upsert && (route.each == nil || parent?.step == ElementParent.message)
        let onTombstone =
            route.onTombstone
            ?? (mayDelete ? .delete : route.mode == .history ? .skip : .deadLetter)
        if route.deletesFiltered, !mayDelete {
            problem(
                .badOption,
                "no column of the key of \(table.name) is one of the message that holds the elements, so that one which the condition "
                    + "does not let through says none of its rows", .keepFiltered)
        }
        if onTombstone == .mark, route.each != nil {
            problem(.badOption, "a message's elements cannot be marked as deleted", .skipTombstones)
        } else if onTombstone == .delete, !mayDelete, route.mode == .upsert {
            problem(
                .badOption,
                "no column of the key of \(table.name) is one of the message that holds the elements, so that a tombstone "
                    + "says none of its rows", .skipTombstones)
        } else if onTombstone == .delete, route.mode != .upsert {
            problem(.badOption, "only mode upsert can delete by tombstones", .tombstones)
        } else if onTombstone == .delete || route.deletesFiltered && mayDelete {
            rights.delete = !table.mayDelete
            rights.deletesFiltered = route.deletesFiltered
        }
        if parent?.deletesMissing == true {
            rights.delete = !table.mayDelete
            rights.deletesMissing = true
        }
        if route.envelope != nil, route.onTruncate == .truncate, !route.writesTruncations, !table.mayTruncate {
            rights.deleteAll = !table.mayDelete
        }
        if !rights.isEmpty {
            problems.append(rights.problem(at: route.label, table: table, mode: route.mode, role: role))
        }
        return onTombstone
    }

    // MARK: How it is written

    private mutating func columns() -> (Target.Format, [Target.Column]) {
        let options = accepted.map { column, found in
            EncodingOptions(
                epochUnit: column.epochUnit, timeZone: column.timeZone ?? route.timeZone,
                onNul: column.onNul ?? route.onNul, decoding: route.decoding(of: column, found.type),
                isRaw: route.source(of: column).isRaw, numericHasInfinity: self.table.numericHasInfinity,
                writing: route.writing)
        }
        let binary = zip(accepted, options).map { pair, options in BinaryEncoder(pair.1.type, options: options) }
        let format: Target.Format = binary.allSatisfy { $0 != nil } ? .binary : .text
        var bits = 0
        var columns: [Target.Column] = []
        for (position, (column, found)) in accepted.enumerated() {
            let encoder: ColumnEncoder =
                if format == .binary, let encoder = binary[position] {
                    .binary(encoder)
                } else {
                    .text(TextEncoder(found.type, options: options[position]))
                }
            var compiled = Target.Column(
                name: column.name, source: route.source(of: column), encoder: encoder, type: found.type,
                isRequired: column.isRequired,
                // Nulls are no key: each would be a row of its own for the server, all of them one row for a batch.
                isNotNull: found.isNotNull || key.contains(column.name), isJSON: found.type.isJSON,
                defaultExpression: found.defaultExpression, isAlwaysIdentity: found.identity == .always)
            compiled.takesBytes = found.type.isBytes
            do throws(EncodingFailure) {
                if let mended = try Target.mending(column, found.type, options[position], format) {
                    (compiled.mending, compiled.fixedInput) = (mended.0, mended.input)
                }
            } catch {
                problems.append(.unfit(column, found.type, error, table: table.name, at: route.label))
            }
            compiled.isIdentity = found.identity != .none
            let leaving = Leaving(column, found, of: route, isKey: key.contains(column.name))
            if leaving.isPossible {
                compiled.omissionBit = bits
                compiled.isLeftOutIfAbsent = leaving.isByAbsence
                compiled.isKept = leaving.isKept
                bits += 1
                compiled.defaultField = found.constantDefault?.field(isBinary: format == .binary)
            }
            columns.append(compiled)
        }
        return (format, columns)
    }

    private func validity(_ columns: [Target.Column]) -> Target.Validity? {
        let validity = route.validity
        func place(_ name: String) -> Int? { columns.firstIndex { $0.name == name } }
        guard let to = validity.to, let from = validity.from.flatMap(place) else { return nil }
        return Target.Validity(
            key: validity.key.compactMap(place), from: from, to: to,
            truncation: route.writesTruncations ? columns.firstIndex { $0.source == .operation } : nil)
    }

    /// Whether messages may lack what their source has, so that only a row that is there can keep it.
    private var needsRows: Bool { route.mode == .upsert && route.maySendUnavailable }
}

/// Everything that is wrong with a route.
package struct SetupProblems: Error {
    var problems: [SetupProblem]

    init(_ problems: [SetupProblem]) { self.problems = problems }
}

extension Table {
    /// How the index that makes a key unique compares one of its columns. Of several, the one that takes more for equal.
    fileprivate func comparison(of column: String, key: [String]) -> Comparison {
        let candidates = uniqueIndexes.filter { $0.isArbiter && Set($0.columns) == Set(key) }.compactMap { index in
            zip(index.columns, index.comparisons).first { $0.0 == column }?.1
        }
        return candidates.first { !$0.isDeterministic || $0.equality != nil } ?? candidates.first ?? Comparison()
    }
}

extension PostgresType {
    /// `bytea`, and domains over it.
    fileprivate var isBytes: Bool {
        switch shape {
        case .domain(let base): base.isBytes
        case .base: oid == 17
        default: false
        }
    }
}
