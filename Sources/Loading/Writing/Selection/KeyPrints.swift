/// The keys of a batch's rows, for the batch behind it: what will be in the tables by its turn, whatever they hold now.
///
/// Hashes of them, so that they cost little to make and to keep. Two keys that look the same cost a row its shorter way.
struct KeyPrints {
    /// The number of the tables that the rows were built for: what a key's bytes are depends on its columns.
    let tables: Int
    private var ofTargets: [Int: OfTarget] = [:]

    private struct OfTarget {
        /// By the rows' places in their section, of which a target has one.
        var ofRows: [UInt32] = []
        let section: Int32?
        /// The same in a table with open addressing; 0 is no print.
        var known: [UInt32]

        init(_ rows: [RowReference], _ target: Target, in sections: [Batch.Section]) {
            var size = 64
            while size < rows.count * 2 { size *= 2 }
            known = [UInt32](repeating: 0, count: size)
            section = rows.first?.section
            ofRows.reserveCapacity(rows.count)
            target.forEachKey(of: rows, in: sections) { key in
                let print = KeyPrints.print(key)
                ofRows.append(print)
                var place = Int(print) & (size - 1)
                while known[place] != 0, known[place] != print { place = (place + 1) & (size - 1) }
                known[place] = print
            }
        }

        func contains(_ print: UInt32) -> Bool {
            var place = Int(print) & (known.count - 1)
            while known[place] != 0 {
                if known[place] == print { return true }
                place = (place + 1) & (known.count - 1)
            }
            return false
        }
    }

    /// Of the rows whose tables let the batch behind ask early. To be made while nobody else has the batch.
    init(_ batch: Batch, _ targets: [Target]) {
        tables = batch.tables.number
        for target in targets where target.tellsKeysEarly {
            let rows = RowSelection(batch: batch, target: target, deletions: false).rows
            if !rows.isEmpty { ofTargets[target.index] = OfTarget(rows, target, in: batch.sections) }
        }
    }

    /// Marks those rows as found whose keys the batch before has.
    ///
    /// - Parameters:
    ///   - rows: of the batch that these are the prints of, or folded from several.
    ///   - before: of the batch before.
    func mark(_ rows: [RowReference], of source: RowSource, behind before: KeyPrints, in found: inout [Bool]) {
        guard let known = before.ofTargets[source.target.index], let own = ofTargets[source.target.index] else {
            return
        }
        for (position, row) in rows.enumerated() where !found[position] {
            if row.section == own.section {
                found[position] = known.contains(own.ofRows[Int(row.row)])
            } else {
                source.target.forEachKey(of: [row], in: source.sections) { key in
                    found[position] = known.contains(Self.print(key))
                }
            }
        }
    }

    private static func print(_ key: UnsafeRawBufferPointer) -> UInt32 {
        let hash = hash(key)
        return max(1, UInt32(truncatingIfNeeded: hash ^ hash >> 32))
    }

    /// Eight bytes at a time by a multiplication whose halves are folded: fast, and no guard against keys that are made to
    /// collide, as nothing depends on it.
    static func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
        var hash = 0x9E37_79B9_7F4A_7C15 ^ UInt64(key.count)
        func mix(_ word: UInt64) {
            let product = (hash ^ word).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
            hash = product.high ^ product.low
        }
        var start = 0
        while start + 8 <= key.count {
            mix(key.loadUnaligned(fromByteOffset: start, as: UInt64.self))
            start += 8
        }
        var last: UInt64 = 0
        while start < key.count {
            last = last << 8 | UInt64(key[start])
            start += 1
        }
        mix(last)
        return hash
    }
}

extension Target {
    /// Whether it can be asked before a batch's turn which of its keys are there: where the loader can compare keys.
    package var tellsKeysEarly: Bool {
        mode != .insert && keyCount > 0 && !asksForSameKeys && [.table, .partitioned].contains(table.kind)
    }
}
