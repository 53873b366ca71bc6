import Foundation
import Loading
import Operating

extension StatusDocument.State {
    /// What stands at the top of the page: how it is, in words, and what to do.
    init(_ status: ServiceStatus) {
        switch status.condition {
        case .well: self = Self.well(status)
        case .catchingUp(let catchUp): self = Self.catchingUp(catchUp, status)
        case .waiting(let places, let since):
            let names = places.map(\.name).joined(separator: " and ")
            let time = since.formatted(Date.ISO8601FormatStyle().time(includingFractionalSeconds: false))
            self.init(
                level: "warn", title: "Waiting for \(names)",
                detail: "Since \(time.prefix(8)) UTC, "
                    + "for \(durationText(status.time.timeIntervalSince(since)) ?? "long"). Nothing is lost.",
                mend: "Bring \(places.count == 1 ? "it" : "them") back; the loader goes on by itself.")
        case .locked(let places):
            let time = (places.first?.since ?? status.time).formatted(
                Date.ISO8601FormatStyle().time(includingFractionalSeconds: false))
            self.init(
                level: "warn", title: "Waiting for a lock",
                detail: places.prefix(3).map { "\($0.place) is held by \($0.holder)" }.joined(separator: "; ")
                    + ". Since \(time.prefix(8)) UTC; nothing is away, and nothing is lost.",
                mend: "It goes on by itself once the lock is free. "
                    + places.prefix(3).map(\.mend.words).map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(
                        separator: " "))
        case .starting:
            self.init(level: "none", title: "Starting", detail: "The group has not assigned partitions yet.")
        case .standby:
            self.init(
                level: "none", title: "Standing by",
                detail: "The group has no partition for this member: it has more members than partitions, "
                    + "or the topics are not there yet.",
                mend: "`loader status` shows who has the partitions.")
        case .partly(let standstills):
            let more = standstills.count > 3 ? ", and \(standstills.count - 3) more" : ""
            self.init(
                level: "bad", title: "Not all is loaded",
                detail: standstills.prefix(3).map(\.obstacle).joined(separator: "; ") + more + ".",
                mend: "What goes on below says what to do about each; what is mended is loaded by itself.")
        case .stalled(let seconds):
            self.init(
                level: "bad", title: "Standing still",
                detail:
                    "\(grouped(Int(status.snapshot.lag))) messages are left, and for "
                    + "\(durationText(Double(seconds)) ?? "long") none was committed, although nothing is known to be away.",
                mend:
                    "See what its sessions wait for: `SELECT pid, state, wait_event_type, wait_event, pg_blocking_pids(pid) "
                    + "FROM pg_stat_activity WHERE application_name LIKE 'loader %'`")
        case .stopping(let reason):
            self.init(level: "warn", title: "Stopping", detail: "Because \(reason).")
        case .stuck:
            self.init(
                level: "bad", title: "Stuck",
                detail: "The loop has not turned for longer than max.poll.interval.ms.",
                mend: "Keep its log and restart it; nothing is lost.")
        }
    }

    private static func well(_ status: ServiceStatus) -> Self {
        let snapshot = status.snapshot
        let isQuiet = snapshot.lag == 0 && snapshot.pace.messagesPerSecond < 0.5
        var state = Self(
            level: "good", title: "Well",
            detail: isQuiet
                ? "All is loaded, and nothing new comes."
                : "It keeps up: \(rate(status)), lag \(grouped(Int(snapshot.lag))).")
        state.tellLetters(status)
        state.tellWarnings(status)
        return state
    }

    private static func catchingUp(_ catchUp: Pace.CatchUp, _ status: ServiceStatus) -> Self {
        let left = catchUp.secondsLeft.flatMap(durationText).map { ", \($0) left" } ?? ""
        let lag = grouped(Int(status.snapshot.lag))
        var state = Self(
            level: "busy", title: "Catching up",
            detail: "\(Int(catchUp.share * 100)) %, \(rate(status))\(left), lag \(lag).")
        state.tellLetters(status)
        state.tellWarnings(status)
        return state
    }

    private static func rate(_ status: ServiceStatus) -> String {
        "\(grouped(Int(status.snapshot.pace.messagesPerSecond.rounded()))) messages a second"
    }

    /// Nor is one with something that goes on, such as a server that cannot take a batch now.
    private mutating func tellWarnings(_ status: ServiceStatus) {
        let open = status.snapshot.incidents.filter(\.goesOn)
        guard let worst = open.max(by: { $0.level < $1.level }) else { return }
        level = worst.level > .warning ? "bad" : "warn"
        title = title.hasPrefix("Catching up") ? "Catching up, but not all is well" : "Not all is well"
        let more = open.count > 1 ? ", and \(open.count - 1) more" : ""
        detail = worst.summary.prefix(1).uppercased() + worst.summary.dropFirst() + more + ". " + detail
    }

    /// A loader that keeps up with messages half of which are bad is not well.
    private mutating func tellLetters(_ status: ServiceStatus) {
        let lately = status.snapshot.lately(at: status.time)
        guard lately.deadLetters > 0 else { return }
        let letters = "\(grouped(lately.deadLetters)) dead \(lately.deadLetters == 1 ? "letter" : "letters")"
        let share = status.badShare
        guard share >= ServiceStatus.bearableShare else {
            detail += " \(letters) in the last ten minutes."
            return
        }
        level = "warn"
        title += title == "Well" ? ", but for dead letters" : ", with dead letters"
        let percent = share < 0.1 ? (share * 1000).rounded() / 10 : (share * 100).rounded()
        detail +=
            " Of the last ten minutes' messages \(percent.formatted(.number.locale(Locale(identifier: "en_US")))) % "
            + "are bad: \(letters)."
        mend =
            "See them: "
            + (status.facts.hasDeadLetterTable
                ? "`loader dead-letters list --since 10m`"
                : "the topic of dead_letters.topic")
    }
}
