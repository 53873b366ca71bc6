import Foundation
import Kafka
import Loading
import Postgres

/// What was found of one table, until it is known what of it is a difference.
struct TableVerdict {
    /// What the messages of a key that differs were.
    struct Decision {
        /// The message that counts: the last one, or in mode `ignore` the first.
        var place: StoredLetters.Place
        var isDeletion: Bool
        var isOfSeveralPartitions = false
        /// One of them was a dead letter when it was read, and is none any more.
        var isReplayed = false
    }

    let table: ExpectedTable
    var report: VerificationReport.Table
    var query: DifferenceQuery?
    /// Numbers and kinds, in the order of the numbers.
    var found: [(number: Int64, kind: String)] = []
    var decisions: [Int64: Decision] = [:]
    /// Other routes load the same table.
    var sharesTable = false
    /// The topics are read from offset 0 on.
    var beginsAtZero = false
    /// Messages in between may be gone because later ones have their keys.
    var isCompacted = false
    /// Whether each key that was ever loaded has a message yet.
    var hasAllKeys: Bool { beginsAtZero && !isCompacted }
    /// They are read from offset 0 on, and nothing is missing in between.
    var isLogWhole = false
    private let limit: Int
    private let showsValues: Bool

    init(_ table: ExpectedTable, limit: Int, showsValues: Bool) {
        self.table = table
        self.limit = limit
        self.showsValues = showsValues
        let target = table.target
        report = VerificationReport.Table(
            route: target.route.label, table: target.name.description, mode: target.route.mode.rawValue, way: table.way)
        report.deadLetters = table.deadLetters
    }

    /// Whether it has to be found out which messages decided.
    var wantsDecisions: Bool { table.way == .keys && !found.isEmpty }

    // MARK: What is no difference

    private enum Doubt: Hashable { case notInTopic, severalPartitions, replayed, otherRoutes, older }

    /// Why what was found is no proof of a difference; nil: it is one.
    private func doubt(_ kind: String, _ decision: Decision?) -> Doubt? {
        if kind == "gone" { return .notInTopic }
        if table.way == .places {
            guard kind == "extra" else { return nil }
            return sharesTable ? .otherRoutes : isCompacted ? .notInTopic : nil
        }
        let target = table.target
        if let decision {
            if decision.isReplayed { return .replayed }
            let isOrdered = target.isOrderedByArrival || target.mode == .ignore
            if decision.isOfSeveralPartitions, isOrdered { return .severalPartitions }
        } else if kind == "extra" {
            if sharesTable { return .otherRoutes }
            return hasAllKeys ? nil : .notInTopic
        }
        guard kind != "missing" else { return nil }
        if sharesTable { return .otherRoutes }
        // What came first, or was newer, may be gone.
        let restsOnOlder = target.mode == .ignore || target.versionCount > 0
        return kind == "other" && restsOnOlder && !isLogWhole ? .older : nil
    }

    /// Says what is different, and what is in doubt.
    func finished(over connection: Connection) throws(PostgresError) -> VerificationReport.Table {
        var report = report
        var doubts: [Doubt: Int] = [:]
        var differing: [(number: Int64, kind: String)] = []
        for entry in found {
            if let doubt = doubt(entry.kind, decisions[entry.number]) {
                doubts[doubt, default: 0] += 1
            } else {
                differing.append(entry)
            }
        }
        noteDoubts(doubts, &report)
        noteColumns(&report)
        if !differing.isEmpty {
            report.differenceCount = differing.count
            report.differences = try named(Array(differing.prefix(limit)), over: connection)
            if found.count >= DifferenceQuery.most {
                report.note(.moreDifferences, "there are more differences, which were not looked at")
            }
        }
        return report
    }

