import Kafka
import Loading
import Postgres

extension Verification {
    func fillRanges(_ span: VerifiedSpan) throws(PostgresError) {
        let all = span.all
        _ = try connection.query(
            "INSERT INTO \(DifferenceQuery.ranges) SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])",
            [
                .array(all.map(\.partition.topic)), .array(all.map(\.partition.partition)), .array(all.map(\.start)),
                .array(all.map(\.end)),
            ])
    }

    /// Compares one table, in the snapshot.
    func compare(_ table: ExpectedTable, _ span: VerifiedSpan) throws(PostgresError) -> TableVerdict {
        let (target, route) = (table.target, table.target.route)
        var verdict = TableVerdict(table, limit: scope.limit, showsValues: scope.showsValues)
        verdict.sharesTable = targets.contains {
            $0.index != target.index && !$0.choosesTable && $0.table.name == target.table.name
        }
        verdict.isCompacted = compacted.contains { topic in route.topics.contains { $0.matches(topic) } }
        verdict.beginsAtZero = span.beginsAtZero(for: route)
        verdict.isLogWhole = verdict.beginsAtZero && span.hasNoGaps(for: route, counts)
        guard span.hasTopics(of: route) else {
            verdict.report.note(.nothingLoaded, "the ledger has no position of its topics, so nothing was loaded")
            verdict.report.way = .none
            return verdict
        }
        switch table.way {
        case .none: verdict.report.note(.notVerified, table.obstacle(scope))
        case .counts: try count(table, &verdict)
        case .keys, .places: try compareRows(table, &verdict)
        }
        return verdict
    }

    private func count(_ table: ExpectedTable, _ verdict: inout TableVerdict) throws(PostgresError) {
        let found = try connection.query("SELECT count(*) FROM \(table.target.name.quoted)").int(0, 0) ?? 0
        verdict.report.rows = table.rowCount
        verdict.report.note(
            .notVerified,
            "no columns say which message a row is of, so only the rows were counted; load $partition and $offset to have each compared"
        )
        guard !verdict.sharesTable else {
            verdict.report.way = .none
            verdict.report.note(.otherRoutes, "other routes load this table, so the number of its rows says nothing")
            return
        }
        let isRight = verdict.hasAllKeys ? found == table.rowCount : found >= table.rowCount
        if !verdict.hasAllKeys, found > table.rowCount {
            verdict.report.note(
                .notInTopic, "rows more than the topic holds, of which not all is there any more",
                count: Int(found) - table.rowCount)
        }
        guard !isRight else { return }
        var difference = VerificationReport.Difference(kind: .count)
        (difference.expected, difference.found) = (table.rowCount, Int(found))
        verdict.report.differences.append(difference)
        verdict.report.differenceCount = 1
    }

    private func compareRows(_ table: ExpectedTable, _ verdict: inout TableVerdict) throws(PostgresError) {
        guard var query = table.query else { return }
        query.isLogWhole = verdict.isLogWhole
        try connection.execute(query.comparison)
        if let extras = query.extras {
            try connection.execute(extras)
        } else if !query.isWhole {
            verdict.report.note(
                .extraNotLookedFor, "rows that the topic does not have were not looked for, as not all of it was read")
        }
        verdict.report.rows = Int(try connection.query("SELECT count(*) FROM \(query.twin.quoted)").int(0, 0) ?? 0)
        verdict.found = try found(query)
        if let doubles = query.doubles, try mayHaveDoubles(query, verdict) {
            try connection.execute(doubles)
            verdict.found = try found(query)
        }
        verdict.query = query
    }

    private func found(_ query: DifferenceQuery) throws(PostgresError) -> [(number: Int64, kind: String)] {
        let kinds = try connection.query(query.kinds)
        return (0..<kinds.rowCount).compactMap { row in
            guard let number = kinds.int(row, 0), let kind = kinds.string(row, 1) else { return nil }
            return (number, kind)
        }
    }

    /// Each row too many has to be one that the comparison has found, or else one is there twice. To count costs less than to look.
    private func mayHaveDoubles(_ query: DifferenceQuery, _ verdict: TableVerdict) throws(PostgresError) -> Bool {
        guard query.isWhole, verdict.found.count < DifferenceQuery.most else { return true }
        let count = try connection.query("SELECT count(*) FROM \(query.target.name.quoted)").int(0, 0) ?? 0
        let missing = verdict.found.count { $0.kind == "missing" }
        let extra = verdict.found.count { $0.kind == "extra" || $0.kind == "gone" }
        return Int(count) != verdict.report.rows - missing + extra
    }
}

extension ExpectedTable {
    /// Why it is not compared.
    fileprivate func obstacle(_ scope: VerificationScope) -> String {
        if target.mode == .ignore, target.keyCount == 0 {
            return "in mode ignore without a key any unique index decides which rows are left out"
        }
        if scope.to != nil, target.keyCount > 0 {
            return
                "a row tells only what the last message of its key came to, so it can be compared only up to the ledger's position"
        }
        return "no columns say which message a row is of, so only all of its rows can be counted"
    }
}
