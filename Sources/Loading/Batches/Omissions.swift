/// The sets of columns that a section's rows leave to their defaults, each set once.
///
/// A row names its set by number; 0 is the empty one. There may be as many sets as rows, so finding one is a look into a
/// hash table, and none of it allocates but to grow.
package struct Omissions {
    /// 64 columns that may be left out a word.
    let wordCount: Int
    /// The sets one behind the other.
    private var words: [UInt64]
    /// Numbers of sets, by the hash of their words; -1 where there is none.
    private var slots: [Int32] = []
    private(set) var count = 1

    /// - Parameter columns: how many columns may be left out.
    init(columns: Int) {
        wordCount = (columns + 63) / 64
        words = Array(repeating: 0, count: wordCount)
    }

    var byteCount: Int { (words.count + slots.count / 2) * 8 }

    mutating func removeAll() {
        words.removeSubrange(wordCount...)
        for index in slots.indices { slots[index] = -1 }
        count = 1
    }

    /// The number of a set that is not empty.
    mutating func number(of set: UnsafeBufferPointer<UInt64>) -> Int32 {
        if 2 * count >= slots.count { grow() }
        var slot = Self.hash(set) & (slots.count - 1)
        while slots[slot] >= 0 {
            if isEqual(set, Int(slots[slot])) { return slots[slot] }
            slot = (slot + 1) & (slots.count - 1)
        }
        words.append(contentsOf: set)
        slots[slot] = Int32(count)
        count += 1
        return Int32(count - 1)
    }

    subscript(set: Int32) -> ArraySlice<UInt64> { words[Int(set) * wordCount..<(Int(set) + 1) * wordCount] }

    @inline(__always)
    package func contains(_ set: Int32, _ bit: Int) -> Bool {
        words[Int(set) * wordCount + bit >> 6] & (1 << UInt64(bit & 63)) != 0
    }

    private func isEqual(_ set: UnsafeBufferPointer<UInt64>, _ number: Int) -> Bool {
        for index in 0..<wordCount where words[number * wordCount + index] != set[index] { return false }
        return true
    }

    private mutating func grow() {
        slots = Array(repeating: -1, count: max(64, slots.count * 2))
        for number in 1..<max(1, count) {
            let hash = words.withUnsafeBufferPointer {
                Self.hash(UnsafeBufferPointer(rebasing: $0[number * wordCount..<(number + 1) * wordCount]))
            }
            var slot = hash & (slots.count - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = Int32(number)
        }
    }

    /// Seeded at random by the process: the messages decide what is hashed.
    private static func hash(_ set: UnsafeBufferPointer<UInt64>) -> Int {
        var hasher = Hasher()
        for word in set { hasher.combine(word) }
        return hasher.finalize() & Int.max
    }
}
