/// What a key's messages come to in their order, where each changes or deletes only what is older, whatever the table has.
///
/// It is found without a look at the table. The rows that a stretch of messages touches at all are those older than the newest of
/// them; so a deletion that is newer than everything before it takes all of that along, and what follows it meets no row.
struct VersionedChanges {
    struct Event {
        var row: RowReference
        /// Grows with the version; 0 of one that says nothing, and that is newer only than what says nothing either. Of a deletion that is
        /// carried out whatever is there, more than of all others.
        var rank: Int
        var isDeletion: Bool
    }

    /// Carried out before the steps, and like them only on what is older.
    private(set) var deletion: RowReference?
    /// What the deletion stands for beside itself: what it takes along, and later deletions that find nothing.
    private(set) var deleted: [RowReference] = []
    /// Changes behind one another, each of several rows that go in together or not at all.
    private(set) var steps: [[RowReference]] = []
    /// What changes nothing, whatever the table has: an earlier one is as new.
    private(set) var stale: [RowReference] = []

    /// - Parameter events: in the order of arrival.
    init(_ events: [Event]) {
        /// Of the deletion, and of the newest event so far: what is older than that was touched.
        var (rankOfDeletion, newest) = (-1, -1)
        var chain: [Event] = []
        for event in events {
            let follows = chain.last.map { event.rank > $0.rank || event.rank == 0 && $0.rank == 0 }
            if !event.isDeletion {
                guard follows ?? true else {
                    stale.append(event.row)
                    continue
                }
                chain.append(event)
                newest = max(newest, event.rank)
            } else if event.rank > newest || event.rank == 0 && newest == 0 || event.rank == .max {
                if let deletion { deleted.append(deletion) }
                deleted += chain.lazy.map(\.row)
                (deletion, rankOfDeletion, newest) = (event.row, event.rank, event.rank)
                chain = []
            } else if follows ?? true {
                // The row came behind the deletion that stands, and is older than it; or there is none.
                deleted += chain.lazy.map(\.row)
                deleted.append(event.row)
                chain = []
            } else {
                stale.append(event.row)
            }
        }
        for event in chain {
            // What is not newer than the deletion goes in only behind it, so all of it does.
            let joins = steps.isEmpty ? false : event.rank <= rankOfDeletion || event.rank == 0
            if joins { steps[steps.count - 1].append(event.row) } else { steps.append([event.row]) }
        }
    }
}
