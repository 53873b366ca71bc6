/// Which rows to try next, until all are in but those that the server refuses.
///
/// The row that COPY names is taken as a hint: what stands before it goes in, then it is tried by itself, and only a row
/// that fails alone is guilty. Where no row is named, the part that was refused is halved until one row is left.
package struct RefusalSearch: Sendable, Equatable {
    private let count: Int
    /// What stands before is in, or guilty.
    private(set) var position = 0
    /// The row that was named.
    private var hinted: Int?
    /// Where the last part that was refused without a name ends: there is a guilty row before.
    private var suspectsEnd: Int?

    package init(count: Int) { self.count = count }

    package var isDone: Bool { position == count }
    /// Whether a refusal is being looked into, so that another one need be none of another row's.
    var isSearching: Bool { hinted != nil || suspectsEnd != nil }

    /// The rows to try together.
    ///
    /// - Parameter chunk: how many at most, while nothing is looked for.
    package func part(upTo chunk: Int) -> Range<Int> {
        if let hinted { return position..<max(hinted, position + 1) }
        if let suspectsEnd { return position..<position + max(1, (suspectsEnd - position) / 2) }
        return position..<min(position + chunk, count)
    }

    /// The rows that come next, whatever is looked for.
    func next(upTo most: Int) -> Range<Int> { position..<min(position + most, count) }

    package mutating func loaded(_ part: Range<Int>) {
        position = part.upperBound
        if let end = suspectsEnd, end <= position { suspectsEnd = nil }
        if let row = hinted, row < position { hinted = nil }
    }

    /// - Parameter named: the row that the server named, if it named one.
    /// - Returns: the guilty row, if it is found.
    package mutating func refused(_ part: Range<Int>, naming named: Int?) -> Int? {
        if part.count == 1 {
            position = part.upperBound
            (hinted, suspectsEnd) = (nil, nil)
            return part.lowerBound
        }
        if let named, part.contains(named) {
            hinted = named
        } else {
            (hinted, suspectsEnd) = (nil, part.upperBound)
        }
        return nil
    }
}
