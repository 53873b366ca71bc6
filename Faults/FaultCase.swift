import Foundation
import Kafka
import Postgres
import TestSupport

/// One way of trying to make the loader lose or double something.
protocol FaultCase: Sendable {
    /// As `--case` takes it, such as `kill-bounce`.
    var name: String { get }
    /// What happens, in a line of the table.
    var summary: String { get }
    /// Whether it runs only when it is asked for.
    var isLong: Bool { get }
    /// What it needs of Kafka.
    var need: ClusterNeed { get }
    /// How many faults must have fired at least, or the run has proved nothing.
    func least(_ scale: FaultScale) -> FaultCounts
    /// Breaks things, and compares.
    ///
    /// - Throws: what made the case impossible to carry out. What it finds goes into the report.
    func run(_ context: FaultContext) async throws -> FaultReport
}

extension FaultCase {
    var isLong: Bool { false }
    var need: ClusterNeed { .any }
}

/// How much of each case is run.
enum FaultScale: String, Codable, Sendable {
    /// Every case with small figures, for each change.
    case slice
    /// The published figures.
    case full
}

/// Faults by kind, and how many of them met rows still to load.
struct FaultCounts: Sendable, Codable, Equatable {
    var kinds: [String: Int] = [:]
    var midRun = 0

    var total: Int { kinds.values.reduce(0, +) }

    mutating func count(_ kind: String, midRun isMidRun: Bool = false) {
        kinds[kind, default: 0] += 1
        if isMidRun { midRun += 1 }
    }

    static func += (left: inout FaultCounts, right: FaultCounts) {
        left.kinds.merge(right.kinds, uniquingKeysWith: +)
        left.midRun += right.midRun
    }

    /// What is short of `least`, each with its figures.
    func shortfalls(of least: FaultCounts) -> [String] {
        var shortfalls = least.kinds.sorted { $0.key < $1.key }.compactMap { kind, count -> String? in
            let fired = kinds[kind] ?? 0
            return fired < count ? "\(kind): \(fired) fired, at least \(count) were to" : nil
        }
        if midRun < least.midRun { shortfalls.append("mid-run: \(midRun), at least \(least.midRun) were to be") }
        return shortfalls
    }
}

/// What came of a case.
struct FaultReport: Sendable, Codable {
    var faults = FaultCounts()
    var messages = 0
    var rows = 0
    var lost = 0
    var doubled = 0
    var outOfOrder = 0
    /// Rows with another value than their message's, and rows of no message.
    var wrong = 0
    var deadLettersExpected = 0
    var deadLettersFound = 0
    /// From each fault until rows went in again, in seconds; where a case measures something else, its notes say so.
    var recoveries: [Double] = []
    var notes: [String] = []
    /// Everything that was not as promised.
    var failures: [String] = []

    /// Adds what a comparison has found.
    mutating func add(_ comparison: TableComparison, of what: String = "") {
        messages += comparison.messages
        rows += comparison.rows
        lost += comparison.lost.count
        doubled += comparison.doubled.count
        outOfOrder += comparison.outOfOrder.count
        wrong += comparison.wrong.count + comparison.foreign.count
        deadLettersExpected += comparison.deadLettersExpected
        deadLettersFound += comparison.deadLettersFound
        if !comparison.isExact { failures.append(what.isEmpty ? "\(comparison)" : "\(what): \(comparison)") }
    }

    /// Adds another part of the same case.
    mutating func add(_ other: FaultReport) {
        faults += other.faults
        messages += other.messages
        rows += other.rows
        lost += other.lost
        doubled += other.doubled
        outOfOrder += other.outOfOrder
        wrong += other.wrong
        deadLettersExpected += other.deadLettersExpected
        deadLettersFound += other.deadLettersFound
        recoveries += other.recoveries
        notes += other.notes.filter { !notes.contains($0) }
        failures += other.failures
    }

    /// Notes a promise that was not kept.
    mutating func expect(_ isKept: Bool, _ failure: @autoclosure () -> String) {
        if !isKept { failures.append(failure()) }
    }

    /// Notes a promise that was not kept, if there is one.
    mutating func add(failure: String?) {
        if let failure { failures.append(failure) }
    }

    /// Compares the landing's table with its topic, and the group's offsets with the ledger.
    mutating func add(_ landing: Landing, comparingGroup: Bool = true) async throws {
        add(try landing.compare(), of: landing.topic)
        if comparingGroup, let difference = try await landing.groupDifference() {
            failures.append("the group does not follow the ledger: \(difference)")
        }
    }
}
