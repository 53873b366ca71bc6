import Records

/// The fields that no route of a topic takes: which they are, and which are new. In bounded memory, whatever the messages
/// bring: an object with ids for names neither fills it nor floods the log.
struct UnroutedFields {
    struct Known {
        /// The first values, for the type that a column would need.
        var profile: FieldProfile
        var presence = FieldPresence()
        /// Where it was seen first.
        var place: String
        /// Its place among all that were found.
        var number: Int
        /// Not there when the loader began.
        var isNew = false
        var isTold = false
        fileprivate var lastSeen = 0
    }

    /// What there is to say behind a look.
    struct News {
        /// What was there when the loader began, said once.
        var first: [[String]] = []
        var new: [[String]] = []
        /// What is no longer there.
        var gone: [[String]] = []
        /// There are more than can be named, said once.
        var hasMore = false

        var isEmpty: Bool { first.isEmpty && new.isEmpty && gone.isEmpty && !hasMore }
    }

    private(set) var known: [[String]: Known] = [:]
    /// Fields that are counted no further: too many, or their names look like values.
    private(set) var hasMore = false
    private var toldMore = false
    private var hasBegun = false
    private var newOnes = 0
    private var found = 0
    private var messages = 0
    private var seen: Set<[String]> = []
    /// What was told and has gone since, and is not told again.
    private var former: Set<[String]> = []

    /// Names that are kept.
    static let most = 64
    /// New ones are told at first sight; when there are so many, only what has come several times.
    static let freely = 8
    private static let severalTimes = 3
    /// New ones that are told at all.
    static let mostNew = 32
    /// Values that decide a type.
    private static let values = 100
    /// Messages in a row without a field that came so seldom that its absence proves nothing.
    private static let forgotten = 10_000

    /// Takes in a field of the message at hand.
    mutating func see(_ path: [String], _ field: Field, at place: @autoclosure () -> String, _ nested: NestedFields) {
        guard let name = path.last, FieldName.isShown(name) else {
            hasMore = true
            return
        }
        if known[path] == nil {
            guard known.count < Self.most || makeRoom() else {
                hasMore = true
                return
            }
            known[path] = Known(profile: FieldProfile(path: path), place: place(), number: found)
            found += 1
        }
        guard seen.insert(path).inserted, var entry = known[path] else { return }
        // The values are let go of before they change, or they would be copied each time.
        known[path]?.profile = FieldProfile(path: [])
        if entry.profile.present < Self.values { entry.profile.add(field, nested, depth: 2) }
        entry.lastSeen = messages
        known[path] = entry
    }

    /// The message at hand is over.
    mutating func endMessage() {
        messages += 1
        var index = known.startIndex
        while index != known.endIndex {
            _ = known.values[index].presence.look(isThere: seen.contains(known.keys[index]))
            known.formIndex(after: &index)
        }
        seen.removeAll(keepingCapacity: true)
    }

    /// What is to be said of the messages since the last time.
    mutating func news() -> News {
        var news = News()
        guard messages > 0 else { return news }
        for (path, entry) in known.sorted(by: { $0.value.number < $1.value.number }) {
            if entry.presence.isVanished || messages - entry.lastSeen > Self.forgotten {
                if entry.isTold {
                    news.gone.append(path)
                    if former.count < 2 * Self.most { former.insert(path) }
                }
                known[path] = nil
            } else if !entry.isTold {
                tell(path, entry, &news)
            }
        }
        hasBegun = true
        if hasMore, !toldMore {
            toldMore = true
            news.hasMore = true
        }
        return news
    }

    private mutating func tell(_ path: [String], _ entry: Known, _ news: inout News) {
        guard hasBegun, !former.contains(path) else {
            known[path]?.isTold = true
            if !hasBegun { news.first.append(path) }
            return
        }
        let wanted = newOnes < Self.freely ? 1 : Self.severalTimes
        guard entry.presence.seen >= wanted else { return }
        guard newOnes < Self.mostNew else {
            hasMore = true
            return
        }
        newOnes += 1
        known[path]?.isTold = true
        known[path]?.isNew = true
        news.new.append(path)
    }

    /// Forgets what a route takes by now.
    mutating func forget(_ isTaken: ([String]) -> Bool) -> [[String]] {
        let taken = known.filter { isTaken($0.key) }.sorted { $0.value.number < $1.value.number }
        for (path, _) in taken { known[path] = nil }
        return taken.filter(\.value.isTold).map(\.key)
    }

    /// Forgets the name that has the least claim, as one of a map's ids.
    private mutating func makeRoom() -> Bool {
        let least = known.filter { !$0.value.isTold && !seen.contains($0.key) }
            .min { ($0.value.presence.seen, $0.value.lastSeen) < ($1.value.presence.seen, $1.value.lastSeen) }
        guard let least else { return false }
        hasMore = true
        known[least.key] = nil
        return true
    }
}
