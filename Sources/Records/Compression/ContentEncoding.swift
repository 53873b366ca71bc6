/// How a producer has compressed a message's value, as its header `content-encoding` says it (RFC 9110, 8.4).
enum ContentEncoding: UInt8 {
    case gzip, deflate, zstd

    /// - Parameter name: without white space around it, in any case; nil for one that nobody reads here.
    private init?(_ name: UnsafeRawBufferPointer) {
        if name.isWord("gzip") || name.isWord("x-gzip") {
            self = .gzip
        } else if name.isWord("deflate") {
            self = .deflate
        } else if name.isWord("zstd") {
            self = .zstd
        } else {
            return nil
        }
    }

    /// Those that a producer may well have used. Whatever else a header says is not repeated: it may be anything.
    private static let others: [StaticString] = [
        "br", "brotli", "compress", "x-compress", "lz4", "snappy", "bzip2", "xz", "lzma",
    ]

    /// Adds what a header says, in the order in which the value was compressed.
    ///
    /// - Parameter header: names with commas between them.
    static func add(_ header: UnsafeRawBufferPointer, to all: inout [ContentEncoding]) throws(DecodingFailure) {
        var start = 0
        while start <= header.count {
            let end = header[start...].firstIndex(of: UInt8(ascii: ",")) ?? header.count
            let name = UnsafeRawBufferPointer(rebasing: header[start..<end]).withoutOuterSpace
            start = end + 1
            if name.isEmpty || name.isWord("identity") { continue }
            guard let encoding = ContentEncoding(name) else {
                let known = others.first { name.isWord($0) }.map { "\($0)" }
                throw DecodingFailure(
                    .invalidSyntax,
                    "is compressed with \(known ?? "something that nobody knows here"), by its header content-encoding; "
                        + "gzip, deflate and zstd are read")
            }
            all.append(encoding)
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Whether it is a word of ASCII in any case.
    package func isWord(_ word: StaticString) -> Bool {
        guard count == word.utf8CodeUnitCount else { return false }
        for place in 0..<count where self[place] | 0x20 != word.utf8Start[place] | 0x20 { return false }
        return true
    }

    fileprivate var withoutOuterSpace: UnsafeRawBufferPointer {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var (first, end) = (0, count)
        while first < end, isSpace(self[first]) { first += 1 }
        while first < end, isSpace(self[end - 1]) { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: self[first..<end])
    }
}
