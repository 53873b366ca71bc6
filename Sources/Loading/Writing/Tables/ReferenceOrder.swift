import Postgres

/// In which order tables are written so that foreign keys between them bear it: rows into those that others refer to before
/// those, and deletions the other way round.
struct ReferenceOrder {
    /// Places among the targets, those that others refer to first; where none refers to another, as they come.
    let upwards: [Int]
    /// Whether others refer to the target in that place.
    let isReferred: [Bool]

    init(_ targets: [Target]) {
        let names = targets.map(\.table.name)
        // For each the places that it refers to. A table that refers to itself has no better order.
        let parents = targets.indices.map { place in
            targets.indices.filter { other in
                names[other] != names[place] && targets[place].foreignKeys.contains { $0.parent == names[other] }
            }
        }
        var isReferred = targets.map { _ in false }
        for place in parents.joined() { isReferred[place] = true }
        self.isReferred = isReferred
        var upwards: [Int] = []
        var isDone = targets.map { _ in false }
        while upwards.count < targets.count {
            // In a ring of tables whichever comes first.
            let next =
                targets.indices.first { place in !isDone[place] && parents[place].allSatisfy { isDone[$0] } }
                ?? targets.indices.first { !isDone[$0] }
            guard let next else { break }
            isDone[next] = true
            upwards.append(next)
        }
        self.upwards = upwards
    }

    /// Whether any order is as good as another.
    var isFree: Bool { !isReferred.contains(true) }
}
