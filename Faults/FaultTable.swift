import Foundation

/// The outcomes as a table in Markdown, as docs/reliability.md has it.
enum FaultTable {
    static func lines(_ outcomes: [FaultRunner.Outcome]) -> [String] {
        [
            "| Case | What happens | Faults fired | Mid-run | Messages | Lost | Doubled | Out of order | Wrong | Dead letters | Recovery, s: median / max | Result |",
            "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        ]
            + outcomes.map { outcome in
                let report = outcome.report
                let cells = [
                    "`\(outcome.name)`", outcome.summary, faults(report), "\(report.faults.midRun)",
                    "\(report.messages)", "\(report.lost)", "\(report.doubled)", "\(report.outOfOrder)",
                    "\(report.wrong)", "\(report.deadLettersFound) of \(report.deadLettersExpected)",
                    recovery(report.recoveries), outcome.hasPassed ? "passed" : "**failed**",
                ]
                return "| " + cells.joined(separator: " | ") + " |"
            }
    }

    static func faults(_ report: FaultReport) -> String {
        let kinds = report.faults.kinds.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        return kinds.isEmpty ? "none" : kinds.joined(separator: ", ")
    }

    static func recovery(_ seconds: [Double]) -> String {
        let sorted = seconds.sorted()
        guard let last = sorted.last else { return "–" }
        return String(format: "%.2f / %.2f", sorted[(sorted.count - 1) / 2], last)
    }
}
