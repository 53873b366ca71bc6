/// Which keys may have been seen before, in a bounded memory: a bit for a hash of each, so that one that is new may look as if it
/// was not, and never the other way round.
///
/// One thread at a time.
package final class SeenKeys {
    /// 16 MiB: of ten million keys that are new seven in a hundred look as if they were not.
    private var bits = [UInt64](repeating: 0, count: 1 << 21)

    package init() {}

    /// Notes the keys of rows.
    ///
    /// - Returns: for each whether its key may have been seen before.
    func note(_ rows: [RowReference], _ target: Target, in sections: [Batch.Section]) -> [Bool] {
        var seen: [Bool] = []
        seen.reserveCapacity(rows.count)
        target.forEachKey(of: rows, in: sections) { key in
            let hash = KeyPrints.hash(key)
            let place = Int(truncatingIfNeeded: (hash ^ hash >> 32) & UInt64(bits.count * 64 - 1))
            let bit = UInt64(1) << UInt64(place & 63)
            seen.append(bits[place >> 6] & bit != 0)
            bits[place >> 6] |= bit
        }
        return seen
    }
}
