import Records

enum FuzzedCompression {
    /// So that a small input that becomes much is met, too.
    private static let limit = 1 << 20

    /// The first part is a header, and the second a value.
    static func value(_ input: UnsafeRawBufferPointer) {
        let (header, value) = input.divided
        let decompressor = Decompressor(limit: limit)
        for _ in 0..<2 {
            decompressor.reset()
            guard (try? decompressor.add(header)) != nil else { return }
            // The second time with the rooms of the first.
            Walk.look(at: try? decompressor.value(of: value, padding: 64))
        }
        Walk.look(at: try? decompressor.inflate(value, padding: 64))
    }

    /// What Python's gzip, zlib and a bare stream of it make of `abc`, and zstd's frame of a raw block with it.
    static let values: [[UInt8]] = [
        .joined(
            Array("gzip".utf8),
            [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 0xFF, 0x4B, 0x4C, 0x4A, 6, 0, 0xC2, 0x41, 0x24, 0x35, 3, 0, 0, 0]),
        .joined(Array("deflate".utf8), [0x78, 0x9C, 0x4B, 0x4C, 0x4A, 6, 0, 2, 0x4D, 1, 0x27]),
        .joined(Array("Deflate, identity".utf8), [0x4B, 0x4C, 0x4A, 6, 0]),
        .joined(Array("zstd".utf8), [0x28, 0xB5, 0x2F, 0xFD, 0x20, 3, 0x19, 0, 0, 0x61, 0x62, 0x63]),
        .joined(Array("gzip, zstd".utf8), [0x28, 0xB5, 0x2F, 0xFD, 0x20, 3, 0x19, 0, 0, 0x1F, 0x8B, 8]),
    ]
}