    private func noteDoubts(_ doubts: [Doubt: Int], _ report: inout VerificationReport.Table) {
        func note(_ doubt: Doubt, _ code: VerificationReport.Note.Code, _ words: String) {
            if let count = doubts[doubt] { report.note(code, words, count: count) }
        }
        note(.notInTopic, .notInTopic, "rows of which the topic holds no message any more")
        note(
            .severalPartitions, .severalPartitions,
            "rows that are not what their messages come to here, but these are in several partitions, which have no order"
        )
        note(.replayed, .replayedMeanwhile, "rows of dead letters that were replayed or removed while this ran")
        note(.otherRoutes, .otherRoutes, "rows that may be of another route that loads this table")
        note(
            .older, .notInTopic,
            "rows that rest on what came first or was newest, which the topic may hold no message of any more")
        if table.lettersGone + table.refused > 0 {
            report.note(
                .lettersGone,
                "messages that cannot be rows, and are no dead letters any more: somebody has removed them",
                count: table.lettersGone + table.refused)
        }
        if table.target.table.hasInsertTriggers {
            report.note(.triggers, "the table has triggers, which may have made other rows of these")
        }
        if !table.isSampled {
            report.note(.notCompared, "the server alone can tell which keys are the same, so all of them were taken")
        }
    }

    private func noteColumns(_ report: inout VerificationReport.Table) {
        guard let query else { return }
        if !query.notCompared.isEmpty {
            report.note(
                .notCompared, "columns that no message decides: " + query.notCompared.joined(separator: ", "))
        }
        if !query.partlyCompared.isEmpty {
            report.note(
                .partlyCompared,
                "columns that messages may leave out, compared where one has said what they are: "
                    + query.partlyCompared.joined(separator: ", "))
        }
    }

    // MARK: Differences

    private func named(
        _ entries: [(number: Int64, kind: String)], over connection: Connection
    ) throws(PostgresError) -> [VerificationReport.Difference] {
        guard let query else { return [] }
        let kinds = Dictionary(uniqueKeysWithValues: entries.map { ($0.number, $0.kind) })
        let result = try connection.query(query.named, [.array(entries.map(\.number))])
        return (0..<result.rowCount).compactMap { row in
            guard let number = result.int(row, 0), let kind = kinds[number].flatMap(VerificationReport.Kind.init)
            else { return nil }
            let keys = Self.decode([String?].self, result.string(row, 1)) ?? []
            var difference = VerificationReport.Difference(kind: kind)
            difference.key = zip(query.identity, keys).map { column, value in
                .init(name: query.target.columns[column].name, value: value)
            }
            let decision = decisions[number]
            difference.message =
                decision.map { "\($0.place.partition)@\($0.place.offset)" } ?? message(query, keys, kind)
            difference.isDeleted = decision?.isDeletion ?? false
            let found = Self.decode([String?].self, result.string(row, 4)) ?? []
            if kind == .doubled {
                (difference.expected, difference.found) = (1, found.first.flatMap(\.self).flatMap { Int($0) })
                return difference
            }
            let differs = Self.decode([Bool?].self, result.string(row, 2)) ?? []
            let expected = Self.decode([String?].self, result.string(row, 3)) ?? []
            for (place, name) in query.compared.enumerated() {
                let isShown = kind == .other ? differs.indices.contains(place) && differs[place] == true : showsValues
                guard isShown else { continue }
                var column = VerificationReport.Difference.Column(name: name)
                if showsValues, kind != .extra { column.expected = .some(expected[safely: place]) }
                if showsValues, kind != .missing { column.found = .some(found[safely: place]) }
                difference.columns.append(column)
            }
            return difference
        }
    }

    /// The message that a row names.
    private func message(_ query: DifferenceQuery, _ keys: [String?], _ kind: VerificationReport.Kind) -> String? {
        guard let place = query.place, kind != .extra else { return nil }
        func value(_ column: Int) -> String? {
            query.identity.firstIndex(of: column).flatMap { keys.indices.contains($0) ? keys[$0] : nil }
        }
        let topic: String?
        if let column = place.topic {
            topic = value(column)
        } else if case .name(let name)? = query.target.route.topics.first {
            topic = name
        } else {
            topic = nil
        }
        guard let topic, let partition = value(place.partition), let offset = value(place.offset) else { return nil }
        return "\(topic)[\(partition)]@\(offset)"
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ text: String?) -> Value? {
        text.flatMap { try? JSONDecoder().decode(type, from: Data($0.utf8)) }
    }
}

extension [String?] {
    fileprivate subscript(safely index: Int) -> String? { indices.contains(index) ? self[index] : nil }
}
