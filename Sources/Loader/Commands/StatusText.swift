import Foundation
import Kafka
import Loading
import Operating

/// A position report for people and for machines.
enum StatusText {
    static func exitStatus(_ report: PositionReport) -> ExitStatus {
        if report.problems.contains(where: { $0.isOutage }) { return .unavailable }
        let isStopped = report.partitions.contains { $0.finding.severity == .stops }
        return isStopped || !report.problems.isEmpty ? .configuration : .done
    }

    /// Partitions beyond which those that are well are left out.
    private static let few = 32

    /// - Parameters:
    ///   - running: what a loader that runs says; nil: none was asked.
    ///   - before: the reading before this one, for the rate.
    static func lines(
        _ report: PositionReport, _ running: RunningLoader? = nil, before: PositionReport? = nil, all: Bool = false
    ) -> [String] {
        var lines = [head(report)]
        for member in report.members?.members ?? [] {
            let count = member.assignment.count
            lines.append(
                "  \(member.instanceID ?? member.clientID) at \(member.host): \(count) partition\(count == 1 ? "" : "s")"
            )
        }
        lines.append("")
        let shown = report.partitions.filter { all || report.partitions.count <= few || $0.finding.code != .ok }
        let hidden = report.partitions.count - shown.count
        // A topic of hundreds of partitions that never began is one finding, not a screen full of rows.
        let rows = all ? shown : Array(shown.prefix(few))
        if !rows.isEmpty {
            let header = ["partition", "ledger", "group", "low", "high", "lag", "moved", "member", "state"]
            lines += TextTable.lines([header] + rows.map { row($0, at: report.readAt) }, numbers: [1, 2, 3, 4, 5])
        }
        if hidden > 0 { lines.append("\(hidden) more partitions are well (--all shows them)") }
        if shown.count > rows.count { lines.append("\(shown.count - rows.count) more partitions (--all shows them)") }
        lines.append(total(report, before: before))
        if let count = report.deadLetters, count > 0 {
            lines.append("\(count) dead letter\(count == 1 ? "" : "s"): `loader dead-letters list`")
        }
        if let running { lines += [""] + running.lines }
        let remarks = remarks(report)
        if !remarks.isEmpty { lines += [""] + remarks }
        return lines
    }

    private static func head(_ report: PositionReport) -> String {
        let group: String
        if let members = report.members {
            group =
                members.isRunning && members.members.isEmpty
                ? "\(members.state), with members that librdkafka \(KafkaLibrary.versionString) cannot name"
                : members.members.isEmpty
                    // "Dead" is what Kafka calls a group that it does not know.
                    ? "no loader is running (\(members.state == "Dead" ? "no such group yet" : members.state))"
                    : "\(members.state), \(members.members.count) member\(members.members.count == 1 ? "" : "s")"
        } else {
            group = "members not known"
        }
        let ledger =
            report.delivery == .atLeastOnce
            ? "no ledger (at_least_once)" : report.ledger.map { "ledger \($0)" } ?? "ledger not known"
        return "group \(report.group): \(group); \(ledger)"
    }

    private static func row(_ partition: PositionReport.Partition, at now: Int64) -> [String] {
        func text(_ number: Int64?) -> String { number.map(String.init) ?? "-" }
        return [
            "\(partition.partition)", text(partition.ledger), text(partition.group?.offset),
            text(partition.watermarks?.low), text(partition.watermarks?.high), text(partition.lag),
            partition.updatedAt.map { age(now - $0) } ?? "-", partition.member ?? "-", partition.finding.code.rawValue,
        ]
    }

    private static func total(_ report: PositionReport, before: PositionReport?) -> String {
        let known = report.partitions.filter { $0.lag != nil }.count
        var text = "lag \(report.lag) in \(report.partitions.count) partitions"
        if known < report.partitions.count { text += ", \(report.partitions.count - known) of them not known" }
        guard let before, report.readAt > before.readAt else { return text }
        let earlier = Dictionary(
            before.partitions.map { ($0.partition, $0.ledger ?? $0.group?.offset) }, uniquingKeysWith: { $1 })
        let loaded = report.partitions.reduce(Int64(0)) { sum, partition in
            guard let now = partition.ledger ?? partition.group?.offset, let then = earlier[partition.partition] ?? nil
            else { return sum }
            return sum + max(0, now - then)
        }
        let rate = Double(loaded) * 1000 / Double(report.readAt - before.readAt)
        text += ", \(Int(rate.rounded())) messages a second"
        if rate >= 1, report.lag > 0 { text += ", \(duration(Int64(Double(report.lag) / rate))) left" }
        return text
    }

