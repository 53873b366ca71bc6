import Records

/// Whether a field's values are of another kind than they were. Single odd ones are none of its business: those are dead
/// letters, or fit.
package struct FieldKinds {
    package enum Kind: Int, CaseIterable, Sendable {
        case boolean, number, string, array, object

        /// What the value would be in JSON; nil for a field that has none.
        package init?(_ kind: Field.Kind) {
            switch kind {
            case .absent, .null: return nil
            case .false, .true: self = .boolean
            case .number, .integer, .unsigned, .double, .float, .decimal: self = .number
            case .string, .bytes, .day, .timeOfDay, .instant, .localTime, .interval, .uuid, .symbol: self = .string
            case .array, .list: self = .array
            case .object, .record: self = .object
            }
        }

        /// As JSON calls it.
        package var name: String { "\(self)" }
    }

    enum Event: Equatable {
        case changed(from: Kind, to: Kind)
        /// The values are again what they were.
        case back
    }

    /// The change that stands.
    private(set) var change: (from: Kind, to: Kind)?
    /// The last values, the oldest at `next` once there are so many.
    private var recent: [Kind] = []
    private var next = 0
    private var recentCounts = Counts()
    /// Those before.
    private var formerCounts = Counts()

    package struct Counts: Equatable {
        private var values = [Int](repeating: 0, count: Kind.allCases.count)
        package private(set) var all = 0

        package init() {}

        package subscript(_ kind: Kind) -> Int { values[kind.rawValue] }

        package mutating func add(_ kind: Kind, _ count: Int = 1) {
            values[kind.rawValue] += count
            all += count
        }

        mutating func halve() {
            for index in values.indices { values[index] /= 2 }
            all = values.reduce(0, +)
        }

        /// Kinds that are more than an exception.
        func isUsual(_ kind: Kind) -> Bool { self[kind] * 20 > all }

        package var most: Kind? { all == 0 ? nil : Kind.allCases.max { self[$0] < self[$1] } }
    }

    static let window = 32
    /// Of a window: nearly all.
    private static let most = 24
    /// Of what came before, so that it can be called what it was.
    private static let fewest = 8
    private static let memory = 1 << 16

    mutating func look(_ kind: Kind) -> Event? {
        if recent.count < Self.window {
            recent.append(kind)
        } else {
            let oldest = recent[next]
            recent[next] = kind
            next = (next + 1) % Self.window
            recentCounts.add(oldest, -1)
            // While a change stands, what was before it is kept for comparison.
            if change == nil { formerCounts.add(oldest) }
            if formerCounts.all >= Self.memory { formerCounts.halve() }
        }
        recentCounts.add(kind)
        return judge(kind)
    }

    private mutating func judge(_ kind: Kind) -> Event? {
        if let change {
            let usual = Kind.allCases.filter { formerCounts.isUsual($0) }.reduce(0) { $0 + recentCounts[$1] }
            if usual >= Self.most {
                // It has happened once, and is no news the next time.
                formerCounts.add(change.to, formerCounts.all)
                self.change = nil
                return .back
            }
            guard kind != change.to else { return nil }
        }
        guard Self.isChange(to: kind, recentCounts[kind], of: Self.window, before: formerCounts),
            let from = change?.to ?? formerCounts.most
        else { return nil }
        change = (from, kind)
        return .changed(from: from, to: kind)
    }

    /// Whether nearly all new values are of a kind that the former ones were not.
    package static func isChange(to kind: Kind, _ count: Int, of values: Int, before: Counts) -> Bool {
        before.all >= fewest && values >= fewest && count * window >= values * most && !before.isUsual(kind)
    }
}
