/// The one of `names` that a mistyped name was most likely meant to be; nil if none is near.
public func nearest(to name: String, in names: some Sequence<String>) -> String? {
    let mistyped = Array(name.lowercased().utf8)
    var best: (name: String, distance: Int)?
    for candidate in names {
        let distance = editDistance(mistyped, Array(candidate.lowercased().utf8))
        if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(2, mistyped.count / 3) else { return nil }
    return best.name
}

/// Levenshtein's distance, with two neighbours swapped counted as one step.
package func editDistance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    if first.isEmpty || second.isEmpty { return max(first.count, second.count) }
    var beforeLast: [Int] = []
    var last = Array(0...second.count)
    for row in 1...first.count {
        var current = [row]
        for column in 1...second.count {
            let change = last[column - 1] + (first[row - 1] == second[column - 1] ? 0 : 1)
            var cost = min(change, last[column] + 1, current[column - 1] + 1)
            if row > 1, column > 1, first[row - 1] == second[column - 2], first[row - 2] == second[column - 1] {
                cost = min(cost, beforeLast[column - 2] + 1)
            }
            current.append(cost)
        }
        beforeLast = last
        last = current
    }
    return last[second.count]
}