    /// What is not as it should be, each kind once for a topic.
    private static func remarks(_ report: PositionReport) -> [String] {
        var lines = report.problems.map { "problem: \($0.message)" + ($0.next.isEmpty ? "" : "\n  next: \($0.next)") }
        lines += report.locks.map { lock in
            "locked: \(lock.place) is locked by \(lock.who); a loader waits until it is free\n  next: \(lock.mend.words)"
        }
        let findings = report.partitions.filter { !$0.finding.message.isEmpty }
        let kinds = Dictionary(grouping: findings) { "\($0.finding.code.rawValue) \($0.partition.topic)" }
        for (_, same) in kinds.sorted(by: { $0.value[0].partition < $1.value[0].partition }) {
            let finding = same[0].finding
            var text = "\(finding.severity == .stops ? "STOPS" : "note"): \(finding.message)"
            if same.count > 1 { text += " (and \(same.count - 1) more partitions of \(same[0].partition.topic))" }
            if !finding.next.isEmpty { text += "\n  next: \(finding.next)" }
            lines.append(text)
        }
        return lines
    }

    /// `3s ago`
    static func age(_ milliseconds: Int64) -> String { duration(max(0, milliseconds / 1000)) + " ago" }

    private static func duration(_ seconds: Int64) -> String {
        switch seconds {
        case ..<120: "\(seconds)s"
        case ..<7200: "\(seconds / 60)m"
        case ..<172_800: "\(seconds / 3600)h"
        default: "\(seconds / 86_400)d"
        }
    }

    // MARK: JSON

    private struct Report: Encodable {
        struct Member: Encodable {
            var id: String
            var clientId: String
            var host: String
            var instanceId: String?
            var partitions: [String]
        }

        struct Partition: Encodable {
            var topic: String
            var partition: Int32
            var ledgerOffset: Int64?
            var loadedAt: String?
            var groupOffset: Int64?
            var groupMetadata: String?
            var low: Int64?
            var high: Int64?
            var lag: Int64?
            var startsAt: Int64?
            var member: String?
            var finding: String
            var severity: String
            var message: String?
            var next: String?
        }

        struct Problem: Encodable {
            var message: String
            var next: String
        }

        struct Lock: Encodable {
            var at: String
            var heldBy: String
            var next: String
        }

        var group: String
        var delivery: String
        var state: String?
        var ledger: String?
        var lag: Int64
        var deadLetters: Int64?
        var members: [Member]
        var partitions: [Partition]
        var problems: [Problem]
        var locks: [Lock]
        var loader: RunningLoader.Report?
        var exitStatus: Int32
    }

    static func json(_ report: PositionReport, _ running: RunningLoader? = nil, pretty: Bool) -> String {
        jsonText(
            Report(
                group: report.group, delivery: report.delivery.rawValue, state: report.members?.state,
                ledger: report.ledger, lag: report.lag, deadLetters: report.deadLetters,
                members: (report.members?.members ?? []).map { member in
                    Report.Member(
                        id: member.id, clientId: member.clientID, host: member.host, instanceId: member.instanceID,
                        partitions: member.assignment.map(\.description))
                },
                partitions: report.partitions.map { partition in
                    let finding = partition.finding
                    return Report.Partition(
                        topic: partition.partition.topic, partition: partition.partition.partition,
                        ledgerOffset: partition.ledger, loadedAt: partition.updatedAt.map(timeText),
                        groupOffset: partition.group?.offset, groupMetadata: partition.group?.metadata,
                        low: partition.watermarks?.low, high: partition.watermarks?.high, lag: partition.lag,
                        startsAt: partition.start, member: partition.member, finding: finding.code.rawValue,
                        severity: finding.severity.rawValue, message: finding.message.isEmpty ? nil : finding.message,
                        next: finding.next.isEmpty ? nil : finding.next)
                },
                problems: report.problems.map { Report.Problem(message: $0.message, next: $0.next) },
                locks: report.locks.map { Report.Lock(at: $0.place, heldBy: $0.who, next: $0.mend.words) },
                loader: running.map { RunningLoader.Report($0) }, exitStatus: exitStatus(report).rawValue),
            pretty: pretty)
    }
}

/// A value as JSON with `snake_case` names.
func jsonText(_ value: some Encodable, pretty: Bool) -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    // Only numbers that are not finite fail, and no output has any.
    guard let data = try? encoder.encode(value) else { return "{}" }
    return String(decoding: data, as: UTF8.self)
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
func timeText(_ milliseconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(milliseconds) / 1000)
        .formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
}
