/// Which message of a schema of Protobuf it is, as it stands between the schema's id and the message: the place of a
/// message in its file, then of one in that, and so on. Numbers are varints, the first says how many; `[0]`, the most
/// frequent, is the single byte 00.
public struct MessageIndexes: Equatable, Sendable {
    /// How the numbers are written, which the bytes do not tell: 02 is one zigzag and two plain.
    public enum Numbers: String, Sendable, CaseIterable {
        case zigzag
        /// As old clients of Confluent's wrote them, for Python and .NET, and newer ones with `use.deprecated.format`.
        case plain
    }

    public var path: [Int32]
    /// Where the message begins.
    public var end: Int

    /// Protobuf's compilers take no messages that lie deeper in each other.
    private static let deepest = 64

    public init(path: [Int32], end: Int) {
        self.path = path
        self.end = end
    }

    /// - Returns: nil if there are none at that place.
    public init?(in bytes: UnsafeRawBufferPointer, at start: Int, _ numbers: Numbers = .zigzag) {
        var place = start
        guard let count = Self.number(bytes, &place, numbers), count >= 0, count <= Self.deepest else { return nil }
        path = []
        for _ in 0..<count {
            guard let index = Self.number(bytes, &place, numbers), index >= 0 else { return nil }
            path.append(index)
        }
        if path.isEmpty { path = [0] }
        end = place
    }

    private static func number(
        _ bytes: UnsafeRawBufferPointer, _ place: inout Int, _ numbers: Numbers
    ) -> Int32? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 35, by: 7) {
            guard place < bytes.count else { return nil }
            let byte = bytes[place]
            place += 1
            value |= UInt64(byte & 0x7F) << shift
            guard byte & 0x80 == 0 else { continue }
            guard value <= UInt32.max else { return nil }
            let word = UInt32(value)
            if numbers == .plain { return Int32(exactly: word) }
            return Int32(bitPattern: word >> 1) ^ -Int32(bitPattern: word & 1)
        }
        return nil
    }
}
