import Postgres

/// Tells the order of rows of a key by the columns that say which is newer, from their encoded fields.
struct VersionRanks {
    private let target: Target
    private var scratch: [(version: [UInt8], place: Int)] = []

    init(_ target: Target) { self.target = target }

    /// - Returns: for each row its rank, which is 0 if all of its columns are NULL, and the highest there is for a deletion without any.
    mutating func ranks(_ rows: [RowReference], _ sections: [Batch.Section]) -> [Int] {
        var ranks = [Int](repeating: .max, count: rows.count)
        scratch.removeAll(keepingCapacity: true)
        for (place, row) in rows.enumerated() {
            let section = sections[Int(row.section)]
            guard let fields = section.versions(of: Int(row.row), target) else { continue }
            scratch.append((version(fields), place))
        }
        scratch.sort { $0.version.lexicographicallyPrecedes($1.version) }
        var rank = 0
        for (index, entry) in scratch.enumerated() {
            let isSilent = entry.version.allSatisfy { $0 == 0 } && entry.version.count == target.versionCount
            if !isSilent, index == 0 || scratch[index - 1].version != entry.version { rank += 1 }
            ranks[entry.place] = isSilent ? 0 : rank
        }
        return ranks
    }

    /// In a form whose bytes are in the order of the values: NULL before all others.
    private func version(_ fields: UnsafeRawBufferPointer) -> [UInt8] {
        var version: [UInt8] = []
        var start = 0
        for index in target.versions {
            let length = Int(Int32(bigEndian: fields.loadUnaligned(fromByteOffset: start, as: Int32.self)))
            start += 4
            guard length >= 0 else {
                version.append(0)
                continue
            }
            version.append(1)
            let from = version.count
            version.append(contentsOf: fields[start..<start + length])
            if target.columns[index].type.withoutDomain.isSigned, from < version.count { version[from] ^= 0x80 }
            start += length
        }
        return version
    }
}

extension Target {
    /// Whether the versions of two rows can be compared by their bytes.
    var comparesVersions: Bool {
        format == .binary && versions.allSatisfy { columns[$0].type.withoutDomain.isOrderedInBinary }
    }
}

extension PostgresType {
    /// int8, int2, int4, money, date, time, timestamp and timestamptz: a signed integer, most significant byte first.
    fileprivate var isSigned: Bool { [20, 21, 23, 790, 1082, 1083, 1114, 1184].contains(oid) }

    /// Those, bool, oid and uuid: all values as long as each other.
    fileprivate var isOrderedInBinary: Bool { shape == .base && (isSigned || [16, 26, 2950].contains(oid)) }
}

extension Batch.Section {
    /// The fields of a row that say how new it is, one behind the other as COPY wants them; nil for a deletion that has none.
    func versions(of row: Int, _ target: Target) -> UnsafeRawBufferPointer? {
        let entry = rows[row]
        let isBinary = target.format == .binary
        let start = entry.start + Int(entry.keyCount) + (isBinary ? 2 : 0)
        let end = isBinary ? entry.end : entry.end - 1
        guard start < end else { return nil }
        var fields = RowFields(entry, of: self, target.format)
        for _ in 0..<target.keyCount { _ = fields.next() }
        let first = fields.next()
        guard let begin = first.baseAddress else { return nil }
        var last = first
        for _ in 1..<max(1, target.versionCount) { last = fields.next() }
        guard let finish = last.baseAddress else { return nil }
        return UnsafeRawBufferPointer(start: begin, count: finish - begin + last.count)
    }
}
