import Kafka

@testable import Loading

/// A rule of delivery, broken on purpose where the loader's decision is asked or carried out. Each must be found.
enum Mutant: String, Sendable, CaseIterable {
    /// A batch goes in wherever its position is by now.
    case fenceOff
    /// Offsets are committed to the group without metadata.
    case markNotWritten
    /// The group hears of a batch as soon as a writer has it.
    case groupBeforeCommit
    /// Where the ledger and the group differ, the group's offset counts.
    case groupBeatsLedger
    /// The group's offset is taken for the loader's own, whatever its metadata says.
    case resetIgnored
    /// The group gets the mark before the ledger follows a reset.
    case markBeforeLedger
    /// The group does not get the mark before the first batch behind a reset.
    case resetNotMarked
    /// A COMMIT without an answer is taken for done.
    case unknownTakenForDone
    /// A COMMIT without an answer is taken for failed, and the rows go in once more.
    case unknownTakenForFailed
    /// Of two batches of a writer the younger goes in first.
    case youngerFirst
    /// What has a head start is committed before its turn.
    case headStartCommits
    /// Partitions are given back while a batch of them is under way.
    case revokedAtOnce
    /// A member goes on with what the group has given to another.
    case lossIgnored
    /// The client goes on at the first message that there is, where those before it are gone.
    case retentionUnnoticed
    /// The offsets of a loader of another database are taken for this one's.
    case otherLedgerTakenForOurs
    /// What a restored database lacks is not loaded again.
    case dumpNotLoadedAgain
    /// A partition that is added begins where `auto_offset_reset` says.
    case newPartitionAtEnd
    /// What is handed out twice is taken twice.
    case repetitionTaken
    /// Behind a fence the position is not read again.
    case positionNotReadAgain
    /// Several commits are on their way to the group, and one that failed is sent again behind the next.
    case commitsOvertake
    /// What another member has written first takes the place of what the group was set to.
    case adoptionOvertaken

    /// What is handed over before it is heard that the batch in front was refused goes in all the same.
    case failureUnheard
    /// A part of a batch moves the positions as far as the whole.
    case partMovesAll
    /// Rows of a head start are committed without the fence.
    case headStartUnfenced
    /// A batch does not write along where its partition goes on behind what is loaded again.
    case detourForgotten
    /// A partition goes on before all is loaded again that was to be.
    case resumedEarly
    /// The message before the position is not compared with the one that was loaded.
    case topicNotCompared
    /// Another client takes over with batches under way.
    case replacedAtOnce
    /// A position that was left and reached again counts as one that nobody has moved.
    case versionIgnored
    /// Who finds a reason to stop does not look whether another member has moved the position meanwhile.
    case stopNotVerified

    /// Messages that were loaded are never read again.
    case topicNotWatched
    /// What was shown last is not written along with a position.
    case provenNotKept
    /// Of a topic that took another's place all counts as not loaded.
    case narrowingForgotten
    /// Who stops for lost offsets does not write down which messages of the new topic may be in.
    case mixedNotRemembered
    /// Where nothing comes the ledger is not looked at.
    case ledgerNotWatched
    /// A partition that stands still is not suspected.
    case stallNotWatched

    /// Alters what was decided about where partitions begin.
    func alter(_ starts: inout [TopicPartition: StartPosition], _ decision: StartDecision) {
        for (partition, start) in starts {
            let position = decision.ledger[partition]?.next
            let told = decision.groups[partition]?.offset
            switch self {
            case .groupBeatsLedger:
                if let position, let told, start.step == .none, told != position {
                    starts[partition] = StartPosition(offset: told, step: .reset(from: position), needsMark: true)
                }
            case .dumpNotLoadedAgain:
                if let position, let told, start.step == .none, told > position {
                    starts[partition] = StartPosition(offset: told, step: .skip(from: position), needsMark: true)
                }
            case .resumedEarly:
                if let detour = start.detour, let position {
                    starts[partition] = StartPosition(
                        offset: detour.resume, step: .resume(from: position), needsMark: false)
                }
            case .newPartitionAtEnd:
                if start.step == .insert, let end = decision.watermarks[partition]?.high {
                    starts[partition]?.offset = end
                }
            default: break
            }
        }
    }
}
