import Kafka

@testable import Loading

/// Clients that forget a partition, and how a running loader finds out: what `StallWatch` suspects and `StallProof` does. Time is
/// left out: what stands still is suspected at any moment.
extension World {
    /// What a member may suspect.
    func suspects(_ number: Int) -> [StallWatch.Suspect] {
        let process = processes[number]
        guard mutant != .stallNotWatched, let member = process.member, !member.isProving, member.pending.isEmpty else {
            return []
        }
        return member.partitions.filter { partition in
            partition.next < partition.end && !partition.isFinished && partition.hold == .none
                && process.isForgotten[Int(partition.partition.partition)]
        }.map { StallWatch.Suspect(partition: $0.partition, next: $0.next, end: $0.end) }
    }

    mutating func askForSuspects(_ number: Int) {
        guard case .asked(let suspects) = processes[number].stall else { return }
        let answer = suspects.filter { suspect in
            let log = logs[Int(suspect.partition.partition)]
            return !log.isGone && !areBrokersAway && log.low <= suspect.next && suspect.next < log.end
        }
        processes[number].stall = .answered(answer)
    }

    mutating func hearSuspects(_ number: Int) {
        guard case .answered(let found) = processes[number].stall else { return }
        processes[number].stall = nil
        processes[number].renewal = true
        handle(number, .stalled(asked: found, found))
    }
}
